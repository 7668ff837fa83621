//! Where a record was read.

use std::fmt;
use std::sync::Arc;

/// Where a record was read. Reports, logs and dead letters show it as `file#index`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Origin {
    /// The file, as its source names it; `-` for standard input.
    pub file: Arc<str>,
    /// The record's number in the file, from 0.
    pub index: u64,
    /// Where the record starts, in bytes of the uncompressed file.
    pub offset: u64,
}

impl Origin {
    /// The record number `index` of `file`, which starts `offset` bytes after the start of the uncompressed
    /// file.
    pub fn new(file: impl Into<Arc<str>>, index: u64, offset: u64) -> Self {
        Self { file: file.into(), index, offset }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.file, self.index)
    }
}
