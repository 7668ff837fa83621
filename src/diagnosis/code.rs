//! The codes of the known causes, and the kind of failure that each is.

use std::fmt;

use serde::Serialize;

use crate::error::ErrorKind;

/// The causes that are told apart. The list is closed: it grows only with a test and a row in
/// docs/reference/diagnostics.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Code {
    /// No token was sent, and GMS requires one.
    TokenMissing,
    /// The token is the empty text.
    TokenEmpty,
    /// The token is a reference to a variable that was not expanded.
    TokenUnexpanded,
    /// The token begins with `Bearer`, which the client adds itself.
    TokenDoubledBearer,
    /// The token, or the header that carries it, has a form that GMS does not read: a newline, quotes, a
    /// control character, no `Bearer` before it.
    TokenNotAHeader,
    /// The token's `exp` claim has passed.
    TokenExpired,
    /// The time of the token's `nbf` claim is in the future.
    TokenNotYetValid,
    /// GMS does not accept a well-formed token: it was revoked or issued elsewhere, or GMS cannot reach its
    /// token store.
    TokenUnknown,
    /// GMS does not accept a token that is not a JWT, so nothing more is known.
    TokenOpaqueRefused,
    /// The token is valid by the local clock, and not by the server's.
    ClockSkew,
    /// 403: the caller lacks a privilege.
    Forbidden,
    /// 403: the caller's user is deleted or suspended.
    ActorInactive,
    /// DataHub's frontend refused: without `METADATA_SERVICE_AUTH_ENABLED` it accepts browser sessions only.
    ProxySession,
    /// A note: authentication is off, so the server does not check tokens.
    Disabled,
    /// A redirect to another scheme or host, to which the token must not be sent.
    Redirected,
    /// The provider of tokens failed.
    ProviderFailed,
    /// The token would be sent without encryption, and `require_https` forbids that.
    InsecureTransport,
    /// A log-in page of a server in front of GMS.
    LoginPage,
    /// The server is DataHub's frontend, and not GMS.
    Frontend,
    /// The server is not a GMS.
    NotGms,
    /// GMS is starting or shutting down.
    NotReady,
    /// GMS, or a server in front of it, responds with errors.
    ServerError,
    /// 407: a proxy requires credentials.
    ProxyAuthentication,
    /// A proxy cannot be reached, or does not let requests pass.
    ProxyUnreachable,
    /// No connection to the server.
    Unreachable,
    /// The name of the server's host cannot be resolved.
    NameUnknown,
    /// The TLS handshake failed, or one side speaks TLS and the other does not.
    Tls,
    /// There was no connection or no response within the time limit.
    Timeout,
    /// GMS limits the rate of requests.
    Throttled,
    /// There is no Python to run the source in.
    PythonMissing,
    /// The Python that was found does not have the source, or a package that the source needs.
    PluginMissing,
    /// The source reported failures, or its process ended before its end.
    SourceFailed,
    /// No Kafka broker can be reached.
    KafkaUnreachable,
    /// The schema registry cannot be reached, or does not register the schema.
    KafkaRegistry,
    /// A Kafka broker refuses the connection, the caller or the topic.
    KafkaRefused,
}

impl Code {
    /// All codes, in the order of docs/reference/diagnostics.md.
    pub const ALL: [Self; 35] = [
        Self::TokenMissing,
        Self::TokenEmpty,
        Self::TokenUnexpanded,
        Self::TokenDoubledBearer,
        Self::TokenNotAHeader,
        Self::TokenExpired,
        Self::TokenNotYetValid,
        Self::TokenUnknown,
        Self::TokenOpaqueRefused,
        Self::ClockSkew,
        Self::Forbidden,
        Self::ActorInactive,
        Self::ProxySession,
        Self::Disabled,
        Self::Redirected,
        Self::ProviderFailed,
        Self::InsecureTransport,
        Self::LoginPage,
        Self::Frontend,
        Self::NotGms,
        Self::NotReady,
        Self::ServerError,
        Self::ProxyAuthentication,
        Self::ProxyUnreachable,
        Self::Unreachable,
        Self::NameUnknown,
        Self::Tls,
        Self::Timeout,
        Self::Throttled,
        Self::PythonMissing,
        Self::PluginMissing,
        Self::SourceFailed,
        Self::KafkaUnreachable,
        Self::KafkaRegistry,
        Self::KafkaRefused,
    ];

