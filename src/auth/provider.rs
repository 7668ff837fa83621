//! Sources of tokens. A provider is asked again when its token is about to expire or was refused.

mod command;
mod file;
mod fixed;
mod oidc;

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

pub use command::CommandProvider;
pub use file::FileProvider;
pub use fixed::FixedToken;
pub use oidc::OidcClientCredentials;

use super::{Token, TokenSource};
use crate::box_future::BoxFuture;
use crate::clock::Clock;
use crate::http::HttpService;

/// A source of tokens. A provider does not need to cache: its caller keeps the token, and fetches again only
/// for a reason.
///
/// ```
/// use datahub_emitter::BoxFuture;
/// use datahub_emitter::auth::{IssuedToken, ProviderError, Token, TokenProvider, TokenSource};
///
/// #[derive(Debug)]
/// struct Vault;
///
/// impl TokenProvider for Vault {
///     fn source(&self) -> TokenSource {
///         TokenSource::Program
///     }
///
///     fn fetch(&self) -> BoxFuture<'_, Result<IssuedToken, ProviderError>> {
///         Box::pin(async { Ok(Token::new("abc.def.ghi", self.source()).into()) })
///     }
/// }
/// ```
pub trait TokenProvider: Send + Sync + fmt::Debug {
    /// The source of its tokens, for reports and diagnoses.
    fn source(&self) -> TokenSource;

    /// Fetches the current token. The future may be dropped at any time.
    fn fetch(&self) -> BoxFuture<'_, Result<IssuedToken, ProviderError>>;

    /// Offers the HTTP service and the clock of the client that uses this provider, before the first
    /// [fetch](Self::fetch).
    /// A provider that asks a server sends its requests through it, so that the client's trust roots, client
    /// certificate, proxies and time limits apply.
    fn connect(&self, _http: &Arc<dyn HttpService>, _clock: &Arc<dyn Clock>) {}

    /// Whether there may be another token than the one that was [fetched](Self::fetch) last. It is called
    /// before every request, so it must be cheap. It does not need to consider expiry, which the token or
    /// [`IssuedToken`] gives.
    fn has_changed(&self) -> bool {
        false
    }
}

/// A token from a provider.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct IssuedToken {
    /// The token.
    pub token: Token,
    /// When it expires, if its issuer said so.
    pub expires_at: Option<SystemTime>,
}

impl IssuedToken {
    /// A token that expires at `expires_at`.
    pub fn expiring(token: Token, expires_at: SystemTime) -> Self {
        Self { token, expires_at: Some(expires_at) }
    }
}

/// A token whose issuer did not say when it expires.
impl From<Token> for IssuedToken {
    fn from(token: Token) -> Self {
        Self { token, expires_at: None }
    }
}

/// Why a provider has no token. The message contains no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
#[non_exhaustive]
pub struct ProviderError {
    /// The reason, for a log or a diagnosis.
    pub message: String,
    /// Trying again may help: a server that did not respond, a time limit.
    pub transient: bool,
}

impl ProviderError {
    /// An error that would occur again.
    pub fn permanent(message: impl Into<String>) -> Self {
        Self { message: message.into(), transient: false }
    }

    /// An error that may not occur again.
    pub fn transient(message: impl Into<String>) -> Self {
        Self { message: message.into(), transient: true }
    }
}
