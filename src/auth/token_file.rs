//! A file with a token, and a second file with what is known about the token.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Token;
use crate::atomic_write::{AtomicFile, AtomicWrite, Durability};
use crate::clock::SystemClock;
use crate::file_system::{FileSystem, LocalFileSystem, parent};
use crate::redact::holds_jwt;
use crate::{Error, ErrorKind};

/// A larger file is not a metadata file.
const MAX_METADATA_BYTES: u64 = 64 * 1024;

/// A larger file is not a token.
const MAX_TOKEN_BYTES: u64 = 64 * 1024;

/// The content of `FILE.meta.json` beside a token file. It contains no secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenMetadata {
    /// The id by which the token is revoked.
    pub id: String,
    /// The name of the token.
    pub name: String,
    /// The URN of its user.
    pub actor: String,
    /// When it expires, RFC 3339; `null` if it does not.
    pub expires_at: Option<String>,
    /// The requested duration, by its name in GMS, for example `ONE_MONTH`.
    #[serde(default)]
    pub duration: Option<String>,
    /// The fingerprint of the token: the first 8 hexadecimal digits of its SHA-256.
    #[serde(default)]
    pub sha256: Option<String>,
}

/// A token file that is about to be written. Opening it finds obstacles before a token is issued.
#[derive(Debug)]
pub struct TokenFile {
    files: Arc<dyn FileSystem>,
    path: PathBuf,
    metadata_path: PathBuf,
    file: AtomicFile,
    metadata_file: AtomicFile,
}

impl TokenFile {
    /// Checks that `path` and `path.meta.json` can be written, and changes neither. An existing file is
    /// replaced if it holds a token or nothing.
    ///
    /// # Errors
    /// Of kind [`ErrorKind::Disk`] when they cannot, also if the file belongs to another user; of kind
    /// [`ErrorKind::Input`] when the file holds something else than a token.
    pub fn prepare(path: &Path) -> Result<Self, Error> {
        if holds_something_else(path) {
            return Err(Error::new(
                ErrorKind::Input,
                format!(
                    "{} holds something else than a token: name another file, or replace it with --force",
                    path.display()
                ),
            ));
        }
        Self::prepare_forced(path)
    }

    /// As [`prepare`](Self::prepare), and replaces a file with any content.
    ///
    /// # Errors
    /// Of kind [`ErrorKind::Disk`].
    pub fn prepare_forced(path: &Path) -> Result<Self, Error> {
        check_owner(path).map_err(|error| cannot_write(path, error))?;
        Self::open(path, false)
    }

    /// As [`prepare_forced`](Self::prepare_forced), for a new token of the same user: the file keeps its
    /// owner, who may be another user than that of this process.
    ///
    /// # Errors
    /// Of kind [`ErrorKind::Disk`].
    pub fn prepare_rotation(path: &Path) -> Result<Self, Error> {
        check_owner(path).map_err(|error| cannot_write(path, error))?;
        Self::open(path, true)
    }

    fn open(path: &Path, keep_owner: bool) -> Result<Self, Error> {
        let files: Arc<dyn FileSystem> = Arc::new(LocalFileSystem);
        let metadata_path = metadata_path(path);
        let open = |path: &Path| {
            let write = AtomicWrite::new(&files, &SystemClock, path);
            if keep_owner { write.private_for_its_owner() } else { write.private() }.open()
        };
        let file = open(path).map_err(|error| cannot_write(path, error))?;
        let metadata_file = open(&metadata_path).map_err(|error| cannot_write(path, error))?;
        Ok(Self { path: path.to_owned(), metadata_path, file, metadata_file, files })
    }

    /// Writes the token, readable for its owner alone, and `metadata` beside it. Both files are replaced
    /// atomically.
    ///
    /// # Errors
    /// Of kind [`ErrorKind::Disk`]; both files then have their previous content.
    pub fn write(self, token: &Token, metadata: Option<&TokenMetadata>) -> Result<(), Error> {
        let Self { files, path, metadata_path, mut file, mut metadata_file } = self;
        let cannot_write = |error| cannot_write(&path, error);
        token.write_to(&mut file).map_err(cannot_write)?;
        let previous = files.read(&metadata_path, MAX_METADATA_BYTES).ok();
        if let Some(metadata) = metadata {
            let text = serde_json::to_vec_pretty(metadata).map_err(|error| cannot_write(error.into()))?;
            metadata_file.write_all(&text).map_err(cannot_write)?;
            metadata_file.write_all(b"\n").map_err(cannot_write)?;
            // Before the token: metadata names its token, so that beside the previous token it is harmless.
            metadata_file.commit(Durability::Power).map_err(cannot_write)?;
        }
        if let Err(error) = file.commit(Durability::Power) {
            if metadata.is_some() {
                restore(&files, &metadata_path, previous.as_deref());
            }
            return Err(cannot_write(error));
        }
        Ok(())
    }
}

impl TokenMetadata {
    /// The metadata of `token` beside `path`; `None` if there is none, or it is about another token.
    pub fn beside(path: &Path, token: &Token) -> Option<Self> {
        let path = metadata_path(path);
        if std::fs::metadata(&path).ok()?.len() > MAX_METADATA_BYTES {
            return None;
        }
        let found: Self = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
        (found.sha256.as_deref() == Some(&token.fingerprint())).then_some(found)
    }
}