    /// The table: the code's name, and the kind of failure it is.
    fn row(self) -> (&'static str, Option<ErrorKind>) {
        use ErrorKind::{Input, Refused, Source, Unreachable};
        match self {
            Self::TokenMissing => ("auth.token-missing", Some(Refused)),
            Self::TokenEmpty => ("auth.token-empty", Some(Refused)),
            Self::TokenUnexpanded => ("auth.token-unexpanded", Some(Refused)),
            Self::TokenDoubledBearer => ("auth.token-doubled-bearer", Some(Refused)),
            Self::TokenNotAHeader => ("auth.token-not-a-header", Some(Refused)),
            Self::TokenExpired => ("auth.token-expired", Some(Refused)),
            Self::TokenNotYetValid => ("auth.token-not-yet-valid", Some(Refused)),
            Self::TokenUnknown => ("auth.token-unknown", Some(Refused)),
            Self::TokenOpaqueRefused => ("auth.token-opaque-refused", Some(Refused)),
            Self::ClockSkew => ("auth.clock-skew", Some(Refused)),
            Self::Forbidden => ("auth.forbidden", Some(Refused)),
            Self::ActorInactive => ("auth.actor-inactive", Some(Refused)),
            Self::ProxySession => ("auth.proxy-session", Some(Refused)),
            Self::Disabled => ("auth.disabled", None),
            Self::Redirected => ("auth.redirected", Some(Refused)),
            Self::ProviderFailed => ("auth.provider-failed", Some(Refused)),
            Self::InsecureTransport => ("auth.insecure-transport", Some(Input)),
            Self::LoginPage => ("endpoint.login-page", Some(Unreachable)),
            Self::Frontend => ("endpoint.frontend", Some(Unreachable)),
            Self::NotGms => ("endpoint.not-gms", Some(Unreachable)),
            Self::NotReady => ("endpoint.not-ready", Some(Unreachable)),
            Self::ServerError => ("endpoint.server-error", Some(Unreachable)),
            Self::ProxyAuthentication => ("endpoint.proxy-authentication", Some(Unreachable)),
            Self::ProxyUnreachable => ("endpoint.proxy-unreachable", Some(Unreachable)),
            Self::Unreachable => ("endpoint.unreachable", Some(Unreachable)),
            Self::NameUnknown => ("endpoint.name-unknown", Some(Unreachable)),
            Self::Tls => ("endpoint.tls", Some(Unreachable)),
            Self::Timeout => ("endpoint.timeout", Some(Unreachable)),
            Self::Throttled => ("endpoint.throttled", Some(Unreachable)),
            Self::PythonMissing => ("source.python-missing", Some(Input)),
            Self::PluginMissing => ("source.plugin-missing", Some(Input)),
            Self::SourceFailed => ("source.failed", Some(Source)),
            Self::KafkaUnreachable => ("kafka.unreachable", Some(Unreachable)),
            Self::KafkaRegistry => ("kafka.registry", Some(Unreachable)),
            Self::KafkaRefused => ("kafka.refused", Some(Refused)),
        }
    }

    /// The code's name in reports and on the terminal.
    pub fn as_str(self) -> &'static str {
        self.row().0
    }

    /// The kind of failure; `None` for a note, which is not a failure.
    pub fn kind(self) -> Option<ErrorKind> {
        self.row().1
    }

    /// Whether the cause may disappear without any change: the server is unreachable, starting, or
    /// overloaded.
    pub(crate) fn may_pass(self) -> bool {
        matches!(
            self,
            Self::NotReady
                | Self::ServerError
                | Self::Unreachable
                | Self::Timeout
                | Self::Throttled
                | Self::KafkaUnreachable
        )
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_is_listed_once_with_the_kind_of_its_family() {
        let names: std::collections::HashSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(names.len(), Code::ALL.len());
        for code in Code::ALL {
            let expected = match code {
                Code::Disabled => None,
                Code::InsecureTransport | Code::PythonMissing | Code::PluginMissing => Some(ErrorKind::Input),
                Code::SourceFailed => Some(ErrorKind::Source),
                Code::KafkaRefused => Some(ErrorKind::Refused),
                _ if code.as_str().starts_with("auth.") => Some(ErrorKind::Refused),
                _ => Some(ErrorKind::Unreachable),
            };
            assert_eq!(code.kind(), expected, "{code}");
        }
    }
}
