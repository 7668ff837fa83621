//! The errors of the public API.

use std::error::Error as StdError;

/// The kind of an [`Error`].
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// An argument, an address, or the content of a file that was given is wrong.
    Input,
    /// A file cannot be read or written: the data file, or the file of a token.
    Disk,
    /// The server cannot run: the system provides no threads or random numbers, or there is a bug.
    Internal,
}

/// A failure to start the embedded GMS or to administer it.
///
/// Its text contains no secret. Causes are reached through [`source`](StdError::source) and are not repeated
/// in it.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    kind: ErrorKind,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    #[must_use]
    pub(crate) fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The kind of this error.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The cause, for an error that takes over this one's text.
    pub fn into_source(self) -> Option<Box<dyn StdError + Send + Sync>> {
        self.source
    }
}
