//! The files that a run writes at its end: the report and the metrics.

use std::path::Path;

use crate::atomic_write::{AtomicWrite, Durability};
use crate::platform::Platform;
use crate::{Error, ErrorKind};

/// Checks, before anything is sent, that `what` can be written to `path`.
///
/// # Errors
/// Of kind [`ErrorKind::Disk`] when its directory is missing, or no file can be written there.
pub(super) fn check_writable(platform: &Platform, path: &Path, what: &str) -> Result<(), Error> {
    AtomicWrite::new(&platform.files, &*platform.clock, path)
        .check()
        .map_err(|error| cannot_write(path, what, error))
}

/// Replaces the file at `path`, or writes to the device or pipe there.
///
/// # Errors
/// Of kind [`ErrorKind::Disk`] when it cannot be written.
pub(super) fn write(platform: &Platform, path: &Path, what: &str, content: &[u8]) -> Result<(), Error> {
    AtomicWrite::new(&platform.files, &*platform.clock, path)
        .write(content, Durability::Power)
        .map_err(|error| cannot_write(path, what, error))
}

fn cannot_write(path: &Path, what: &str, error: std::io::Error) -> Error {
    Error::new(ErrorKind::Disk, format!("cannot write {what} {}", path.display())).with_source(error)
}
