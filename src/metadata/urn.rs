//! URNs: the names of entities.

mod constructors;
mod key;
mod key_aspect;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

pub use key_aspect::KeyAspectError;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Everything but the unreserved characters of RFC 3986, so that any URN is a single path segment.
const PATH_SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The longest URN that GMS stores, in bytes of its URL-encoded form (`ValidationApiUtils`,
/// `URN_NUM_BYTES_LIMIT`).
pub(super) const MAX_ENCODED_BYTES: usize = 512;

/// Separates the parts of a key in GMS's search index, so no URN may contain it.
const RESERVED: char = '␟';

/// How many characters of a text that is not a URN an error shows.
const SHOWN_CHARACTERS: usize = 80;

/// The name of an entity: `urn:li:<entity type>:<key>`.
///
/// ```
/// use datahub_emitter::metadata::Urn;
///
/// let orders = Urn::dataset("hive", "shop.orders", "PROD")?;
/// assert_eq!(orders.as_str(), "urn:li:dataset:(urn:li:dataPlatform:hive,shop.orders,PROD)");
/// assert_eq!(orders, Urn::parse("urn:li:dataset:(urn:li:dataPlatform:hive,shop.orders,PROD)")?);
///
/// let load: Urn = "urn:li:dataJob:(urn:li:dataFlow:(airflow,daily,PROD),load)".parse()?;
/// assert_eq!(load.entity_type(), "dataJob");
/// assert!(Urn::try_from(" urn:li:tag:pii").is_err());
/// # Ok::<_, datahub_emitter::metadata::UrnError>(())
/// ```
///
/// A URN can be cloned cheaply, and serialises as its text. A URN that was read from a metadata file has the
/// form, but may be one that GMS does not store; see [`storage_problem`](Self::storage_problem).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Urn(Arc<str>);

/// The text is not a URN.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a URN: expected {expected}, found {found:?}")]
pub struct UrnError {
    expected: String,
    /// At most 80 characters of the text.
    found: String,
}

impl UrnError {
    fn new(expected: impl Into<String>, found: &str) -> Self {
        Self { expected: expected.into(), found: found.chars().take(SHOWN_CHARACTERS).collect() }
    }
}

impl Urn {
    /// Parses a URN.
    ///
    /// # Errors
    /// When `text` does not have the form `urn:li:<entity type>:<key>` with both parts non-empty, has white
    /// space at either end, or contains a control character.
    pub fn parse(text: &str) -> Result<Self, UrnError> {
        if text.trim() != text {
            return Err(UrnError::new("no white space at either end", text));
        }
        if text.contains(char::is_control) {
            return Err(UrnError::new("no control characters", text));
        }
        Self::parse_lenient(text)
    }

    /// Parses a URN of a record. It may have white space at its ends and control characters, so that a record
    /// with such a URN can be rejected, shown and written to the dead-letter file as it was read.
    ///
    /// # Errors
    /// When `text` does not have the form `urn:li:<entity type>:<key>` with both parts non-empty.
    pub(crate) fn parse_lenient(text: &str) -> Result<Self, UrnError> {
        let parts = text.trim_start().strip_prefix("urn:li:").and_then(|rest| rest.split_once(':'));
        match parts {
            Some((entity_type, key)) if !entity_type.is_empty() && !key.is_empty() => Ok(Self(text.into())),
            _ => Err(UrnError::new("urn:li:<entity type>:<key>", text)),
        }
    }

    /// The whole URN.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The entity type, for example `dataset`.
    pub fn entity_type(&self) -> &str {
        self.0.trim_start().split(':').nth(2).unwrap_or_default()
    }

    /// The key, for example `(urn:li:dataPlatform:hive,db.orders,PROD)`.
    pub fn key(&self) -> &str {
        self.0.trim_start().splitn(4, ':').nth(3).unwrap_or_default()
    }

    /// The URN as one segment of a path: everything but RFC 3986's unreserved characters is percent-encoded.
    pub fn path_segment(&self) -> String {
        Self::path_segment_of(&self.0)
    }

    /// As [`path_segment`](Self::path_segment), for any text.
    pub(crate) fn path_segment_of(text: &str) -> String {
        utf8_percent_encode(text, PATH_SEGMENT).to_string()
    }

    /// Why GMS would not store an entity with this URN; `None` if it would.
    ///
    /// On Rest.li GMS answers such a proposal with 200 "success" and writes nothing (`AspectsBatchImpl`:
    /// "Invalid proposal, skipping and proceeding with batch"). The emitter therefore rejects it without
    /// sending it.
    pub fn storage_problem(&self) -> Option<String> {
        let text = self.as_str();
        if text.trim() != text {
            return Some(
                "the URN has white space at its ends, and GMS silently drops such a proposal".into(),
            );
        }
        if text.contains(RESERVED) {
            return Some(format!("the URN contains {RESERVED:?}, and GMS silently drops such a proposal"));
        }
        let encoded: usize = text.bytes().map(form_encoded_len).sum();
        if encoded > MAX_ENCODED_BYTES && self.entity_type() != "schemaField" {
            return Some(format!(
                "the URN is {encoded} bytes long when URL-encoded; GMS stores at most {MAX_ENCODED_BYTES} and silently \
                 drops a longer one"
            ));
        }
        key::problem(self.entity_type(), self.key()).map(|problem| {
            format!("GMS would not store {self}: {problem}; it silently drops such a proposal")
        })
    }
}

/// The length of one byte in the output of Java's `URLEncoder`, with which GMS measures.
fn form_encoded_len(byte: u8) -> usize {
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'*' | b'_' | b' ' => 1,
        _ => 3,
    }
}

impl fmt::Display for Urn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Urn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl AsRef<str> for Urn {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// A cheap clone, so that constructors take a URN and a reference to one.
impl From<&Self> for Urn {
    fn from(urn: &Self) -> Self {
        urn.clone()
    }
}

impl std::str::FromStr for Urn {
    type Err = UrnError;

    fn from_str(text: &str) -> Result<Self, UrnError> {
        Self::parse(text)
    }
}

impl TryFrom<&str> for Urn {
    type Error = UrnError;

    fn try_from(text: &str) -> Result<Self, UrnError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Urn {
    type Error = UrnError;

    fn try_from(text: String) -> Result<Self, UrnError> {
        Self::parse(&text)
    }
}

impl Serialize for Urn {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Urn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl serde::de::Visitor<'_> for Text {
            type Value = Urn;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a URN: urn:li:<entity type>:<key>")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Urn, E> {
                Urn::parse(text).map_err(E::custom)
            }
        }

        deserializer.deserialize_str(Text)
    }
}
