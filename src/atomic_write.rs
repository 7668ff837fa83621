//! Files that are replaced as a whole: a reader, or a run after a crash, finds the old content or the new
//! one, never half of it. The report, the metrics, the resume checkpoint, token files and the file sink's
//! output are written in this way.
//!
//! The rules, for all of them:
//!
//! - **Replacing.** The content goes into a temporary file beside the target, which is then renamed. A
//!   symbolic link stays, and the file that it points to is replaced. A device or a pipe is written directly,
//!   because renaming would replace it. A temporary file is removed unless the process is killed.
//! - **Syncing.** The file is synced before it is renamed, and its directory afterwards, so that after a
//!   power loss there is one of the two contents. A failure to sync the directory is ignored: not every file
//!   system can do it, and the file is in place. [`Durability::Process`] omits both: the content then
//!   survives the end of the process, but maybe not a power loss. Only the resume checkpoint does so, which
//!   is written up to 20 times per second while a run is in progress and whose loss only costs time.
//! - **Permissions.** A file that exists keeps its permissions, and one that is write-protected is not
//!   replaced. A new file gets those that the umask allows, or with
//!   [`private_if_new`](AtomicWrite::private_if_new) is readable and writable for its owner alone. A
//!   [private](AtomicWrite::private) file always is, whatever it was before.
//! - **Other users.** A symbolic link of another user is not followed, and neither is a file replaced that
//!   another user has put into a shared directory. The temporary file is created exclusively.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::clock::Clock;
use crate::file_system::{Access, FileSystem, FileType, OpenFile, Permissions, parent};

/// Attempts to find a temporary name that is not in use.
const MAX_NAME_ATTEMPTS: u32 = 16;

/// The events that a written file survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durability {
    /// The end of the process, but maybe not a power loss.
    Process,
    /// A power loss.
    Power,
}

/// A file that is to be replaced as a whole.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AtomicWrite<'a> {
    files: &'a Arc<dyn FileSystem>,
    /// Makes the temporary name unlike those of other processes.
    clock: &'a dyn Clock,
    path: &'a Path,
    readers: Readers,
    single_writer: bool,
}

/// The users who may read the new file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Readers {
    /// Those who may read the existing file; those that the umask allows for a new one.
    AsBefore,
    /// Those who may read the existing file; its owner for a new one.
    OwnerIfNew,
    /// The user of this process.
    Owner,
    /// The owner of the existing file.
    OwnerAsBefore,
}

impl<'a> AtomicWrite<'a> {
    pub(crate) fn new(files: &'a Arc<dyn FileSystem>, clock: &'a dyn Clock, path: &'a Path) -> Self {
        Self { files, clock, path, readers: Readers::AsBefore, single_writer: false }
    }

    /// Only the file's owner may read and write it.
    pub(crate) fn private(self) -> Self {
        Self { readers: Readers::Owner, ..self }
    }

    /// Only the file's owner may read and write it if it is created; an existing file keeps its permissions.
    pub(crate) fn private_if_new(self) -> Self {
        Self { readers: Readers::OwnerIfNew, ..self }
    }

    /// Only the file's owner may read and write it. An existing file keeps its owner, also if an
    /// administrator replaces it.
    pub(crate) fn private_for_its_owner(self) -> Self {
        Self { readers: Readers::OwnerAsBefore, ..self }
    }

    /// No other process writes this file, so its temporary file has a fixed name, and a process that was
    /// killed leaves at most one behind.
    pub(crate) fn single_writer(self) -> Self {
        Self { single_writer: true, ..self }
    }

    /// Replaces the file's content.
    pub(crate) fn write(self, content: &[u8], durability: Durability) -> io::Result<()> {
        let mut file = self.open()?;
        file.write_all(content)?;
        file.commit(durability)
    }

    /// Checks whether the file could be written, and leaves nothing behind.
    pub(crate) fn check(self) -> io::Result<()> {
        self.open().map(drop)
    }

