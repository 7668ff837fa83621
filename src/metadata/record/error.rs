//! Errors of records.

use std::fmt;

use crate::metadata::json::JsonError;

/// The record cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason} (at byte {offset} of the record)")]
#[non_exhaustive]
pub struct RecordError {
    /// The mistake, and what was expected instead.
    pub reason: String,
    /// The place of the mistake, in bytes from the start of the record.
    pub offset: usize,
}

impl RecordError {
    pub(super) fn new(offset: usize, reason: impl fmt::Display) -> Self {
        Self { reason: reason.to_string(), offset }
    }
}

impl From<JsonError> for RecordError {
    fn from(error: JsonError) -> Self {
        Self::new(error.offset, error.kind)
    }
}
