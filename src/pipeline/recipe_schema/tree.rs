//! Recorded keys as a tree, and the tree as a schema.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::descriptions::Descriptions;
use crate::recipe::{KeyForm, RecordedKey};

/// One step of a path such as `transformers[0].config`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    Item,
}

impl Step {
    /// Stands for all names of a mapping with arbitrary names.
    pub(super) const ANY_NAME: &'static str = "any-name";

    pub(super) fn of(path: &str) -> Vec<Self> {
        let mut steps = Vec::new();
        for key in path.split('.').filter(|key| !key.is_empty()) {
            match key.strip_suffix("[0]") {
                Some(list) => steps.extend([Self::Key(list.to_owned()), Self::Item]),
                None => steps.push(Self::Key(key.to_owned())),
            }
        }
        steps
    }
}

/// A key and the keys below it.
#[derive(Debug, Default)]
pub(super) struct KeyTree {
    key: RecordedKey,
    below: BTreeMap<String, Self>,
    item: Option<Box<Self>>,
}

impl KeyTree {
    pub(super) fn of(keys: &BTreeMap<String, RecordedKey>) -> Self {
        let mut root = Self::default();
        for (path, key) in keys {
            let mut place = &mut root;
            for step in Step::of(path) {
                place = match step {
                    Step::Key(key) => place.below.entry(key).or_default(),
                    Step::Item => place.item.get_or_insert_default(),
                };
            }
            place.key = key.clone();
        }
        root
    }

    /// The schema of the mapping at `path`. `section` names it in the documents.
    pub(super) fn at(&self, path: &str, section: &str, descriptions: &Descriptions) -> Value {
        let mut place = self;
        for step in Step::of(path) {
            let next = match step {
                Step::Key(key) => place.below.get(&key),
                Step::Item => place.item.as_deref(),
            };
            let Some(next) = next else { return closed(&Map::new(), &[], None) };
            place = next;
        }
        match place.object(section, "", descriptions) {
            // A component without keys takes none.
            Value::Object(object) if place.below.is_empty() => {
                closed(&Map::new(), &[], object.get("description"))
            }
            object => object,
        }
    }

    /// The schema of a mapping; `path` is its path within the section.
    pub(super) fn object(&self, section: &str, path: &str, descriptions: &Descriptions) -> Value {
        let mut properties = Map::new();
        let mut required = Vec::new();
        for (key, tree) in &self.below {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            properties.insert(key.clone(), tree.value(section, &path, descriptions));
            if tree.key.is_missing {
                required.push(key.clone());
            }
        }
        let description =
            if path.is_empty() { descriptions.of_section(section) } else { None }.map(Value::from);
        if properties.is_empty() {
            // Its reader takes it as a whole.
            return json!({"type": ["object", "null"]});
        }
        closed(&properties, &required, description.as_ref())
    }

    fn value(&self, section: &str, path: &str, descriptions: &Descriptions) -> Value {
        let forms: Vec<Value> =
            self.key.forms.iter().filter_map(|form| self.form(form, section, path, descriptions)).collect();
        let mut schema = match <[Value; 1]>::try_from(forms) {
            Ok([Value::Object(one)]) => one,
            Ok(_) => Map::new(),
            Err(forms) if forms.is_empty() => Map::new(),
            Err(forms) => Map::from_iter([("anyOf".to_owned(), Value::Array(forms))]),
        };
        let description = match &self.key.ignored {
            Some(why) => Some(format!("No effect here: {why}")),
            None => descriptions.of(section, path).or_else(|| self.expected()),
        };
        if let Some(description) = description {
            schema.insert("description".to_owned(), description.into());
        }
        if self.key.ignored.is_some() {
            schema.insert("deprecated".to_owned(), true.into());
        }
        Value::Object(schema)
    }

    /// The description of a key that the documents do not have.
    fn expected(&self) -> Option<String> {
        if self.key.forms.iter().all(|form| *form == KeyForm::Any) {
            return Some("A key of DataHub's Python client".to_owned());
        }
        self.key.forms.iter().find_map(|form| match form {
            KeyForm::Number(expected) | KeyForm::Numbers(expected) => Some(expected.clone()),
            _ => None,
        })
    }

    fn form(&self, form: &KeyForm, section: &str, path: &str, descriptions: &Descriptions) -> Option<Value> {
        Some(match form {
            KeyForm::Any => return None,
            KeyForm::String => json!({"type": ["string", "null"]}),
            KeyForm::Boolean => json!({"type": ["boolean", "string", "null"]}),
            KeyForm::Number(_) if self.key.forms.contains(&KeyForm::Seconds) => return None,
            KeyForm::Number(_) | KeyForm::Seconds | KeyForm::Duration => {
                json!({"type": ["number", "string", "null"]})
            }
            KeyForm::Choice(words) => {
                // In any case; these are the usual ones.
                let mut cases: Vec<String> =
                    words.iter().flat_map(|word| [word.to_uppercase(), word.to_lowercase()]).collect();
                cases.sort();
                cases.dedup();
                json!({"anyOf": [{"enum": cases}, {"type": "string", "pattern": r"\$\{"}, {"type": "null"}]})
            }
            KeyForm::Strings => json!({"type": ["array", "null"], "items": {"type": "string"}}),
            KeyForm::Numbers(_) => {
                json!({"type": ["array", "null"], "items": {"type": ["number", "string"]}})
            }
            KeyForm::StringMap => {
                json!({"type": ["object", "null"], "additionalProperties": {"type": "string"}})
            }
            KeyForm::Block => self.object(section, path, descriptions),
            KeyForm::Blocks => {
                let item = self.item.as_deref().map(|item| item.object(section, path, descriptions));
                json!({"type": ["array", "null"], "items": item.unwrap_or_else(|| json!({"type": "object"}))})
            }
            KeyForm::BlocksByName => {
                let named =
                    self.below.get(Step::ANY_NAME).map(|named| named.object(section, path, descriptions));
                json!({"type": ["object", "null"], "additionalProperties": named.unwrap_or_else(|| json!({}))})
            }
        })
    }
}

/// A mapping that takes no other keys.
fn closed(properties: &Map<String, Value>, required: &[String], description: Option<&Value>) -> Value {
    let mut object = json!({
        "type": ["object", "null"],
        "properties": properties,
        "additionalProperties": false,
    });
    if let Some(object) = object.as_object_mut() {
        if !required.is_empty() {
            object.insert("required".to_owned(), json!(required));
        }
        if let Some(description) = description {
            object.insert("description".to_owned(), description.clone());
        }
    }
    object
}