    /// Opens a temporary file that replaces the file when it is [committed](AtomicFile::commit).
    ///
    /// Blocks where `path` is a pipe that no one reads yet.
    pub(crate) fn open(self) -> io::Result<AtomicFile> {
        let existing = match self.files.metadata(self.path) {
            Ok(metadata) => Some(metadata),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        match existing.map(|metadata| metadata.file_type) {
            Some(FileType::Directory) => {
                return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a directory"));
            }
            // Opening a pipe waits for its reader, which the program's own file does not have.
            Some(FileType::Special) if self.single_writer => {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
            }
            Some(FileType::Special) => {
                let file = self.files.open(self.path, Access::Write)?;
                return Ok(AtomicFile { file, replacement: None });
            }
            Some(FileType::Regular) | None => {}
        }
        let target = match existing {
            Some(metadata) if metadata.read_only && !self.is_private() => {
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is write-protected"));
            }
            // The temporary file is beside the file that a link points to, so that renaming stays within one
            // file system.
            _ => self.files.resolve_for_writing(self.path)?,
        };
        let permissions = match (self.readers, existing) {
            (Readers::OwnerAsBefore, _) => Permissions::PrivateOf(&target),
            (Readers::Owner, _) | (Readers::OwnerIfNew, None) => Permissions::Private,
            (_, Some(_)) => Permissions::SameAs(&target),
            (Readers::AsBefore, None) => Permissions::Default,
        };
        let (file, temporary) = self.create_temporary(&target, permissions)?;
        let replacement = Replacement { files: Arc::clone(self.files), temporary, target, is_done: false };
        Ok(AtomicFile { file, replacement: Some(replacement) })
    }

    fn is_private(self) -> bool {
        matches!(self.readers, Readers::Owner | Readers::OwnerAsBefore)
    }

    fn create_temporary(
        &self,
        target: &Path,
        permissions: Permissions<'_>,
    ) -> io::Result<(Box<dyn OpenFile>, PathBuf)> {
        let name = target
            .file_name()
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "it names no file"))?;
        if self.single_writer {
            let mut temporary = name.to_owned();
            temporary.push(".new");
            let temporary = target.with_file_name(temporary);
            // Left behind by a process that was killed.
            match self.files.remove(&temporary) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            return Ok((self.files.open(&temporary, Access::Create(permissions))?, temporary));
        }
        let mut attempt = 0;
        loop {
            let mut temporary = OsString::from(".");
            temporary.push(name);
            temporary.push(format!(".{:08x}.part", self.clock.random() >> 32));
            let temporary = target.with_file_name(temporary);
            match self.files.open(&temporary, Access::Create(permissions)) {
                Ok(file) => return Ok((file, temporary)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && attempt < MAX_NAME_ATTEMPTS => {
                    attempt += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// Takes the new content of a file. Dropping it without [`commit`](Self::commit) leaves the file as it was.
#[derive(Debug)]
pub(crate) struct AtomicFile {
    file: Box<dyn OpenFile>,
    /// `None` for a device or a pipe, which is written directly.
    replacement: Option<Replacement>,
}

#[derive(Debug)]
struct Replacement {
    files: Arc<dyn FileSystem>,
    temporary: PathBuf,
    target: PathBuf,
    is_done: bool,
}

impl AtomicFile {
    /// Whether it replaces a file; otherwise it writes to a device or a pipe.
    pub(crate) fn is_replacement(&self) -> bool {
        self.replacement.is_some()
    }

    /// Puts the new content in place.
    pub(crate) fn commit(mut self, durability: Durability) -> io::Result<()> {
        self.file.flush()?;
        let Some(mut replacement) = self.replacement.take() else { return Ok(()) };
        if durability == Durability::Power {
            self.file.sync()?;
        }
        replacement.files.rename(&replacement.temporary, &replacement.target)?;
        replacement.is_done = true;
        if durability == Durability::Power {
            drop(replacement.files.sync_directory(parent(&replacement.target)));
        }
        Ok(())
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        if !self.is_done {
            // There is nothing to be done about a temporary file that stays.
            drop(self.files.remove(&self.temporary));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::clock::SystemClock;
    use crate::file_system::LocalFileSystem;

    fn files() -> Arc<dyn FileSystem> {
        Arc::new(LocalFileSystem)
    }

    fn names_in(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn the_old_content_stays_until_the_commit_and_without_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("report.json");
        fs::write(&path, "old").unwrap();
        for single_writer in [false, true] {
            let files = files();
            let mut write = AtomicWrite::new(&files, &SystemClock, &path);
            write.single_writer = single_writer;
            let mut file = write.open().unwrap();
            file.write_all(b"half").unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), "old");
            drop(file);
            assert_eq!(names_in(directory.path()), ["report.json"]);
            write.check().unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        }
        AtomicWrite::new(&files(), &SystemClock, &path).write(b"new", Durability::Power).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(names_in(directory.path()), ["report.json"]);
    }

    #[test]
    fn a_single_writer_replaces_what_a_killed_process_left() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("checkpoint.json");
        fs::write(directory.path().join("checkpoint.json.new"), "half").unwrap();
        AtomicWrite::new(&files(), &SystemClock, &path)
            .single_writer()
            .write(b"new", Durability::Process)
            .unwrap();
        assert_eq!(names_in(directory.path()), ["checkpoint.json"]);
    }

    #[cfg(unix)]
    #[test]
    fn permissions_and_links_stay_and_a_private_file_is_its_owners_alone() {
        use std::os::unix::fs::{PermissionsExt, symlink};

        let directory = tempfile::tempdir().unwrap();
        let (path, link) = (directory.path().join("real"), directory.path().join("link"));
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        symlink("real", &link).unwrap();
        AtomicWrite::new(&files(), &SystemClock, &link).write(b"new", Durability::Power).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!((fs::read_to_string(&path).unwrap().as_str(), mode()), ("new", 0o640));
        AtomicWrite::new(&files(), &SystemClock, &path)
            .private()
            .write(b"secret", Durability::Power)
            .unwrap();
        assert_eq!(mode(), 0o600);
    }

    #[test]
    fn what_cannot_be_replaced_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let protected = directory.path().join("protected");
        fs::write(&protected, "old").unwrap();
        let mut permissions = fs::metadata(&protected).unwrap().permissions();
        permissions.set_readonly(true);
        fs::set_permissions(&protected, permissions).unwrap();
        for (path, kind) in [
            (directory.path().to_owned(), io::ErrorKind::IsADirectory),
            (directory.path().join("no/such"), io::ErrorKind::NotFound),
            (protected, io::ErrorKind::PermissionDenied),
        ] {
            assert_eq!(
                AtomicWrite::new(&files(), &SystemClock, &path).check().unwrap_err().kind(),
                kind,
                "{path:?}"
            );
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_device_is_written_directly() {
        let files = files();
        let write = AtomicWrite::new(&files, &SystemClock, Path::new("/dev/full"));
        assert!(!write.open().unwrap().is_replacement());
        assert_eq!(write.write(b"x", Durability::Power).unwrap_err().kind(), io::ErrorKind::StorageFull);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_a_file_that_does_not_exist_yet_stays_a_link() {
        let directory = tempfile::tempdir().unwrap();
        let (elsewhere, link) = (directory.path().join("elsewhere"), directory.path().join("link"));
        fs::create_dir(&elsewhere).unwrap();
        std::os::unix::fs::symlink(elsewhere.join("report.json"), &link).unwrap();
        AtomicWrite::new(&files(), &SystemClock, &link)
            .private_if_new()
            .write(b"new", Durability::Power)
            .unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(names_in(&elsewhere), ["report.json"]);
    }
}
