//! One record of a metadata file: from its text to proposals, and from a proposal to a record's text.
//!
//! A record is a metadata change proposal (MCP; its aspect as `{"json": …}` or as `{"value": "…", "contentType": …}`), a
//! metadata change event (MCE, the older form: a snapshot of several aspects) or a usage record. The forms are those of
//! DataHub's file source and sink (`metadata-ingestion/src/datahub/ingestion/source/file.py`).

mod aspect;
mod entity;
mod metadata;
mod read;
#[cfg(test)]
mod tests;
mod write;

use std::fmt;

use super::json::{DEFAULT_MAX_DEPTH, JsonError};
use super::{Origin, Proposal};

pub use read::Reader;
pub use write::{write_indented, write_json_form, write_value_form};

/// How large a record may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes of its text: 64 MiB, four times what GMS takes in a request by default.
    pub max_bytes: usize,
    /// The most levels of objects and arrays in it, and again in the text of an aspect's `value`: 256. DataHub's own
    /// records have below 20; more is a mistake or an attack.
    pub max_depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_bytes: 64 << 20, max_depth: DEFAULT_MAX_DEPTH }
    }
}

/// What a record holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Read {
    /// The proposals, in the order in which they are to be sent.
    Proposals(Vec<Proposal>),
    /// A record that is understood and of no use here.
    Ignored(Ignored),
}

/// Why a record that is understood is passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ignored {
    /// A usage record of DataHub's first form (`UsageAggregation`), which GMS takes no more as part of a file;
    /// DataHub's file source drops it too.
    Usage,
}

/// Why a record cannot be understood, and where in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason} (at byte {offset} of the record)")]
pub struct RecordError {
    /// What is wrong, and what was expected.
    pub reason: String,
    /// Where, in bytes from the start of the record.
    pub offset: usize,
}

impl RecordError {
    pub(in crate::metadata) fn new(offset: usize, reason: impl fmt::Display) -> Self {
        Self { reason: reason.to_string(), offset }
    }
}

impl From<JsonError> for RecordError {
    fn from(error: JsonError) -> Self {
        Self::new(error.offset, error.fault)
    }
}

/// Reads one record, as [`Reader::read`] does; who reads many keeps a [`Reader`].
///
/// # Errors
/// When the record is not JSON, not one of the known forms, or larger than `limits` allow.
pub fn read(record: &[u8], limits: &Limits, origin: Origin) -> Result<Read, RecordError> {
    Reader::new(*limits).read(record, origin)
}
