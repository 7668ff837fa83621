//! What an answer of OpenAPI v3 says that GMS took.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::GmsResponse;

/// The aspects in an answer to a write. GMS groups them by URN in an order of its own, and merges repeats; an aspect that it
/// does not know for the entity's type it leaves out, and answers 200 all the same (`GenericEntitiesController.java`).
#[derive(Debug, Default)]
pub(crate) struct AcceptedAspects {
    aspects: HashMap<String, HashSet<String>>,
}

impl AcceptedAspects {
    /// Reads an answer; `None` for one that says nothing of aspects, as that to an asynchronous PATCH.
    pub(crate) fn read(reply: &GmsResponse) -> Option<Self> {
        type Entity<'a> = HashMap<Text<'a>, &'a RawValue>;
        if reply.body.is_empty() || reply.truncated {
            return None;
        }
        let entities: Vec<Entity<'_>> = serde_json::from_slice(&reply.body).ok()?;
        let mut taken = Self::default();
        for entity in entities {
            let urn = entity.get("urn").and_then(|urn| serde_json::from_str::<String>(urn.get()).ok());
            let Some(urn) = urn else { continue };
            let aspects = taken.aspects.entry(urn).or_default();
            aspects.extend(entity.into_keys().map(|Text(name)| name.into_owned()));
        }
        Some(taken)
    }

    /// Whether this aspect is among them.
    pub(crate) fn holds(&self, urn: &str, aspect: &str) -> bool {
        self.aspects.get(urn).is_some_and(|aspects| aspects.contains(aspect))
    }
}

/// A name, without a copy where it has no escapes.
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
    fn aspects_are_found_however_they_are_grouped() {
        let taken = read(
            br#"[{"urn":"urn:li:tag:b","status":{"value":{}}},
                 {"tagProperties":{"value":{"name":"urn"}},"urn":"urn:li:tag:caf\u00e9"},
                 {"urn":"urn:li:tag:b","tagProperties":{}}, {"status":{}}, {"urn":7}]"#,
        )
        .unwrap();
        assert!(taken.holds("urn:li:tag:b", "status") && taken.holds("urn:li:tag:b", "tagProperties"));
        assert!(taken.holds("urn:li:tag:café", "tagProperties"));
        assert!(!taken.holds("urn:li:tag:café", "status") && !taken.holds("urn:li:tag:c", "status"));
    }

    #[test]
    fn an_answer_without_aspects_says_nothing() {
        for body in ["", " ", "{}", "null", "7", "[1]", "[", "<html>", r#"{"value":"success"}"#] {
            assert!(read(body.as_bytes()).is_none(), "{body}");
        }
        assert!(!read(b"[]").unwrap().holds("urn:li:tag:a", "status"));
    }

    proptest! {
        #[test]
        fn whatever_comes_back_is_read_without_a_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            read(&body);
        }
    }
}
