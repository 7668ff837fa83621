//! A JSON tree that is parsed only where a change needs it.
//!
//! Unparsed parts stay text, so that numbers keep their spelling. Parsed objects keep the order of their
//! members and the spelling of their names.

mod number;

use std::fmt;

use crate::json_text;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The depth to which two values are compared; below it, the texts must be equal.
const COMPARED_DEPTH: usize = 128;

/// A JSON value, parsed or not.
#[derive(Clone, Debug)]
pub(super) enum Node {
    /// Compact JSON text.
    Text(String),
    Object(Object),
    Array(Vec<Self>),
}

/// The members of a JSON object, in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Object {
    members: Vec<Member>,
}

#[derive(Clone, Debug)]
struct Member {
    /// The name as it was written, with quotes.
    written: String,
    name: String,
    value: Node,
}

/// An object has a name that is not valid text: half of a surrogate pair.
pub(super) type NotText = serde_json::Error;

impl Node {
    /// An unparsed value; `text` is compact, valid JSON.
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A string.
    pub(super) fn string(text: &str) -> Self {
        Self::Text(quoted(text))
    }

    pub(super) fn object() -> Self {
        Self::Object(Object::default())
    }

    pub(super) fn is_array(&self) -> bool {
        match self {
            Self::Text(text) => text.starts_with('['),
            Self::Object(_) => false,
            Self::Array(_) => true,
        }
    }

    pub(super) fn is_null(&self) -> bool {
        matches!(self, Self::Text(text) if text == "null")
    }

    /// The members, if it is an object.
    pub(super) fn members(&mut self) -> Result<Option<&mut Object>, NotText> {
        self.open()?;
        Ok(match self {
            Self::Object(object) => Some(object),
            _ => None,
        })
    }

    /// The elements, if it is an array.
    pub(super) fn elements(&mut self) -> Result<Option<&mut Vec<Self>>, NotText> {
        self.open()?;
        Ok(match self {
            Self::Array(elements) => Some(elements),
            _ => None,
        })
    }

    fn open(&mut self) -> Result<(), NotText> {
        let Self::Text(text) = self else { return Ok(()) };
        if text.starts_with('{') {
            *self = Self::Object(serde_json::from_str(text)?);
        } else if text.starts_with('[') {
            let elements: Vec<&RawValue> = serde_json::from_str(text)?;
            *self = Self::Array(elements.into_iter().map(|element| Self::new(element.get())).collect());
        }
        Ok(())
    }

    /// The text of a scalar, like Jackson's `asText`: a string without quotes; empty for objects and arrays.
    pub(super) fn as_text(&self) -> String {
        match self {
            Self::Text(text) if text.starts_with('"') => {
                serde_json::from_str(text).unwrap_or_else(|_| text.clone())
            }
            Self::Text(text) if !text.starts_with(['{', '[']) => text.clone(),
            _ => String::new(),
        }
    }

    /// Whether it is a string.
    pub(super) fn is_string(&self) -> bool {
        matches!(self, Self::Text(text) if text.starts_with('"'))
    }

    /// Whether both are the same value (RFC 6902, section 4.6): the order of names is ignored, and numbers
    /// are compared by value.
    pub(super) fn equals(&self, other: &Self) -> Result<bool, NotText> {
        equal(self.clone(), other.clone(), COMPARED_DEPTH)
    }
}

fn equal(mut one: Node, mut other: Node, depth: usize) -> Result<bool, NotText> {
    if depth > 0 {
        one.open()?;
        other.open()?;
    }
    Ok(match (one, other) {
        (Node::Object(one), Node::Object(mut other)) => {
            if one.members.len() != other.members.len() {
                return Ok(false);
            }
            for member in one.members {
                let Some(value) = other.remove(&member.name) else { return Ok(false) };
                if !equal(member.value, value, depth - 1)? {
                    return Ok(false);
                }
            }
            true
        }
        (Node::Array(one), Node::Array(other)) => {
            if one.len() != other.len() {
                return Ok(false);
            }
            for (one, other) in one.into_iter().zip(other) {
                if !equal(one, other, depth - 1)? {
                    return Ok(false);
                }
            }
            true
        }
        (one @ Node::Text(_), other @ Node::Text(_)) => {
            let (text, other_text) = (one.to_string(), other.to_string());
            if one.is_string() && other.is_string() {
                one.as_text() == other.as_text()
            } else {
                match (number::canonical(&text), number::canonical(&other_text)) {
                    (Some(one), Some(other)) => one == other,
                    _ => text == other_text,
                }
            }
        }
        _ => false,
    })
}

