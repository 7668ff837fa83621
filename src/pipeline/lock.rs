//! One run of a pipeline at a time.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

use super::state::make_directory;
use crate::{Error, ErrorKind};

/// What to do when another run of the same pipeline is under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IfRunning {
    /// End with an error of kind [`ErrorKind::Locked`]. The default: two runs at once would undo each other's order.
    #[default]
    Fail,
    /// End without an error, and without having done anything.
    Skip,
    /// Wait for it to end.
    Wait,
}

/// The lock of a pipeline; dropping it, or the end of the process, gives it back.
#[derive(Debug)]
pub(super) struct RunLock(#[expect(dead_code, reason = "held for its lock, which ends with it")] File);

/// What became of the wish for the lock.
#[derive(Debug)]
pub(super) enum Locked {
    Held(RunLock),
    /// Another run has it.
    Taken,
}

/// Takes the lock in `directory`, which is made if it is not there. `wait` blocks the thread.
///
/// # Errors
/// Of kind [`ErrorKind::Disk`] when there can be no lock file.
pub(super) fn acquire(directory: &Path, wait: bool) -> Result<Locked, Error> {
    let path = directory.join("lock");
    let cannot = |error: std::io::Error| cannot_lock(&path, error);
    make_directory(directory).map_err(|error| {
        Error::new(
            ErrorKind::Disk,
            format!("cannot make the state directory {}; --state-dir names another", directory.display()),
        )
        .with_source(error)
    })?;
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(cannot)?;
    if wait {
        file.lock().map_err(cannot)?;
        return Ok(Locked::Held(RunLock(file)));
    }
    match file.try_lock() {
        Ok(()) => Ok(Locked::Held(RunLock(file))),
        Err(TryLockError::WouldBlock) => Ok(Locked::Taken),
        Err(TryLockError::Error(error)) => Err(cannot(error)),
    }
}

fn cannot_lock(path: &Path, error: std::io::Error) -> Error {
    Error::new(ErrorKind::Disk, format!("cannot lock {}; --state-dir names another place", path.display()))
        .with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_run_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let state = directory.path().join("made/on/the/way");
        let first = acquire(&state, false).unwrap();
        assert!(matches!(first, Locked::Held(_)));
        assert!(matches!(acquire(&state, false).unwrap(), Locked::Taken));
        drop(first);
        assert!(matches!(acquire(&state, true).unwrap(), Locked::Held(_)));
    }

    #[test]
    fn a_place_that_is_no_directory_is_an_error_of_the_disk() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = acquire(&file.path().join("state"), false).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Disk);
    }
}
