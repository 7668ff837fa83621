//! Reads lines of limited length, each with its number and offset.

use std::io::{self, BufRead, BufReader, Read};

/// The longest line in bytes: six times the longest record that the `file` source reads, because each byte of
/// a text may have become `\u00xx`.
const MAX_LINE: u64 = 6 * 64 * 1024 * 1024;

/// Reads lines of up to [`MAX_LINE`] bytes.
pub(super) struct Lines<R> {
    reader: BufReader<R>,
    number: u64,
    offset: u64,
}

/// A line without its line end.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// The first line is 1.
    pub(super) number: u64,
    /// In bytes from the start of the file.
    pub(super) offset: u64,
    pub(super) text: LineText,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum LineText {
    Whole(Vec<u8>),
    /// The line's length in bytes.
    TooLong(u64),
}

impl<R: Read> Lines<R> {
    pub(super) fn new(file: R) -> Self {
        Self { reader: BufReader::with_capacity(64 * 1024, file), number: 0, offset: 0 }
    }

    /// Bytes that were read so far.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// The first byte that is not white space, of those that one read returns. Nothing is consumed.
    pub(super) fn peek(&mut self) -> io::Result<Option<u8>> {
        Ok(self.reader.fill_buf()?.iter().copied().find(|byte| !byte.is_ascii_whitespace()))
    }

    pub(super) fn next(&mut self) -> io::Result<Option<Line>> {
        let offset = self.offset;
        let mut text = Vec::new();
        let mut length = (&mut self.reader).take(MAX_LINE).read_until(b'\n', &mut text)? as u64;
        if length == 0 {
            return Ok(None);
        }
        self.number += 1;
        let text = if text.pop_if(|byte| *byte == b'\n').is_none() && length == MAX_LINE {
            length += self.reader.skip_until(b'\n')? as u64;
            LineText::TooLong(length)
        } else {
            LineText::Whole(text)
        };
        self.offset += length;
        Ok(Some(Line { number: self.number, offset, text }))
    }
}
