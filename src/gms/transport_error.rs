//! Why a request got no response.

use std::error::Error as StdError;
use std::io;

use super::tracked_body::WRONG_LENGTH;

/// Why a request got no response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TransportError {
    /// How far the request got.
    pub(crate) kind: TransportErrorKind,
    /// What happened, in words that hold no address and no secret.
    pub(crate) message: String,
}

/// How far a request got before it failed: this decides what may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub(crate) enum TransportErrorKind {
    /// No connection: nothing was sent.
    Connect,
    /// The host's name is unknown: nothing was sent.
    Name,
    /// The TLS handshake failed: nothing was sent.
    Tls,
    /// No connection in time: nothing was sent.
    ConnectTimeout,
    /// The server did not take all of the request in time, so it cannot act on it.
    WriteTimeout,
    /// No response in time: the server may have acted on the request.
    Timeout,
    /// The connection broke after the request began, or the response was cut short: the server may have acted on it.
    Broken,
    /// The request cannot be made at all.
    Unsendable,
}

impl TransportError {
    /// Tells reqwest's errors apart by what caused them; its own kinds are too coarse for that.
    pub(super) fn from_reqwest(error: &reqwest::Error) -> Self {
        let causes = causes(error);
        let deepest = causes.last().cloned().unwrap_or_else(|| "the request failed".to_owned());
        let text = causes.join(": ");
        let has = |needle: &str| text.contains(needle);
        let kind = if error.is_builder() || has(WRONG_LENGTH) {
            TransportErrorKind::Unsendable
        } else if error.is_connect() {
            if error.is_timeout() {
                TransportErrorKind::ConnectTimeout
            } else if has("dns error") || has("failed to lookup address") {
                TransportErrorKind::Name
            } else if has("certificate")
                || has("TLS")
                || has("tls")
                || has("handshake")
                || has("InvalidContentType")
            {
                TransportErrorKind::Tls
            } else {
                TransportErrorKind::Connect
            }
        } else if error.is_timeout() {
            TransportErrorKind::Timeout
        } else if has("fatal alert") {
            // TLS 1.3 refuses a missing client certificate only after the handshake.
            TransportErrorKind::Tls
        } else {
            TransportErrorKind::Broken
        };
        let message = match kind {
            TransportErrorKind::ConnectTimeout => {
                "no connection within the time limit (timeout_sec)".to_owned()
            }
            TransportErrorKind::Timeout => "no answer within the time limit (timeout_sec)".to_owned(),
            TransportErrorKind::Name => "the name of the host is unknown".to_owned(),
            _ => deepest,
        };
        Self { kind, message }
    }
}

impl TransportErrorKind {
    /// Nothing has reached the server.
    pub(crate) fn nothing_sent(self) -> bool {
        !matches!(self, Self::Timeout | Self::Broken)
    }
}

/// What reqwest's error was caused by, outermost first. Its own text is left out: it repeats the address.
fn causes(error: &reqwest::Error) -> Vec<String> {
    let mut texts = Vec::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<io::Error>()
            && let Some(plain) = plain_words(io.kind())
        {
            texts.push(plain.to_owned());
            break;
        }
        texts.push(error.to_string());
        cause = error.source();
    }
    texts
}

fn plain_words(kind: io::ErrorKind) -> Option<&'static str> {
    Some(match kind {
        io::ErrorKind::ConnectionRefused => "connection refused",
        io::ErrorKind::ConnectionReset => "connection reset by the server",
        io::ErrorKind::ConnectionAborted => "connection aborted",
        io::ErrorKind::BrokenPipe => "connection closed while sending",
        io::ErrorKind::UnexpectedEof => "connection closed in the middle of an answer",
        io::ErrorKind::HostUnreachable => "host unreachable",
        io::ErrorKind::NetworkUnreachable => "network unreachable",
        _ => return None,
    })
}
