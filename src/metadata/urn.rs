//! The name of an entity.

mod key;
mod key_aspect;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

pub use key_aspect::KeyAspectError;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Everything but the unreserved characters of RFC 3986, so that a URN is one path segment whatever it holds.
const PATH_SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The longest URN that GMS stores, in bytes of its URL-encoded form (`ValidationApiUtils`, `URN_NUM_BYTES_LIMIT`).
pub(super) const MAX_ENCODED_BYTES: usize = 512;

/// Separates the parts of a key in GMS's search index, so no URN may hold it.
const RESERVED: char = '␟';

/// The name of an entity: `urn:li:<entity type>:<key>`.
///
/// Parsing takes whatever has that form; what GMS would not store is told by [`fault`](Self::fault), so that such a
/// URN can still be read, shown and kept.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Urn(Arc<str>);

/// A text that is not `urn:li:<entity type>:<key>`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a URN: expected urn:li:<entity type>:<key>, found {found:?}")]
pub struct UrnError {
    found: String,
}

impl Urn {
    /// Takes `text` for a URN.
    ///
    /// # Errors
    /// When it has not the form `urn:li:<entity type>:<key>` with both parts non-empty.
    pub fn parse(text: &str) -> Result<Self, UrnError> {
        let parts = text.trim_start().strip_prefix("urn:li:").and_then(|rest| rest.split_once(':'));
        match parts {
            Some((entity_type, key)) if !entity_type.is_empty() && !key.is_empty() => Ok(Self(text.into())),
            _ => Err(UrnError { found: text.chars().take(80).collect() }),
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

    /// Why GMS would not store an entity of this name, if it would not.
    ///
    /// On Rest.li GMS answers 200 "success" for these and writes nothing (`AspectsBatchImpl`: "Invalid proposal,
    /// skipping and proceeding with batch"), so they are found here instead.
    pub fn fault(&self) -> Option<String> {
        let text = self.as_str();
        if text.trim() != text {
            return Some(
                "the URN has white space at its ends, and GMS drops such a proposal without a word".into(),
            );
        }
        if text.contains(RESERVED) {
            return Some(format!("the URN holds {RESERVED:?}, and GMS drops such a proposal without a word"));
        }
        let encoded: usize = text.bytes().map(form_encoded_len).sum();
        if encoded > MAX_ENCODED_BYTES && self.entity_type() != "schemaField" {
            return Some(format!(
                "the URN is {encoded} bytes long when URL-encoded; GMS stores at most {MAX_ENCODED_BYTES} and drops a longer one without a word"
            ));
        }
        key::fault(self.entity_type(), self.key()).map(|what| {
            format!("GMS would not store {self}: {what}; it drops such a proposal without a word")
        })
    }
}

/// How many bytes Java's `URLEncoder`, with which GMS measures, makes of one.
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

impl std::str::FromStr for Urn {
    type Err = UrnError;

    fn from_str(text: &str) -> Result<Self, UrnError> {
        Self::parse(text)
    }
}
