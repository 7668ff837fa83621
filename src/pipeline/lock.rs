//! The lock of a pipeline: one run at a time.

use std::path::Path;

use crate::file_system::{FileLock, FileSystem};
use crate::{Error, ErrorKind};

/// The lock file's name in a pipeline's state directory.
pub(super) const FILE_NAME: &str = "lock";

/// The reaction to another run of the same pipeline that is in progress.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum IfRunning {
    /// End with an error of kind [`ErrorKind::Locked`]. The default: two runs at once would mix up the order
    /// of proposals.
    #[default]
    Fail,
    /// End without an error, and without having done anything.
    Skip,
    /// Wait for it to end.
    Wait,
}

/// The lock of a pipeline. Dropping it, or the end of the process, releases it.
#[derive(Debug)]
pub(super) struct RunLock(#[expect(dead_code, reason = "held until it is dropped")] FileLock);

/// Takes the lock in `directory`, which is created if it is missing. `None` if another run holds it; with
/// `wait`, blocks until that run has ended.
///
/// # Errors
/// Of kind [`ErrorKind::Disk`] when there can be no lock file.
pub(super) fn acquire(
    files: &dyn FileSystem,
    directory: &Path,
    wait: bool,
) -> Result<Option<RunLock>, Error> {
    files.create_directory(directory).map_err(|error| {
        Error::new(
            ErrorKind::Disk,
            format!("cannot make the state directory {}; --state-dir names another", directory.display()),
        )
        .with_source(error)
    })?;
    let path = directory.join(FILE_NAME);
    let lock = files.lock(&path, wait).map_err(|error| {
        let message = format!("cannot lock {}; --state-dir names another place", path.display());
        Error::new(ErrorKind::Disk, message).with_source(error)
    })?;
    Ok(lock.map(RunLock))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file_system::LocalFileSystem;

    #[test]
    fn a_second_run_does_not_get_the_lock() {
        let directory = tempfile::tempdir().unwrap();
        let state = directory.path().join("created/on/demand");
        let acquire = |wait| acquire(&LocalFileSystem, &state, wait).unwrap();
        let first = acquire(false);
        assert!(first.is_some());
        assert!(acquire(false).is_none());
        drop(first);
        assert!(acquire(true).is_some());
    }

    #[test]
    fn a_path_below_a_file_is_an_error_of_the_disk() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = acquire(&LocalFileSystem, &file.path().join("state"), false).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Disk);
    }
}
