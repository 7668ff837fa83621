//! The method and URL of a request.

use std::fmt;

use reqwest::Method;

use crate::auth::RequestKind;

/// The method and URL of a request, as messages name it: `POST http://gms:8080/aspects?action=ingestProposal`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RequestLine {
    pub(crate) method: Method,
    pub(crate) url: String,
    /// The purpose of the request, for a diagnosis.
    pub(crate) kind: RequestKind,
}

impl RequestLine {
    /// Sets the purpose of the request.
    pub(crate) fn with_kind(mut self, kind: RequestKind) -> Self {
        self.kind = kind;
        self
    }
}

impl fmt::Display for RequestLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.url)
    }
}
