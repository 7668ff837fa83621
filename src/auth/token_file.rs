//! A file with a token, and a second file with what is known about the token.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use super::Token;
use crate::{Error, ErrorKind};

/// A larger file is not a metadata file.
const MAX_METADATA_BYTES: u64 = 64 * 1024;

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

/// A token file that is about to be written. Preparing it before the token is made shows whether it can be
/// written.
#[derive(Debug)]
pub struct TokenFile {
    /// The file, with symbolic links resolved.
    path: PathBuf,
    metadata: PathBuf,
    fresh: NamedTempFile,
    fresh_metadata: NamedTempFile,
}

impl TokenFile {
    /// Makes sure that `path` and `path.meta.json` can be written, without changing them.
    ///
    /// # Errors
    /// [`ErrorKind::Disk`] if they cannot.
    pub fn prepare(path: &Path) -> Result<Self, Error> {
        let unwritable = |error| disk(path, error);
        let real = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let metadata = metadata_path(path);
        if real.is_dir() || metadata.is_dir() {
            return Err(unwritable(io::Error::from(io::ErrorKind::IsADirectory)));
        }
        // A temporary file is readable for its owner only, and remains so when it is renamed.
        let fresh = NamedTempFile::new_in(directory(&real)).map_err(unwritable)?;
        let fresh_metadata = NamedTempFile::new_in(directory(&metadata)).map_err(unwritable)?;
        keep_owner(&real, fresh.path()).map_err(unwritable)?;
        Ok(Self { path: real, metadata, fresh, fresh_metadata })
    }

    /// Replaces the file atomically by one with `token`, readable for its owner only, and writes `metadata`
    /// beside it.
    ///
    /// # Errors
    /// [`ErrorKind::Disk`]; the previous files are unchanged then.
    pub fn write(mut self, token: &Token, metadata: Option<&TokenMetadata>) -> Result<(), Error> {
        let path = self.path.clone();
        let unwritable = |error| disk(&path, error);
        token.write_to(&mut self.fresh).map_err(unwritable)?;
        self.fresh.as_file().sync_all().map_err(unwritable)?;
        let before = std::fs::read(&self.metadata).ok();
        if let Some(metadata) = metadata {
            let text = serde_json::to_vec_pretty(metadata).map_err(|error| unwritable(error.into()))?;
            self.fresh_metadata.write_all(&text).map_err(unwritable)?;
            self.fresh_metadata.write_all(b"\n").map_err(unwritable)?;
            self.fresh_metadata.as_file().sync_all().map_err(unwritable)?;
            // The metadata goes first: beside the old token it is ignored, because its fingerprint differs.
            self.fresh_metadata.persist(&self.metadata).map_err(|error| unwritable(error.error))?;
        }
        if let Err(error) = self.fresh.persist(&path) {
            if metadata.is_some() {
                restore(&self.metadata, before.as_deref());
            }
            return Err(unwritable(error.error));
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

fn metadata_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".meta.json");
    name.into()
}

fn directory(path: &Path) -> &Path {
    path.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn disk(path: &Path, error: io::Error) -> Error {
    Error::new(ErrorKind::Disk, format!("cannot write the token to {}", path.display())).with_source(error)
}

/// Best effort: the error that is reported is the one before.
fn restore(path: &Path, before: Option<&[u8]>) {
    let restored = match before {
        Some(text) => std::fs::write(path, text),
        None => std::fs::remove_file(path),
    };
    if let Err(error) = restored {
        tracing::warn!("{} could not be restored: {error}", path.display());
    }
}

/// Keeps the owner of the file, also if an administrator renews the token.
#[cfg(unix)]
fn keep_owner(old: &Path, new: &Path) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt as _, chown};

    let Ok(owner) = std::fs::metadata(old) else { return Ok(()) };
    if owner.uid() == std::fs::metadata(new)?.uid() {
        return Ok(());
    }
    chown(new, Some(owner.uid()), Some(owner.gid()))
}

#[cfg(not(unix))]
fn keep_owner(_: &Path, _: &Path) -> io::Result<()> {
    Ok(())
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
