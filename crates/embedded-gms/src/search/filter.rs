//! Search filters (`Filter.pdl`, `Criterion.pdl`).

use serde::Deserialize;

use super::type_name::normalized;

/// The field with the entity type, which has several spellings.
pub(super) const ENTITY_TYPE: &str = "_entityType";

/// One of the lists must match; without any list, everything matches.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Filter {
    #[serde(default)]
    pub(crate) or: Vec<Conjunction>,
    /// The older form with a single list, used if `or` is empty.
    #[serde(default)]
    pub(crate) criteria: Vec<Criterion>,
}

/// All criteria must match.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Conjunction {
    pub(crate) and: Vec<Criterion>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Criterion {
    pub(crate) field: String,
    /// The form with a single value, used if `values` is empty.
    #[serde(default)]
    pub(crate) value: Option<String>,
    #[serde(default)]
    pub(crate) values: Vec<String>,
    #[serde(default)]
    pub(crate) condition: Condition,
    #[serde(default)]
    pub(crate) negated: bool,
}

/// How a value is compared (`Condition.pdl`). Conditions on related entities (`DESCENDANTS_INCL` and others)
/// need a graph and are refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Condition {
    #[default]
    Equal,
    Iequal,
    In,
    Contain,
    StartWith,
    EndWith,
    Exists,
    IsNull,
    GreaterThan,
    GreaterThanOrEqualTo,
    LessThan,
    LessThanOrEqualTo,
}

impl Filter {
    pub(super) fn is_empty(&self) -> bool {
        self.lists().all(<[_]>::is_empty)
    }

    pub(super) fn is_about(&self, field: &str) -> bool {
        self.lists().flatten().any(|criterion| criterion.field() == field)
    }

    /// Whether the filter matches a record with these field values, as text.
    pub(crate) fn takes(&self, values: impl Fn(&str) -> Vec<String>) -> bool {
        self.lists().any(|list| list.iter().all(|one| one.is_met(&values(one.field())) != one.negated))
    }

    pub(super) fn lists(&self) -> impl Iterator<Item = &[Criterion]> {
        let old = self.or.is_empty().then_some(self.criteria.as_slice());
        self.or.iter().map(|conjunction| conjunction.and.as_slice()).chain(old)
    }
}

impl Criterion {
    /// The field, without the suffix for exact comparison.
    pub(super) fn field(&self) -> &str {
        self.field.strip_suffix(".keyword").unwrap_or(&self.field)
    }

    /// The values; entity types in normalized form.
    pub(super) fn wanted(&self) -> Vec<String> {
        let type_wanted = self.field() == ENTITY_TYPE;
        let single = if self.values.is_empty() { self.value.as_slice() } else { &[] };
        let spelt = |value: &String| if type_wanted { normalized(value) } else { value.clone() };
        self.values.iter().chain(single).map(spelt).collect()
    }

    fn is_met(&self, found: &[String]) -> bool {
        use Condition::{
            Contain, EndWith, Equal, Exists, GreaterThan, GreaterThanOrEqualTo, Iequal, In, IsNull, LessThan,
            LessThanOrEqualTo, StartWith,
        };
        let wanted = self.wanted();
        let any = |test: fn(&str, &str) -> bool| {
            found.iter().any(|found| wanted.iter().any(|wanted| test(found.as_str(), wanted.as_str())))
        };
        match self.condition {
            Equal | In => any(|found, wanted| found == wanted),
            Iequal => any(|found, wanted| found.to_lowercase() == wanted.to_lowercase()),
            Contain => any(|found, wanted| found.contains(wanted)),
            StartWith => any(|found, wanted| found.starts_with(wanted)),
            EndWith => any(|found, wanted| found.ends_with(wanted)),
            Exists => !found.is_empty(),
            IsNull => found.is_empty(),
            GreaterThan => any(|found, wanted| numbers(found, wanted, |one, other| one > other)),
            GreaterThanOrEqualTo => any(|found, wanted| numbers(found, wanted, |one, other| one >= other)),
            LessThan => any(|found, wanted| numbers(found, wanted, |one, other| one < other)),
            LessThanOrEqualTo => any(|found, wanted| numbers(found, wanted, |one, other| one <= other)),
        }
    }
}

