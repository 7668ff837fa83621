//! A file that lines are appended to.

use std::io::SeekFrom;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::atomic_write::AtomicWrite;
use crate::file_system::{Access, FileSystem, FileType, OpenFile, parent};
use crate::platform::Platform;

/// A file that is open for appending.
#[derive(Debug)]
pub(super) struct AppendFile {
    files: Arc<dyn FileSystem>,
    file: Box<dyn OpenFile>,
    /// A device or a pipe cannot be synced.
    is_regular: bool,
    /// The directory whose entry for this file may not be synced. It is unknown also for a file that exists:
    /// the run that created it may have been killed before it synced the directory.
    unsynced_directory: Option<PathBuf>,
}

impl AppendFile {
    /// Opens the file, or creates it. If it ends in the middle of a line, a line end is added first.
    pub(super) fn open(files: &Arc<dyn FileSystem>, path: &Path) -> std::io::Result<Self> {
        let existing = files.metadata(path).ok();
        let files = Arc::clone(files);
        if existing.is_some_and(|metadata| metadata.file_type != FileType::Regular) {
            let file = files.open(path, Access::Write)?;
            return Ok(Self { files, file, is_regular: false, unsynced_directory: None });
        }
        let mut file = files.open(path, Access::Append)?;
        if file.seek(SeekFrom::End(0))? > 0 {
            file.seek(SeekFrom::End(-1))?;
            let mut last = [0];
            file.read_exact(&mut last)?;
            if last != *b"\n" {
                file.write_all(b"\n")?;
            }
        }
        let unsynced_directory = Some(parent(path).to_owned());
        Ok(Self { files, file, is_regular: true, unsynced_directory })
    }

    /// Appends a line. One that could not be written completely is removed again, as far as that is possible,
    /// so that the next line does not continue half a record.
    pub(super) fn append(&mut self, line: &[u8]) -> std::io::Result<()> {
        let before = self.file.metadata()?.length;
        let written = self.file.write_all(line).and_then(|()| self.file.flush());
        if written.is_err() && self.is_regular {
            // The failure to write is what matters; if half a line stays, reading it back reports it.
            drop(self.file.set_len(before));
        }
        written
    }

    /// Returns when everything that was appended would survive a power loss, the file's name included.
    pub(super) fn sync(&mut self) -> std::io::Result<()> {
        if !self.is_regular {
            return Ok(());
        }
        self.file.sync()?;
        if let Some(directory) = &self.unsynced_directory {
            self.files.sync_directory(directory)?;
            self.unsynced_directory = None;
        }
        Ok(())
    }
}

/// Checks whether a file could be appended to at `path`, and leaves nothing behind.
pub(super) fn check(platform: &Platform, path: &Path) -> std::io::Result<()> {
    let files = &platform.files;
    match files.metadata(path) {
        Ok(metadata) if metadata.file_type == FileType::Regular => files.open(path, Access::Append).map(drop),
        // Opening a pipe would wait for its reader.
        Ok(_) => Ok(()),
        Err(_) => AtomicWrite::new(files, &*platform.clock, path).check(),
    }
}
