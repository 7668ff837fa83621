//! The files that runs have left on this machine: resume checkpoints, spools and dead letters.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{checkpoint, child_services, dead_letter, lock, state_directory};
use crate::environment::Environment;
use crate::file_system::LocalFileSystem;
use crate::{Error, ErrorKind};

/// The read limit of a checkpoint. Its longest part is the list of files of the input.
const MAX_CHECKPOINT_BYTES: u64 = 64 << 20;

/// The files that the runs of one pipeline have left on this machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LocalState {
    /// The pipeline: its name, or a name made of its source and its sink.
    pub key: String,
    /// Where it is.
    pub directory: PathBuf,
    /// A run of the pipeline is in progress.
    pub is_running: bool,
    /// Where `--resume` continues.
    pub checkpoint: Option<LeftCheckpoint>,
    /// Records in the dead-letter file.
    pub dead_letters: u64,
    /// Bytes of extracted records that are not delivered yet.
    pub spool_bytes: u64,
}

/// A resume checkpoint that a run has left.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct LeftCheckpoint {
    /// The run.
    pub run_id: String,
    /// When it was written, RFC 3339.
    pub at: String,
    /// The first record that is not finished.
    #[serde(rename(deserialize = "number"))]
    pub from_record: u64,
}

/// The default for the directory with the state of all pipelines: `$XDG_STATE_HOME/datahub-emit`, else
/// `~/.local/state/datahub-emit`; `None` without a home directory.
pub fn default_state_root(environment: &Environment) -> Option<PathBuf> {
    state_directory::default_root(environment.get("XDG_STATE_HOME"), std::env::home_dir())
}

/// The files that runs have left below `root`, in the order of the keys.
///
/// # Errors
/// Of kind [`ErrorKind::Disk`] when a directory or a file cannot be read.
pub fn local_states(root: &Path) -> Result<Vec<LocalState>, Error> {
    let read = || {
        let entries = match fs::read_dir(root) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut states = Vec::new();
        for entry in entries {
            let directory = entry?.path();
            if directory.is_dir() {
                states.push(LocalState::read(directory)?);
            }
        }
        states.sort_by(|one, other| one.key.cmp(&other.key));
        Ok(states)
    };
    read().map_err(|error: io::Error| {
        let message = format!("cannot read the state directory {}", root.display());
        Error::new(ErrorKind::Disk, message).with_source(error)
    })
}

impl LocalState {
    fn read(directory: PathBuf) -> io::Result<Self> {
        let key = directory.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let is_running = directory.join(lock::FILE_NAME).exists()
            && lock::acquire(&LocalFileSystem, &directory, false).is_ok_and(|lock| lock.is_none());
        Ok(Self {
            key,
            is_running,
            checkpoint: read_checkpoint(&directory.join(checkpoint::FILE_NAME))?,
            dead_letters: count_lines(&directory.join(dead_letter::FILE_NAME))?,
            spool_bytes: directory_size(&directory.join(child_services::SPOOL_DIRECTORY))?,
            directory,
        })
    }

    /// Whether there is nothing that a later run or a person could use.
    pub fn is_empty(&self) -> bool {
        self.checkpoint.is_none() && self.dead_letters == 0 && self.spool_bytes == 0
    }

    /// Removes the directory with everything in it. Records that were not delivered are lost.
    ///
    /// # Errors
    /// Of kind [`ErrorKind::Locked`] while a run is in progress; of kind [`ErrorKind::Disk`] when something
    /// cannot be removed.
    pub fn remove(&self) -> Result<(), Error> {
        let Some(_lock) = lock::acquire(&LocalFileSystem, &self.directory, false)? else {
            let message = format!("a run of {} is in progress", self.key);
            return Err(Error::new(ErrorKind::Locked, message));
        };
        fs::remove_dir_all(&self.directory).map_err(|error| {
            let message = format!("cannot remove {}", self.directory.display());
            Error::new(ErrorKind::Disk, message).with_source(error)
        })
    }
}

fn read_checkpoint(path: &Path) -> io::Result<Option<LeftCheckpoint>> {
    let Some(file) = open(path)? else { return Ok(None) };
    // A damaged one is of no use to a later run either.
    Ok(serde_json::from_reader(file.take(MAX_CHECKPOINT_BYTES)).ok())
}

fn count_lines(path: &Path) -> io::Result<u64> {
    let Some(mut file) = open(path)? else { return Ok(0) };
    let mut buffer = vec![0; 64 << 10];
    let mut lines = 0;
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(lines),
            read => {
                let newlines = buffer.iter().take(read).filter(|byte| **byte == b'\n').count();
                lines += newlines as u64;
            }
        }
    }
}

/// `None` if there is no such file, or it is not a regular one.
fn open(path: &Path) -> io::Result<Option<fs::File>> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_file() => fs::File::open(path).map(Some),
        Ok(_) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The bytes of the segments in a directory.
fn directory_size(directory: &Path) -> io::Result<u64> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    let mut bytes = 0;
    for entry in entries {
        let entry = entry?;
        if entry.path().extension().is_some_and(|extension| extension == "spool") {
            bytes += entry.metadata()?.len();
        }
    }
    Ok(bytes)
}
