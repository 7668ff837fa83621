mod corruption;
mod guessing;
mod reading;
mod seeking;
mod splitting;

use std::io::{self, Read};

use super::split::{RecordPiece, Splitter};
use crate::source::RawRecord;

/// A stream that gives its bytes in pieces of the given sizes, over and over.
pub(super) struct Pieces<'a> {
    rest: &'a [u8],
    sizes: Vec<usize>,
    turn: usize,
}

impl<'a> Pieces<'a> {
    pub(super) fn new(bytes: &'a [u8], sizes: &[usize]) -> Self {
        Self { rest: bytes, sizes: sizes.to_vec(), turn: 0 }
    }
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let size = self.sizes[self.turn % self.sizes.len()];
        self.turn += 1;
        let count = size.min(buffer.len()).min(self.rest.len());
        buffer[..count].copy_from_slice(&self.rest[..count]);
        self.rest = &self.rest[count..];
        Ok(count)
    }
}

/// An item of a splitter, without its buffer.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Split {
    Record(String),
    Broken(String, RawRecord),
}

pub(super) const LIMIT: usize = 64 * 1024 * 1024;

/// Splits all of it: offset and piece of each. Checks that the indexes count from 0 and that nothing
/// overlaps.
pub(super) fn split(stream: impl Read, max_record: usize) -> Vec<(u64, Split)> {
    let mut splitter = Splitter::new(stream, max_record);
    let mut found = Vec::new();
    let mut end = 0;
    while let Some(next) = splitter.next().unwrap() {
        assert_eq!(next.index, found.len() as u64);
        assert!(next.offset >= end, "{next:?} starts before byte {end}");
        let (length, piece) = match next.piece {
            RecordPiece::Record(text) => {
                (text.len() as u64, Split::Record(String::from_utf8_lossy(text).into_owned()))
            }
            RecordPiece::Broken { reason, at, raw } => {
                let length = match &raw {
                    RawRecord::Text(text) => text.len() as u64,
                    RawRecord::Long { length } => *length,
                };
                let reason = if at == next.offset { reason } else { format!("{reason} at byte {at}") };
                (length, Split::Broken(reason, raw))
            }
        };
        end = next.offset + length;
        found.push((next.offset, piece));
    }
    found
}

/// The records among them.
pub(super) fn records(found: &[(u64, Split)]) -> Vec<(u64, String)> {
    found
        .iter()
        .filter_map(|(offset, piece)| match piece {
            Split::Record(text) => Some((*offset, text.clone())),
            Split::Broken(..) => None,
        })
        .collect()
}

/// One line for each record: where it is, its text, and after a `!` what is wrong.
pub(super) fn outline(text: impl AsRef<[u8]>) -> Vec<String> {
    split(text.as_ref(), LIMIT)
        .into_iter()
        .map(|(offset, piece)| match piece {
            Split::Record(text) => format!("{offset} {text}"),
            Split::Broken(reason, RawRecord::Text(raw)) => {
                format!("{offset} {} ! {reason}", String::from_utf8_lossy(&raw))
            }
            Split::Broken(reason, RawRecord::Long { length }) => {
                format!("{offset} ({length} bytes) ! {reason}")
            }
        })
        .collect()
}
