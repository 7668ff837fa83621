//! The part of a file that is in memory: one buffer that is reused.

use std::io::{self, ErrorKind, Read};

use super::open::CorruptGzip;

/// The initial size of the buffer in bytes: large enough for few reads, small enough for the cache of the
/// processor.
pub(super) const INITIAL: usize = 256 * 1024;

/// A larger buffer shrinks to the initial size as soon as its content is small again.
const GIVE_BACK_ABOVE: usize = 8 * INITIAL;

/// The bytes of a stream that were read and not discarded.
pub(super) struct Window<R> {
    reader: R,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    offset: u64,
    ended: bool,
    corrupt: Option<String>,
}

impl<R: Read> Window<R> {
    /// A window on a stream whose first `offset` bytes were skipped.
    pub(super) fn new(reader: R, offset: u64) -> Self {
        Self { reader, buffer: vec![0; INITIAL], start: 0, end: 0, offset, ended: false, corrupt: None }
    }

    /// The bytes in the window.
    pub(super) fn bytes(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// The offset in the stream of the first of [`bytes`](Self::bytes).
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Removes the first `count` bytes.
    pub(super) fn discard(&mut self, count: usize) {
        let count = count.min(self.end - self.start);
        self.start += count;
        self.offset += count as u64;
    }

    /// Reads more bytes after those in the window. False at the end of the stream, or at corrupt compressed
    /// data; [`take_corruption`](Self::take_corruption) distinguishes the two.
    pub(super) fn more(&mut self) -> io::Result<bool> {
        if self.ended {
            return Ok(false);
        }
        self.make_room();
        loop {
            let free = self.buffer.get_mut(self.end..).unwrap_or_default();
            let room = free.len();
            match self.reader.read(free) {
                Ok(0) => {
                    self.ended = true;
                    return Ok(false);
                }
                Ok(count) => {
                    self.end += count.min(room);
                    return Ok(true);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    self.ended = true;
                    let Some(corrupt) = error.get_ref().and_then(|inner| inner.downcast_ref::<CorruptGzip>())
                    else {
                        return Err(error);
                    };
                    self.corrupt = Some(corrupt.to_string());
                    return Ok(false);
                }
            }
        }
    }

    /// Whether the stream ends after the first `count` bytes, without corruption.
    pub(super) fn ends_after(&self, count: usize) -> bool {
        self.ended && self.corrupt.is_none() && self.end - self.start == count
    }

    /// The reason why the stream ended too early; only the first call returns it.
    pub(super) fn take_corruption(&mut self) -> Option<String> {
        self.corrupt.take()
    }

    fn make_room(&mut self) {
        let held = self.end - self.start;
        let size = self.buffer.len();
        if size > GIVE_BACK_ABOVE && held <= INITIAL / 2 {
            let mut buffer = Vec::with_capacity(INITIAL);
            buffer.extend_from_slice(self.bytes());
            buffer.resize(INITIAL, 0);
            self.buffer = buffer;
        } else if held == 0 || size - self.end < size / 4 {
            self.buffer.copy_within(self.start..self.end, 0);
            if held > size / 4 * 3 {
                self.buffer.reserve_exact(size / 2);
                self.buffer.resize(size + size / 2, 0);
            }
        } else {
            return;
        }
        self.start = 0;
        self.end = held;
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.buffer.capacity()
    }
}
