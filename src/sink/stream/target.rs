//! The target of a stream, and its layout.

use std::io::{self, Write};

use crate::metadata::{Proposal, record};

/// Takes the bytes of a stream.
pub(in crate::sink) trait StreamTarget: Write + Send {
    /// Puts what was written in its final place. Dropping the target instead leaves nothing behind where that
    /// is possible.
    fn finish(self: Box<Self>) -> io::Result<()>;

    /// Whether a reader that goes away has seen enough, and nothing is wrong.
    fn reader_may_leave(&self) -> bool {
        false
    }

    /// Whether a write ends soon whatever other processes do, so that dropping the sink may wait for it.
    fn never_blocks_for_long(&self) -> bool;
}

/// How records follow one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sink) enum Layout {
    /// A JSON array as DataHub's file sink writes it (`ingestion/sink/file.py`).
    Array,
    /// The same, with each aspect as a string of JSON (`legacy_nested_json_string`).
    ArrayOfNestedJson,
    /// JSON Lines.
    Lines,
    /// The same, with each aspect as a string of JSON.
    LinesOfNestedJson,
}

impl Layout {
    pub(super) fn push_start(self, out: &mut Vec<u8>) {
        if self.is_array() {
            out.extend_from_slice(b"[\n");
        }
    }

    pub(super) fn push_record(self, proposal: &Proposal, is_first: bool, out: &mut Vec<u8>) {
        if self.is_array() && !is_first {
            out.extend_from_slice(b",\n");
        }
        match self {
            Self::Array => record::write_indented(proposal, out),
            Self::ArrayOfNestedJson => record::write_value_form_indented(proposal, out),
            Self::Lines => record::write_json_form(proposal, out),
            Self::LinesOfNestedJson => record::write_value_form(proposal, out, None),
        }
        if !self.is_array() {
            out.push(b'\n');
        }
    }

    fn is_array(self) -> bool {
        matches!(self, Self::Array | Self::ArrayOfNestedJson)
    }

    pub(super) fn push_end(self, out: &mut Vec<u8>) {
        if self.is_array() {
            out.extend_from_slice(b"\n]");
        }
    }
}
