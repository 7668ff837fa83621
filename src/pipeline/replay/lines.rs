//! Lines of a file, each with its number and its place.

use std::io::{self, BufRead, BufReader, Read};

/// A longer line is no letter: six times the longest record that the `file` source takes, since each byte of a text may
/// have become `\u00xx`.
const MAX_LINE: u64 = 6 * 64 * 1024 * 1024;

/// Reads lines, no longer ones than [`MAX_LINE`].
pub(super) struct Lines<R> {
    reader: BufReader<R>,
    number: u64,
    offset: u64,
}

/// A line without its end.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// From 1, as editors count.
    pub(super) number: u64,
    /// In bytes from the start of the file.
    pub(super) offset: u64,
    pub(super) text: Text,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Text {
    Whole(Vec<u8>),
    /// Its length.
    TooLong(u64),
}

impl<R: Read> Lines<R> {
    pub(super) fn new(file: R) -> Self {
        Self { reader: BufReader::with_capacity(64 * 1024, file), number: 0, offset: 0 }
    }

    /// Bytes read so far.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// The first byte that is no white space, of those that a first read brings; nothing is taken.
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
            Text::TooLong(length)
        } else {
            Text::Whole(text)
        };
        self.offset += length;
        Ok(Some(Line { number: self.number, offset, text }))
    }
}
