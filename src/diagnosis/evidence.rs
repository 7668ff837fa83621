//! Observations, as data.

use std::fmt;
use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};

use super::summary::clock_difference;
use super::time_text::whole_seconds;
use super::{Privilege, TokenSource};

/// One observation behind a diagnosis. Its [`Display`](fmt::Display) text is one line. A request is named by
/// its method and its address, for example `POST http://gms:8080/aspects?action=ingestProposalBatch`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Evidence {
    /// A place where a Python interpreter was looked for, and what was there.
    PythonSearched(String),
    /// The Python interpreter that runs the source.
    PythonUsed(PathBuf),
    /// A failure that the source reported.
    SourceFailure(String),
    /// The message of the import that failed.
    ImportFailed(String),
    /// The number of further failures.
    MoreFailures(usize),
    /// A message of librdkafka, Kafka's client library.
    Librdkafka(String),
    /// The status of a response.
    Status {
        /// The status code.
        status: u16,
        /// The request.
        request: String,
    },
    /// The status of a response whose body does not give the cause.
    UnexplainedStatus {
        /// The status code.
        status: u16,
        /// The request.
        request: String,
    },
    /// The status of a response whose body is incomplete.
    TruncatedResponse {
        /// The status code.
        status: u16,
        /// The request.
        request: String,
    },
    /// GMS's `/config` reports the caller as anonymous.
    Anonymous {
        /// The request.
        request: String,
        /// A token was sent.
        token_sent: bool,
    },
    /// GMS's `/config` reports a user although no token was sent.
    AnonymousAccess {
        /// The request.
        request: String,
    },
    /// There was no response.
    NoResponse {
        /// The request.
        request: String,
        /// The reason, for example `connection refused`.
        problem: String,
    },
    /// The number of attempts.
    Attempts(u32),
    /// The content type of the response.
    ContentType(String),
    /// The `Server` header of the response.
    ServerHeader(String),
    /// The first characters of the body.
    BodyStart(String),
    /// The error message in the body.
    BodyMessage(String),
    /// The error message in GMS's response.
    GmsMessage {
        /// The message, or its first characters.
        message: String,
        /// There is more.
        cut: bool,
    },
    /// The error message of GMS's GraphQL response.
    GraphqlMessage {
        /// The server's address.
        server: String,
        /// The message.
        message: String,
    },
    /// The body is a web page of another server than GMS.
    ForeignPage {
        /// The `Server` header.
        server_header: Option<String>,
    },
    /// The body is empty, as that of DataHub's frontend is.
    EmptyFrontendBody,
    /// The response has a `WWW-Authenticate` header.
    Challenge,
    /// A 407 is a proxy's response.
    FromProxy,
    /// The proxy of the request.
    Proxy {
        /// Its address, without credentials.
        address: String,
        /// The environment variable that names it.
        variable: String,
    },
    /// Another protocol than HTTP and TLS is spoken at the port.
    OtherProtocol,
    /// A redirect that was not followed.
    RedirectNotFollowed(String),
    /// A redirect.
    Redirect(String),
    /// A redirect to a log-in.
    RedirectToLogin(String),
    /// The body is a log-in page.
    LoginPage,
    /// The token did not reach GMS.
    TokenNotForwarded,
    /// A GMS was found at this address.
    GmsFoundAt(String),
    /// The server is DataHub's frontend.
    Frontend,
    /// The process runs in a container.
    InContainer,
    /// The server does not speak TLS.
    NotTls,
    /// The server does not speak plain HTTP.
    NotPlainHttp,
    /// The server's address, which is that of another machine.
    RemoteServer(String),
    /// No request was made.
    NothingSent,
    /// The token.
    Token {
        /// Where it came from.
        source: TokenSource,
        /// The first 8 hexadecimal digits of its SHA-256.
        fingerprint: String,
        /// The form of the token.
        form: TokenForm,
    },
    /// The text of a token that cannot be sent.
    TokenText {
        /// Where it came from.
        source: TokenSource,
        /// The first 8 hexadecimal digits of its SHA-256.
        fingerprint: String,
        /// Its length in characters.
        chars: usize,
    },
    /// The token is the empty text.
    EmptyToken(TokenSource),
    /// A token is configured, and the server does not check it.
    TokenNotChecked,
    /// The extra headers contain an Authorization header, which is sent as it is.
    AuthorizationHeader,
    /// The extra headers contain a Cookie, whose session replaces the token.
    CookieReplacesToken,
    /// The extra headers contain a Cookie, whose session decides the user.
    CookieDecidesUser,
    /// The time at which the token expired.
    Expired {
        /// The `exp` claim.
        expires_at: Timestamp,
        /// The clock that counts.
        clock: ClockReading,
    },
    /// The time at which the token expires.
    NotExpired {
        /// The `exp` claim.
        expires_at: Timestamp,
        /// The clock that counts.
        clock: ClockReading,
    },
    /// The token has no `exp` claim.
    NoExpiry,
    /// The time from which the token is valid.
    NotYetValid {
        /// The `nbf` claim.
        not_before: Timestamp,
        /// The clock that counts.
        clock: ClockReading,
    },
    /// The local clock.
    LocalClock(Timestamp),
    /// By how much the server's clock is ahead of the local one; negative if it is behind.
    ClockDifference(SignedDuration),
    /// The `iss` claim of the token, which is not DataHub's.
    ForeignIssuer(String),
    /// The `version` claim of the token is unknown to GMS.
    UnknownVersion,
    /// The signature algorithm of the token, which GMS does not use.
    ForeignAlgorithm(String),
    /// The token belongs to a session.
    SessionToken,
    /// The privileges that OpenAPI and Rest.li require.
    OpenapiPrivileges,
    /// The privileges for access tokens that GMS reports of the caller.
    AccessTokenPrivileges {
        /// The caller's URN.
        actor: String,
        /// It may make access tokens for itself.
        generate: bool,
        /// It may manage the access tokens of all users.
        manage: bool,
    },
    /// The error message of a token provider.
    ProviderMessage(String),
    /// The token before this one was refused as well.
    PreviousTokenRefused,
    /// There is no other token, for the given reasons.
    NoOtherToken(Vec<Self>),
    /// A text of a sink or a program outside of this crate.
    Other(String),
}

