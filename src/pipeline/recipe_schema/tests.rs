use super::*;
use crate::recipe::{KeyForm, Recipe, RecordedKey};

/// The schema that decides the keys of `config`, for a component of this type.
fn config_of<'a>(component: &'a Value, kind: &str) -> &'a Value {
    let cases = component["allOf"].as_array().unwrap();
    let case = cases.iter().find(|case| case["if"]["properties"]["type"]["const"] == kind);
    &case.unwrap_or_else(|| panic!("{kind} is not in the schema"))["then"]["properties"]["config"]
}

#[test]
fn the_schema_has_the_keys_that_are_read_with_their_descriptions() {
    let schema = recipe_schema();
    let top = schema["properties"].as_object().unwrap();
    for (key, schema) in top {
        let has_keys = schema["properties"].is_object();
        assert!(schema["description"].is_string() || has_keys, "{key}: {schema:#}");
    }
    let file = config_of(&top["source"], "file");
    assert_eq!(file["additionalProperties"], false);
    let path = file["properties"]["path"]["description"].as_str().unwrap();
    assert!(path.contains("standard input"), "{path}");
    assert_eq!(file["required"], Value::Null, "`filename` may stand in place of `path`");
    let rest = &schema["definitions"]["datahub-rest"];
    for (key, schema) in rest["properties"].as_object().unwrap() {
        assert!(schema["description"].is_string(), "{key}: {schema:#}");
    }
    assert_eq!(config_of(&top["sink"], "file")["required"], json!(["filename"]));
    assert_eq!(rest["properties"]["auth"]["required"], json!(["type"]));
}

#[test]
fn every_type_of_this_build_is_in_the_schema() {
    let schema = recipe_schema();
    let options = Options::default();
    for kind in options.sources.types() {
        config_of(&schema["properties"]["source"], kind);
    }
    for kind in options.sinks.types().chain([DATAHUB_REST]) {
        config_of(&schema["properties"]["sink"], kind);
    }
    for kind in options.transformers.types() {
        let config = config_of(&schema["properties"]["transformers"]["items"], kind);
        assert!(config["properties"]["compatibility"].is_object(), "{kind}: {config:#}");
    }
}

#[test]
fn every_key_of_the_documents_is_in_the_schema() {
    let schema = recipe_schema();
    let rest = &schema["definitions"]["datahub-rest"];
    for (place, keys) in [
        (&schema, &["spool_max_bytes", "reporting", "max_failure_share", "flags", "failure_log"][..]),
        (
            rest,
            &["server", "token", "wait_for_server", "max_batch_bytes", "retry_status_codes", "tcp_keepalive"],
        ),
    ] {
        for key in keys {
            assert!(place["properties"][*key].is_object(), "{key}");
        }
    }
    assert!(schema["properties"]["flags"]["properties"]["set_system_metadata"].is_object());
}

#[test]
fn what_a_reader_asks_for_is_recorded_with_its_form() {
    let recorder = std::sync::Arc::new(crate::recipe::KeyRecorder::default());
    let recipe = Recipe::recording(&json!({}), &recorder);
    let mistakes = recipe.mistakes();
    let mut fields = crate::recipe::Fields::new(Some(recipe.root()), "", &mistakes);
    fields.missing("name", "a name");
    fields.string("name");
    fields.block("below").boolean("on");
    let keys = recorder.take();
    let forms = |path: &str| {
        keys.get(path).map(|RecordedKey { forms, .. }| forms.iter().next_back().unwrap().clone())
    };
    assert_eq!(forms("name"), Some(KeyForm::String));
    assert!(keys["name"].is_missing);
    assert_eq!(forms("below.on"), Some(KeyForm::Boolean));
}
