//! The tree of values of a recipe.

use std::fmt;

/// A place in the text of a recipe.
///
/// Lines and columns count from 1, columns in characters. In a recipe that was given as values, every line is
/// 0 ([`Span::NOWHERE`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// The byte after the last one.
    pub end: usize,
    /// The line of the first byte.
    pub line: usize,
    /// The column of the first byte.
    pub column: usize,
}

impl Span {
    /// The place of a value without one.
    pub const NOWHERE: Self = Self { start: 0, end: 0, line: 0, column: 0 };

    /// Whether this is a place in a text.
    pub fn is_somewhere(&self) -> bool {
        self.line > 0
    }

    /// The empty place at its start.
    pub(super) fn first(self) -> Self {
        Self { end: self.start, ..self }
    }
}

/// A value with its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The value, after `${…}` was expanded.
    pub value: Value,
    /// Its place in the text. A value that an alias or a merge inserts has the place of its anchor.
    pub span: Span,
    /// It contains the value of an environment variable. Such a value is never shown.
    pub from_environment: bool,
}

/// The value of a [`Node`].
///
/// [`Debug`](fmt::Debug) shows the shape but no text, because any text may be a secret.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// `null`, `~` or nothing at all. To a component it means that the key is absent.
    Null,
    /// A boolean.
    Bool(bool),
    /// A number, as decimal text that Rust's [`FromStr`](std::str::FromStr) reads: `0x1F` becomes `31`.
    Number(String),
    /// A string.
    String(String),
    /// A list.
    List(Vec<Node>),
    /// A mapping, in the order in which it was written. No key occurs twice.
    Map(Vec<Entry>),
    /// A value that could not be read. The mistake has been reported.
    Unusable,
}

/// A key and its value.
#[derive(Clone, PartialEq)]
pub struct Entry {
    /// The key. Other keys than strings (`8080: …`) are taken as they are written.
    pub key: String,
    /// The place of the key.
    pub key_span: Span,
    /// The value.
    pub node: Node,
}

impl Node {
    /// A node with `value` at `span`.
    pub fn new(value: Value, span: Span) -> Self {
        Self { value, span, from_environment: false }
    }

    /// The value of `key`, if this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.entries()
            .and_then(|entries| entries.iter().find(|entry| entry.key == key))
            .map(|entry| &entry.node)
    }

    /// The entries, if this is a mapping.
    pub fn entries(&self) -> Option<&[Entry]> {
        match &self.value {
            Value::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// The text, if this is a string. It may be a secret.
    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// Whether this is null, which means that the key is absent.
    pub fn is_null(&self) -> bool {
        matches!(self.value, Value::Null)
    }

    /// The same values as JSON, secrets included. Numbers that JSON does not have (`.inf`, `.nan`) become
    /// strings, and an unusable value becomes null.
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match &self.value {
            Value::Null | Value::Unusable => Json::Null,
            Value::Bool(boolean) => Json::Bool(*boolean),
            Value::Number(text) => number_to_json(text),
            Value::String(text) => Json::String(text.clone()),
            Value::List(items) => Json::Array(items.iter().map(Self::to_json).collect()),
            Value::Map(entries) => {
                Json::Object(entries.iter().map(|entry| (entry.key.clone(), entry.node.to_json())).collect())
            }
        }
    }

    /// The tree of a JSON value, without places.
    pub(super) fn from_json(json: &serde_json::Value) -> Self {
        use serde_json::Value as Json;
        let value = match json {
            Json::Null => Value::Null,
            Json::Bool(boolean) => Value::Bool(*boolean),
            Json::Number(number) => Value::Number(number.to_string()),
            Json::String(text) => Value::String(text.clone()),
            Json::Array(items) => Value::List(items.iter().map(Self::from_json).collect()),
            Json::Object(entries) => Value::Map(
                entries
                    .iter()
                    .map(|(key, json)| Entry {
                        key: key.clone(),
                        key_span: Span::NOWHERE,
                        node: Self::from_json(json),
                    })
                    .collect(),
            ),
        };
        Self::new(value, Span::NOWHERE)
    }
}

impl Value {
    /// Whether this is null, a boolean or a number.
    pub(super) fn is_not_text(&self) -> bool {
        matches!(self, Self::Null | Self::Bool(_) | Self::Number(_))
    }
}

fn number_to_json(text: &str) -> serde_json::Value {
    if let Ok(number) = text.parse::<u64>() {
        return number.into();
    }
    if let Ok(number) = text.parse::<i64>() {
        return number.into();
    }
    text.parse::<f64>()
        .ok()
        .and_then(serde_json::Number::from_f64)
        .map_or_else(|| text.into(), serde_json::Value::Number)
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("Null"),
            Self::Bool(_) => f.write_str("Bool"),
            Self::Number(_) => f.write_str("Number"),
            Self::String(_) => f.write_str("String"),
            Self::List(items) => f.debug_list().entries(items).finish(),
            Self::Map(entries) => f.debug_list().entries(entries).finish(),
            Self::Unusable => f.write_str("Unusable"),
        }
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("key_span", &self.key_span)
            .field("node", &self.node)
            .finish_non_exhaustive()
    }
}
