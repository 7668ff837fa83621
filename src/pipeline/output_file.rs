//! The files that a run writes at its end: the report and the metrics.

use std::path::Path;

use crate::atomic_write::{AtomicWrite, Durability};
use crate::platform::Platform;
use crate::{Error, ErrorKind};

/// A file that a run writes at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OutputFile {
    /// The report; it names URNs and servers, so only its owner may read a new one.
    Report,
    /// The metrics, which the collector of another user reads.
    Metrics,
}

impl OutputFile {
    fn name(self) -> &'static str {
        match self {
            Self::Report => "the report",
            Self::Metrics => "the metrics",
        }
    }

    fn atomic_write<'a>(self, platform: &'a Platform, path: &'a Path) -> AtomicWrite<'a> {
        let write = AtomicWrite::new(&platform.files, &*platform.clock, path);
        match self {
            Self::Report => write.private_if_new(),
            Self::Metrics => write,
        }
    }
}

/// Checks, before anything is sent, that `file` can be written to `path`.
///
/// # Errors
/// Of kind [`ErrorKind::Disk`] when its directory is missing, or no file can be written there.
pub(super) fn check_writable(platform: &Platform, path: &Path, file: OutputFile) -> Result<(), Error> {
    file.atomic_write(platform, path).check().map_err(|error| cannot_write(path, file, error))
}

/// Replaces the file at `path`, or writes to the device or pipe there.
///
/// # Errors
/// Of kind [`ErrorKind::Disk`] when it cannot be written.
pub(super) fn write(platform: &Platform, path: &Path, file: OutputFile, content: &[u8]) -> Result<(), Error> {
    file.atomic_write(platform, path)
        .write(content, Durability::Power)
        .map_err(|error| cannot_write(path, file, error))
}

fn cannot_write(path: &Path, file: OutputFile, error: std::io::Error) -> Error {
    Error::new(ErrorKind::Disk, format!("cannot write {} {}", file.name(), path.display())).with_source(error)
}
