//! The name of an entity.

use std::fmt;
use std::sync::Arc;

/// The name of an entity: `urn:li:<entity type>:<key>`.
///
/// Leading white space is allowed, as in GMS's own parser; such a URN is refused only when something is
/// written to it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Urn(Arc<str>);

/// A text that is not `urn:li:<entity type>:<key>`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a URN: expected urn:li:<entity type>:<key>, found {found:?}")]
pub(crate) struct UrnError {
    /// The start of the text.
    found: String,
}

impl Urn {
    pub(crate) fn parse(text: &str) -> Result<Self, UrnError> {
        let parts = text.trim_start().strip_prefix("urn:li:").and_then(|rest| rest.split_once(':'));
        match parts {
            Some((entity_type, key)) if !entity_type.is_empty() && !key.is_empty() => Ok(Self(text.into())),
            _ => Err(UrnError { found: text.chars().take(80).collect() }),
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// For example `dataset`.
    pub(crate) fn entity_type(&self) -> &str {
        self.0.trim_start().split(':').nth(2).unwrap_or_default()
    }

    /// For example `(urn:li:dataPlatform:hive,db.orders,PROD)`.
    pub(crate) fn key(&self) -> &str {
        self.0.trim_start().splitn(4, ':').nth(3).unwrap_or_default()
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
