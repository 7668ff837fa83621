//! The cause of a failure, as data.

use std::fmt;
use std::path::PathBuf;

use jiff::SignedDuration;

use super::kafka::{BrokerRefusal, RegistryProblem};
use super::time_text::rough_span;
use super::{AccessTokenOperation, Operation, Privilege, TokenSource};

/// The cause of a failure. Its [`Display`](fmt::Display) text is one sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Summary {
    /// There is no Python to run a source in.
    PythonMissing {
        /// The type of the source.
        source_type: String,
    },
    /// The Python that was found does not have `acryl-datahub`.
    PackageMissing {
        /// The type of the source.
        source_type: String,
        /// The interpreter.
        python: PathBuf,
    },
    /// The installed `acryl-datahub` lacks the source, or a package that the source needs.
    PluginMissing {
        /// The type of the source.
        source_type: String,
        /// The interpreter.
        python: PathBuf,
        /// The Python module that cannot be imported, if that is the cause.
        module: Option<String>,
    },
    /// The source reported this number of failures.
    SourceReportedFailures {
        /// The type of the source.
        source_type: String,
        /// The number of failures.
        count: usize,
    },
    /// The source could not start or ended early.
    SourceFailed {
        /// The type of the source.
        source_type: String,
        /// The error.
        message: String,
    },
    /// A signal has ended the source's process.
    SourceKilled {
        /// The type of the source.
        source_type: String,
        /// The number of the signal.
        signal: i32,
    },
    /// No Kafka broker can be reached at these addresses.
    BrokersUnreachable(String),
    /// A Kafka broker refuses the connection, the caller or the topic.
    BrokerRefused(BrokerRefusal),
    /// The schema registry failed.
    SchemaRegistry {
        /// Its address.
        url: String,
        /// The failure.
        problem: RegistryProblem,
    },
    /// GMS requires a token, and the request had none.
    TokenMissing,
    /// GMS requires a token, and the configured one is the empty text.
    TokenEmpty(TokenSource),
    /// The token still contains a reference to a variable.
    TokenUnexpanded(TokenSource),
    /// The token begins with an authentication scheme.
    TokenWithScheme(TokenSource),
    /// The token contains characters that cannot be part of one.
    TokenMalformed {
        /// Where the token came from.
        source: TokenSource,
        /// The first mistake in it.
        mistake: TokenMistake,
    },
    /// The Authorization header among the extra headers has a form that GMS does not accept.
    AuthorizationHeader(HeaderMistake),
    /// The token has expired.
    TokenExpired {
        /// How long ago.
        ago: SignedDuration,
    },
    /// The token is not valid yet.
    TokenNotYetValid {
        /// The time until it is.
        until: SignedDuration,
    },
    /// The token is valid by the local clock and not by the server's.
    ClockSkew {
        /// The token has expired by the server's clock; otherwise it is not valid yet by that clock.
        expired: bool,
        /// By how much the server's clock is ahead; negative if it is behind.
        server_ahead: SignedDuration,
    },
    /// GMS does not accept a token that looks valid.
    TokenUnknown,
    /// GMS does not accept the tokens of this issuer, or not this one.
    ForeignIssuer(String),
    /// The refused token is not a JWT.
    TokenOpaque,
    /// GMS does not accept the id and secret of the system client.
    SystemClientRefused,
    /// The caller lacks a privilege for entities.
    Forbidden {
        /// The caller's URN, if known.
        actor: Option<String>,
        /// The refused operation.
        operation: Operation,
        /// The entity types that were refused, as far as they are known.
        entity_types: Vec<String>,
    },
    /// The caller lacks a privilege for access tokens.
    AccessTokenForbidden {
        /// The caller's URN.
        actor: String,
        /// The refused operation.
        operation: AccessTokenOperation,
        /// The missing privilege.
        privilege: Privilege,
    },
    /// A server in front of GMS responded 403.
    ForbiddenInFrontOfGms,
    /// The caller's user is suspended or deleted, or was never created.
    ActorInactive(Option<String>),
    /// DataHub's frontend accepts browser sessions only.
    ProxySession,
    /// The server does not authenticate callers.
    AuthenticationDisabled,
    /// The server redirects to another scheme, port or host.
    Redirected(RedirectChange),
    /// The server redirects to another path, and is not a GMS.
    RedirectedToPath,
    /// The provider of tokens failed.
    ProviderFailed(TokenSource),
    /// The token would be sent to this host without encryption.
    InsecureTransport {
        /// The host.
        host: String,
    },
    /// Something in front of GMS asks for a log-in.
    LoginPage,
    /// The server is DataHub's frontend.
    Frontend,
    /// The server is not a GMS.
    NotGms,
    /// GMS on this host is starting or shutting down.
    NotReady(String),
    /// GMS on this host responds with errors.
    ServerError(String),
    /// GMS on this host limits the rate of requests.
    Throttled(String),
    /// This host did not respond in time.
    Timeout(String),
    /// A proxy between here and this host requires credentials.
    ProxyAuthentication(String),
    /// A proxy between here and this host cannot be reached, or does not let requests pass.
    ProxyUnreachable(String),
    /// There is no connection to this host.
    Unreachable(String),
    /// The name of this host cannot be resolved.
    NameUnknown(String),
    /// TLS with this host failed.
    Tls {
        /// The host.
        host: String,
        /// The part that failed.
        problem: TlsProblem,
    },
    /// A text of a sink or a program outside of this crate.
    Other(String),
}

