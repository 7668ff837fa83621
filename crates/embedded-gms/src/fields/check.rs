//! The check of one aspect.

use serde_json::{Map, Value};

use super::table::{Record, TABLE, Type};
use crate::failure::Failure;
use crate::urn::Urn;

/// The greatest number of problems in a message.
const MAX_PROBLEMS: usize = 20;

/// Checks the JSON text of an aspect. Aspects of custom models are not checked.
///
/// # Errors
/// 422 with all problems: unknown and missing fields, and values of a wrong type.
pub(crate) fn check(urn: &Urn, aspect: &str, text: &str) -> Result<(), Failure> {
    let Some(class) = TABLE.aspects.get(aspect) else { return Ok(()) };
    let mut problems = Problems::default();
    match serde_json::from_str::<Value>(text) {
        Ok(value) => named(class, &value, &Path::default(), &mut problems),
        Err(error) => problems.add(&Path::default(), &error.to_string()),
    }
    if problems.number == 0 {
        return Ok(());
    }
    if problems.number > MAX_PROBLEMS {
        problems.lines.push(format!("and {} more", problems.number - MAX_PROBLEMS));
    }
    Err(Failure::unprocessable(format!(
        "Failed to validate record with class {class}: {} EntityAspect:({urn},{aspect})",
        problems.lines.join("\n")
    )))
}

#[derive(Default)]
struct Problems {
    /// The first ones.
    lines: Vec<String>,
    number: usize,
}

impl Problems {
    fn add(&mut self, path: &Path<'_>, problem: &str) {
        self.number += 1;
        if self.number <= MAX_PROBLEMS {
            self.lines.push(format!("ERROR :: {path} :: {problem}"));
        }
    }
}

/// The place of a value in its aspect.
#[derive(Clone, Copy, Default)]
struct Path<'a>(Option<(&'a Self, Step<'a>)>);

#[derive(Clone, Copy)]
enum Step<'a> {
    Member(&'a str),
    Element(usize),
}

impl<'a> Path<'a> {
    fn member(&'a self, name: &'a str) -> Self {
        Self(Some((self, Step::Member(name))))
    }

    fn element(&'a self, index: usize) -> Self {
        Self(Some((self, Step::Element(index))))
    }
}

impl std::fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            None => Ok(()),
            Some((parent, Step::Member(name))) => write!(f, "{parent}/{name}"),
            Some((parent, Step::Element(index))) => write!(f, "{parent}/{index}"),
        }
    }
}

fn of_type(r#type: &Type, value: &Value, path: &Path<'_>, problems: &mut Problems) {
    match r#type {
        Type::Named(name) => named(name, value, path, problems),
        Type::Urn { urn: kinds } => urn(kinds, value, path, problems),
        Type::Array { array } => match value.as_array() {
            Some(items) => {
                for (index, item) in items.iter().enumerate() {
                    of_type(array, item, &path.element(index), problems);
                }
            }
            None => problems.add(path, "array type is not backed by a DataList"),
        },
        Type::Map { map } => match value.as_object() {
            Some(entries) => {
                for (key, entry) in entries {
                    of_type(map, entry, &path.member(key), problems);
                }
            }
            None => problems.add(path, "map type is not backed by a DataMap"),
        },
        Type::Union { union } => of_union(union, value, path, problems),
    }
}

/// A member of a union is an object whose only key is the name of the type.
fn of_union(types: &[Type], value: &Value, path: &Path<'_>, problems: &mut Problems) {
    let mut entries = value.as_object().into_iter().flatten();
    let (Some((tag, member)), None) = (entries.next(), entries.next()) else {
        problems.add(path, "DataMap should have exactly one entry for a union type");
        return;
    };
    if let Some(found) = types.iter().find(|one| one.tag() == tag) {
        of_type(found, member, &path.member(tag), problems);
    } else {
        let known: Vec<_> = types.iter().map(Type::tag).collect();
        problems.add(path, &format!("{tag:?} is not a member type of union {known:?}"));
    }
}

fn named(name: &str, value: &Value, path: &Path<'_>, problems: &mut Problems) {
    if let Some(record) = TABLE.records.get(name) {
        match value.as_object() {
            Some(members) => of_record(record, members, path, problems),
            None => problems.add(path, "record type is not backed by a DataMap"),
        }
    } else if let Some(symbols) = TABLE.enums.get(name) {
        if !value.as_str().is_some_and(|symbol| symbols.iter().any(|known| known == symbol)) {
            problems.add(path, &format!("{value} is not an enum symbol: one of {symbols:?} is"));
        }
    } else {
        // GMS converts between numbers, and nothing else.
        let (fits, class) = match name {
            "string" | "bytes" => (value.is_string(), "String"),
            "boolean" => (value.is_boolean(), "Boolean"),
            "int" => (value.is_number(), "Integer"),
            "long" => (value.is_number(), "Long"),
            "float" => (value.is_number(), "Float"),
            _ => (value.is_number(), "Double"),
        };
        if !fits {
            problems.add(path, &format!("{} cannot be coerced to {class}", shown(value)));
        }
    }
}

