//! The part of a file that is in memory: one buffer, used again and again.

use std::io::{self, ErrorKind, Read};

use super::open::CorruptGzip;

/// What the buffer starts with, and goes back to: large enough that a read costs little, small enough for the
/// processor's cache.
pub(super) const INITIAL: usize = 256 * 1024;

/// A buffer that grew beyond this is given back as soon as its content is small again.
const GIVE_BACK_ABOVE: usize = 8 * INITIAL;

/// The bytes of a stream from a certain place on, as far as they were read.
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
    /// A window on a stream of which the first `offset` bytes were taken off before.
    pub(super) fn new(reader: R, offset: u64) -> Self {
        Self { reader, buffer: vec![0; INITIAL], start: 0, end: 0, offset, ended: false, corrupt: None }
    }

    /// What is there.
    pub(super) fn bytes(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// Where the first of [`bytes`](Self::bytes) stands in the stream.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Passes over the first `count` bytes.
    pub(super) fn discard(&mut self, count: usize) {
        let count = count.min(self.end - self.start);
        self.start += count;
        self.offset += count as u64;
    }

    /// Reads on; what is there stays. False at the end of the stream, which is also where compressed data breaks
    /// off: [`take_corruption`](Self::take_corruption) tells the two apart.
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

    /// Nothing comes after the first `count` bytes of what is there, not even word of corruption.
    pub(super) fn ends_after(&self, count: usize) -> bool {
        self.ended && self.corrupt.is_none() && self.end - self.start == count
    }

    /// Why the stream ended too early, once.
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