/// The form of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenForm {
    /// It is not a JWT.
    Opaque,
    /// It is a JWT.
    Jwt {
        /// The `type` claim, where it is one that DataHub writes.
        kind: Option<TokenKind>,
        /// The URN of its user.
        actor: Option<String>,
    },
}

/// The `type` claim of DataHub's tokens (`TokenType.java`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenKind {
    /// `PERSONAL`
    Personal,
    /// `SESSION`
    Session,
    /// `SERVICE_ACCOUNT`
    ServiceAccount,
}

/// The reading of the clock that decides whether a token is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClockReading {
    /// The server's, from its `Date` header.
    Server(Timestamp),
    /// The local one, where the server's is not known.
    Local(Timestamp),
}

impl Evidence {
    /// The text, with `place` for the source of a token.
    #[expect(clippy::too_many_lines, reason = "a table of texts")]
    pub fn text(&self, place: &dyn Fn(&TokenSource) -> String) -> String {
        match self {
            Self::PythonUsed(python) => format!("the source ran in {}", python.display()),
            Self::MoreFailures(count) => format!("and {count} more; the report lists all of them"),
            Self::Status { status, request } => format!("{status} from {request}"),
            Self::UnexplainedStatus { status, request } => {
                format!("{status} from {request} (its body does not tell why; GMS's never does)")
            }
            Self::TruncatedResponse { status, request } => {
                format!("{status} from {request}, but its body is cut short")
            }
            Self::Anonymous { request, token_sent } => format!(
                "200 from {request} with userType \"anonymous\": {}",
                if *token_sent { "GMS does not take the token" } else { "GMS wants a token" }
            ),
            Self::AnonymousAccess { request } => {
                format!("{request} without a token answers userType \"user\": every caller is let in")
            }
            Self::NoResponse { request, problem } => format!("{request}: {problem}"),
            Self::Attempts(count) => format!("tried {count} times"),
            Self::ContentType(content_type) => format!("its content type is {content_type}"),
            Self::ServerHeader(header) => format!("its Server header is {header}"),
            Self::BodyStart(text) => format!("its body begins: {text}"),
            Self::BodyMessage(message) => format!("its body says: {message}"),
            Self::GmsMessage { message, cut } => {
                format!("GMS says: {message}{}", if *cut { "…" } else { "" })
            }
            Self::GraphqlMessage { server, message } => format!("GMS at {server} says: {message}"),
            Self::ForeignPage { server_header } => match server_header {
                None => "its body is a web page, which is not GMS's".into(),
                Some(header) => {
                    format!("its body is a web page, which is not GMS's (its Server header: {header})")
                }
            },
            Self::EmptyFrontendBody => {
                "its body is empty, as that of DataHub's frontend is, and GMS's is not".into()
            }
            Self::Challenge => "it has a WWW-Authenticate header, which GMS never sends: something in front of GMS may have \
                                answered"
                .into(),
            Self::FromProxy => "407 comes from a proxy on the way, and never from GMS".into(),
            Self::Proxy { address, variable } => {
                format!("requests go through the proxy {address}, which the variable {variable} names")
            }
            Self::OtherProtocol => {
                "what answered was neither HTTP nor TLS: another service listens at that port".into()
            }
            Self::RedirectNotFollowed(to) => format!(
                "it redirects to {to}, and redirects are not followed: the token must not go elsewhere"
            ),
            Self::Redirect(to) => format!("it redirects to {to}"),
            Self::RedirectToLogin(to) => format!(
                "it redirects to {to}, which is where one logs in; GMS and the API paths of DataHub's frontend never do"
            ),
            Self::LoginPage => "it is a page to log in at, which GMS never shows".into(),
            Self::TokenNotForwarded => "whatever shows it has not passed the token on to GMS".into(),
            Self::GmsFoundAt(address) => format!("GMS answers at {address}"),
            Self::Frontend => {
                "this is DataHub's frontend, the web page; it passes requests on to GMS below /api/gms".into()
            }
            Self::InContainer => {
                "this runs inside a container, where localhost is the container itself".into()
            }
            Self::NotTls => "TLS was begun, and what answered was not TLS".into(),
            Self::NotPlainHttp => {
                "plain HTTP was sent, and what answered speaks something else, as a port for TLS does".into()
            }
            Self::RemoteServer(server) => format!("the server is {server}, which is not this machine"),
            Self::NothingSent => "nothing was sent".into(),
            Self::Token { source, fingerprint, form } => {
                format!("the token is from {}, sha256 {fingerprint}, {form}", place(source))
            }
            Self::TokenText { source, fingerprint, chars } => {
                format!("the token is from {}, sha256 {fingerprint}, {chars} characters long", place(source))
            }
            Self::EmptyToken(source) => format!(
                "the token from {} is the empty text, so no Authorization header was sent",
                place(source)
            ),
            Self::TokenNotChecked => "the token that is configured is sent, and nobody looks at it".into(),
            Self::AuthorizationHeader => {
                "the extra header Authorization is sent as it is, and no other token counts beside it".into()
            }
            Self::CookieReplacesToken => {
                "the extra headers contain a Cookie: the frontend puts its session's token in place of this one"
                    .into()
            }
            Self::CookieDecidesUser => {
                "the extra headers contain a Cookie: the frontend acts as its session's user, and not as the token's"
                    .into()
            }
            Self::Expired { expires_at, clock } => {
                format!("its exp claim is {}; {clock}", whole_seconds(*expires_at))
            }
            Self::NotExpired { expires_at, clock } => {
                format!("its exp claim is {}, which is not over; {clock}", whole_seconds(*expires_at))
            }
            Self::NoExpiry => "it has no exp claim, so it does not expire".into(),
            Self::NotYetValid { not_before, clock } => {
                format!("its nbf claim is {}; {clock}", whole_seconds(*not_before))
            }
            Self::LocalClock(now) => format!("the clock here reads {}", whole_seconds(*now)),
            Self::ClockDifference(server_ahead) => clock_difference(*server_ahead),
            Self::ForeignIssuer(issuer) => {
                format!("its iss claim is {issuer}: not DataHub's own, but an identity provider's")
            }
            Self::UnknownVersion => "its version claim is neither 1 nor 2, and GMS takes no other".into(),
            Self::ForeignAlgorithm(algorithm) => {
                format!("it is signed with {algorithm}, and GMS signs with HS256 only")
            }
            Self::SessionToken => {
                "a session token is made for a browser, lives for a day, and ends with GMS's signing key".into()
            }
            Self::OpenapiPrivileges => "OpenAPI v3 wants Create Entity or Edit Entity on the whole entity type; Rest.li wants \
                                        Edit Entity on each URN alone"
                .into(),
            Self::AccessTokenPrivileges { actor, generate, manage } => {
                access_token_privileges(actor, *generate, *manage)
            }
            Self::Librdkafka(text) => format!("librdkafka: {text}"),
            Self::PythonSearched(text)
            | Self::Other(text)
            | Self::SourceFailure(text)
            | Self::ImportFailed(text)
            | Self::ProviderMessage(text) => text.clone(),
            Self::PreviousTokenRefused => "the token before this one was refused as well".into(),
            Self::NoOtherToken(reasons) => {
                let reasons: Vec<String> = reasons.iter().map(|reason| reason.text(place)).collect();
                format!("there is no other token: {}", reasons.join("; "))
            }
        }
    }
}

