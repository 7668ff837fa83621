use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::metadata::model;

/// As the aspect of this name, which may be one that the model does not know.
fn rewritten(aspect: &str, text: &str) -> String {
    let mut out = b"before ".to_vec();
    let mut cursor = Cursor::new(text.as_bytes(), DEFAULT_MAX_DEPTH).unwrap();
    let root = model::aspect(aspect).map_or(&model::UNKNOWN, |model| model.root);
    Rewriter::default().rewrite(&mut cursor, root, &mut out).unwrap();
    cursor.end().unwrap();
    let out = String::from_utf8(out).unwrap();
    out.strip_prefix("before ").unwrap().to_owned()
}

#[track_caller]
fn check(aspect: &str, text: &str, expected: &str) {
    assert_eq!(rewritten(aspect, text), expected, "{text}");
    let mut indented = Vec::new();
    indent(&mut indented, text.as_bytes());
    let indented = String::from_utf8(indented).unwrap();
    assert_eq!(rewritten(aspect, &indented), expected, "{indented}");
    assert_eq!(rewritten(aspect, expected), expected, "again");
}

#[test]
fn null_members_are_left_out_at_every_depth() {
    check("datasetProperties", r#"{"a":null}"#, "{}");
    check("datasetProperties", r#"{"a":null,"b":1}"#, r#"{"b":1}"#);
    check("datasetProperties", r#"{"b":1,"a":null}"#, r#"{"b":1}"#);
    check("datasetProperties", r#"{"a":null,"b":null,"c":1,"d":null,"e":2}"#, r#"{"c":1,"e":2}"#);
    check(
        "ownership",
        r#"{"owners":[{"owner":"x","source":null},{"source":null,"type":{"y":null}}]}"#,
        r#"{"owners":[{"owner":"x"},{"type":{}}]}"#,
    );
}

#[test]
fn null_stays_in_arrays() {
    check("datasetProperties", r#"{"tags":[null,1,{"a":null},[null]]}"#, r#"{"tags":[null,1,{},[null]]}"#);
}

#[test]
fn null_entries_of_maps_are_left_out() {
    check(
        "datasetProperties",
        r#"{"customProperties":{"a":null,"b":"x"}}"#,
        r#"{"customProperties":{"b":"x"}}"#,
    );
}

#[test]
fn a_mark_of_a_nullable_field_is_replaced_by_its_value() {
    check("corpUserInfo", r#"{"active":true,"title":{"string":"CEO"}}"#, r#"{"active":true,"title":"CEO"}"#);
    check("corpUserInfo", r#"{"a":{"boolean":false},"b":{"int":1}}"#, r#"{"a":false,"b":1}"#);
    check(
        "corpUserInfo",
        r#"{"a":{"long":-5},"b":{"double":1},"c":{"float":1e5}}"#,
        r#"{"a":-5,"b":1,"c":1e5}"#,
    );
    check("corpUserInfo", r#"{"a":[{"string":"x"},{"string":"y"}]}"#, r#"{"a":["x","y"]}"#);
    check(
        "corpUserInfo",
        r#"{"a":{"string":"x"},"b":{"c":{"string":"y"},"d":1}}"#,
        r#"{"a":"x","b":{"c":"y","d":1}}"#,
    );
    check("dataProcessInfo", r#"{"inputs":{"array":["a","b"]}}"#, r#"{"inputs":["a","b"]}"#);
    check("corpUserInfo", r#"{"a":{"\u0073tring":"x"}}"#, r#"{"a":"x"}"#);
    check("corpUserInfo", r#"{"a":{"string":"x","b":null}}"#, r#"{"a":"x"}"#);
}

#[test]
fn a_record_that_only_looks_like_a_mark_stays() {
    for same in [
        r#"{"a":{"string":1}}"#,
        r#"{"a":{"string":{"b":1}}}"#,
        r#"{"a":{"int":1.5}}"#,
        r#"{"a":{"int":"1"}}"#,
        r#"{"a":{"boolean":"true"}}"#,
        r#"{"a":{"array":{"b":1}}}"#,
        r#"{"a":{"String":"x"}}"#,
        r#"{"a":{"string":"x","b":1}}"#,
        r#"{"a":{"strings":"x"}}"#,
    ] {
        check("corpUserInfo", same, same);
    }
    // The aspect itself is no field.
    check("status", r#"{"boolean":false}"#, r#"{"boolean":false}"#);
}

#[test]
fn the_tag_of_a_union_stays() {
    for (aspect, text) in [
        ("dataJobInfo", r#"{"name":"x","type":{"string":"SPARK"}}"#),
        ("chartInfo", r#"{"inputs":[{"string":"urn:li:dataset:x"}]}"#),
        (
            "structuredProperties",
            r#"{"properties":[{"propertyUrn":"p","values":[{"string":"a"},{"double":1.0}]}]}"#,
        ),
        ("propertyDefinition", r#"{"allowedValues":[{"value":{"double":5}}]}"#),
        ("mlModelProperties", r#"{"hyperParameters":{"rate":{"double":0.1},"string":{"string":"x"}}}"#),
    ] {
        check(aspect, text, text);
    }
    // A nullable array of unions, as old files have it.
    check(
        "chartInfo",
        r#"{"inputs":{"array":[{"string":"urn:li:dataset:x"}]}}"#,
        r#"{"inputs":[{"string":"urn:li:dataset:x"}]}"#,
    );
}

#[test]
fn classes_move_to_the_servers_namespace() {
    check(
        "schemaMetadata",
        r#"{"platformSchema":{"com.linkedin.pegasus2avro.schema.KafkaSchema":{"documentSchema":"{}","keySchema":null}},"fields":[{"fieldPath":"a","type":{"type":{"com.linkedin.pegasus2avro.schema.ArrayType":{"nestedType":["x"]}}},"description":{"string":"d"}}]}"#,
        r#"{"platformSchema":{"com.linkedin.schema.KafkaSchema":{"documentSchema":"{}"}},"fields":[{"fieldPath":"a","type":{"type":{"com.linkedin.schema.ArrayType":{"nestedType":["x"]}}},"description":"d"}]}"#,
    );
    // Inside of a union's value a field may have a mark.
    check(
        "schemaMetadata",
        r#"{"platformSchema":{"com.linkedin.pegasus2avro.schema.KafkaSchema":{"keySchema":{"string":"k"}}}}"#,
        r#"{"platformSchema":{"com.linkedin.schema.KafkaSchema":{"keySchema":"k"}}}"#,
    );
    // DataHub's client renames by shape, so a union that this model does not know is served too.
    check(
        "datasetProperties",
        r#"{"x":{"com.linkedin.pegasus2avro.a.B":{"c":null}}}"#,
        r#"{"x":{"com.linkedin.a.B":{}}}"#,
    );
}

#[test]
fn classes_beside_other_members_and_in_text_stay() {
    for same in [
        r#"{"platformSchema":{"com.linkedin.pegasus2avro.a.B":{},"c":1}}"#,
        r#"{"platformSchema":{"com.linkedin.schema.MySqlDDL":{"tableSchema":"com.linkedin.pegasus2avro."}}}"#,
        r#"{"com.linkedin.pegasus2avro.a.B":{}}"#,
    ] {
        check("schemaMetadata", same, same);
    }
}

#[test]
fn below_a_map_all_is_the_users() {
    for same in [
        r#"{"customProperties":{"string":"x"}}"#,
        r#"{"customProperties":{"boolean":true}}"#,
        r#"{"customProperties":{"com.linkedin.pegasus2avro.a.B":"x"}}"#,
        r#"{"customProperties":{"a":{"string":"x"}}}"#,
        r#"{"customProperties":{"a":[{"string":"x"},{"com.linkedin.pegasus2avro.a.B":{}}]}}"#,
        r#"{"customProperties":{"fieldDiscriminator":"a","a":"b"}}"#,
    ] {
        check("datasetProperties", same, same);
    }
    check(
        "schemaMetadata",
        r#"{"foreignKeysSpecs":{"string":{"foreignKey":{"com.linkedin.pegasus2avro.schema.DatasetFieldForeignKey":{"parentDataset":"x"}}}}}"#,
        r#"{"foreignKeysSpecs":{"string":{"foreignKey":{"com.linkedin.schema.DatasetFieldForeignKey":{"parentDataset":"x"}}}}}"#,
    );
}

#[test]
fn only_the_member_of_a_union_with_aliases_that_is_meant_stays() {
    let cost = |cost: &str| format!(r#"{{"costType":"ORG_COST_TYPE","cost":{cost}}}"#);
    for (text, expected) in [
        (r#"{"fieldDiscriminator":"costCode","costCode":"x"}"#, r#"{"costCode":"x"}"#),
        (r#"{"fieldDiscriminator":"costCode","costId":null,"costCode":"x"}"#, r#"{"costCode":"x"}"#),
        (r#"{"costId":1.50,"costCode":"x","fieldDiscriminator":"costId"}"#, r#"{"costId":1.50}"#),
        (r#"{"costCode":{"string":"x"},"fieldDiscriminator":"costCode"}"#, r#"{"costCode":"x"}"#),
        (r#"{"fieldDiscriminator":"cost\u0049d","costId":{"double":1},"z":[{}]}"#, r#"{"costId":1}"#),
        (r#"{"\u0066ieldDiscriminator":"costId","costId":1,"costCode":"x"}"#, r#"{"costId":1}"#),
        // As GMS has it, and as a client with other fields may.
        (r#"{"costId":1}"#, r#"{"costId":1}"#),
        (r#"{"costId":1,"costCode":"x"}"#, r#"{"costId":1,"costCode":"x"}"#),
        // It names what is not there.
        (r#"{"fieldDiscriminator":"costCode","costCode":null,"costId":1}"#, r#"{"costId":1}"#),
        (
            r#"{"a":1,"fieldDiscriminator":"c","b":{"d":2},"fieldDiscriminator":"c"}"#,
            r#"{"a":1,"b":{"d":2}}"#,
        ),
        (r#"{"fieldDiscriminator":"costCode"}"#, "{}"),
        (r#"{"fieldDiscriminator":1,"costId":1}"#, r#"{"fieldDiscriminator":1,"costId":1}"#),
    ] {
        check("cost", &cost(text), &cost(expected));
    }
    // Only there.
    for same in [
        r#"{"fieldDiscriminator":"a","a":1,"b":2}"#,
        r#"{"cost":{"a":{"fieldDiscriminator":"a","a":1,"b":2}}}"#,
        r#"{"other":{"fieldDiscriminator":"a","a":1,"b":2}}"#,
    ] {
        check("cost", same, same);
    }
}

#[test]
fn duplicates_numbers_and_escapes_stay() {
    let same = r#"{"a":1.0,"a":1e400,"b":"\ud800\u00E9\/","fieldDiscriminator":"a"}"#;
    check("datasetProperties", same, same);
}

/// What DataHub's client makes of an aspect by its shape (`pre_json_transform`).
fn transformed(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(transformed).collect(),
        Value::Object(members) => {
            let class = match members.iter().next() {
                Some((name, value)) if members.len() == 1 => {
                    name.strip_prefix("com.linkedin.pegasus2avro.").map(|class| (class, value))
                }
                _ => None,
            };
            if let Some((class, value)) = class {
                return serde_json::json!({format!("com.linkedin.{class}"): transformed(value)});
            }
            if let Some(name) = members.get("fieldDiscriminator").and_then(Value::as_str)
                && let Some(meant) = members.get(name)
            {
                return serde_json::json!({name: transformed(meant)});
            }
            let kept = members.iter().filter(|(_, value)| !value.is_null());
            kept.map(|(name, value)| (name.clone(), transformed(value))).collect()
        }
        scalar => scalar.clone(),
    }
}

#[test]
fn an_unknown_aspect_is_changed_by_its_shape() {
    for (text, expected) in [
        ("{}", "{}"),
        (r#"{"a":null}"#, "{}"),
        (r#"{"a":null,"b":[null,{"c":null}],"d":null}"#, r#"{"b":[null,{}]}"#),
        (r#"{"com.linkedin.pegasus2avro.a.B":{"c":null}}"#, r#"{"com.linkedin.a.B":{}}"#),
        (r#"{"x":{"com.linkedin.pegasus2avro.a.B":null}}"#, r#"{"x":{"com.linkedin.a.B":null}}"#),
        (r#"[{"com.linkedin.pegasus2avro.a.B":[null]}]"#, r#"[{"com.linkedin.a.B":[null]}]"#),
        // A second member, even one that is null, makes it a record.
        (r#"{"com.linkedin.pegasus2avro.a.B":1,"c":null}"#, r#"{"com.linkedin.pegasus2avro.a.B":1}"#),
        (r#"{"c":null,"com.linkedin.pegasus2avro.a.B":null}"#, "{}"),
        (r#"{"string":"x","y":{"string":"x"}}"#, r#"{"string":"x","y":{"string":"x"}}"#),
        (r#"{"customProperties":{"a":null}}"#, r#"{"customProperties":{}}"#),
        (r#"{"w":[{"fieldDiscriminator":"b","a":1,"b":2}]}"#, r#"{"w":[{"b":2}]}"#),
        (r#"{"b":2,"a":[1],"c":null,"fieldDiscriminator":"a","d":{}}"#, r#"{"a":[1]}"#),
        (r#"{"a":{"x":null},"fieldDiscriminator":"a"}"#, r#"{"a":{}}"#),
        (r#"{"x":null,"fieldDiscriminator":"c","c":null,"a":1}"#, r#"{"c":null}"#),
        (r#"{"fieldDiscriminator":"a","a":1,"b":2}"#, r#"{"a":1}"#),
        (r#"{"fieldDiscriminator":"a","b":2}"#, r#"{"fieldDiscriminator":"a","b":2}"#),
        (r#"{"fieldDiscriminator":1,"1":2}"#, r#"{"fieldDiscriminator":1,"1":2}"#),
        (
            r#"{"fieldDiscriminator":"u","u":{"fieldDiscriminator":"com.linkedin.pegasus2avro.a.B","com.linkedin.pegasus2avro.a.B":null,"c":1},"v":1}"#,
            r#"{"u":{"com.linkedin.pegasus2avro.a.B":null}}"#,
        ),
    ] {
        assert_eq!(rewritten("ourOwn", text), expected, "{text}");
        let mut indented = Vec::new();
        indent(&mut indented, text.as_bytes());
        assert_eq!(rewritten("ourOwn", std::str::from_utf8(&indented).unwrap()), expected, "{text}");
        let as_tree = transformed(&serde_json::from_str(text).unwrap());
        assert_eq!(as_tree, serde_json::from_str::<Value>(expected).unwrap());
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
        aspect in prop::sample::select(vec!["chartInfo", "cost"]),
    ) {
        let once = rewritten(aspect, &value.to_string());
        prop_assert!(serde_json::from_str::<Value>(&once).is_ok(), "{}", once);
        prop_assert_eq!(rewritten(aspect, &once), once.clone());
        let pretty = serde_json::to_string_pretty(&value).unwrap();
        prop_assert_eq!(rewritten(aspect, &pretty), once);
    }

    #[test]
    fn the_shape_decides_as_in_datahubs_client(value in marked()) {
        let expected = transformed(&value);
        for text in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
            let ours = rewritten("ourOwn", &text);
            prop_assert_eq!(serde_json::from_str::<Value>(&ours).unwrap(), expected.clone(), "{}", ours);
        }
    }
}
