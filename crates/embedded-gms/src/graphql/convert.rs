//! Conversions from stored JSON to the types of the schema.

use async_graphql::{Number, Value as GraphqlValue};
use serde_json::{Map, Value, json};

/// A scalar; `None` if the value cannot be one.
pub(super) fn scalar(r#type: &str, value: Value) -> Option<GraphqlValue> {
    match (r#type, value) {
        ("Boolean", Value::Bool(flag)) => Some(flag.into()),
        ("Boolean", Value::String(text)) => text.parse::<bool>().ok().map(Into::into),
        ("Int" | "Long", value) => integer(&value).map(|number| GraphqlValue::Number(number.into())),
        ("Float", Value::Number(number)) => {
            number.as_f64().and_then(Number::from_f64).map(GraphqlValue::Number)
        }
        ("Float", Value::String(text)) => {
            text.parse().ok().and_then(Number::from_f64).map(GraphqlValue::Number)
        }
        ("Boolean" | "Float", _) | (_, Value::Null) => None,
        (_, Value::String(text)) => Some(GraphqlValue::String(text)),
        (_, other) => Some(GraphqlValue::String(other.to_string())),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a fraction in place of an integer is cut, as in Java")]
fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64().or_else(|| number.as_f64().map(|number| number as i64)),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// The value of a required scalar that an aspect does not have.
pub(super) fn zero(r#type: &str) -> GraphqlValue {
    match r#type {
        "Boolean" => false.into(),
        "Int" | "Long" | "Float" => 0.into(),
        _ => GraphqlValue::String(String::new()),
    }
}

/// The entries of a map, as records.
pub(super) fn entries(map: Map<String, Value>) -> Vec<Value> {
    map.into_iter().map(|(key, value)| json!({"key": key, "value": value})).collect()
}

/// The object type and the record of a member of a union; `None` if it has none.
pub(super) fn member_of_union(union: &str, value: &Value) -> Option<(&'static str, Value)> {
    if union == "PlatformSchema" {
        return platform_schema(value);
    }
    // Pegasus tags the member of a union with its type.
    let (tag, member) = value.as_object()?.iter().next()?;
    match (union, tag.as_str()) {
        ("PropertyValue", "string") => Some(("StringValue", json!({"stringValue": member}))),
        ("PropertyValue", "double") => Some(("NumberValue", json!({"numberValue": member}))),
        _ => None,
    }
}

/// `PlatformSchemaMapper`
fn platform_schema(value: &Value) -> Option<(&'static str, Value)> {
    let (class, schema) = value.as_object()?.iter().next()?;
    if class.ends_with(".KeyValueSchema") {
        return Some(("KeyValueSchema", schema.clone()));
    }
    let text =
        ["tableSchema", "rawSchema", "documentSchema", "schema"].iter().find_map(|name| schema.get(name))?;
    Some(("TableSchema", json!({"schema": text})))
}

/// The symbol of a column's type, from its class.
pub(super) fn column_type(value: &Value) -> Value {
    let class = value.get("type").and_then(Value::as_object).and_then(|tagged| tagged.keys().next());
    let simple = class.and_then(|class| class.rsplit('.').next()).unwrap_or_default();
    match simple.strip_suffix("Type").unwrap_or(simple) {
        "Record" => "STRUCT".into(),
        "" => "NULL".into(),
        other => other.to_uppercase().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_take_the_type_of_the_schema() {
        for (r#type, value, expected) in [
            ("String", json!("a"), Some(GraphqlValue::from("a"))),
            ("String", json!(1), Some("1".into())),
            ("Long", json!("12"), Some(12.into())),
            ("Long", json!(1.9), Some(1.into())),
            ("Boolean", json!("true"), Some(true.into())),
            ("Boolean", json!(1), None),
            ("Float", json!(2), Some(2.0.into())),
            ("Int", json!([]), None),
        ] {
            assert_eq!(scalar(r#type, value.clone()), expected, "{type} {value}");
        }
    }

    #[test]
    fn unions_are_told_apart_by_their_tags() {
        assert_eq!(member_of_union("PropertyValue", &json!({"double": 1.5})).unwrap().0, "NumberValue");
        let other = json!({"com.linkedin.schema.OtherSchema": {"rawSchema": "x"}});
        assert_eq!(member_of_union("PlatformSchema", &other), Some(("TableSchema", json!({"schema": "x"}))));
        assert_eq!(member_of_union("PlatformSchema", &json!({"com.linkedin.schema.Schemaless": {}})), None);
        assert_eq!(column_type(&json!({"type": {"com.linkedin.schema.RecordType": {}}})), "STRUCT");
        assert_eq!(column_type(&json!({"type": {"com.linkedin.schema.NumberType": {}}})), "NUMBER");
    }
}
