//! An entity as GMS returns it (`EntityResponse.pdl`).

use datahub_emitter::{Error, ErrorKind};
use serde::Deserialize;
use serde_json::value::RawValue;

/// The aspects of an entity. Values keep their text.
#[derive(Debug)]
pub(crate) struct EntityAspects<'a>(Vec<(String, &'a RawValue)>);

#[derive(Deserialize)]
struct EntityResponse<'a> {
    #[serde(borrow, default)]
    aspects: OrderedAspects<'a>,
}

/// In the order of the response; a map would sort them.
#[derive(Default)]
struct OrderedAspects<'a>(Vec<(String, EnvelopedAspect<'a>)>);

#[derive(Deserialize)]
struct EnvelopedAspect<'a> {
    #[serde(borrow)]
    value: &'a RawValue,
}

#[derive(Deserialize)]
struct Status {
    #[serde(default)]
    removed: bool,
}

impl<'a> EntityAspects<'a> {
    /// Reads GMS's response.
    ///
    /// # Errors
    /// [`ErrorKind::Rejected`] if it is not the response to a request for an entity.
    pub(crate) fn read(text: &'a [u8]) -> Result<Self, Error> {
        let response: EntityResponse<'a> = serde_json::from_slice(text).map_err(|error| {
            Error::new(ErrorKind::Rejected, "the response of GMS is not understood").with_source(error)
        })?;
        Ok(Self(response.aspects.0.into_iter().map(|(name, aspect)| (name, aspect.value)).collect()))
    }

    /// Keeps the aspects of these names.
    pub(crate) fn select(&mut self, names: &[String]) {
        self.0.retain(|(name, _)| names.contains(name));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the entity was written. GMS derives the key aspect of an entity that was never written
    /// (`EntityServiceImpl`), so that aspect alone does not show that the entity exists.
    pub(crate) fn was_written(&self) -> bool {
        !matches!(self.0.as_slice(), [] | [_]) || self.names().any(|name| !name.ends_with("Key"))
    }

    /// Whether the entity is soft-deleted.
    pub(crate) fn is_removed(&self) -> bool {
        let status = self.0.iter().find(|(name, _)| name == "status");
        status.is_some_and(|(_, value)| {
            serde_json::from_str::<Status>(value.get()).is_ok_and(|status| status.removed)
        })
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.names().any(|found| found == name)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// A JSON object with the value of each aspect under its name, an aspect per line.
    pub(crate) fn to_json(&self) -> Vec<u8> {
        let mut object = b"{".to_vec();
        for (index, (name, value)) in self.0.iter().enumerate() {
            object.extend_from_slice(if index == 0 { b"\n  " } else { b",\n  " });
            object.extend_from_slice(serde_json::Value::from(name.as_str()).to_string().as_bytes());
            object.extend_from_slice(b": ");
            object.extend_from_slice(value.get().as_bytes());
        }
        object.extend_from_slice(b"\n}\n");
        object
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for OrderedAspects<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = OrderedAspects<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a mapping of aspects")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<OrderedAspects<'de>, A::Error> {
                let mut aspects = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    aspects.push(entry);
                }
                Ok(OrderedAspects(aspects))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_alone_and_a_removed_entity_are_recognised() {
        let written = |text: &str| EntityAspects::read(text.as_bytes()).unwrap().was_written();
        assert!(!written(r#"{"aspects":{"tagKey":{"value":{"name":"t"}}}}"#));
        assert!(!written(r#"{"urn":"urn:li:tag:t","aspects":{}}"#));
        assert!(written(r#"{"aspects":{"status":{"value":{}}}}"#));
        assert!(written(r#"{"aspects":{"tagKey":{"value":{}},"status":{"value":{}}}}"#));
        let removed = |value: &str| {
            let text = format!(r#"{{"aspects":{{"status":{{"value":{value}}}}}}}"#);
            EntityAspects::read(text.as_bytes()).unwrap().is_removed()
        };
        assert!(removed(r#"{"removed":true}"#));
        assert!(!removed(r#"{"removed":false}"#));
        assert!(!removed("{}"));
    }
}
