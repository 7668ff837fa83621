//! The part of a recipe that a Python source runs with.

use serde_json::{Map, Value, json};

use super::messages::ConfigError;
use crate::environment::Environment;
use crate::recipe::{Mistakes, Node, Recipe, Secrets, Value as NodeValue};
use crate::redact::{MASK, is_plain};
use crate::{Error, ErrorKind};

/// The top-level keys that the child gets. The others belong to this process.
const KEYS: [&str; 5] = ["source", "transformers", "flags", "pipeline_name", "datahub_api"];

/// The part of a recipe that a Python source runs with.
#[derive(Debug)]
pub struct PythonSourceConfig {
    /// The type of the source as messages show it.
    pub(super) source_type: String,
    pub(super) environment: Environment,
    pub(super) secrets: Secrets,
    /// It may contain secrets.
    recipe: ChildRecipe,
    /// `source.config`, with places.
    config: Node,
    mistakes: Mistakes,
}

#[derive(Clone)]
struct ChildRecipe(Map<String, Value>);

impl Clone for PythonSourceConfig {
    fn clone(&self) -> Self {
        Self {
            source_type: self.source_type.clone(),
            environment: self.environment.clone(),
            secrets: self.secrets.clone(),
            recipe: self.recipe.clone(),
            config: self.config.clone(),
            mistakes: self.mistakes.again(),
        }
    }
}

/// Shows no values.
impl std::fmt::Debug for ChildRecipe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl PythonSourceConfig {
    /// Takes what the source needs from `recipe`. The keys of `source.config` are checked by the source
    /// itself.
    pub fn new(recipe: &Recipe, source_type: &str) -> Self {
        let root = recipe.root();
        let keys = KEYS.iter().filter_map(|key| Some((*key, root.get(key)?)));
        let child =
            keys.filter(|(_, node)| !node.is_null()).map(|(key, node)| (key.to_owned(), node.to_json()));
        let source = root.get("source");
        let config = source.and_then(|source| source.get("config")).or(source).unwrap_or(root);
        Self {
            // A token in the wrong place must not be shown.
            source_type: if is_plain(source_type) { source_type } else { MASK }.to_owned(),
            environment: recipe.environment().clone(),
            secrets: recipe.secrets().clone(),
            recipe: ChildRecipe(child.collect()),
            config: config.clone(),
            mistakes: recipe.mistakes(),
        }
    }

    /// Replaces the source by Python's `file` source, which keeps the state of stateful ingestion as well.
    pub(super) fn read_file(&mut self, path: String) {
        let mut config = Map::new();
        config.insert("path".to_owned(), path.into());
        if let Some(stateful) = self.config.get("stateful_ingestion") {
            config.insert("stateful_ingestion".to_owned(), stateful.to_json());
        }
        self.recipe.0.insert("source".to_owned(), json!({"type": "file", "config": config}));
    }

    /// The recipe for the child. `graph` is the configuration of its connection to DataHub.
    pub(super) fn recipe(&self, run_id: &str, graph: Option<Value>, sends: bool) -> Value {
        let mut recipe = self.recipe.0.clone();
        recipe.insert("run_id".to_owned(), json!(run_id));
        if let Some(graph) = graph {
            recipe.entry("datahub_api").or_insert(graph);
        }
        // A run that sends nothing must not change the state in DataHub.
        if !sends
            && let Some(Value::Object(source)) = recipe.get_mut("source")
            && let Some(Value::Object(config)) = source.get_mut("config")
        {
            config.remove("stateful_ingestion");
        }
        Value::Object(recipe)
    }

    /// The error for what the source finds wrong in its configuration, at the places in the recipe.
    pub(super) fn error(&self, errors: &[ConfigError]) -> Error {
        let mistakes = self.mistakes.again();
        for error in errors {
            let mut node = &self.config;
            let mut path = String::from("source.config");
            for part in &error.path {
                let child = match (&node.value, part) {
                    (NodeValue::List(items), Value::Number(index)) => {
                        index.as_u64().and_then(|index| items.get(usize::try_from(index).ok()?))
                    }
                    (_, Value::String(key)) => node.get(key),
                    _ => None,
                };
                match part {
                    Value::String(key) => path.extend([".", key]),
                    index => path.extend(["[", &index.to_string(), "]"]),
                }
                // A key that is missing is reported at the mapping that lacks it.
                let Some(child) = child else { break };
                node = child;
            }
            mistakes.at(node, format!("`{path}`: {}", self.secrets.mask(&error.message)));
        }
        match mistakes.into_error() {
            Err(error) => error.into(),
            Ok(()) => Error::new(ErrorKind::Input, "the source refuses its configuration"),
        }
    }
}
