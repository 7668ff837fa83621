//! Why a request got no response.

use std::error::Error as StdError;
use std::io;

use rustls::AlertDescription;

use super::name_lookup::NameLookupError;
use super::proxy::ProxyInfo;
use super::tracked_body::BodyLengthError;

/// The text of hyper-util's private type `TunnelError` for a 407 to CONNECT.
const PROXY_AUTHENTICATION: &str = "proxy authorization required";

/// Why a request got no response.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
#[non_exhaustive]
pub struct TransportError {
    /// How far the request got, and why no further.
    pub kind: TransportErrorKind,
    /// A description without the URL and without secrets.
    pub message: String,
}

/// How far a request got before it failed, and why. It decides what may be sent again, and the diagnosis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TransportErrorKind {
    /// The request is not valid, so nothing was sent.
    InvalidRequest,
    /// The host's name is unknown, so nothing was sent.
    NameLookup,
    /// No connection was made, for another reason, so nothing was sent.
    Connect,
    /// No connection was made within the time limit, so nothing was sent.
    ConnectTimeout,
    /// The proxy cannot be reached, or does not let the request pass. Nothing was sent to the server.
    Proxy,
    /// The proxy requires credentials (407). Nothing was sent to the server.
    ProxyAuthentication,
    /// The server's certificate is not trusted, or is not for this host. No request was sent.
    Certificate,
    /// The server requires a client certificate, or rejected the one it got. It acts on no request.
    ClientCertificate,
    /// The server answered the TLS handshake with something other than TLS. No request was sent.
    NotTls,
    /// An `http` request went to a port that speaks TLS, so the server cannot act on it.
    ExpectsTls,
    /// The TLS handshake failed for another reason. No request was sent.
    Tls,
    /// The server did not read all of the request within the time limit, so it cannot act on it.
    WriteTimeout,
    /// No response came within the time limit. The server may have acted on the request.
    ResponseTimeout,
    /// The response is not HTTP. The server may have acted on the request.
    NotHttp,
    /// The connection broke after the request began, or the response was cut short. The server may have acted
    /// on the request.
    ConnectionLost,
}

impl TransportErrorKind {
    /// Whether the server cannot have acted on the request.
    pub fn nothing_sent(self) -> bool {
        !matches!(self, Self::ResponseTimeout | Self::NotHttp | Self::ConnectionLost)
    }

    /// Whether TLS is what failed.
    pub fn is_tls(self) -> bool {
        matches!(
            self,
            Self::Certificate | Self::ClientCertificate | Self::NotTls | Self::ExpectsTls | Self::Tls
        )
    }
}

impl TransportError {
    /// An error that says `message`, which must not hold a URL or a secret.
    pub fn new(kind: TransportErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// The same error of a request through a proxy: without a connection, it is the proxy's.
    pub(super) fn through(self, proxy: &ProxyInfo) -> Self {
        let kind = match self.kind {
            _ if self.message.ends_with(PROXY_AUTHENTICATION) => TransportErrorKind::ProxyAuthentication,
            TransportErrorKind::Connect
            | TransportErrorKind::ConnectTimeout
            | TransportErrorKind::NameLookup => TransportErrorKind::Proxy,
            _ => return self,
        };
        let problem = self.message.strip_prefix("tunnel error: ").unwrap_or(&self.message);
        Self { kind, message: format!("{problem} (proxy {} of {})", proxy.address, proxy.variable) }
    }

    /// Classifies reqwest's error by the types of its causes, because its own kinds are too coarse.
    pub(super) fn from_reqwest(error: &reqwest::Error) -> Self {
        let kind = kind(error);
        let message = match kind {
            TransportErrorKind::ConnectTimeout => {
                "no connection within the time limit (timeout_sec)".to_owned()
            }
            TransportErrorKind::ResponseTimeout => "no answer within the time limit (timeout_sec)".to_owned(),
            TransportErrorKind::NameLookup => "the name of the host is unknown".to_owned(),
            _ => root_cause(error),
        };
        Self { kind, message }
    }
}

fn kind(error: &reqwest::Error) -> TransportErrorKind {
    if error.is_builder() || cause::<BodyLengthError>(error).is_some() {
        return TransportErrorKind::InvalidRequest;
    }
    let tls = cause::<rustls::Error>(error);
    if error.is_connect() {
        return match tls {
            _ if error.is_timeout() => TransportErrorKind::ConnectTimeout,
            _ if cause::<NameLookupError>(error).is_some() => TransportErrorKind::NameLookup,
            Some(tls) => tls_kind(tls),
            None => TransportErrorKind::Connect,
        };
    }
    match tls {
        _ if error.is_timeout() => TransportErrorKind::ResponseTimeout,
        // TLS 1.3 refuses a missing client certificate only after the handshake.
        Some(alert @ rustls::Error::AlertReceived(_)) => tls_kind(alert),
        _ if cause::<hyper::Error>(error).is_some_and(is_not_http) => TransportErrorKind::NotHttp,
        _ => TransportErrorKind::ConnectionLost,
    }
}

/// Whether the server sent something other than HTTP. A server that speaks first, such as SSH's, may do so
/// before the request is written. `hyper` has no predicate for that.
fn is_not_http(error: &hyper::Error) -> bool {
    error.is_parse() || error.to_string() == "received unexpected message from connection"
}

fn tls_kind(error: &rustls::Error) -> TransportErrorKind {
    match error {
        rustls::Error::InvalidCertificate(_) => TransportErrorKind::Certificate,
        rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType) => {
            TransportErrorKind::NotTls
        }
        // The server sends these alerts about the certificate of the client.
        rustls::Error::AlertReceived(
            AlertDescription::CertificateRequired
            | AlertDescription::HandshakeFailure
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::UnknownCA,
        ) => TransportErrorKind::ClientCertificate,
        _ => TransportErrorKind::Tls,
    }
}

/// The first cause of a type. An `io::Error` hides the error inside it from `source`, so that is looked at as
/// well.
fn cause<E: StdError + 'static>(error: &reqwest::Error) -> Option<&E> {
    let mut next = error.source();
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = inner.map(|inner| inner as &(dyn StdError + 'static)).or_else(|| error.source());
    }
    None
}

/// The text of the innermost cause. reqwest's own text is left out, because it repeats the URL.
fn root_cause(error: &reqwest::Error) -> String {
    let mut text = None;
    let mut next = error.source();
    while let Some(error) = next {
        if let Some(io) = error.downcast_ref::<io::Error>()
            && let Some(description) = describe(io.kind())
        {
            return description.to_owned();
        }
        text = Some(error.to_string());
        next = error.source();
    }
    text.unwrap_or_else(|| "the request failed".to_owned())
}

fn describe(kind: io::ErrorKind) -> Option<&'static str> {
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