fn numbers(found: &str, wanted: &str, test: fn(f64, f64) -> bool) -> bool {
    matches!((found.parse(), wanted.parse()), (Ok(found), Ok(wanted)) if test(found, wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn met(condition: &str, wanted: &[&str], found: &[&str]) -> bool {
        let criterion = serde_json::json!({"field": "x", "values": wanted, "condition": condition});
        let found: Vec<_> = found.iter().map(|text| (*text).to_owned()).collect();
        serde_json::from_value::<Criterion>(criterion).unwrap().is_met(&found)
    }

    #[test]
    fn every_condition_can_match_and_fail() {
        for (condition, wanted, yes, no) in [
            ("EQUAL", "ab", "ab", "AB"),
            ("IEQUAL", "ab", "AB", "b"),
            ("IN", "ab", "ab", "a"),
            ("CONTAIN", "b", "abc", "ac"),
            ("START_WITH", "a", "ab", "ba"),
            ("END_WITH", "a", "ba", "ab"),
            ("GREATER_THAN", "9", "10", "9"),
            ("GREATER_THAN_OR_EQUAL_TO", "9", "9", "8.5"),
            ("LESS_THAN", "10", "9", "10"),
            ("LESS_THAN_OR_EQUAL_TO", "10", "10", "10.5"),
        ] {
            assert!(met(condition, &["?", wanted], &["-", yes]), "{condition}");
            assert!(!met(condition, &["?", wanted], &["-", no]), "{condition}");
            assert!(!met(condition, &[wanted], &[]), "{condition}");
        }
        assert!(met("EXISTS", &[], &["x"]) && !met("EXISTS", &[], &[]));
        assert!(met("IS_NULL", &[], &[]) && !met("IS_NULL", &[], &["x"]));
        assert!(!met("LESS_THAN", &["x"], &["1"]));
    }

    #[test]
    fn all_criteria_of_one_list_must_match() {
        let filter = |text: &str| serde_json::from_str::<Filter>(text).unwrap();
        let takes = |text: &str| filter(text).takes(|field| vec![field.to_uppercase()]);
        let (yes, no) = (r#"{"field":"a","values":["A"]}"#, r#"{"field":"b.keyword","values":["b"]}"#);
        let turned = no.replace('}', r#","negated":true}"#);
        assert!(takes("{}") && takes(r#"{"or":[{"and":[]}]}"#));
        assert!(takes(&format!(r#"{{"or":[{{"and":[{no}]}},{{"and":[{yes},{turned}]}}]}}"#)));
        assert!(!takes(&format!(r#"{{"or":[{{"and":[{yes},{no}]}}]}}"#)));
        assert!(takes(&format!(r#"{{"criteria":[{yes}]}}"#)) && !takes(&format!(r#"{{"criteria":[{no}]}}"#)));
        assert!(filter(&format!(r#"{{"criteria":[{no}]}}"#)).is_about("b"));
        assert!(filter("{}").is_empty() && !filter(&format!(r#"{{"criteria":[{no}]}}"#)).is_empty());
        assert!(serde_json::from_str::<Filter>(r#"{"and":[]}"#).is_err());
    }

    #[test]
    fn a_single_value_is_accepted_and_an_unknown_condition_refused() {
        let old: Criterion = serde_json::from_str(r#"{"field":"x","value":"a"}"#).unwrap();
        assert!(old.is_met(&["a".to_owned()]));
        assert!(!old.is_met(&["b".to_owned()]));
        let of_type: Criterion =
            serde_json::from_str(r#"{"field":"_entityType","values":["DATA_JOB"]}"#).unwrap();
        assert!(of_type.is_met(&[normalized("dataJob")]));
        let unknown = r#"{"field":"x","values":["a"],"condition":"DESCENDANTS_INCL"}"#;
        assert!(serde_json::from_str::<Criterion>(unknown).is_err());
    }
}
