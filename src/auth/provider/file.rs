//! A token in a file that something else keeps fresh: a mounted secret, a projected service account token.

use std::fs::{File, Metadata};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use super::{Fetching, ProviderError, TokenProvider};
use crate::auth::{Token, TokenSource};

/// A token is some hundred bytes; a file of this size is something else.
const MAX_BYTES: u64 = 64 * 1024;

/// How often the file is looked at. A token that was put there is used at the latest after this time, or after the old one
/// was refused.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Reads a token from a file, again whenever the file has changed.
#[derive(Debug)]
pub struct FileProvider {
    path: PathBuf,
    seen: Mutex<Seen>,
}

#[derive(Debug)]
struct Seen {
    file: Option<Identity>,
    looked_at: Instant,
}

/// By which a file is told from what stood there before.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Identity {
    modified: Option<SystemTime>,
    length: u64,
    #[cfg(unix)]
    inode: u64,
}

impl FileProvider {
    /// Reads the token at `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let seen = Seen { file: None, looked_at: Instant::now() };
        Self { path: path.into(), seen: Mutex::new(seen) }
    }

    /// The token in a file, without the white space around it that editors and `echo` leave.
    ///
    /// # Errors
    /// When the file cannot be read, or holds what cannot be a token.
    pub fn read(path: &Path) -> Result<Token, ProviderError> {
        Self::read_identified(path).map(|(token, _)| token)
    }

    fn read_identified(path: &Path) -> Result<(Token, Identity), ProviderError> {
        let problem =
            |what: &str| ProviderError::lasting(format!("the token file {} {what}", path.display()));
        let unreadable = |error: &std::io::Error| problem(&format!("cannot be read: {error}"));
        // Looked at while it is read and not before: a device or a pipe does not know how long it is.
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(|error| unreadable(&error))?;
        let identity = Identity::of(&file.metadata().map_err(|error| unreadable(&error))?);
        file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|error| unreadable(&error))?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(problem("is too large to be one"));
        }
        // What is not UTF-8 is no token, and the error must not quote it.
        let text = std::str::from_utf8(&bytes).map_err(|_| problem("is not UTF-8"))?;
        Ok((Token::new(text.trim(), TokenSource::File(path.to_owned())), identity))
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Identity {
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

    fn fetch(&self) -> Fetching<'_> {
        Box::pin(async {
            let path = self.path.clone();
            let read = tokio::task::spawn_blocking(move || Self::read_identified(&path)).await;
            let (token, identity) =
                read.map_err(|_| ProviderError::transient("reading the token file was given up"))??;
            *self.seen() = Seen { file: Some(identity), looked_at: Instant::now() };
            Ok(token.into())
        })
    }

    fn has_changed(&self) -> bool {
        let mut seen = self.seen();
        if seen.looked_at.elapsed() < LOOK_EVERY {
            return false;
        }
        seen.looked_at = Instant::now();
        // A file that is away for a moment is being replaced; what was read is still good then.
        std::fs::metadata(&self.path).is_ok_and(|metadata| Some(Identity::of(&metadata)) != seen.file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_is_read_without_the_space_around_it_and_again_each_time() {
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
    fn what_cannot_be_a_token_is_told_and_not_quoted() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        std::fs::write(&path, b"s3cr3t\xff").unwrap();
        let error = FileProvider::read(&path).unwrap_err();
        assert!(error.message.contains("not UTF-8") && !error.message.contains("s3cr3t"), "{error}");
        std::fs::write(&path, vec![b'x'; 70_000]).unwrap();
        assert!(FileProvider::read(&path).unwrap_err().message.contains("too large"));
    }
}
