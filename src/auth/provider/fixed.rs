//! One token for good.

use super::{Fetching, TokenProvider};
use crate::auth::{Token, TokenSource};

/// A token that does not change: from a recipe, a variable, a program.
#[derive(Clone, Debug)]
pub struct FixedToken(Token);

impl FixedToken {
    /// Always gives `token`.
    pub fn new(token: Token) -> Self {
        Self(token)
    }
}

impl TokenProvider for FixedToken {
    fn source(&self) -> TokenSource {
        self.0.source().clone()
    }

    fn fetch(&self) -> Fetching<'_> {
        let token = self.0.clone();
        Box::pin(async { Ok(token.into()) })
    }
}
