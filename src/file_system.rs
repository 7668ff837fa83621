//! The file operations of a run's own files: resume checkpoint, dead letters, lock, report and metrics.
//!
//! [`LocalFileSystem`] is the production implementation. A simulation puts one in its place that fails on
//! purpose, or that loses what was not synced.

use std::any::Any;
use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

/// File operations. All of them may block.
pub trait FileSystem: Send + Sync + fmt::Debug {
    /// The metadata of the file at `path`; symbolic links are followed.
    ///
    /// # Errors
    /// Of kind [`NotFound`](io::ErrorKind::NotFound) when there is nothing.
    fn metadata(&self, path: &Path) -> io::Result<FileMetadata>;

    /// Opens a file.
    ///
    /// # Errors
    /// When it cannot be opened in this way.
    fn open(&self, path: &Path, access: Access<'_>) -> io::Result<Box<dyn OpenFile>>;

    /// Renames a file; one that has the new name already is replaced in one step.
    ///
    /// # Errors
    /// When it cannot be renamed. Both files are as before.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// When there is none, or it cannot be removed.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// The absolute path without symbolic links.
    ///
    /// # Errors
    /// When there is nothing at `path`.
    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf>;

    /// The path at which a file that is to be written really is: symbolic links are followed, also one that
    /// points to nothing yet.
    ///
    /// # Errors
    /// Of kind [`PermissionDenied`](io::ErrorKind::PermissionDenied) when a link, or the file in a shared
    /// directory, belongs to another user.
    fn resolve_for_writing(&self, path: &Path) -> io::Result<PathBuf> {
        match self.canonicalize(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(path.to_owned()),
            resolved => resolved,
        }
    }

    /// Creates a directory and those above it that are missing; only their owner may enter them. They survive
    /// a power loss.
    ///
    /// # Errors
    /// When one of them cannot be created.
    fn create_directory(&self, directory: &Path) -> io::Result<()>;

    /// Returns when the names of the files in `directory` would survive a power loss.
    ///
    /// # Errors
    /// When that fails; some file systems do not support it.
    fn sync_directory(&self, directory: &Path) -> io::Result<()>;

    /// Locks the file at `path` against other processes; it is created if it is missing. `None` if another
    /// process holds the lock; with `wait`, blocks until that process gives it back.
    ///
    /// # Errors
    /// When the file cannot be created or locked.
    fn lock(&self, path: &Path, wait: bool) -> io::Result<Option<FileLock>>;
}

/// How a file is opened.
#[derive(Clone, Copy, Debug)]
pub enum Access<'a> {
    /// An existing file is read.
    Read,
    /// An existing device or pipe is written.
    Write,
    /// A file is written at its end, and may be read. If it is missing, it is created, for its owner alone.
    Append,
    /// A new file is written; there must be none at this path.
    Create(Permissions<'a>),
}

/// The permissions of a new file.
#[derive(Clone, Copy, Debug)]
pub enum Permissions<'a> {
    /// Readable and writable as far as the process's umask allows.
    Default,
    /// Those of the file at this path.
    SameAs(&'a Path),
    /// Readable and writable for its owner alone: the user of this process.
    Private,
    /// As [`Private`](Self::Private), for the owner of the file at this path if there is one.
    PrivateOf(&'a Path),
}

/// A file that is open.
pub trait OpenFile: Read + Write + Seek + Send + fmt::Debug {
    /// Returns when what was written would survive a power loss.
    ///
    /// # Errors
    /// When it may not have reached the disk.
    fn sync(&self) -> io::Result<()>;

    /// Cuts the file off after `length` bytes.
    ///
    /// # Errors
    /// When that fails.
    fn set_len(&self, length: u64) -> io::Result<()>;

    /// The file's metadata.
    ///
    /// # Errors
    /// When that fails.
    fn metadata(&self) -> io::Result<FileMetadata>;
}

/// The metadata of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileMetadata {
    /// Whether it is a directory, a regular file or something else.
    pub file_type: FileType,
    /// Its length in bytes.
    pub length: u64,
    /// No one may write it.
    pub read_only: bool,
    /// When it was last written, where the file system knows.
    pub modified: Option<Timestamp>,
}

/// The kind of file at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileType {
    /// A directory.
    Directory,
    /// A regular file.
    Regular,
    /// A device, a pipe or a socket.
    Special,
}

