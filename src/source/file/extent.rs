//! The extent of a record in the stream, and the part of it that is still in memory.

use std::io::{self, Read};

use memchr::{memchr, memmem};

use super::scan::{is_blank, trim_end};
use super::window::Window;
use crate::source::MAX_RAW;

/// The bytes of a record: some that were discarded, and then the front of the window.
pub(super) struct Extent {
    pub(super) offset: u64,
    pub(super) gone: u64,
    pub(super) held: usize,
    pub(super) problem: Option<RecordProblem>,
}

/// The reason why a record is invalid.
pub(super) struct RecordProblem {
    pub(super) reason: String,
    /// The byte of the stream at which it was noticed; `None` for the first byte of the record.
    pub(super) at: Option<u64>,
}

impl Extent {
    pub(super) fn broken(self, reason: impl Into<String>) -> Self {
        self.with_problem(reason.into(), None)
    }

    pub(super) fn broken_at(self, place: u64, reason: impl Into<String>) -> Self {
        self.with_problem(reason.into(), Some(place))
    }

    fn with_problem(mut self, reason: String, at: Option<u64>) -> Self {
        self.problem = Some(RecordProblem { reason, at });
        self
    }

    pub(super) fn len(&self) -> u64 {
        self.gone + self.held as u64
    }

    pub(super) fn end(&self) -> u64 {
        self.offset + self.len()
    }
}

impl<R: Read> Window<R> {
    pub(super) fn extent(&self) -> Extent {
        Extent { offset: self.offset(), gone: 0, held: 0, problem: None }
    }

    pub(super) fn skip_white_space(&mut self) -> io::Result<Option<u8>> {
        loop {
            let bytes = self.bytes();
            let blank = bytes.iter().position(|&byte| !is_blank(byte));
            if let Some(blank) = blank {
                let byte = bytes.get(blank).copied();
                self.discard(blank);
                return Ok(byte);
            }
            let all = bytes.len();
            self.discard(all);
            if !self.more()? {
                return Ok(None);
            }
        }
    }

    /// Skips text in an array that is not a value, up to a byte at which the array can continue.
    pub(super) fn run_over_scalar(&mut self) -> io::Result<Extent> {
        let mut extent = self.extent();
        extent.held = 1;
        loop {
            let rest = self.bytes().get(extent.held..).unwrap_or_default();
            if let Some(length) = rest.iter().position(|byte| b",]}{[\"".contains(byte)) {
                extent.held += length;
                break;
            }
            extent.held = self.bytes().len();
            if !self.grow(&mut extent, MAX_RAW)? {
                break;
            }
        }
        let held = self.bytes().get(..extent.held).unwrap_or_default();
        extent.held = trim_end(held).len();
        Ok(extent)
    }

    pub(super) fn run_to_end(&mut self, mut extent: Extent) -> io::Result<Extent> {
        loop {
            extent.held = self.bytes().len();
            if !self.grow(&mut extent, MAX_RAW)? {
                return Ok(extent);
            }
        }
    }

    pub(super) fn run_to_line_end(&mut self, mut extent: Extent) -> io::Result<Extent> {
        loop {
            let rest = self.bytes().get(extent.held..).unwrap_or_default();
            if let Some(length) = memchr(b'\n', rest) {
                extent.held += length;
                let line = self.bytes().get(..extent.held).unwrap_or_default();
                extent.held = trim_end(line).len();
                return Ok(extent);
            }
            extent.held = self.bytes().len();
            if !self.grow(&mut extent, MAX_RAW)? {
                return Ok(extent);
            }
        }
    }

    pub(super) fn run_to_next_object(&mut self, mut extent: Extent) -> io::Result<Extent> {
        loop {
            // The line break may be the last byte that was searched.
            let from = extent.held.saturating_sub(1);
            let rest = self.bytes().get(from..).unwrap_or_default();
            if let Some(length) = memmem::find(rest, b"\n{") {
                extent.held = from + length;
                return Ok(extent);
            }
            extent.held = self.bytes().len();
            if !self.grow(&mut extent, MAX_RAW)? {
                return Ok(extent);
            }
        }
    }

    /// Reads more of a record that reaches to the end of the window. If it is longer than `limit`, only its
    /// last byte stays in memory. False at the end of the file.
    pub(super) fn grow(&mut self, extent: &mut Extent, limit: usize) -> io::Result<bool> {
        if extent.held > limit || (extent.gone > 0 && extent.held > 1) {
            let gone = extent.held - 1;
            self.discard(gone);
            extent.gone += gone as u64;
            extent.held = 1;
        }
        self.more()
    }
}
