//! Symbolic links and files that other users have put where this process writes.
//!
//! In a directory that others can write, such as `/tmp`, another user may create a symbolic link under the
//! name of a file that this process is about to write, and so redirect it; or a file of that name, and so
//! read what is written into it. The rule is that of Linux's `protected_symlinks` and `protected_regular`,
//! for all systems and all file systems.

use std::io;
use std::path::{Path, PathBuf};

/// The path that `path` stands for, whether or not there is a file: symbolic links are followed, also one
/// that points to nothing yet.
///
/// # Errors
/// [`PermissionDenied`](io::ErrorKind::PermissionDenied) if a link on the way, or the file, is another
/// user's.
#[cfg(unix)]
pub(crate) fn resolve(path: &Path) -> io::Result<PathBuf> {
    unix::resolve(path)
}

/// Links of other users cannot be told apart here.
#[cfg(not(unix))]
pub(crate) fn resolve(path: &Path) -> io::Result<PathBuf> {
    match std::fs::canonicalize(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(path.to_owned()),
        resolved => resolved,
    }
}

/// The user id of this process.
#[cfg(unix)]
pub(crate) fn own_user() -> u32 {
    rustix::process::geteuid().as_raw()
}

#[cfg(unix)]
mod unix {
    use std::fs::{self, Metadata};
    use std::io;
    use std::os::unix::fs::MetadataExt as _;
    use std::path::{Path, PathBuf};

    use super::own_user;

    /// As many as the kernel follows.
    const MAX_LINKS: usize = 40;

    /// The permission to write for the group or for all.
    const WRITABLE_BY_OTHERS: u32 = 0o022;

    /// The administrator, who can do everything anyway.
    const ROOT: u32 = 0;

    /// The directory that `path` is in.
    fn parent(path: &Path) -> &Path {
        path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
    }

    pub(super) fn resolve(path: &Path) -> io::Result<PathBuf> {
        let own = own_user();
        let mut path = path.to_owned();
        for _ in 0..MAX_LINKS {
            check_directories(&path, own)?;
            match fs::symlink_metadata(&path) {
                Ok(metadata) if metadata.is_symlink() => {
                    check_link(&path, &metadata, own)?;
                    path = parent(&path).join(fs::read_link(&path)?);
                }
                Ok(metadata) => {
                    if metadata.is_file() {
                        check_file(&path, &metadata, own)?;
                    }
                    return fs::canonicalize(&path);
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(path),
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::other("too many symbolic links"))
    }

    /// The directories of the path that are links.
    fn check_directories(path: &Path, own: u32) -> io::Result<()> {
        for directory in path.ancestors().skip(1) {
            if let Ok(metadata) = fs::symlink_metadata(directory)
                && metadata.is_symlink()
            {
                check_link(directory, &metadata, own)?;
            }
        }
        Ok(())
    }

    fn check_link(path: &Path, link: &Metadata, own: u32) -> io::Result<()> {
        if link.uid() == ROOT || own == link.uid() {
            return Ok(());
        }
        Err(refused(format!("{} is a symbolic link of another user (uid {})", path.display(), link.uid())))
    }

    fn check_file(path: &Path, file: &Metadata, own: u32) -> io::Result<()> {
        if file.uid() == ROOT || own == file.uid() {
            return Ok(());
        }
        let directory = fs::metadata(parent(path))?;
        let shared = directory.mode() & WRITABLE_BY_OTHERS != 0;
        if !shared || file.uid() == directory.uid() {
            return Ok(());
        }
        Err(refused(format!(
            "{} belongs to another user (uid {}), in a directory that others can write",
            path.display(),
            file.uid()
        )))
    }

    fn refused(message: String) -> io::Error {
        io::Error::new(io::ErrorKind::PermissionDenied, message)
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, lchown, symlink};

    use super::*;

    /// Another user, who need not exist.
    const OTHER: u32 = 65534;

    fn is_root() -> bool {
        own_user() == 0
    }

    #[test]
    fn links_of_this_user_are_followed_also_to_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let base = fs::canonicalize(directory.path()).unwrap();
        fs::create_dir(base.join("real")).unwrap();
        symlink("real/file", base.join("link")).unwrap();
        symlink("link", base.join("second")).unwrap();
        assert_eq!(resolve(&base.join("second")).unwrap(), base.join("real/file"));
        fs::write(base.join("real/file"), "").unwrap();
        assert_eq!(resolve(&base.join("second")).unwrap(), base.join("real/file"));
        symlink("loop", base.join("loop")).unwrap();
        assert!(resolve(&base.join("loop")).is_err());
    }

    #[test]
    fn links_and_files_of_other_users_are_refused() {
        if !is_root() {
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        let base = directory.path();
        fs::write(base.join("target"), "").unwrap();
        symlink("target", base.join("link")).unwrap();
        fs::create_dir(base.join("inner")).unwrap();
        symlink("inner", base.join("to-inner")).unwrap();
        for link in ["link", "to-inner"] {
            lchown(base.join(link), Some(OTHER), None).unwrap();
        }
        for path in ["link", "to-inner/new"] {
            let error = resolve(&base.join(path)).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::PermissionDenied, "{path}");
            assert!(error.to_string().contains("symbolic link of another user"), "{error}");
        }
        // A file of another user: only where others can put one.
        fs::write(base.join("theirs"), "").unwrap();
        lchown(base.join("theirs"), Some(OTHER), None).unwrap();
        resolve(&base.join("theirs")).unwrap();
        fs::set_permissions(base, fs::Permissions::from_mode(0o1777)).unwrap();
        assert_eq!(resolve(&base.join("theirs")).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        lchown(base, Some(OTHER), None).unwrap();
        resolve(&base.join("theirs")).unwrap();
    }
}
