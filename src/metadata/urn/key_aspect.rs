//! From a key aspect to the URN that it stands for (`EntityKeyUtils.convertEntityKeyToUrn`).

use super::Urn;
use super::key::{self, Part};
use crate::metadata::json::{Cursor, JsonError, Kind};
use crate::metadata::model;
use crate::suggest::suggestion;

/// The text is not a key aspect of the entity type, or the fields of such keys are not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct KeyAspectError {
    reason: String,
}

impl KeyAspectError {
    fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into() }
    }
}

impl From<JsonError> for KeyAspectError {
    fn from(error: JsonError) -> Self {
        Self::new(format!("the key is not valid JSON: {error}"))
    }
}

impl Urn {
    /// The URN of the entity of this type whose key aspect has this JSON text.
    ///
    /// ```
    /// use datahub_emitter::metadata::Urn;
    ///
    /// let key = r#"{"flow":"urn:li:dataFlow:(airflow,daily,PROD)","jobId":"load"}"#;
    /// let urn = Urn::from_key_aspect("dataJob", key)?;
    /// assert_eq!(urn.as_str(), "urn:li:dataJob:(urn:li:dataFlow:(airflow,daily,PROD),load)");
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the fields of such keys are not known, when `key` is not a JSON object of these fields, each of
    /// them a string and no others, or when a value cannot be part of a URN: `,` and unpaired parentheses
    /// must be percent-encoded, as DataHub's Python client does.
    pub fn from_key_aspect(entity_type: &str, key: &str) -> Result<Self, KeyAspectError> {
        let lenient = Self::from_key_aspect_lenient(entity_type, key)?;
        let urn = Self::parse(lenient.as_str()).map_err(|error| KeyAspectError::new(error.to_string()))?;
        match key::problem(entity_type, urn.key()) {
            None => Ok(urn),
            Some(problem) => Err(KeyAspectError::new(format!("{urn} is not valid: {problem}"))),
        }
    }

    /// As [`from_key_aspect`](Self::from_key_aspect), for a key of a record: the values may be ones that GMS
    /// does not store.
    pub(in crate::metadata) fn from_key_aspect_lenient(
        entity_type: &str,
        key: &str,
    ) -> Result<Self, KeyAspectError> {
        let parts = key::key(entity_type).ok_or_else(|| {
            let hint = suggestion(entity_type, model::entity_types());
            KeyAspectError::new(format!("the key of entities of type `{entity_type}` is not known{hint}"))
        })?;
        let values = values(entity_type, parts, key)?;
        let key = match &*values {
            [only] => only.clone(),
            several => format!("({})", several.join(",")),
        };
        Self::parse_lenient(&format!("urn:li:{entity_type}:{key}"))
            .map_err(|error| KeyAspectError::new(error.to_string()))
    }
}

