//! The crate's one public error.

use std::error::Error as StdError;
use std::fmt;

use crate::auth::Diagnosis;

/// What kind of failure an [`Error`] is: enough to decide what to do next.
///
/// Each kind but [`Internal`](Self::Internal) has an exit code of its own in the command line's contract.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The command line, the recipe or its input is wrong; nothing was sent. Exit code 2.
    Input,
    /// GMS refused the caller: 401, or a 403 for the whole run. Exit code 3.
    Refused,
    /// GMS cannot be reached, or what answers is not a GMS. Exit code 4.
    Unreachable,
    /// Another run of the same pipeline holds the lock. Exit code 5.
    Locked,
    /// A file of ours (report, dead letters, sink file) cannot be written. Exit code 6.
    Disk,
    /// A bound that was set for a run was reached: its deadline, or how much of it may fail. Exit code 1.
    Limit,
    /// Whoever read standard output has gone, as `head` does. Nothing is wrong. Exit code 141, as that of a program that
    /// SIGPIPE ended.
    OutputClosed,
    /// What was asked for is not there. Exit code 1.
    NotFound,
    /// GMS answered, and rejected what was sent. Exit code 1.
    Rejected,
    /// A fault of this crate. Exit code 1.
    Internal,
}

impl ErrorKind {
    /// The exit code in the command line's contract.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Limit | Self::NotFound | Self::Rejected | Self::Internal => 1,
            Self::OutputClosed => 141,
            Self::Input => 2,
            Self::Refused => 3,
            Self::Unreachable => 4,
            Self::Locked => 5,
            Self::Disk => 6,
        }
    }
}

/// A failure that ends what was asked for.
///
/// What becomes of a single proposal is an [`Outcome`](crate::emitter::Outcome), never an `Error`. The text of an
/// `Error` holds no secret; causes are reached by [`source`](StdError::source) and are not repeated in it.
pub struct Error {
    inner: Box<Inner>,
}

struct Inner {
    kind: ErrorKind,
    message: String,
    diagnosis: Option<Diagnosis>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// Makes an error of `kind` that says `message`.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { inner: Box::new(Inner { kind, message: message.into(), diagnosis: None, source: None }) }
    }

    /// Adds what caused the error.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.inner.source = Some(source.into());
        self
    }

    /// Adds the cause that was found, with its evidence and its remedies.
    #[must_use]
    pub fn with_diagnosis(mut self, diagnosis: Diagnosis) -> Self {
        self.inner.diagnosis = Some(diagnosis);
        self
    }

    /// What kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        self.inner.kind
    }

    /// Its text and those of its causes, each after a colon: for a log line or a report, where no one walks the chain.
    pub fn full_message(&self) -> String {
        let mut text = self.inner.message.clone();
        let mut cause = StdError::source(self);
        while let Some(error) = cause {
            let words = error.to_string();
            // Some causes are the whole text again, or hold it.
            if !text.contains(&words) && !words.contains(&text) {
                text.push_str(": ");
                text.push_str(&words);
            }
            cause = error.source();
        }
        text
    }

    /// Which of the known causes it is, where that was found out.
    pub fn diagnosis(&self) -> Option<&Diagnosis> {
        self.inner.diagnosis.as_ref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.inner.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.inner.kind)
            .field("message", &self.inner.message)
            .field("diagnosis", &self.inner.diagnosis)
            .field("source", &self.inner.source)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.inner.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

impl From<Diagnosis> for Error {
    fn from(diagnosis: Diagnosis) -> Self {
        Self::new(diagnosis.kind(), diagnosis.summary.clone()).with_diagnosis(diagnosis)
    }
}