/// A lock of a file. Dropping it, or the end of the process, releases it.
pub struct FileLock(#[expect(dead_code, reason = "held until it is dropped")] Box<dyn Any + Send + Sync>);

impl FileLock {
    /// The lock is held until `guard` is dropped.
    pub fn new(guard: impl Any + Send + Sync) -> Self {
        Self(Box::new(guard))
    }
}

impl fmt::Debug for FileLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileLock").finish_non_exhaustive()
    }
}

impl dyn FileSystem {
    /// The whole content of a regular file of at most `max_bytes`. Opening a pipe would wait for its writer,
    /// and a device may never end.
    pub(crate) fn read(&self, path: &Path, max_bytes: u64) -> io::Result<Vec<u8>> {
        let check = |metadata: FileMetadata| match metadata.file_type {
            FileType::Regular if metadata.length <= max_bytes => Ok(()),
            FileType::Regular => {
                let message = format!("it has {} bytes, and at most {max_bytes} are read", metadata.length);
                Err(io::Error::new(io::ErrorKind::FileTooLarge, message))
            }
            FileType::Directory => Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a directory")),
            FileType::Special => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file")),
        };
        check(self.metadata(path)?)?;
        let file = self.open(path, Access::Read)?;
        check(file.metadata()?)?;
        let mut content = Vec::new();
        file.take(max_bytes).read_to_end(&mut content)?;
        Ok(content)
    }
}

/// The directory that `path` is in.
pub(crate) fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The files of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct LocalFileSystem;

impl FileSystem for LocalFileSystem {
    fn metadata(&self, path: &Path) -> io::Result<FileMetadata> {
        fs::metadata(path).map(|metadata| FileMetadata::from(&metadata))
    }

    fn open(&self, path: &Path, access: Access<'_>) -> io::Result<Box<dyn OpenFile>> {
        let mut options = OpenOptions::new();
        match access {
            Access::Read => options.read(true),
            Access::Write => options.write(true),
            Access::Append => return open_for_appending(path),
            Access::Create(permissions) => return create(path, permissions),
        };
        Ok(Box::new(options.open(path)?))
    }

    fn resolve_for_writing(&self, path: &Path) -> io::Result<PathBuf> {
        crate::foreign_file::resolve(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        fs::canonicalize(path)
    }

    fn create_directory(&self, directory: &Path) -> io::Result<()> {
        let missing =
            directory.ancestors().take_while(|path| !path.as_os_str().is_empty() && !path.exists()).count();
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(directory)?;
        directory.ancestors().skip(1).take(missing).try_for_each(|parent| self.sync_directory(parent))
    }

    #[cfg(unix)]
    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
        File::open(directory)?.sync_all()
    }

