//! A token that does not change.

use super::{IssuedToken, ProviderError, TokenProvider};
use crate::auth::{Token, TokenSource};
use crate::box_future::BoxFuture;

/// A provider of one token, which does not change.
#[derive(Clone, Debug)]
pub struct FixedToken(Token);

impl FixedToken {
    /// Always returns `token`.
    pub fn new(token: Token) -> Self {
        Self(token)
    }
}

impl TokenProvider for FixedToken {
    fn source(&self) -> TokenSource {
        self.0.source().clone()
    }

    fn fetch(&self) -> BoxFuture<'_, Result<IssuedToken, ProviderError>> {
        let token = self.0.clone();
        Box::pin(async { Ok(token.into()) })
    }
}