fn access_token_privileges(actor: &str, generate: bool, manage: bool) -> String {
    let (generating, managing) = (Privilege::GeneratePersonalAccessTokens, Privilege::ManageAllAccessTokens);
    let holds = match (generate, manage) {
        (_, true) => format!("and says that this user holds {managing}"),
        (true, false) => format!("who holds {generating}, and not {managing}"),
        (false, false) => format!("who holds neither {generating} nor {managing}"),
    };
    format!("GMS takes the caller for {actor}, {holds}")
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(&TokenSource::place))
    }
}

impl From<String> for Evidence {
    fn from(text: String) -> Self {
        Self::Other(text)
    }
}

impl fmt::Display for TokenForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Jwt { kind, actor } = self else { return f.write_str("and is not a JWT") };
        f.write_str(match kind {
            Some(TokenKind::Personal) => "a personal access token",
            Some(TokenKind::Session) => "a session token",
            Some(TokenKind::ServiceAccount) => "a service account's token",
            None => "a JWT",
        })?;
        actor.as_ref().map_or(Ok(()), |actor| write!(f, " of {actor}"))
    }
}

impl fmt::Display for ClockReading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(time) => write!(f, "the server's clock reads {}", whole_seconds(*time)),
            Self::Local(time) => write!(f, "the clock here reads {}", whole_seconds(*time)),
        }
    }
}