    /// Elsewhere a directory cannot be opened, and need not be synced.
    #[cfg(not(unix))]
    fn sync_directory(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn lock(&self, path: &Path, wait: bool) -> io::Result<Option<FileLock>> {
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true);
        set_private(&mut options);
        let file = options.open(crate::foreign_file::resolve(path)?)?;
        if wait {
            file.lock()?;
            return Ok(Some(FileLock::new(file)));
        }
        match file.try_lock() {
            Ok(()) => Ok(Some(FileLock::new(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

impl OpenFile for File {
    fn sync(&self) -> io::Result<()> {
        self.sync_all()
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        Self::set_len(self, length)
    }

    fn metadata(&self) -> io::Result<FileMetadata> {
        Self::metadata(self).map(|metadata| FileMetadata::from(&metadata))
    }
}

impl From<&fs::Metadata> for FileMetadata {
    fn from(metadata: &fs::Metadata) -> Self {
        let file_type = match metadata {
            metadata if metadata.is_file() => FileType::Regular,
            metadata if metadata.is_dir() => FileType::Directory,
            _ => FileType::Special,
        };
        Self {
            file_type,
            length: metadata.len(),
            read_only: metadata.permissions().readonly(),
            modified: metadata.modified().ok().and_then(|time| Timestamp::try_from(time).ok()),
        }
    }
}

fn create(path: &Path, permissions: Permissions<'_>) -> io::Result<Box<dyn OpenFile>> {
    let mut options = OpenOptions::new();
    options.create_new(true).write(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        // The process's umask is applied to it.
        let private = matches!(permissions, Permissions::Private | Permissions::PrivateOf(_));
        options.mode(if private { 0o600 } else { 0o666 });
    }
    let file = options.open(path)?;
    let set = match permissions {
        Permissions::Default | Permissions::Private => Ok(()),
        Permissions::SameAs(existing) => {
            fs::metadata(existing).and_then(|metadata| file.set_permissions(metadata.permissions()))
        }
        Permissions::PrivateOf(existing) => copy_owner(existing, path),
    };
    if let Err(error) = set {
        // The failure to set the permissions is what matters; the empty file may stay.
        drop(fs::remove_file(path));
        return Err(error);
    }
    Ok(Box::new(file))
}

/// Opens the file, or creates it for its owner alone.
fn open_for_appending(path: &Path) -> io::Result<Box<dyn OpenFile>> {
    let path = crate::foreign_file::resolve(path)?;
    let mut options = OpenOptions::new();
    options.read(true).append(true);
    match options.open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // Created exclusively, so that a link that another process has just made is not followed.
            set_private(&mut options);
            Ok(Box::new(options.create_new(true).open(&path)?))
        }
        opened => Ok(Box::new(opened?)),
    }
}

#[cfg(unix)]
fn set_private(options: &mut OpenOptions) {
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
}

#[cfg(not(unix))]
fn set_private(_: &mut OpenOptions) {}

/// Gives `to` the owner of `from`, so that the owner can still read the file after an administrator has
/// replaced it.
#[cfg(unix)]
fn copy_owner(from: &Path, to: &Path) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt as _, chown};

    let Ok(owner) = fs::metadata(from) else { return Ok(()) };
    if owner.uid() == fs::metadata(to)?.uid() {
        return Ok(());
    }
    chown(to, Some(owner.uid()), Some(owner.gid()))
}

#[cfg(not(unix))]
fn copy_owner(_: &Path, _: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_directory_is_created_with_those_above_it() {
        let directory = tempfile::tempdir().unwrap();
        let inner = directory.path().join("a/b/c");
        LocalFileSystem.create_directory(&inner).unwrap();
        LocalFileSystem.create_directory(&inner).unwrap();
        assert_eq!(LocalFileSystem.metadata(&inner).unwrap().file_type, FileType::Directory);
    }

    #[cfg(unix)]
    #[test]
    fn new_directories_and_files_are_their_owners_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let inner = directory.path().join("a/b");
        LocalFileSystem.create_directory(&inner).unwrap();
        assert_eq!((mode(&directory.path().join("a")), mode(&inner)), (0o700, 0o700));
        drop(LocalFileSystem.lock(&inner.join("lock"), false).unwrap());
        LocalFileSystem.open(&inner.join("dead-letters.jsonl"), Access::Append).unwrap();
        LocalFileSystem.open(&inner.join("new"), Access::Create(Permissions::Private)).unwrap();
        for name in ["lock", "dead-letters.jsonl", "new"] {
            assert_eq!(mode(&inner.join(name)), 0o600, "{name}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn only_regular_files_of_limited_size_are_read_as_a_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        fs::write(&path, "12345").unwrap();
        let files: &dyn FileSystem = &LocalFileSystem;
        assert_eq!(files.read(&path, 5).unwrap(), b"12345");
        assert_eq!(files.read(&path, 4).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(files.read(Path::new("/dev/zero"), 5).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert_eq!(files.read(directory.path(), 5).unwrap_err().kind(), io::ErrorKind::IsADirectory);
    }

    #[test]
    fn a_lock_is_held_until_it_is_dropped() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        let first = LocalFileSystem.lock(&path, false).unwrap();
        assert!(first.is_some());
        assert!(LocalFileSystem.lock(&path, false).unwrap().is_none());
        drop(first);
        assert!(LocalFileSystem.lock(&path, true).unwrap().is_some());
    }
}
