//! Appends frames to a spool.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;

use super::frame::{FrameKind, SEGMENT_HEADER, encode};
use super::{MAX_SEGMENT_BYTES, Spool};

/// Why a frame was not appended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AppendError {
    /// The spool has reached its limit, and nothing will be removed from it.
    #[error("the spool is full")]
    Full,
    /// It cannot be written.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Appends frames to a [`Spool`].
#[derive(Debug)]
pub(crate) struct SpoolWriter {
    spool: Arc<Spool>,
    file: File,
    length: u64,
    max_segment_bytes: u64,
    encoded: Vec<u8>,
}

impl SpoolWriter {
    pub(super) fn start(spool: Arc<Spool>) -> io::Result<Self> {
        let max_segment_bytes = MAX_SEGMENT_BYTES.min(spool.max_bytes / 4);
        let file = create_segment(&spool, 0)?;
        let length = SEGMENT_HEADER.len() as u64;
        spool.lock().sizes.push_back(length);
        Ok(Self { spool, file, length, max_segment_bytes, encoded: Vec::new() })
    }

    /// Appends a frame. Waits while the spool is full and segments may still be released.
    ///
    /// # Errors
    /// [`AppendError`]. The spool ends before the frame then.
    pub(crate) fn append(&mut self, kind: FrameKind, content: &[u8]) -> Result<(), AppendError> {
        let mut encoded = std::mem::take(&mut self.encoded);
        let result = if encode(kind, content, &mut encoded) {
            self.append_encoded(&encoded)
        } else {
            Err(AppendError::Io(io::Error::new(io::ErrorKind::InvalidInput, "a record of over 4 GiB")))
        };
        self.encoded = encoded;
        result
    }

    /// Makes segments small.
    #[cfg(test)]
    pub(super) fn limit_segments(&mut self, max_segment_bytes: u64) {
        self.max_segment_bytes = max_segment_bytes;
    }

    fn append_encoded(&mut self, frame: &[u8]) -> Result<(), AppendError> {
        let bytes = frame.len() as u64;
        if self.length > SEGMENT_HEADER.len() as u64 && self.length + bytes > self.max_segment_bytes {
            self.next_segment()?;
        }
        let mut progress = self.spool.lock();
        // One frame larger than the limit is taken alone.
        while progress.bytes() + bytes > self.spool.max_bytes
            && (progress.sizes.len() > 1 || self.length > SEGMENT_HEADER.len() as u64)
        {
            if progress.is_release_over {
                return Err(AppendError::Full);
            }
            progress = self.spool.wait(progress);
        }
        drop(progress);
        if let Err(error) = self.file.write_all(frame) {
            // A part of the frame may be on disk.
            self.file.set_len(self.length)?;
            return Err(error.into());
        }
        self.length += bytes;
        if let Some(length) = self.spool.lock().sizes.back_mut() {
            *length = self.length;
        }
        self.spool.changed.notify_all();
        Ok(())
    }

    fn next_segment(&mut self) -> io::Result<()> {
        let number = self.spool.lock().last() + 1;
        self.file.sync_data()?;
        self.file = create_segment(&self.spool, number)?;
        self.length = SEGMENT_HEADER.len() as u64;
        self.spool.lock().sizes.push_back(self.length);
        self.spool.changed.notify_all();
        Ok(())
    }

    /// Ends the spool. With `is_complete`, a mark says that the extraction was complete.
    ///
    /// # Errors
    /// When it cannot be written or synced. Appended frames are readable nevertheless.
    pub(crate) fn finish(mut self, is_complete: bool) -> io::Result<()> {
        let mut encoded = Vec::new();
        if is_complete && encode(FrameKind::End, b"", &mut encoded) {
            self.file.write_all(&encoded)?;
            if let Some(length) = self.spool.lock().sizes.back_mut() {
                *length += encoded.len() as u64;
            }
        }
        self.file.sync_data()
    }
}

impl Drop for SpoolWriter {
    fn drop(&mut self) {
        self.spool.lock().is_finished = true;
        self.spool.changed.notify_all();
    }
}

fn create_segment(spool: &Spool, number: u32) -> io::Result<File> {
    let mut file = create_private(&spool.segment_path(number))?;
    file.write_all(SEGMENT_HEADER)?;
    Ok(file)
}

/// Creates a file that only its owner may read: records may contain anything.
pub(super) fn create_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create_new(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
