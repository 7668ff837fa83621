//! The crate's one public error.

mod kind;

use std::error::Error as StdError;
use std::fmt;

use crate::diagnosis::Diagnosis;

pub use kind::ErrorKind;

/// A failure that ends an operation as a whole.
///
/// The fate of a single proposal is an [`Outcome`](crate::emitter::Outcome), never an `Error`. The text of an `Error`
/// contains no secret, and does not repeat its [`source`](StdError::source).
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
    /// An error of `kind` with the text `message`.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { inner: Box::new(Inner { kind, message: message.into(), diagnosis: None, source: None }) }
    }

    /// Sets the underlying error.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.inner.source = Some(source.into());
        self
    }

    /// Attaches the diagnosis of the failure.
    #[must_use]
    pub fn with_diagnosis(mut self, diagnosis: Diagnosis) -> Self {
        self.inner.diagnosis = Some(diagnosis);
        self
    }

    /// The kind of failure.
    pub fn kind(&self) -> ErrorKind {
        self.inner.kind
    }

    /// The texts of this error and of its sources, joined by colons: for a log line or a report.
    pub fn full_message(&self) -> String {
        let mut text = self.inner.message.clone();
        let mut cause = StdError::source(self);
        while let Some(error) = cause {
            let message = error.to_string();
            // Some sources repeat or contain the text of the error above them.
            if !text.contains(&message) && !message.contains(&text) {
                text.push_str(": ");
                text.push_str(&message);
            }
            cause = error.source();
        }
        text
    }

    /// The diagnosis, if the cause of the failure was identified.
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
        Self::new(diagnosis.kind(), diagnosis.summary.to_string()).with_diagnosis(diagnosis)
    }
}