/// The values of the key's fields, in the order of the key.
fn values(entity_type: &str, parts: &[Part], key: &str) -> Result<Vec<String>, KeyAspectError> {
    let wrong = |what: &str| Err(KeyAspectError::new(format!("the key of a {entity_type}{what}")));
    let mut values = vec![None; parts.len()];
    let mut cursor = Cursor::new(key.as_bytes(), usize::MAX)?;
    let kind = cursor.kind()?;
    if kind != Kind::Object {
        return wrong(&format!(": expected an object, found {}", kind.name()));
    }
    let mut object = cursor.object()?;
    while let Some(field) = cursor.key(&mut object)? {
        let field = field.decode()?;
        let kind = cursor.kind()?;
        if kind == Kind::Null {
            cursor.skip()?;
            continue;
        }
        let known = parts.iter().zip(&mut values).find(|(part, _)| part.field() == field);
        let Some((part, value)) = known else {
            let hint = suggestion(&field, parts.iter().map(|part| part.field()));
            return wrong(&format!(" has no field `{field}`{hint}"));
        };
        if kind != Kind::String {
            return wrong(&format!(": {field}: expected a string, found {}", kind.name()));
        }
        let text = cursor.string()?.decode()?;
        if !part.accepts(&text) {
            let shown: String = text.chars().take(80).collect();
            return wrong(&format!(": {field}: expected {}, found {shown:?}", part.expected()));
        }
        if value.replace(text.into_owned()).is_some() {
            return wrong(&format!(" has the field `{field}` twice"));
        }
    }
    cursor.end()?;
    let missing: Vec<_> = parts
        .iter()
        .zip(&values)
        .filter(|(_, value)| value.is_none())
        .map(|(part, _)| part.field())
        .collect();
    if missing.is_empty() {
        return Ok(values.into_iter().flatten().collect());
    }
    wrong(&format!(" lacks `{}`", missing.join("`, `")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(entity_type: &str, key: &str, expected: &str) {
        let urn = Urn::from_key_aspect(entity_type, key).unwrap();
        assert_eq!(urn.as_str(), expected);
        assert_eq!(urn.storage_problem(), None);
    }

    #[track_caller]
    fn check_error(entity_type: &str, key: &str, expected: &str) {
        assert_eq!(Urn::from_key_aspect(entity_type, key).unwrap_err().to_string(), expected);
    }

    #[test]
    fn a_key_of_one_part_is_the_part() {
        for (entity_type, field) in [
            ("assertion", "assertionId"),
            ("container", "guid"),
            ("corpGroup", "name"),
            ("corpuser", "username"),
            ("dataPlatform", "platformName"),
            ("dataHubExecutionRequest", "id"),
            ("domain", "id"),
            ("glossaryTerm", "name"),
            ("tag", "name"),
        ] {
            let key = format!(r#"{{"{field}":"caf\u00e9 (1, 2)"}}"#);
            check(entity_type, &key, &format!("urn:li:{entity_type}:café (1, 2)"));
        }
    }

    #[test]
    fn a_key_of_several_parts_has_them_in_the_records_order() {
        check(
            "dataset",
            r#"{ "origin": "PROD", "name": "db.k (1,2)", "platform": "urn:li:dataPlatform:hive", "x": null }"#,
            "urn:li:dataset:(urn:li:dataPlatform:hive,db.k (1,2),PROD)",
        );
        check("chart", r#"{"chartId":"c","dashboardTool":"looker"}"#, "urn:li:chart:(looker,c)");
        check(
            "schemaField",
            r#"{"parent":"urn:li:dataset:(urn:li:dataPlatform:hive,a,PROD)","fieldPath":"x"}"#,
            "urn:li:schemaField:(urn:li:dataset:(urn:li:dataPlatform:hive,a,PROD),x)",
        );
        check("mlPrimaryKey", r#"{"featureNamespace":"n","name":"k"}"#, "urn:li:mlPrimaryKey:(n,k)");
    }

    #[test]
    fn each_entity_type_has_a_key() {
        for entity_type in model::entity_types() {
            let parts = key::key(entity_type).unwrap();
            let record: serde_json::Map<_, _> = parts
                .iter()
                .map(|part| match *part {
                    Part::Text(field) => (field.to_owned(), "x".into()),
                    Part::Urn(field, start) => (field.to_owned(), format!("{start}dataset:x").into()),
                })
                .collect();
            let urn =
                Urn::from_key_aspect(entity_type, &serde_json::Value::from(record).to_string()).unwrap();
            assert_eq!((urn.entity_type(), urn.storage_problem()), (entity_type, None));
        }
    }

    #[test]
    fn what_is_no_key_is_told() {
        check_error("dataset", "[]", "the key of a dataset: expected an object, found an array");
        check_error(
            "dataset",
            r#"{"platform":"urn:li:dataPlatform:x"}"#,
            "the key of a dataset lacks `name`, `origin`",
        );
        check_error("tag", r#"{"name":null}"#, "the key of a tag lacks `name`");
        check_error("tag", r#"{"nam":"x"}"#, "the key of a tag has no field `nam`; did you mean `name`?");
        check_error("tag", r#"{"name":"x","name":"x"}"#, "the key of a tag has the field `name` twice");
        check_error("tag", r#"{"name":5}"#, "the key of a tag: name: expected a string, found a number");
        check_error(
            "tag",
            r#"{"name":""}"#,
            r#"the key of a tag: name: expected a non-empty text, found """#,
        );
        check_error(
            "mlFeatureTable",
            r#"{"platform":"hive","name":"x"}"#,
            r#"the key of a mlFeatureTable: platform: expected a URN that starts with urn:li:dataPlatform:, found "hive""#,
        );
        check_error(
            "datset",
            "{}",
            "the key of entities of type `datset` is not known; did you mean `dataset`?",
        );
        check_error(
            "tag",
            r#"{"name":"x"} x"#,
            "the key is not valid JSON: expected the end of the text, found `x` (at byte 13)",
        );
        check_error(
            "tag",
            r#"{"name":"\ud800"}"#,
            "the key is not valid JSON: half a surrogate pair in a string that must be text: expected both halves (at byte 9)",
        );
    }
}