impl Object {
    pub(super) fn get(&self, name: &str) -> Option<&Node> {
        self.members.iter().rfind(|member| member.name == name).map(|member| &member.value)
    }

    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut Node> {
        self.members.iter_mut().rfind(|member| member.name == name).map(|member| &mut member.value)
    }

    /// The member of that name; if it is missing, an empty object is added.
    pub(super) fn entry(&mut self, name: &str) -> &mut Node {
        let index = self.members.iter().rposition(|member| member.name == name).unwrap_or_else(|| {
            self.members.push(Member { written: quoted(name), name: name.to_owned(), value: Node::object() });
            self.members.len() - 1
        });
        #[expect(clippy::indexing_slicing, reason = "found, or pushed just now")]
        &mut self.members[index].value
    }

    /// Sets a member, at its position or at the end.
    pub(super) fn set(&mut self, name: &str, value: Node) {
        *self.entry(name) = value;
    }

    pub(super) fn remove(&mut self, name: &str) -> Option<Node> {
        let index = self.members.iter().rposition(|member| member.name == name)?;
        Some(self.members.remove(index).value)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Node)> {
        self.members.iter().map(|member| (member.name.as_str(), &member.value))
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut Node> {
        self.members.iter_mut().map(|member| &mut member.value)
    }

    pub(super) fn into_iter(self) -> impl Iterator<Item = (String, Node)> {
        self.members.into_iter().map(|member| (member.name, member.value))
    }
}

/// Compact JSON text.
impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Object(object) => {
                f.write_str("{")?;
                for (index, member) in object.members.iter().enumerate() {
                    let comma = if index == 0 { "" } else { "," };
                    write!(f, "{comma}{}:{}", member.written, member.value)?;
                }
                f.write_str("}")
            }
            Self::Array(elements) => {
                f.write_str("[")?;
                for (index, element) in elements.iter().enumerate() {
                    let comma = if index == 0 { "" } else { "," };
                    write!(f, "{comma}{element}")?;
                }
                f.write_str("]")
            }
        }
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Object;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut members = Vec::new();
                while let Some((written, value)) = map.next_entry::<&RawValue, &RawValue>()? {
                    members.push(Member {
                        written: written.get().to_owned(),
                        name: serde_json::from_str(written.get()).map_err(A::Error::custom)?,
                        value: Node::new(value.get()),
                    });
                }
                Ok(Object { members })
            }
        }

        deserializer.deserialize_map(Members)
    }
}

/// A JSON string in ASCII: patched aspects may have to be ASCII.
fn quoted(text: &str) -> String {
    json_text::ascii(&serde_json::Value::from(text).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parsed_values_keep_their_spelling() {
        let text = r#"{"b":1.10,"a\u00e9":[1e400,{"x":null}],"":"\u0041"}"#;
        let mut node = Node::new(text);
        let object = node.members().unwrap().unwrap();
        object.get_mut("aé").unwrap().elements().unwrap().unwrap()[1].members().unwrap().unwrap();
        assert_eq!(node.to_string(), text);
    }

    #[test]
    fn new_names_are_ascii() {
        let mut object = Object::default();
        object.set("é😀\"\\\u{0}", Node::string("ü"));
        assert_eq!(Node::Object(object).to_string(), r#"{"\u00e9\ud83d\ude00\"\\\u0000":"\u00fc"}"#);
    }

    #[test]
    fn values_are_compared_by_meaning() {
        let same = |one: &str, other: &str| Node::new(one).equals(&Node::new(other)).unwrap();
        assert!(same(r#"{"a":1.0,"b":["\u0041",null]}"#, r#"{"b":["A",null],"a":10e-1}"#));
        assert!(!same(r#"{"a":1}"#, r#"{"a":1,"b":2}"#));
        assert!(!same("[1,2]", "[2,1]"));
        assert!(!same("1", "\"1\""));
        assert!(!same("12345678901234567890", "12345678901234567891"));
        assert!(!same("null", "false"));
        let deep = |end: &str| format!("{}{end}{}", "[".repeat(1000), "]".repeat(1000));
        assert!(same(&deep("1"), &deep("1")));
        assert!(!same(&deep("1"), &deep("2")));
    }
}
