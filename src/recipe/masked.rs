//! The recipe as it may be stored where others can read it.

use serde_json::{Map, Value as Json};

use super::Recipe;
use super::tree::{Node, Value};
use crate::redact::{MASK, hides_below, is_reference, is_secret_key};

impl Recipe {
    /// The recipe as JSON, with every secret masked. A value with `${…}` stays as it was written if it is
    /// only a reference; the value of a variable is never part of the result.
    pub fn masked(&self) -> Json {
        self.masked_node(self.root(), false)
    }

    fn masked_node(&self, node: &Node, is_secret: bool) -> Json {
        match &node.value {
            Value::Null | Value::Unusable => Json::Null,
            Value::List(items) => {
                items.iter().map(|item| self.masked_node(item, is_secret)).collect::<Vec<_>>().into()
            }
            Value::Map(entries) => {
                let entries = entries.iter().map(|entry| {
                    let is_secret = is_secret
                        || match &entry.node.value {
                            Value::Map(_) | Value::List(_) => hides_below(&entry.key),
                            _ => is_secret_key(&entry.key),
                        };
                    (self.secrets().mask(&entry.key), self.masked_node(&entry.node, is_secret))
                });
                Json::Object(entries.collect::<Map<_, _>>())
            }
            _ if node.from_environment => self.reference(node).into(),
            _ if is_secret => MASK.into(),
            Value::String(text) => self.secrets().mask(text).into(),
            Value::Bool(_) | Value::Number(_) => node.to_json(),
        }
    }

    /// The reference of a value that comes from the environment, as it was written.
    fn reference(&self, node: &Node) -> String {
        let written = self.source.text.get(node.span.start..node.span.end);
        let written = written.trim_matches(['"', '\'']);
        if is_reference(written) { written.to_owned() } else { MASK.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::Environment;
    use crate::recipe::Format;

    #[test]
    fn secrets_are_masked_and_references_stay() {
        let text = r#"
source: {type: file, config: {path: "${DIR}/mcps.json", other: '${DIR}'}}
sink:
  type: datahub-rest
  config: {server: "http://gms:8080", token: "${TOKEN}", extra_headers: {X-Auth: h, Other: "${TOKEN}"}}
transformers:
  - type: simple_add_dataset_properties
    config: {properties: {password: hunter2, plain: "swordfish", number: 7}}
"#;
        let environment = Environment::from_pairs([("DIR", "/data"), ("TOKEN", "swordfish")]);
        let recipe = Recipe::parse("recipe.yml", Format::Yaml, text, &environment).unwrap();
        let masked = recipe.masked();
        assert_eq!(masked["source"]["config"]["path"], MASK);
        assert_eq!(masked["source"]["config"]["other"], "${DIR}");
        assert_eq!(masked["sink"]["config"]["token"], "${TOKEN}");
        assert_eq!(masked["sink"]["config"]["server"], "http://gms:8080");
        assert_eq!(masked["sink"]["config"]["extra_headers"]["X-Auth"], MASK);
        let properties = &masked["transformers"][0]["config"]["properties"];
        assert_eq!((&properties["password"], &properties["number"]), (&MASK.into(), &7.into()));
        for secret in ["swordfish", "hunter2", "/data"] {
            assert!(!masked.to_string().contains(secret), "{masked}");
        }
    }
}
