//! Sample recipes that make their readers ask for all keys.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::tree::Step;
use crate::pipeline::config::Config;
use crate::pipeline::options::Options;
use crate::recipe::{KeyForm, KeyRecorder, Recipe, RecordedKey};

/// The nesting of keys is less deep.
const MAX_ROUNDS: usize = 8;

/// The keys that the readers of `base` ask for. The sample grows in rounds: keys that readers require or only
/// look for get values, until no further keys are asked for.
pub(super) fn explore(base: &Value) -> BTreeMap<String, RecordedKey> {
    let first = read(base);
    let mut keys = first.clone();
    for _ in 0..MAX_ROUNDS {
        let mut sample = base.clone();
        for (path, key) in &keys {
            if let Some(value) = value(key) {
                insert(&mut sample, path, value);
            }
        }
        let before = keys.len();
        let mut has_news = false;
        for (path, found) in read(&sample) {
            let key = keys.entry(path).or_default();
            has_news |= found.forms.iter().any(|form| !key.forms.contains(form))
                || (found.is_missing && !key.is_missing);
            key.forms.extend(found.forms);
            key.is_missing |= found.is_missing;
            key.ignored = key.ignored.take().or(found.ignored);
        }
        if keys.len() == before && !has_news {
            break;
        }
    }
    not_required_beside_alternatives(base, &first, &mut keys);
    keys
}

/// A key is not required if another one may stand in its place, as `filename` may for `path`.
fn not_required_beside_alternatives(
    base: &Value,
    first: &BTreeMap<String, RecordedKey>,
    keys: &mut BTreeMap<String, RecordedKey>,
) {
    let mut sample = base.clone();
    for path in first.iter().filter(|(_, key)| is_probe(key) && !key.is_missing).map(|(path, _)| path) {
        if let Some(key) = keys.get(path) {
            insert(&mut sample, path, typed(key));
        }
    }
    let beside = read(&sample);
    for (path, key) in keys.iter_mut() {
        let was_missing = first.get(path).is_some_and(|first| first.is_missing);
        if was_missing && !beside.get(path).is_some_and(|beside| beside.is_missing) {
            key.is_missing = false;
        }
    }
}

/// Mistakes in the sample do not matter.
fn read(sample: &Value) -> BTreeMap<String, RecordedKey> {
    let recorder = std::sync::Arc::new(KeyRecorder::default());
    drop(Config::read(&Recipe::recording(sample, &recorder), &Options::default()));
    recorder.take()
}

fn is_probe(key: &RecordedKey) -> bool {
    key.forms.iter().all(|form| *form == KeyForm::Any)
}

/// The value that makes a reader ask for more; `None` if the key may stay absent.
fn value(key: &RecordedKey) -> Option<Value> {
    let holds_keys =
        key.forms.iter().any(|form| matches!(form, KeyForm::Blocks | KeyForm::BlocksByName | KeyForm::Block));
    (is_probe(key) || holds_keys || key.is_missing).then(|| typed(key))
}

/// A value of the key's form.
fn typed(key: &RecordedKey) -> Value {
    let specific = key.forms.iter().find(|form| **form != KeyForm::Any);
    match specific {
        None | Some(KeyForm::Any | KeyForm::Block) => json!({}),
        Some(KeyForm::String) => json!("x"),
        Some(KeyForm::Boolean) => json!(true),
        Some(KeyForm::Number(_) | KeyForm::Seconds | KeyForm::Duration) => json!(1),
        Some(KeyForm::Choice(words)) => json!(words.first()),
        Some(KeyForm::Strings) => json!(["x"]),
        Some(KeyForm::Numbers(_)) => json!([1]),
        Some(KeyForm::StringMap) => json!({"x": "x"}),
        Some(KeyForm::Blocks) => json!([{}]),
        Some(KeyForm::BlocksByName) => json!({Step::ANY_NAME: {}}),
    }
}

/// Sets the value at `path`, unless there is one; mappings and list items on the way are added.
fn insert(sample: &mut Value, path: &str, value: Value) {
    let mut place = sample;
    let steps = Step::of(path);
    for step in steps {
        place = match step {
            Step::Key(key) => {
                if !place.is_object() {
                    return;
                }
                let Some(object) = place.as_object_mut() else { return };
                object.entry(key).or_insert(Value::Null)
            }
            Step::Item => {
                if place.is_null() {
                    *place = json!([{}]);
                }
                let Some(item) = place.get_mut(0) else { return };
                item
            }
        };
        if place.is_null() {
            *place = Value::Object(Map::new());
        }
    }
    if place.as_object().is_some_and(Map::is_empty) {
        *place = value;
    }
}
