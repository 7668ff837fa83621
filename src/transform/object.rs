//! Edits one member of a JSON object, and leaves the text of all others as it was written.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use super::TransformError;
use crate::metadata::Aspect;

/// A JSON value as text.
pub(super) type Json = Box<RawValue>;

/// A JSON object whose members keep their order and their text. The last one of several members with the
/// same name counts, as in Python.
#[derive(Clone, Debug, Default)]
pub(super) struct Object(Vec<(String, Json)>);

impl Object {
    /// Parses an aspect that must be an object.
    ///
    /// # Errors
    /// When it is not an object.
    pub(super) fn of(aspect: &Aspect) -> Result<Self, TransformError> {
        Self::parse(aspect.as_str()).map_err(|error| TransformError::new(format!("the aspect: {error}")))
    }

    pub(super) fn parse(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    pub(super) fn get(&self, name: &str) -> Option<&RawValue> {
        self.0.iter().rev().find(|(key, _)| key == name).map(|(_, value)| &**value)
    }

    /// A member that is a string.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.get(name).and_then(|value| serde_json::from_str(value.get()).ok())
    }

    /// The items of a member that is an array; none if it is absent or null.
    ///
    /// # Errors
    /// When it is something else.
    pub(super) fn items(&self, name: &str) -> Result<Vec<Json>, TransformError> {
        let Some(value) = self.get(name) else { return Ok(Vec::new()) };
        let items: Option<Vec<Json>> = serde_json::from_str(value.get())
            .map_err(|_| TransformError::new(format!("`{name}` of the aspect: expected a list")))?;
        Ok(items.unwrap_or_default())
    }

    /// Replaces a member in its place, or adds it at the end.
    pub(super) fn set(&mut self, name: &str, value: Json) {
        match self.0.iter_mut().rev().find(|(key, _)| key == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    /// As [`set`](Self::set), for the items of an array.
    pub(super) fn set_items(&mut self, name: &str, items: &[Json]) {
        self.set(name, array(items));
    }

    pub(super) fn with(mut self, name: &str, value: Json) -> Self {
        self.set(name, value);
        self
    }

    pub(super) fn members(&self) -> impl Iterator<Item = (&str, &RawValue)> {
        self.0.iter().map(|(name, value)| (name.as_str(), &**value))
    }

    pub(super) fn to_json(&self) -> Json {
        json(self)
    }

    pub(super) fn to_aspect(&self) -> Aspect {
        aspect(self)
    }
}

/// Any value as JSON text.
pub(super) fn json(value: &(impl Serialize + ?Sized)) -> Json {
    match serde_json::value::to_raw_value(value) {
        Ok(json) => json,
        Err(error) => unreachable!("keys are strings and values are JSON: {error}"),
    }
}

/// Any value as an aspect.
pub(super) fn aspect(value: &(impl Serialize + ?Sized)) -> Aspect {
    match Aspect::from_serialize(value) {
        Ok(aspect) => aspect,
        Err(error) => unreachable!("keys are strings and values are JSON: {error}"),
    }
}

/// An array of JSON texts.
pub(super) fn array(items: &[Json]) -> Json {
    json(items)
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
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Object(members))
            }
        }

        deserializer.deserialize_map(Members)
    }
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_that_are_not_edited_keep_their_text() {
        let mut object =
            Object::parse(r#"{"n":1.0e2,"tags":[{"tag":"a"}],"big":12345678901234567890123}"#).unwrap();
        let mut items = object.items("tags").unwrap();
        items.push(json(&serde_json::json!({"tag": "b"})));
        object.set_items("tags", &items);
        assert_eq!(
            object.to_aspect().as_str(),
            r#"{"n":1.0e2,"tags":[{"tag":"a"},{"tag":"b"}],"big":12345678901234567890123}"#
        );
    }

    #[test]
    fn a_member_that_is_not_a_list_is_an_error() {
        let object = Object::parse(r#"{"tags":{}}"#).unwrap();
        assert!(object.items("tags").is_err());
        assert!(object.items("absent").unwrap().is_empty());
    }
}
