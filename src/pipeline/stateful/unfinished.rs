//! The entities of runs that have not committed their state, in a local file.
//!
//! A run that ends before its state checkpoint has perhaps delivered entities that no state lists. If the
//! source loses them before the next run, nothing would remove them. So each run notes its entities here
//! before they are delivered, and a run that commits its state removes the file.

use std::io::{self, BufRead as _, BufReader, Read as _, Write};
use std::path::{Path, PathBuf};

use crate::file_system::{Access, OpenFile};
use crate::metadata::Proposal;
use crate::platform::Platform;
use crate::{Error, ErrorKind};

/// The file's name in a pipeline's state directory.
pub(in crate::pipeline) const FILE_NAME: &str = "unfinished-entities.jsonl";

/// The longest line that is read: a URN has a few hundred bytes.
const MAX_LINE_BYTES: u64 = 1 << 20;

/// The entities of runs that have not committed their state.
#[derive(Debug)]
pub(in crate::pipeline) struct UnfinishedEntities {
    platform: Platform,
    path: PathBuf,
    /// Opened for the first entity.
    file: Option<Box<dyn OpenFile>>,
    last: Vec<u8>,
    pending: Vec<u8>,
}

impl UnfinishedEntities {
    pub(in crate::pipeline) fn new(platform: Platform, directory: &Path) -> Self {
        Self { platform, path: directory.join(FILE_NAME), file: None, last: Vec::new(), pending: Vec::new() }
    }

    /// Notes the entities of some proposals. An entity may be noted several times.
    pub(super) fn note(&mut self, proposals: &[Proposal]) {
        for proposal in proposals {
            let urn = proposal.urn().as_str().as_bytes();
            // The records of one entity usually follow each other.
            if self.last == urn {
                continue;
            }
            urn.clone_into(&mut self.last);
            // A string always has a JSON form.
            serde_json::to_writer(&mut self.pending, proposal.urn().as_str()).unwrap_or_default();
            self.pending.push(b'\n');
        }
    }

    /// Hands what was noted to the operating system, where it survives the end of the process.
    ///
    /// # Errors
    /// Of kind [`ErrorKind::Disk`] when the file cannot be written.
    pub(super) fn flush(&mut self) -> Result<(), Error> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let file = if let Some(file) = &mut self.file {
            file
        } else {
            let opened = self.platform.files.open(&self.path, Access::Append);
            self.file.insert(opened.map_err(|error| cannot("write", &self.path, error))?)
        };
        let written = file.write_all(&self.pending).and_then(|()| file.flush());
        self.pending.clear();
        written.map_err(|error| cannot("write", &self.path, error))
    }

    /// Passes the entities in the file to `push`, those of this run included.
    pub(super) fn read(&self, mut push: impl FnMut(&str) -> io::Result<()>) -> Result<(), Error> {
        let file = match self.platform.files.open(&self.path, Access::Read) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(cannot("read", &self.path, error)),
        };
        let mut lines = BufReader::new(file);
        loop {
            let mut line = Vec::new();
            let read = lines.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut line);
            match read.map_err(|error| cannot("read", &self.path, error))? {
                0 => return Ok(()),
                // The last line may be cut off: its entity was not delivered then.
                _ => {
                    if let Ok(urn) = serde_json::from_slice::<String>(&line) {
                        push(&urn).map_err(super::sorting_failed)?;
                    }
                }
            }
        }
    }

    /// Removes the file: the state lists these entities now, or they are removed.
    pub(super) fn remove(&mut self) -> Result<(), Error> {
        self.file = None;
        match self.platform.files.remove(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(cannot("remove", &self.path, error)),
            _ => Ok(()),
        }
    }
}

fn cannot(verb: &str, path: &Path, error: io::Error) -> Error {
    let message = format!("cannot {verb} the list of unfinished entities {}", path.display());
    Error::new(ErrorKind::Disk, message).with_source(error)
}