/// Whether `path` is a file whose content is not a token.
fn holds_something_else(path: &Path) -> bool {
    let files: &dyn FileSystem = &LocalFileSystem;
    match files.read(path, MAX_TOKEN_BYTES) {
        Ok(content) => {
            let text = String::from_utf8_lossy(&content);
            let text = text.trim();
            !text.is_empty()
                && (text.contains(char::is_whitespace) || !text.starts_with("eyJ") || !holds_jwt(text))
        }
        // A file that is too large does not hold a token; anything else is found when it is opened.
        Err(error) => error.kind() == io::ErrorKind::FileTooLarge,
    }
}

/// A file of another user would give that user the token, unless the directory is that user's as well.
#[cfg(unix)]
fn check_owner(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt as _;

    let Ok(file) = std::fs::metadata(path) else { return Ok(()) };
    let directory = std::fs::metadata(parent(&std::fs::canonicalize(path)?))?;
    let is_own = crate::foreign_file::own_user() == file.uid();
    if !file.is_file() || is_own || file.uid() == directory.uid() {
        return Ok(());
    }
    let message = format!("it belongs to another user (uid {})", file.uid());
    Err(io::Error::new(io::ErrorKind::PermissionDenied, message))
}

#[cfg(not(unix))]
fn check_owner(_: &Path) -> io::Result<()> {
    Ok(())
}

fn metadata_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".meta.json");
    name.into()
}

fn cannot_write(path: &Path, error: io::Error) -> Error {
    Error::new(ErrorKind::Disk, format!("cannot write the token to {}", path.display())).with_source(error)
}

/// Best effort: the failure before it is the one that is reported.
fn restore(files: &Arc<dyn FileSystem>, path: &Path, previous: Option<&[u8]>) {
    let restored = match previous {
        Some(text) => AtomicWrite::new(files, &SystemClock, path).private().write(text, Durability::Power),
        None => files.remove(path),
    };
    if let Err(error) = restored {
        tracing::warn!("{} could not be restored: {error}", path.display());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::TokenSource;

    #[test]
    fn metadata_is_read_for_its_own_token_only() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        let token = Token::new("abc.def.ghi", TokenSource::Issued);
        let metadata = TokenMetadata {
            id: "aWQ=".into(),
            name: "n".into(),
            actor: "urn:li:corpuser:loader".into(),
            expires_at: None,
            duration: Some("NO_EXPIRY".into()),
            sha256: Some(token.fingerprint()),
        };
        TokenFile::prepare(&path).unwrap().write(&token, Some(&metadata)).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "abc.def.ghi\n");
        assert_eq!(TokenMetadata::beside(&path, &token), Some(metadata));
        assert_eq!(TokenMetadata::beside(&path, &Token::new("other", TokenSource::Issued)), None);
        #[cfg(unix)]
        for name in ["token", "token.meta.json"] {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::metadata(directory.path().join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    }

    #[test]
    fn only_a_token_is_replaced_without_force() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJl";
        for (content, is_replaced) in [
            (String::new(), true),
            (format!("{token}\n"), true),
            (format!("TOKEN={token}\n"), false),
            (format!("{token}\n{token}\n"), false),
            ("source: {}".to_owned(), false),
            ("x".repeat(100_000), false),
        ] {
            std::fs::write(&path, &content).unwrap();
            assert_eq!(TokenFile::prepare(&path).is_ok(), is_replaced, "{content:.60}");
            TokenFile::prepare_forced(&path).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), content);
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_file_of_another_user_does_not_get_the_token() {
        use std::os::unix::fs::{MetadataExt as _, chown};
        if crate::foreign_file::own_user() != 0 {
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        std::fs::write(&path, "").unwrap();
        chown(&path, Some(65534), None).unwrap();
        assert_eq!(TokenFile::prepare(&path).unwrap_err().kind(), ErrorKind::Disk);
        // In that user's own directory, the owner stays in a rotation only.
        chown(directory.path(), Some(65534), None).unwrap();
        let token = Token::new("abc.def.ghi", TokenSource::Issued);
        TokenFile::prepare_rotation(&path).unwrap().write(&token, None).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().uid(), 65534);
        TokenFile::prepare_forced(&path).unwrap().write(&token, None).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().uid(), 0);
    }

    #[test]
    fn a_file_that_cannot_be_written_is_an_error_of_disk() {
        let directory = tempfile::tempdir().unwrap();
        let token = Token::new("abc.def.ghi", TokenSource::Issued);
        assert!(TokenFile::prepare(&directory.path().join("no/such")).is_err());
        assert!(TokenFile::prepare(directory.path()).is_err());
        // The directory is removed in between.
        let inner = directory.path().join("inner");
        std::fs::create_dir(&inner).unwrap();
        let file = TokenFile::prepare(&inner.join("token")).unwrap();
        std::fs::remove_dir_all(&inner).unwrap();
        assert_eq!(file.write(&token, None).unwrap_err().kind(), ErrorKind::Disk);
    }
}
