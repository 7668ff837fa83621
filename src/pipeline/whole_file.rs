//! Files that are there whole or not at all: the report, the metrics.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

use crate::{Error, ErrorKind};

/// Finds out, before anything is sent, that `what` could not be written to `path`.
///
/// # Errors
/// Of kind [`ErrorKind::Disk`] when its directory is not there, or takes no file.
pub(super) fn check_writable(path: &Path, what: &str) -> Result<(), Error> {
    let checked = if is_special(path) {
        OpenOptions::new().write(true).open(path).map(drop)
    } else {
        tempfile::tempfile_in(directory(path)).map(drop)
    };
    checked.map_err(|error| cannot_write(path, what, error))
}

/// Writes `text` under a temporary name beside `path` and renames it, so that no reader meets half a file. A path that is
/// no regular file (`/dev/stdout`, a pipe) is written as it is: renaming would replace it.
///
/// # Errors
/// Of kind [`ErrorKind::Disk`] when it cannot be written.
pub(super) fn write(path: &Path, what: &str, text: &[u8]) -> Result<(), Error> {
    write_whole(path, text).map_err(|error| cannot_write(path, what, error))
}

fn cannot_write(path: &Path, what: &str, error: std::io::Error) -> Error {
    Error::new(ErrorKind::Disk, format!("cannot write {what} {}", path.display())).with_source(error)
}

fn write_whole(path: &Path, text: &[u8]) -> std::io::Result<()> {
    if is_special(path) {
        let mut file = OpenOptions::new().write(true).open(path)?;
        file.write_all(text)?;
        return file.flush();
    }
    let mut builder = tempfile::Builder::new();
    // A temporary file is readable by its owner alone; a report is an ordinary file, and is read by others.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.prefix(".datahub-emit-").tempfile_in(directory(path))?;
    file.write_all(text)?;
    file.as_file().sync_data()?;
    // Through a symbolic link, so that the link stays.
    let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    file.persist(target)?;
    Ok(())
}

fn is_special(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file())
}

fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
