//! Reads the frames of a spool, also while they are written.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek as _, SeekFrom};
use std::sync::Arc;

use super::frame::{FRAME_HEADER_BYTES, Frame, FrameHeader, FrameKind, SEGMENT_HEADER, checksum};
use super::{Spool, SpoolPosition};

/// Why a spool cannot be read further.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadSpoolError {
    /// A segment is not what was written.
    #[error("it is damaged at byte {offset} of segment {segment}")]
    Damaged { segment: u32, offset: u64 },
    /// A file cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Reads the frames of a [`Spool`] in order.
#[derive(Debug)]
pub(crate) struct SpoolReader {
    spool: Arc<Spool>,
    position: SpoolPosition,
    file: Option<BufReader<File>>,
}

/// The state of the spool behind the reader's position.
enum Next {
    /// The segment has more bytes.
    Bytes { length: u64, is_last: bool },
    /// Another segment follows.
    Segment,
    /// Nothing follows.
    Nothing,
}

impl SpoolReader {
    pub(crate) fn new(spool: Arc<Spool>, position: SpoolPosition) -> Self {
        let first = spool.lock().first;
        // Segments before the first one were finished, and removed.
        let position = if position.segment < first {
            SpoolPosition { segment: first, ..SpoolPosition::default() }
        } else {
            position
        };
        Self { spool, position, file: None }
    }

    /// The position after the last frame.
    pub(crate) fn position(&self) -> SpoolPosition {
        self.position
    }

    /// The next frame; waits for the writer. `None` at the end, and after [`Spool::end_reading`].
    ///
    /// # Errors
    /// [`ReadSpoolError`].
    pub(crate) fn next(&mut self) -> Result<Option<Frame>, ReadSpoolError> {
        loop {
            match self.wait() {
                Next::Nothing => return Ok(None),
                Next::Segment => {
                    self.position =
                        SpoolPosition { segment: self.position.segment + 1, ..SpoolPosition::default() };
                    self.file = None;
                }
                Next::Bytes { length, is_last } => return self.read(length, is_last),
            }
        }
    }

    fn wait(&self) -> Next {
        let start = self.position.offset.max(SEGMENT_HEADER.len() as u64);
        let mut progress = self.spool.lock();
        loop {
            if progress.is_reading_over {
                return Next::Nothing;
            }
            let is_last = self.position.segment >= progress.last();
            let index = usize::try_from(self.position.segment.saturating_sub(progress.first)).ok();
            let length = index.and_then(|index| progress.sizes.get(index)).copied().unwrap_or_default();
            if length > start {
                return Next::Bytes { length, is_last };
            }
            if !is_last {
                return Next::Segment;
            }
            if progress.is_finished {
                return Next::Nothing;
            }
            progress = self.spool.wait(progress);
        }
    }

    /// Reads a frame from a segment of this length.
    fn read(&mut self, length: u64, is_last: bool) -> Result<Option<Frame>, ReadSpoolError> {
        let SpoolPosition { segment, offset, .. } = self.position;
        let damaged = ReadSpoolError::Damaged { segment, offset };
        let file = if let Some(file) = &mut self.file {
            file
        } else {
            let mut file = File::open(self.spool.segment_path(segment))?;
            let mut header = [0; SEGMENT_HEADER.len()];
            file.read_exact(&mut header)?;
            if header != *SEGMENT_HEADER {
                return Err(damaged);
            }
            self.position.offset = offset.max(SEGMENT_HEADER.len() as u64);
            file.seek(SeekFrom::Start(self.position.offset))?;
            self.file.insert(BufReader::with_capacity(64 << 10, file))
        };
        let rest = length - self.position.offset;
        let torn = || if is_last { Ok(None) } else { Err(damaged) };
        if rest < FRAME_HEADER_BYTES as u64 {
            return torn();
        }
        let mut header = [0; FRAME_HEADER_BYTES];
        file.read_exact(&mut header)?;
        let header = FrameHeader::read(header);
        let after = FRAME_HEADER_BYTES as u64 + u64::from(header.length);
        if after > rest {
            return torn();
        }
        let mut content = Vec::with_capacity(usize::try_from(header.length).unwrap_or_default());
        file.take(u64::from(header.length)).read_to_end(&mut content)?;
        let kind = FrameKind::of_byte(header.kind);
        let Some(kind) = kind.filter(|_| checksum(header.kind, &content) == header.checksum) else {
            // The end of a file may hold bytes that never reached the disk before a power loss.
            return if is_last && after == rest {
                Ok(None)
            } else {
                Err(ReadSpoolError::Damaged { segment, offset })
            };
        };
        self.position.offset += after;
        self.position.frames += 1;
        Ok(Some(Frame { kind, content }))
    }
}
