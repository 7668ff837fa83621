//! Reads and writes one record of a metadata file.
//!
//! A record is a metadata change proposal (MCP; its aspect as `{"json": …}` or as
//! `{"value": "…", "contentType": …}`), a metadata change event (MCE, the older form: a snapshot of several
//! aspects) or a usage record. The forms are those of DataHub's file source and sink
//! (`metadata-ingestion/src/datahub/ingestion/source/file.py`).

mod aspect;
mod avro;
mod entity;
mod error;
mod metadata;
mod read;
mod snapshot;
#[cfg(test)]
mod tests;
mod write;

use super::json::DEFAULT_MAX_DEPTH;
use super::{Origin, Proposal};

pub use error::RecordError;
pub use read::RecordReader;
pub use write::{write_indented, write_json_form, write_value_form, write_value_form_indented};

/// The largest record that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordLimits {
    /// The maximum size of its text in bytes. Default 64 MiB, four times the default limit of a request to
    /// GMS.
    pub max_bytes: usize,
    /// The maximum number of nested objects and arrays, in the record and again in the text of an aspect's
    /// `value`. Default 256. DataHub's own records have fewer than 20.
    pub max_depth: usize,
}

impl RecordLimits {
    /// These limits with another maximum size of a record's text, in bytes.
    #[must_use]
    pub fn with_max_bytes(self, max_bytes: usize) -> Self {
        Self { max_bytes, ..self }
    }

    /// These limits with another maximum number of nested objects and arrays.
    #[must_use]
    pub fn with_max_depth(self, max_depth: usize) -> Self {
        Self { max_depth, ..self }
    }
}

impl Default for RecordLimits {
    fn default() -> Self {
        Self { max_bytes: 64 << 20, max_depth: DEFAULT_MAX_DEPTH }
    }
}

/// The content of a record.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ParsedRecord {
    /// The proposals, in the order in which they are to be sent.
    Proposals(Vec<Proposal>),
    /// A record that is understood, but holds nothing that GMS accepts.
    Ignored(Ignored),
}

/// The reason why a record is ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ignored {
    /// A usage record of DataHub's first form (`UsageAggregation`). GMS no longer accepts it as metadata, and
    /// DataHub's file source drops it too.
    Usage,
}

/// Reads one record, as [`RecordReader::read`] does. To read many records, keep a [`RecordReader`], which
/// reuses its memory.
///
/// # Errors
/// When the record is not JSON, not one of the known forms, or larger than `limits` allow.
pub fn read(record: &[u8], limits: &RecordLimits, origin: Origin) -> Result<ParsedRecord, RecordError> {
    RecordReader::new(*limits).read(record, origin)
}
