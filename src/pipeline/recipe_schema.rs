//! The JSON Schema of recipes.
//!
//! The keys come from the readers themselves: sample recipes are read with a recorder, which notes the keys
//! that are asked for and their forms. The descriptions come from docs/reference/configuration.md and
//! docs/guide/transformers.md. So the schema has each key that the program reads, and no other.

mod descriptions;
mod sample;
mod tree;

use serde_json::{Map, Value, json};

use self::descriptions::Descriptions;
use self::sample::explore;
use self::tree::KeyTree;
use super::options::Options;
use crate::sink::DATAHUB_KAFKA;
use crate::sink::datahub_rest::DATAHUB_REST;

/// A native source for samples of everything else.
const ANY_SOURCE: &str = "file";

/// A native sink for samples of everything else.
const ANY_SINK: &str = "console";

/// The JSON Schema (draft 7) of recipes, with the sources, sinks and transformers of this build. A recipe may
/// also name a source or transformer of DataHub's Python client, whose keys are not described.
///
/// Values from `${NAME}` are strings, so that each number and boolean may also be a string.
pub fn recipe_schema() -> Value {
    let options = Options::default();
    let descriptions = Descriptions::read();
    let top = explore(&json!({"source": {"type": ANY_SOURCE}, "sink": {"type": ANY_SINK}}));
    let mut properties = match KeyTree::of(&top).object("", "", &descriptions) {
        Value::Object(mut object) => match object.remove("properties") {
            Some(Value::Object(properties)) => properties,
            _ => Map::new(),
        },
        _ => Map::new(),
    };

    let sources = options.sources.types().map(|kind| {
        let keys = explore(&json!({"source": {"type": kind}, "sink": {"type": ANY_SINK}}));
        let section = format!("Source `{kind}`");
        (kind.to_owned(), KeyTree::of(&keys).at("source.config", &section, &descriptions))
    });
    let sources: Vec<_> = sources.collect();
    properties.insert("source".to_owned(), component("source", &sources, &descriptions));

    let kafka = cfg!(feature = "kafka").then_some(DATAHUB_KAFKA);
    let sink_types = options.sinks.types().chain([DATAHUB_REST]).chain(kafka);
    let sinks: Vec<_> = sink_types
        .map(|kind| {
            let keys = explore(&json!({"source": {"type": ANY_SOURCE}, "sink": {"type": kind}}));
            let section = format!("Sink `{kind}`");
            (kind.to_owned(), KeyTree::of(&keys).at("sink.config", &section, &descriptions))
        })
        .collect();
    let rest = sinks.iter().find(|(kind, _)| kind == DATAHUB_REST).map(|(_, schema)| schema.clone());
    properties.insert("sink".to_owned(), component("sink", &sinks, &descriptions));
    let api = json!({
        "description": descriptions.of("", "datahub_api"),
        "anyOf": [{"$ref": "#/definitions/datahub-rest"}, {"type": "null"}],
    });
    properties.insert("datahub_api".to_owned(), api);

    let transformers: Vec<_> = options
        .transformers
        .types()
        .map(|kind| {
            let keys = explore(&json!({
                "source": {"type": ANY_SOURCE},
                "sink": {"type": DATAHUB_REST},
                "transformers": [{"type": kind, "config": {}}],
            }));
            (kind.to_owned(), KeyTree::of(&keys).at("transformers[0].config", kind, &descriptions))
        })
        .collect();
    let transformers = json!({
        "description": descriptions.of("", "transformers"),
        "type": ["array", "null"],
        "items": component("transformer", &transformers, &descriptions),
    });
    properties.insert("transformers".to_owned(), transformers);

    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "A recipe of datahub-emit",
        "type": "object",
        "required": ["source"],
        "additionalProperties": false,
        "properties": properties,
        "definitions": {"datahub-rest": rest},
    })
}

/// A mapping of `type` and `config`, in which `type` decides the keys of `config`.
fn component(kind: &str, configs: &[(String, Value)], descriptions: &Descriptions) -> Value {
    let types: Vec<&String> = configs.iter().map(|(name, _)| name).collect();
    let description = match kind {
        "source" => {
            "Where metadata is read: one of the sources of this program, or a source of DataHub's Python client"
        }
        "sink" => "Where metadata is written",
        _ => "A transformer of this program or of DataHub's Python client",
    };
    // A sink of Python cannot be used, so a name that is not listed is a mistake.
    let kinds = if kind == "sink" {
        json!({"enum": types, "description": "The type of the sink"})
    } else {
        json!({"anyOf": [{"enum": types}, {"type": "string"}], "description": format!("The type of the {kind}")})
    };
    let cases: Vec<Value> = configs
        .iter()
        .map(|(name, config)| {
            let config = if name == DATAHUB_REST {
                json!({"$ref": "#/definitions/datahub-rest"})
            } else {
                config.clone()
            };
            json!({
                "if": {"properties": {"type": {"const": name}}, "required": ["type"]},
                "then": {"properties": {"config": config}},
            })
        })
        .collect();
    let mut properties = json!({
        "type": kinds,
        "config": {"description": format!("The keys of this type of {kind}"), "type": ["object", "null"]},
    });
    if kind == "source"
        && let Some(properties) = properties.as_object_mut()
    {
        for key in ["extractor", "extractor_config"] {
            properties.insert(
                key.to_owned(),
                json!({"description": "Has an effect with a source of the Python client only"}),
            );
        }
    }
    let fallback =
        if kind == "transformer" { String::new() } else { descriptions.of("", kind).unwrap_or_default() };
    json!({
        "description": if fallback.is_empty() { description.to_owned() } else { format!("{description}: {fallback}") },
        "type": "object",
        "required": if kind == "transformer" { json!(["type", "config"]) } else { json!(["type"]) },
        "additionalProperties": false,
        "properties": properties,
        "allOf": cases,
    })
}

#[cfg(test)]
mod tests;
