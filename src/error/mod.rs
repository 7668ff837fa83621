//! The crate's one public error.

mod kind;

use std::error::Error as StdError;
use std::fmt;

use crate::diagnosis::Diagnosis;

pub use kind::ErrorKind;

/// A failure that ends an operation as a whole.
///
/// The fate of a single proposal is an [`Outcome`](crate::emitter::Outcome), never an `Error`. The text of an
/// `Error` contains no secret, and does not repeat its [`source`](StdError::source).
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

    /// Whether GMS refused the caller, or there is no token that it could accept: [`ErrorKind::Refused`].
    ///
    /// ```
    /// use datahub_emitter::Error;
    /// use datahub_emitter::diagnosis::{Code, Diagnosis, Summary};
    ///
    /// let error = Error::from(Diagnosis::new(Code::TokenMissing, Summary::TokenMissing));
    /// assert!(error.is_auth());
    /// assert!(!error.is_retryable());
    /// ```
    pub fn is_auth(&self) -> bool {
        self.inner.kind == ErrorKind::Refused
    }

    /// Whether the configuration or the input is wrong: [`ErrorKind::Input`].
    ///
    /// ```
    /// use datahub_emitter::emitter::Emitter;
    ///
    /// let error = Emitter::builder("ftp://gms.example.com").build().expect_err("not a web server");
    /// assert!(error.is_config());
    /// ```
    pub fn is_config(&self) -> bool {
        self.inner.kind == ErrorKind::Input
    }

    /// Whether the same operation may succeed later without any change: the server cannot be reached, is
    /// starting, limits the rate of requests or responds with errors, or another run holds the lock. A wrong
    /// address, a log-in page and a certificate that is not trusted are not retryable.
    ///
    /// ```
    /// use datahub_emitter::Error;
    /// use datahub_emitter::diagnosis::{Code, Diagnosis, Summary};
    ///
    /// let starting = Diagnosis::new(Code::NotReady, Summary::NotReady("gms".into()));
    /// assert!(Error::from(starting).is_retryable());
    /// assert!(!Error::from(Diagnosis::new(Code::NotGms, Summary::NotGms)).is_retryable());
    /// ```
    pub fn is_retryable(&self) -> bool {
        match (self.inner.kind, &self.inner.diagnosis) {
            (ErrorKind::Locked, _) | (ErrorKind::Unreachable, None) => true,
            (ErrorKind::Unreachable, Some(diagnosis)) => diagnosis.code.may_pass(),
            _ => false,
        }
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
