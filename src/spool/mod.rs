//! A spool: records on disk between a source that cannot be read twice and their delivery.
//!
//! ```text
//! KEY/spool/spool.json      the identity
//!           00000000.spool  header │ frame │ frame │ …       segments, at most 8 MiB of frames each
//!           00000001.spool  header │ frame │ … │ end
//! ```
//!
//! A frame has a length and a checksum. A frame that is cut off at the end of the last segment was being
//! written
//! when the process died; everything before it is whole. The reader may follow the writer while it writes.
//! Segments are removed from the front as soon as a later run would not read them again.
//!
//! A frame is handed to the operating system before it is read again, so it survives the end of the
//! process. It survives a power loss only after [`SpoolWriter::finish`].

mod frame;
mod reader;
#[cfg(test)]
mod tests;
mod writer;

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

pub(crate) use frame::{Frame, FrameKind};
#[cfg(test)]
use reader::ReadSpoolError;
pub(crate) use reader::SpoolReader;
pub(crate) use writer::{AppendError, SpoolWriter};

use crate::file_system::{FileSystem as _, LocalFileSystem};

/// The file with the identity.
const IDENTITY_FILE: &str = "spool.json";

/// A segment is closed when it has this many bytes, or a quarter of the spool's limit.
const MAX_SEGMENT_BYTES: u64 = 8 << 20;

/// The identity of a spool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SpoolIdentity {
    /// The run that extracted the records.
    pub(crate) run_id: String,
    /// When it started, RFC 3339.
    pub(crate) started_at: String,
}

/// A place between two frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SpoolPosition {
    pub(crate) segment: u32,
    /// Frames of that segment before the position.
    pub(crate) frames: u64,
    /// Bytes of that segment before the position; 0 before its header.
    pub(crate) offset: u64,
}

/// A spool on disk, shared by its writer and its reader.
#[derive(Debug)]
pub(crate) struct Spool {
    directory: PathBuf,
    identity: SpoolIdentity,
    max_bytes: u64,
    progress: Mutex<Progress>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Progress {
    /// The sizes of the segments that exist, from `first`; the last one is being written.
    sizes: VecDeque<u64>,
    first: u32,
    /// Nothing more is written.
    is_finished: bool,
    /// The reader reads no further.
    is_reading_over: bool,
    /// Nothing is released any more, so waiting for space is in vain.
    is_release_over: bool,
}

impl Progress {
    fn last(&self) -> u32 {
        self.first + u32::try_from(self.sizes.len().saturating_sub(1)).unwrap_or(u32::MAX)
    }

    fn bytes(&self) -> u64 {
        self.sizes.iter().sum()
    }
}

impl Spool {
    /// Creates an empty spool in `directory`, which must not contain one.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub(crate) fn create(
        directory: &Path,
        identity: SpoolIdentity,
        max_bytes: u64,
    ) -> io::Result<(Arc<Self>, SpoolWriter)> {
        LocalFileSystem.create_directory(directory)?;
        let json = serde_json::to_vec(&identity)?;
        let mut file = writer::create_private(&directory.join(IDENTITY_FILE))?;
        io::Write::write_all(&mut file, &json)?;
        file.sync_all()?;
        let spool = Arc::new(Self {
            directory: directory.to_owned(),
            identity,
            max_bytes,
            progress: Mutex::default(),
            changed: Condvar::new(),
        });
        let writer = SpoolWriter::start(Arc::clone(&spool))?;
        Ok((spool, writer))
    }

    /// Opens the spool that an earlier run has left in `directory`; `None` if there is none.
    ///
    /// # Errors
    /// When it cannot be read, or its identity is damaged.
    pub(crate) fn open(directory: &Path) -> io::Result<Option<Arc<Self>>> {
        let identity = match fs::read(directory.join(IDENTITY_FILE)) {
            Ok(json) => serde_json::from_slice(&json)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut segments = Vec::new();
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            if let Some(number) = segment_number(&entry.path()) {
                segments.push((number, entry.metadata()?.len()));
            }
        }
        segments.sort_unstable();
        let first = segments.first().map_or(0, |(number, _)| *number);
        if !segments.iter().zip(first..).all(|((number, _), expected)| *number == expected) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a segment in the middle is missing"));
        }
        let progress = Progress {
            sizes: segments.into_iter().map(|(_, length)| length).collect(),
            first,
            is_finished: true,
            ..Progress::default()
        };
        Ok(Some(Arc::new(Self {
            directory: directory.to_owned(),
            identity,
            max_bytes: u64::MAX,
            progress: Mutex::new(progress),
            changed: Condvar::new(),
        })))
    }

    pub(crate) fn identity(&self) -> &SpoolIdentity {
        &self.identity
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The number of bytes on disk.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> u64 {
        self.lock().bytes()
    }

    /// Removes the segments before `position`: no later run reads them.
    pub(crate) fn release(&self, position: SpoolPosition) {
        let mut progress = self.lock();
        while progress.first < position.segment && progress.sizes.len() > 1 {
            // A segment that stays is removed with the spool.
            drop(fs::remove_file(self.segment_path(progress.first)));
            progress.sizes.pop_front();
            progress.first += 1;
        }
        drop(progress);
        self.changed.notify_all();
    }

    /// Nothing will be released any more: a writer that waits for space fails.
    pub(crate) fn end_release(&self) {
        self.lock().is_release_over = true;
        self.changed.notify_all();
    }

    /// Ends the reading: a reader that waits for the writer returns.
    pub(crate) fn end_reading(&self) {
        self.lock().is_reading_over = true;
        self.changed.notify_all();
    }

    /// Removes the spool.
    ///
    /// # Errors
    /// When a file cannot be removed.
    pub(crate) fn remove(directory: &Path) -> io::Result<()> {
        // The identity first: without it there is no spool.
        match fs::remove_file(directory.join(IDENTITY_FILE)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        match fs::remove_dir_all(directory) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn segment_path(&self, number: u32) -> PathBuf {
        self.directory.join(format!("{number:08}.spool"))
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, progress: MutexGuard<'a, Progress>) -> MutexGuard<'a, Progress> {
        self.changed.wait(progress).unwrap_or_else(PoisonError::into_inner)
    }
}

fn segment_number(path: &Path) -> Option<u32> {
    path.file_name()?.to_str()?.strip_suffix(".spool")?.parse().ok()
}
