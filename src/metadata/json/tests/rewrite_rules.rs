//! The rules of rewriting once more, on trees and without thought of speed.

use proptest::prelude::*;
use serde_json::Value;

use super::rewrite::rewritten;
use crate::metadata::model::{self, Node, Role};

/// Aspects that have a place of every role.
const ASPECTS: [&str; 5] = ["chartInfo", "corpUserInfo", "cost", "mlModelProperties", "schemaMetadata"];

/// A known aspect as GMS takes it.
fn by_place(value: &Value, node: &'static Node, is_root: bool) -> Value {
    let members = match value {
        Value::Array(items) => return items.iter().map(|item| by_place(item, node.item(), false)).collect(),
        Value::Object(members) => members.iter().filter(|(_, value)| !value.is_null()),
        scalar if node.role == Role::Union => {
            return match scalar {
                Value::String(_) => serde_json::json!({"string": scalar}),
                Value::Number(_) => serde_json::json!({"double": scalar}),
                Value::Bool(_) => serde_json::json!({"boolean": scalar}),
                _ => scalar.clone(),
            };
        }
        scalar => return scalar.clone(),
    };
    let is_record = node.role == Role::Plain;
    let mut kept = Vec::new();
    for (name, value) in members {
        let is_mark = is_record && !is_root && kept.is_empty() && name == "array";
        let member = if is_mark { node } else { node.member(name.as_bytes()) };
        kept.push((name.clone(), by_place(value, member, false)));
    }
    if node.role == Role::AliasedUnion
        && let Some(named) = value.get("fieldDiscriminator").and_then(Value::as_str)
    {
        if kept.iter().any(|(name, _)| name == named) {
            kept.retain(|(name, _)| name == named);
        } else {
            kept.retain(|(name, _)| name != "fieldDiscriminator");
        }
    }
    if let [(name, value)] = &mut *kept {
        let fits = match &**name {
            "string" => value.is_string(),
            "int" | "long" => value.is_i64(),
            "float" | "double" => value.is_number(),
            "boolean" => value.is_boolean(),
            "array" => value.is_array(),
            _ => false,
        };
        if is_record && !is_root && fits {
            return value.take();
        }
        if let Some(class) = name.strip_prefix("com.linkedin.pegasus2avro.")
            && (is_record && !is_root || node.role == Role::Union)
        {
            *name = format!("com.linkedin.{class}");
        }
    }
    Value::Object(kept.into_iter().collect())
}

/// The output of DataHub's client for an aspect that it rewrites by its shape (`pre_json_transform`).
fn by_shape(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(by_shape).collect(),
        Value::Object(members) => {
            let class = match members.iter().next() {
                Some((name, value)) if members.len() == 1 => {
                    name.strip_prefix("com.linkedin.pegasus2avro.").map(|class| (class, value))
                }
                _ => None,
            };
            if let Some((class, value)) = class {
                return serde_json::json!({format!("com.linkedin.{class}"): by_shape(value)});
            }
            if let Some(name) = members.get("fieldDiscriminator").and_then(Value::as_str)
                && let Some(meant) = members.get(name)
            {
                return serde_json::json!({name: by_shape(meant)});
            }
            let kept = members.iter().filter(|(_, value)| !value.is_null());
            kept.map(|(name, value)| (name.clone(), by_shape(value))).collect()
        }
        scalar => scalar.clone(),
    }
}

/// Objects whose names are those that the rules look at.
fn marked() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        Just(serde_json::json!("x")),
        Just(serde_json::json!("a")),
        Just(serde_json::json!(1)),
        Just(serde_json::json!(true)),
    ];
    let names = prop::sample::select(vec![
        "string",
        "int",
        "boolean",
        "array",
        "a",
        "inputs",
        "customProperties",
        "com.linkedin.pegasus2avro.a.B",
        "fieldDiscriminator",
        "cost",
        "hyperParameters",
        "foreignKeysSpecs",
        "foreignKey",
        "fields",
        "type",
    ]);
    leaf.prop_recursive(6, 40, 3, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::vec((names.clone(), inner), 0..3).prop_map(|members| {
                Value::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
            }),
        ]
    })
}

proptest! {
    #[test]
    fn rewriting_twice_is_rewriting_once(
        value in marked(),
        aspect in prop::sample::select(ASPECTS.to_vec()),
    ) {
        let once = rewritten(aspect, &value.to_string());
        prop_assert!(serde_json::from_str::<Value>(&once).is_ok(), "{}", once);
        prop_assert_eq!(rewritten(aspect, &once), once.clone());
        let pretty = serde_json::to_string_pretty(&value).unwrap();
        prop_assert_eq!(rewritten(aspect, &pretty), once);
    }

    #[test]
    fn the_place_decides_what_a_member_is(value in marked(), aspect in prop::sample::select(ASPECTS.to_vec())) {
        let expected = by_place(&value, model::aspect(aspect).unwrap().root, true);
        for text in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
            let ours = rewritten(aspect, &text);
            prop_assert_eq!(serde_json::from_str::<Value>(&ours).unwrap(), expected.clone(), "{}", ours);
        }
    }

    #[test]
    fn the_shape_decides_as_in_datahubs_client(value in marked()) {
        let expected = by_shape(&value);
        for text in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
            let ours = rewritten("ourOwn", &text);
            prop_assert_eq!(serde_json::from_str::<Value>(&ours).unwrap(), expected.clone(), "{}", ours);
        }
    }
}
