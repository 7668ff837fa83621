//! The file that letters are appended to, line by line.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use crate::pipeline::state::sync_directory;

/// A dead-letter file that is open for appending.
#[derive(Debug)]
pub(super) struct LetterFile {
    file: File,
    /// A device or a pipe has nothing to sync.
    regular: bool,
    /// The directory whose entry for the file is not on the disk yet.
    new_in: Option<PathBuf>,
}

impl LetterFile {
    /// Opens the file, which is made if it is not there; one that ends in the middle of a line is given a line end first.
    pub(super) fn open(path: &Path) -> std::io::Result<Self> {
        let before = std::fs::metadata(path).ok();
        if before.as_ref().is_some_and(|metadata| !metadata.is_file()) {
            let file = OpenOptions::new().append(true).open(path)?;
            return Ok(Self { file, regular: false, new_in: None });
        }
        let mut file = OpenOptions::new().create(true).read(true).append(true).open(path)?;
        if file.seek(SeekFrom::End(0))? > 0 {
            file.seek(SeekFrom::End(-1))?;
            let mut last = [0];
            file.read_exact(&mut last)?;
            if last != *b"\n" {
                file.write_all(b"\n")?;
            }
        }
        Ok(Self { file, regular: true, new_in: before.is_none().then(|| directory(path)) })
    }

    /// Appends a line with one call. One that could not be written whole is taken back, as far as the disk lets us, so
    /// that what follows does not join on to half a record.
    pub(super) fn append(&mut self, line: &[u8]) -> std::io::Result<()> {
        let before = self.file.metadata()?.len();
        let written = self.file.write_all(line).and_then(|()| self.file.flush());
        if written.is_err() && self.regular {
            // The failure to write is what matters; that half a line may stay is the lesser evil.
            drop(self.file.set_len(before));
        }
        written
    }

    /// Returns when everything that was appended would survive a loss of power, the file's name included.
    pub(super) fn sync(&mut self) -> std::io::Result<()> {
        if !self.regular {
            return Ok(());
        }
        self.file.sync_data()?;
        if let Some(directory) = self.new_in.take() {
            sync_directory(&directory)?;
        }
        Ok(())
    }
}

/// Finds out, without leaving anything behind, whether a file could be appended to at `path`.
pub(super) fn check(path: &Path) -> std::io::Result<()> {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => OpenOptions::new().append(true).open(path).map(drop),
        // Opening a pipe would wait for its reader.
        Ok(_) => Ok(()),
        Err(_) => tempfile::tempfile_in(directory(path)).map(drop),
    }
}

fn directory(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}