/// A mistake in the characters of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenMistake {
    /// It contains a line break.
    LineBreak,
    /// It contains a control character.
    ControlCharacter,
    /// It contains a character that is not ASCII.
    NotAscii,
    /// It begins or ends with a quote.
    Quotes,
}

/// A mistake in an Authorization header, which GMS does not accept (`DataHubTokenAuthenticator`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeaderMistake {
    /// It begins neither with `Bearer ` or `bearer ` nor with `Basic `.
    NoScheme,
    /// The token in it begins with `Bearer` again.
    SchemeTwice,
    /// There are quotes or white space around the token.
    Wrapped,
    /// It contains a reference to a variable, `${…}`.
    Unexpanded,
}

/// In which respect the target of a redirect differs from the server.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RedirectChange {
    /// The scheme; this is the new one.
    Scheme(String),
    /// The port.
    Port,
    /// The host; this is the new one.
    Host(String),
}

/// A failure of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsProblem {
    /// The port speaks plain HTTP.
    PlainPort,
    /// The port probably speaks TLS, and plain HTTP was sent.
    TlsPort,
    /// The server's certificate is not trusted, or not for this host.
    Certificate,
    /// The server requires a client certificate, or another one.
    ClientCertificate,
    /// The handshake failed for another reason.
    Handshake,
}

impl Summary {
    /// The text, with `place` for the source of a token.
    pub fn text(&self, place: &dyn Fn(&TokenSource) -> String) -> String {
        match self {
            Self::PythonMissing { .. }
            | Self::PackageMissing { .. }
            | Self::PluginMissing { .. }
            | Self::SourceReportedFailures { .. }
            | Self::SourceFailed { .. }
            | Self::SourceKilled { .. } => self.source_text().unwrap_or_default(),
            Self::BrokersUnreachable(bootstrap) => format!("no Kafka broker can be reached at {bootstrap}"),
            Self::BrokerRefused(refusal) => refusal.to_string(),
            Self::SchemaRegistry { url, problem } => format!("the schema registry at {url} {problem}"),
            Self::TokenMissing => "GMS wants a token, and none was sent".into(),
            Self::TokenEmpty(source) => {
                format!("GMS wants a token, and the one from {} is empty", place(source))
            }
            Self::TokenUnexpanded(source) => {
                format!("the token from {} is a reference to a variable that nobody has expanded", place(source))
            }
            Self::TokenWithScheme(source) => {
                format!("the token from {} begins with the word that is put before it anyway", place(source))
            }
            Self::TokenMalformed { source, mistake } => {
                format!("the token from {} holds {mistake}, which no token of DataHub's does", place(source))
            }
            Self::AuthorizationHeader(mistake) => format!("{} {mistake}", place(&TokenSource::ExtraHeaders)),
            Self::TokenExpired { ago } => {
                format!("GMS refused the token: it expired {} ago", rough_span(*ago))
            }
            Self::TokenNotYetValid { until } => {
                format!("GMS refused the token: it becomes valid in {}", rough_span(*until))
            }
            Self::ClockSkew { expired, server_ahead } => format!(
                "by the server's clock the token {}, and by the one here it is good: {}",
                if *expired { "has expired" } else { "is not valid yet" },
                clock_difference(*server_ahead)
            ),
            Self::TokenUnknown => "GMS does not know the token: it was revoked, was issued by another DataHub or before the \
                                   signing key changed, its user is gone or suspended, or GMS cannot reach its token store; \
                                   a client cannot tell these apart"
                .into(),
            Self::ForeignIssuer(issuer) => format!(
                "GMS does not take tokens that {issuer} issues, or does not know this one's audience or user"
            ),
            Self::TokenOpaque => "GMS refused the token, and it is not a token that DataHub makes".into(),
            Self::SystemClientRefused => {
                "GMS does not know this system client, or its secret is another".into()
            }
            Self::Forbidden { actor, operation, entity_types } => {
                let on =
                    if entity_types.is_empty() { "what was sent".into() } else { entity_types.join(", ") };
                format!("GMS knows {}, who may not {operation} {on}", caller(actor.as_deref()))
            }
            Self::AccessTokenForbidden { actor, operation, privilege } => {
                format!("{actor} may not {operation}: the privilege {privilege} is missing")
            }
            Self::ForbiddenInFrontOfGms => {
                "something in front of GMS forbids it: GMS's own 403 is no web page".into()
            }
            Self::ActorInactive(actor) => format!(
                "GMS knows the token, and its user is not active: {} is suspended, deleted, or was never set up",
                caller(actor.as_deref())
            ),
            Self::ProxySession => "DataHub's frontend refused, before GMS saw the token: its own switch for tokens is off, and \
                                   it lets only browser sessions through"
                .into(),
            Self::AuthenticationDisabled => "authentication is off: the server looks at no token".into(),
            Self::Redirected(change) => {
                format!("the server redirects to {change}, where the token would not go along")
            }
            Self::RedirectedToPath => {
                "what answers at that address is not a GMS, but redirects to another path".into()
            }
            Self::ProviderFailed(source) => format!("there is no token: {}", place(source)),
            Self::InsecureTransport { host } => format!("the token would go to {host} unencrypted"),
            Self::LoginPage => "something in front of GMS wants a person to log in (oauth2-proxy, an identity-aware proxy, \
                                an ingress)"
                .into(),
            Self::Frontend => "what answers at that address is DataHub's frontend, and not GMS".into(),
            Self::NotGms => "what answers at that address is not a GMS".into(),
            Self::NotReady(host) => format!("GMS at {host} is not ready: it is starting, or going down"),
            Self::ServerError(host) => format!("GMS at {host} is in trouble"),
            Self::Throttled(host) => format!("GMS at {host} takes no more for now"),
            Self::Timeout(host) => format!("{host} did not answer in time"),
            Self::ProxyAuthentication(host) => format!("a proxy on the way to {host} wants credentials"),
            Self::ProxyUnreachable(host) => format!("the proxy on the way to {host} lets no request pass"),
            Self::Unreachable(host) => format!("no GMS can be reached at {host}"),
            Self::NameUnknown(host) => format!("the name {host} is unknown here"),
            Self::Tls { host, problem } => match problem {
                TlsProblem::PlainPort => format!("{host} speaks plain HTTP at that port, and no TLS"),
                TlsProblem::TlsPort => format!("{host} speaks TLS at that port, and no plain HTTP"),
                TlsProblem::Certificate => {
                    format!("the certificate of {host} is not trusted, or is not that host's")
                }
                TlsProblem::ClientCertificate => {
                    format!("{host} wants a client's certificate, or another one")
                }
                TlsProblem::Handshake => format!("no secure connection to {host} came about"),
            },
            Self::Other(text) => text.clone(),
        }
    }

