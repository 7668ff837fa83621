//! Which of the known causes a refusal has.

use std::fmt;

use serde::Serialize;

use crate::ErrorKind;

/// Why something refused: a cause, what was observed, and what to type next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnosis {
    /// The cause.
    pub code: Code,
    /// One sentence.
    pub summary: String,
    /// What was observed, each a line.
    pub evidence: Vec<String>,
    /// What mends it, the likeliest first; a command works when it is typed.
    pub fixes: Vec<String>,
}

/// The causes that are told apart. The list is closed: it grows only with a test and a row in the README.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Code {
    /// No token was sent, and GMS wants one.
    TokenMissing,
    /// The token is the empty text.
    TokenEmpty,
    /// The token's `exp` claim has passed.
    TokenExpired,
    /// The token's `nbf` claim has not come.
    TokenNotYetValid,
    /// A token in good form that GMS does not take: revoked, issued elsewhere, or GMS's token store is away.
    TokenUnknown,
    /// A token that is no JWT, so nothing more can be said.
    TokenOpaqueRefused,
    /// The token is a reference to a variable that nobody has expanded.
    TokenUnexpanded,
    /// The token begins with `Bearer`, which is put before it anyway.
    TokenDoubledBearer,
    /// The token holds what no HTTP header can: a newline, quotes, a control character.
    TokenNotAHeader,
    /// Whoever gives tokens gave none.
    ProviderFailed,
    /// 403: who may not do what.
    Forbidden,
    /// No connection to the server.
    Unreachable,
    /// The name of the server's host is unknown.
    NameUnknown,
    /// The TLS handshake failed.
    Tls,
    /// No connection, or no answer, within the time limit.
    Timeout,
    /// GMS, or what stands in front of it, kept failing.
    ServerError,
    /// GMS kept asking to wait.
    Throttled,
    /// 407: a proxy on the way wants credentials.
    ProxyAuthentication,
    /// Something answers, but it is no GMS.
    NotGms,
}

impl Code {
    /// The code's name in reports and on the terminal.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TokenMissing => "auth.token-missing",
            Self::TokenEmpty => "auth.token-empty",
            Self::TokenExpired => "auth.token-expired",
            Self::TokenNotYetValid => "auth.token-not-yet-valid",
            Self::TokenUnknown => "auth.token-unknown",
            Self::TokenOpaqueRefused => "auth.token-opaque-refused",
            Self::TokenUnexpanded => "auth.token-unexpanded",
            Self::TokenDoubledBearer => "auth.token-doubled-bearer",
            Self::TokenNotAHeader => "auth.token-not-a-header",
            Self::ProviderFailed => "auth.provider-failed",
            Self::Forbidden => "auth.forbidden",
            Self::Unreachable => "endpoint.unreachable",
            Self::NameUnknown => "endpoint.name-unknown",
            Self::Tls => "endpoint.tls",
            Self::Timeout => "endpoint.timeout",
            Self::ServerError => "endpoint.server-error",
            Self::Throttled => "endpoint.throttled",
            Self::ProxyAuthentication => "endpoint.proxy-authentication",
            Self::NotGms => "endpoint.not-gms",
        }
    }

    /// What kind of failure it is, and so the exit code.
    pub fn kind(self) -> ErrorKind {
        match self {
            Self::Unreachable
            | Self::NameUnknown
            | Self::Tls
            | Self::Timeout
            | Self::ServerError
            | Self::Throttled
            | Self::ProxyAuthentication
            | Self::NotGms => ErrorKind::Unreachable,
            Self::TokenMissing
            | Self::TokenEmpty
            | Self::TokenExpired
            | Self::TokenNotYetValid
            | Self::TokenUnknown
            | Self::TokenOpaqueRefused
            | Self::TokenUnexpanded
            | Self::TokenDoubledBearer
            | Self::TokenNotAHeader
            | Self::ProviderFailed
            | Self::Forbidden => ErrorKind::Refused,
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
