//! The recipe's `transformers`.

use crate::recipe::{Fields, Node, Recipe, Value};
use crate::sink::datahub_rest::DATAHUB_REST;
use crate::transform::{Chain, Transformer, TransformerRegistry, is_python};

/// Whether one of the transformers runs in Python, so that all of them do.
#[cfg(unix)]
pub(super) fn run_in_python(root: &Node) -> bool {
    match root.get("transformers").map(|node| &node.value) {
        Some(Value::List(items)) => items.iter().any(is_python),
        _ => false,
    }
}

/// The types in the list, for the report.
pub(super) fn types(recipe: &Recipe) -> Vec<String> {
    let items = match recipe.root().get("transformers").map(|node| &node.value) {
        Some(Value::List(items)) => items.as_slice(),
        _ => &[],
    };
    let kind =
        |item: &Node| recipe.secrets().mask(item.get("type").and_then(Node::as_str).unwrap_or_default());
    items.iter().map(kind).collect()
}

/// Reads the list. `has_graph` says whether there is a server to look things up in.
pub(super) fn read(fields: &mut Fields<'_>, registry: &TransformerRegistry, has_graph: bool) -> Chain {
    let python: Vec<bool> = match fields.node("transformers").map(|node| &node.value) {
        Some(Value::List(items)) => items.iter().map(is_python).collect(),
        _ => Vec::new(),
    };
    let mut transformers = Vec::new();
    for (index, mut item) in fields.blocks("transformers").into_iter().enumerate() {
        if python.get(index) == Some(&true) {
            item.node("config");
            item.mistake(
                "type",
                "it calls a class or a function in Python, which needs a child process, and so a Unix system",
            );
        } else if let Some((kind, transformer)) = read_one(&mut item, registry) {
            match transformer.needs_graph().filter(|_| !has_graph) {
                None => transformers.push((kind, transformer)),
                Some(why) => item.mistake(
                    "type",
                    format!(
                        "it needs a server, because {why}: use the sink `{DATAHUB_REST}`, or add `datahub_api: {{server: …}}` \
                         to the recipe"
                    ),
                ),
            }
        }
        item.finish();
    }
    Chain::new(transformers)
}

fn read_one(item: &mut Fields<'_>, registry: &TransformerRegistry) -> Option<(String, Box<dyn Transformer>)> {
    item.missing("type", "the name of a transformer, for example `simple_add_dataset_tags`");
    let kind = item.string("type");
    // Python insists on it, also for a transformer without keys.
    item.missing("config", "a mapping, `{}` for a transformer without keys");
    let has_config = item.has("config");
    let mut config = item.block("config");
    let kind = kind?;
    match registry.configure(&kind, &mut config) {
        Ok(configured) => {
            config.finish();
            configured.ok().filter(|_| has_config).map(|transformer| (kind, transformer))
        }
        Err(unknown) => {
            item.mistake("type", unknown.to_string());
            None
        }
    }
}
