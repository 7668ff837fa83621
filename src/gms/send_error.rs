//! Why an attempt to send a request got no response.

use std::fmt;

use crate::auth::TokenUnavailable;
use crate::http::{TransportError, TransportErrorKind};

/// Why an attempt to send a request got no response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SendError {
    /// There was no token to send the request with, so nothing was sent.
    NoToken(Box<TokenUnavailable>),
    /// The request, or the response to it, was lost on the way.
    Transport(TransportError),
}

impl SendError {
    /// Whether nothing has reached the server.
    pub(crate) fn nothing_sent(&self) -> bool {
        match self {
            Self::NoToken(_) => true,
            Self::Transport(error) => error.kind.nothing_sent(),
        }
    }

    /// The kind of transport error, if it is one.
    pub(crate) fn transport_kind(&self) -> Option<TransportErrorKind> {
        match self {
            Self::NoToken(_) => None,
            Self::Transport(error) => Some(error.kind),
        }
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoToken(no_token) => f.write_str(&no_token.diagnosis.evidence_line()),
            Self::Transport(error) => f.write_str(&error.message),
        }
    }
}

impl From<TransportError> for SendError {
    fn from(error: TransportError) -> Self {
        Self::Transport(error)
    }
}

impl From<TokenUnavailable> for SendError {
    fn from(no_token: TokenUnavailable) -> Self {
        Self::NoToken(Box::new(no_token))
    }
}
