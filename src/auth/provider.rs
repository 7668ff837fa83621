//! Where tokens come from, while a run goes on: a provider is asked again when its token is about to expire, or was refused.

mod command;
mod file;
mod fixed;
mod oidc;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::SystemTime;

pub use command::CommandProvider;
pub use file::FileProvider;
pub use fixed::FixedToken;
pub use oidc::OidcClientCredentials;

use super::{Token, TokenSource};
use crate::http::HttpService;

/// A token that is being fetched.
pub type Fetching<'a> = Pin<Box<dyn Future<Output = Result<Fetched, ProviderError>> + Send + 'a>>;

/// Gives tokens. A provider keeps none: whoever asks it does, and asks again only when there is a reason to.
pub trait TokenProvider: Send + Sync + fmt::Debug {
    /// Where its tokens come from, as reports and diagnoses name it.
    fn source(&self) -> TokenSource;

    /// Offers the HTTP service of the client that uses this provider, before the first [fetch](Self::fetch). A provider that
    /// asks a server sends its requests through it, so that the client's trust roots, client certificate, proxies and time
    /// limits apply.
    fn connect(&self, _http: &Arc<dyn HttpService>) {}

    /// Fetches the token of this moment.
    fn fetch(&self) -> Fetching<'_>;

    /// Whether there may be another token than that of the last [fetch](Self::fetch); asked often, so it must be cheap.
    /// It is not asked whether a token expires: that the token or its [`Fetched`] says.
    fn has_changed(&self) -> bool {
        false
    }
}

/// A token that was fetched.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The token.
    pub token: Token,
    /// When it expires, if whoever issued it said so.
    pub expires_at: Option<SystemTime>,
}

impl From<Token> for Fetched {
    fn from(token: Token) -> Self {
        Self { token, expires_at: None }
    }
}

/// Why there is no token. The text holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ProviderError {
    /// What happened.
    pub message: String,
    /// Asking again may help: a server that was away, a time limit.
    pub transient: bool,
}

impl ProviderError {
    /// Asking again would fail again.
    pub fn lasting(message: impl Into<String>) -> Self {
        Self { message: message.into(), transient: false }
    }

    /// Asking again may help.
    pub fn transient(message: impl Into<String>) -> Self {
        Self { message: message.into(), transient: true }
    }
}
