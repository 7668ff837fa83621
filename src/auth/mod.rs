//! Tokens: where they come from, what is known about them, and why a server refused one.
//!
//! A [`TokenProvider`] gives tokens. The client keeps the current one, renews it before it expires, and
//! builds the Authorization header of each request from it. When a request fails, a pure function finds the
//! cause from what was observed, and returns a [`Diagnosis`](crate::diagnosis::Diagnosis).

mod authorization;
mod claims;
mod credentials;
mod diagnose;
#[cfg(feature = "pipeline")]
mod expiry_warning;
pub mod provider;
mod token;
#[cfg(feature = "pipeline")]
mod token_file;
mod token_info;
mod token_lint;
mod token_unavailable;

#[cfg(test)]
mod tests;

pub(crate) use authorization::authorization;
pub use claims::Claims;
pub(crate) use credentials::Credentials;
pub(crate) use diagnose::{
    NoResponse, Observation, Observed, Redirect, Request, RequestKind, ResponseInfo, ServerInfo, diagnose,
};
#[cfg(feature = "pipeline")]
pub(crate) use expiry_warning::expiry_warning;
pub use provider::{
    CommandProvider, FileProvider, FixedToken, IssuedToken, OidcClientCredentials, ProviderError,
    TokenProvider,
};
pub use token::Token;
#[cfg(feature = "pipeline")]
pub use token_file::{TokenFile, TokenMetadata};
pub use token_info::TokenInfo;
pub(crate) use token_unavailable::TokenUnavailable;

pub use crate::diagnosis::TokenSource;