fn of_record(record: &Record, members: &Map<String, Value>, path: &Path<'_>, problems: &mut Problems) {
    for (name, member) in members {
        match record.fields.get(name) {
            // Clients omit optional fields without a value, or write null.
            Some(field) if member.is_null() && !field.required => {}
            Some(field) => of_type(&field.r#type, member, &path.member(name), problems),
            None => problems.add(&path.member(name), "unrecognized field found but not allowed"),
        }
    }
    let mut missing: Vec<_> = record
        .fields
        .iter()
        .filter(|(name, field)| field.required && !members.contains_key(*name))
        .map(|(name, _)| name)
        .collect();
    missing.sort();
    for name in missing {
        problems.add(&path.member(name), "field is required but not found and has no default value");
    }
}

fn urn(kinds: &[String], value: &Value, path: &Path<'_>, problems: &mut Problems) {
    match value.as_str().map(Urn::parse) {
        None => problems.add(path, &format!("{} cannot be coerced to String", shown(value))),
        Some(Err(_)) => {
            problems.add(path, &format!("{} cannot be coerced to Urn", shown(value)));
        }
        Some(Ok(urn)) if !kinds.is_empty() && !kinds.iter().any(|kind| kind == urn.entity_type()) => {
            problems.add(
                path,
                &format!(
                    "{urn} has entity type {}, and the field takes {}",
                    urn.entity_type(),
                    kinds.join(" or ")
                ),
            );
        }
        Some(Ok(_)) => {}
    }
}

/// The start of a value.
fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(100) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(aspect: &str, text: &str) -> Vec<String> {
        let urn = Urn::parse("urn:li:dataset:(urn:li:dataPlatform:hive,t,PROD)").unwrap();
        match check(&urn, aspect, text) {
            Ok(()) => Vec::new(),
            Err(failure) => {
                let message = failure.message();
                assert!(message.ends_with(&format!(" EntityAspect:({urn},{aspect})")), "{message}");
                let found = message.split("ERROR :: ").skip(1);
                found.map(|one| one.split(" EntityAspect").next().unwrap().trim().to_owned()).collect()
            }
        }
    }

    #[test]
    fn valid_aspects_pass() {
        for (aspect, text) in [
            ("status", r#"{"removed":false}"#),
            ("status", "{}"),
            (
                "datasetProperties",
                r#"{"name":"t","description":null,"customProperties":{"a":"b"},"created":{"time":1}}"#,
            ),
            ("ownership", r#"{"owners":[{"owner":"urn:li:corpGroup:g","type":"DATAOWNER"}]}"#),
            (
                "chartInfo",
                r#"{"title":"t","description":"","lastModified":{},"inputs":[{"string":"urn:li:dataset:(a,b,PROD)"}]}"#,
            ),
            (
                "schemaMetadata",
                r#"{"schemaName":"s","platform":"urn:li:dataPlatform:hive","version":0,"hash":"","platformSchema":
                   {"com.linkedin.schema.OtherSchema":{"rawSchema":""}},"fields":[{"fieldPath":"a","nativeDataType":"int",
                   "type":{"type":{"com.linkedin.schema.NumberType":{}}}}]}"#,
            ),
            (
                "structuredProperties",
                r#"{"properties":[{"propertyUrn":"urn:li:structuredProperty:p","values":[{"double":1.5},{"string":"x"}]}]}"#,
            ),
            ("customAspectOfSomeone", r#"{"anything":1}"#),
        ] {
            assert_eq!(problems(aspect, text), [""; 0], "{aspect}");
        }
    }

    #[test]
    fn every_kind_of_mistake_is_found() {
        for (aspect, text, expected) in [
            ("status", r#"{"removed":false,"foo":1}"#, "/foo :: unrecognized field found but not allowed"),
            ("status", r#"{"removed":"no"}"#, r#"/removed :: "no" cannot be coerced to Boolean"#),
            ("globalTags", "{}", "/tags :: field is required but not found and has no default value"),
            ("globalTags", r#"{"tags":null}"#, "/tags :: array type is not backed by a DataList"),
            (
                "globalTags",
                r#"{"tags":[{"tag":"urn:li:glossaryTerm:a"}]}"#,
                "/tags/0/tag :: urn:li:glossaryTerm:a has entity type glossaryTerm, and the field takes tag",
            ),
            ("globalTags", r#"{"tags":[{"tag":"pii"}]}"#, r#"/tags/0/tag :: "pii" cannot be coerced to Urn"#),
            (
                "upstreamLineage",
                r#"{"upstreams":[{"dataset":"urn:li:dataset:(a,b,PROD)","type":"COPIED"}]}"#,
                r#"/upstreams/0/type :: "COPIED" is not an enum symbol: one of ["COPY", "TRANSFORMED", "VIEW"] is"#,
            ),
            (
                "datasetProperties",
                r#"{"customProperties":{"n":1}}"#,
                "/customProperties/n :: 1 cannot be coerced to String",
            ),
            ("datasetProperties", r#"{"created":5}"#, "/created :: record type is not backed by a DataMap"),
            (
                "chartInfo",
                r#"{"title":"t","description":"","lastModified":{},"inputs":["urn:li:dataset:(a,b,PROD)"]}"#,
                "/inputs/0 :: DataMap should have exactly one entry for a union type",
            ),
            (
                "structuredProperties",
                r#"{"properties":[{"propertyUrn":"urn:li:structuredProperty:p","values":[{"int":1}]}]}"#,
                r#"/properties/0/values/0 :: "int" is not a member type of union ["string", "double"]"#,
            ),
        ] {
            assert_eq!(problems(aspect, text), [expected], "{aspect} {text}");
        }
    }

    #[test]
    fn all_problems_are_named_up_to_a_number() {
        assert_eq!(problems("status", r#"{"a":1,"b":2}"#).len(), 2);
        let many: Map<String, Value> = (0..50).map(|n| (format!("x{n}"), Value::Null)).collect();
        let found = problems("status", &Value::Object(many).to_string());
        assert_eq!(found.len(), MAX_PROBLEMS);
        assert!(found[MAX_PROBLEMS - 1].ends_with("and 30 more"), "{found:?}");
        let deep = format!("{{\"removed\":{}{}}}", "[".repeat(1000), "]".repeat(1000));
        assert_eq!(problems("status", &deep).len(), 1);
    }
}
