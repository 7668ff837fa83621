//! A token in a file that another process renews, such as a mounted secret or a projected service account
//! token.

use std::fs::{File, Metadata};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::{IssuedToken, ProviderError, TokenProvider};
use crate::auth::{Token, TokenSource};
use crate::box_future::BoxFuture;

/// A token has some hundred bytes; a larger file is something else.
const MAX_BYTES: u64 = 64 * 1024;

/// The interval between two looks at the file. A new token is used after this time at the latest, or when the
/// old one is refused.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Reads a token from a file, and again whenever the file has changed.
#[derive(Debug)]
pub struct FileProvider {
    path: PathBuf,
    last_read: Mutex<LastRead>,
}

#[derive(Debug)]
struct LastRead {
    file: Option<FileIdentity>,
    checked_at: Instant,
}

/// Distinguishes a file from the one that had its name before.
#[derive(Clone, Debug, PartialEq, Eq)]
struct FileIdentity {
    modified: Option<SystemTime>,
    length: u64,
    #[cfg(unix)]
    inode: u64,
}

impl FileProvider {
    /// Reads the token at `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let last_read = LastRead { file: None, checked_at: Instant::now() };
        Self { path: path.into(), last_read: Mutex::new(last_read) }
    }

    /// Reads the token at `path` once, without the white space around it that editors and `echo` leave.
    ///
    /// # Errors
    /// If the file cannot be read, is larger than 64 KiB, or is not UTF-8.
    pub fn read(path: &Path) -> Result<Token, ProviderError> {
        Self::read_identified(path).map(|(token, _)| token)
    }

    fn read_identified(path: &Path) -> Result<(Token, FileIdentity), ProviderError> {
        let problem =
            |what: &str| ProviderError::permanent(format!("the token file {} {what}", path.display()));
        let unreadable = |error: &std::io::Error| problem(&format!("cannot be read: {error}"));
        // The size is limited while reading: a device or a pipe reports none.
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(|error| unreadable(&error))?;
        let identity = FileIdentity::of(&file.metadata().map_err(|error| unreadable(&error))?);
        file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|error| unreadable(&error))?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(problem("is too large to be one"));
        }
        // The error must not quote the file.
        let text = std::str::from_utf8(&bytes).map_err(|_| problem("is not UTF-8"))?;
        Ok((Token::new(text.trim(), TokenSource::File(path.to_owned())), identity))
    }

    fn last_read(&self) -> std::sync::MutexGuard<'_, LastRead> {
        self.last_read.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FileIdentity {
    fn of(metadata: &Metadata) -> Self {
        Self {
            modified: metadata.modified().ok(),
            length: metadata.len(),
            #[cfg(unix)]
            inode: std::os::unix::fs::MetadataExt::ino(metadata),
        }
    }
}

impl TokenProvider for FileProvider {
    fn source(&self) -> TokenSource {
        TokenSource::File(self.path.clone())
    }

    fn fetch(&self) -> BoxFuture<'_, Result<IssuedToken, ProviderError>> {
        Box::pin(async {
            let path = self.path.clone();
            let read = tokio::task::spawn_blocking(move || Self::read_identified(&path)).await;
            let (token, identity) = read.map_err(|_| {
                ProviderError::transient("the task that reads the token file was cancelled")
            })??;
            *self.last_read() = LastRead { file: Some(identity), checked_at: Instant::now() };
            Ok(token.into())
        })
    }

    fn has_changed(&self) -> bool {
        let mut last_read = self.last_read();
        if last_read.checked_at.elapsed() < CHECK_INTERVAL {
            return false;
        }
        last_read.checked_at = Instant::now();
        // A missing file is being replaced; the token that was read remains in use.
        std::fs::metadata(&self.path)
            .is_ok_and(|metadata| Some(FileIdentity::of(&metadata)) != last_read.file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_is_read_without_the_space_around_it_at_each_fetch() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        std::fs::write(&path, " abc.def.ghi\r\n").unwrap();
        let provider = FileProvider::new(&path);
        assert_eq!(provider.fetch().await.unwrap().token.expose(), "abc.def.ghi");
        std::fs::write(&path, "another").unwrap();
        assert_eq!(provider.fetch().await.unwrap().token.expose(), "another");
        std::fs::remove_file(&path).unwrap();
        let error = provider.fetch().await.unwrap_err();
        assert!(error.message.contains("token") && !error.transient, "{error}");
    }

    #[test]
    fn errors_do_not_quote_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        std::fs::write(&path, b"s3cr3t\xff").unwrap();
        let error = FileProvider::read(&path).unwrap_err();
        assert!(error.message.contains("not UTF-8") && !error.message.contains("s3cr3t"), "{error}");
        std::fs::write(&path, vec![b'x'; 70_000]).unwrap();
        assert!(FileProvider::read(&path).unwrap_err().message.contains("too large"));
    }
}
