//! The aspects that GMS accepted, from the response of OpenAPI v3.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::GmsResponse;

/// The aspects in the response to a write. GMS groups them by URN in an order of its own, and merges repeats.
/// It leaves out an aspect that it does not know for the entity's type, but still answers 200
/// (`GenericEntitiesController.java`).
#[derive(Debug, Default)]
pub(crate) struct AcceptedAspects {
    aspects: HashMap<String, HashSet<String>>,
}

impl AcceptedAspects {
    /// Reads a response. `None` if it lists no aspects, as the response to an asynchronous PATCH.
    pub(crate) fn read(response: &GmsResponse) -> Option<Self> {
        type Entity<'a> = HashMap<Text<'a>, &'a RawValue>;
        if response.body.is_empty() || response.truncated {
            return None;
        }
        let entities: Vec<Entity<'_>> = serde_json::from_slice(&response.body).ok()?;
        let mut accepted = Self::default();
        for entity in entities {
            let urn = entity.get("urn").and_then(|urn| serde_json::from_str::<String>(urn.get()).ok());
            let Some(urn) = urn else { continue };
            let aspects = accepted.aspects.entry(urn).or_default();
            aspects.extend(entity.into_keys().map(|Text(name)| name.into_owned()));
        }
        Some(accepted)
    }

    /// Whether GMS accepted this aspect.
    pub(crate) fn contains(&self, urn: &str, aspect: &str) -> bool {
        self.aspects.get(urn).is_some_and(|aspects| aspects.contains(aspect))
    }
}

/// A name that is copied only if it has escapes.
#[derive(Deserialize, PartialEq, Eq, Hash)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl std::borrow::Borrow<str> for Text<'_> {
    fn borrow(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(body: &[u8]) -> Option<AcceptedAspects> {
        AcceptedAspects::read(&GmsResponse::with_body(200, bytes::Bytes::copy_from_slice(body)))
    }

    #[test]
    fn aspects_are_found_in_any_grouping() {
        let accepted = read(
            br#"[{"urn":"urn:li:tag:b","status":{"value":{}}},
                 {"tagProperties":{"value":{"name":"urn"}},"urn":"urn:li:tag:caf\u00e9"},
                 {"urn":"urn:li:tag:b","tagProperties":{}}, {"status":{}}, {"urn":7}]"#,
        )
        .unwrap();
        assert!(
            accepted.contains("urn:li:tag:b", "status") && accepted.contains("urn:li:tag:b", "tagProperties")
        );
        assert!(accepted.contains("urn:li:tag:café", "tagProperties"));
        assert!(
            !accepted.contains("urn:li:tag:café", "status") && !accepted.contains("urn:li:tag:c", "status")
        );
    }

    #[test]
    fn a_response_without_aspects_is_not_read() {
        for body in ["", " ", "{}", "null", "7", "[1]", "[", "<html>", r#"{"value":"success"}"#] {
            assert!(read(body.as_bytes()).is_none(), "{body}");
        }
        assert!(!read(b"[]").unwrap().contains("urn:li:tag:a", "status"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            read(&body);
        }
    }
}