    /// The text of a cause that lies in a source.
    fn source_text(&self) -> Option<String> {
        Some(match self {
            Self::PythonMissing { source_type } => {
                format!("{} runs in Python, and there is none", subject(source_type))
            }
            Self::PackageMissing { source_type, python } => format!(
                "{} runs in Python, and {} does not have the package acryl-datahub",
                subject(source_type),
                python.display()
            ),
            Self::PluginMissing { source_type, python, module: Some(module) } => format!(
                "the source `{source_type}` needs the Python module `{module}`, which {} does not have",
                python.display()
            ),
            Self::PluginMissing { source_type, python, module: None } => {
                format!("the acryl-datahub of {} has no source `{source_type}`", python.display())
            }
            Self::SourceReportedFailures { source_type, count: 1 } => {
                format!("the source `{source_type}` reported a failure")
            }
            Self::SourceReportedFailures { source_type, count } => {
                format!("the source `{source_type}` reported {count} failures")
            }
            Self::SourceFailed { source_type, message } => {
                format!("the source `{source_type}` failed: {message}")
            }
            Self::SourceKilled { source_type, signal: 9 } => format!(
                "the process of the source `{source_type}` was killed (SIGKILL), as the kernel does when memory runs out"
            ),
            Self::SourceKilled { source_type, signal } => {
                format!("signal {signal} ended the process of the source `{source_type}`")
            }
            _ => return None,
        })
    }
}

/// The caller's URN, or a noun phrase for a caller whose URN is not known.
pub(super) fn caller(actor: Option<&str>) -> &str {
    actor.unwrap_or("the caller")
}

pub(super) fn clock_difference(server_ahead: SignedDuration) -> String {
    let word = if server_ahead.is_positive() { "ahead of" } else { "behind" };
    format!("the server's clock is {} {word} the one here", rough_span(server_ahead))
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(&TokenSource::place))
    }
}

impl From<String> for Summary {
    fn from(text: String) -> Self {
        Self::Other(text)
    }
}

impl fmt::Display for TokenMistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LineBreak => "a line break",
            Self::ControlCharacter => "a control character",
            Self::NotAscii => "a non-ASCII character",
            Self::Quotes => "quotes around it",
        })
    }
}

impl fmt::Display for HeaderMistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoScheme => "does not begin with `Bearer `",
            Self::Wrapped => "has white space or quotes around the token",
            Self::SchemeTwice => "has the word Bearer twice",
            Self::Unexpanded => "holds a reference to a variable that nobody has expanded",
        })
    }
}

impl fmt::Display for RedirectChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scheme(scheme) => f.write_str(scheme),
            Self::Port => f.write_str("another port"),
            Self::Host(host) => f.write_str(host),
        }
    }
}

/// The part of a recipe that runs in Python: the source, or transformers behind the source `file` of this
/// crate.
fn subject(source_type: &str) -> String {
    match source_type {
        "file" => "a transformer of the recipe".to_owned(),
        _ => format!("the source `{source_type}`"),
    }
}
