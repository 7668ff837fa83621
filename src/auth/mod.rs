//! Who we are: tokens, and why one was refused.

mod answer;
mod authorization;
mod claims;
mod credentials;
mod diagnose;
mod facts;
mod forbidden;
mod forecast;
mod hygiene;
mod no_token;
mod observation;
mod page;
pub mod provider;
mod refusal;
mod remedy;
mod silence;
mod token;
mod token_file;

pub(crate) use authorization::authorization;
pub use claims::Claims;
pub(crate) use credentials::Credentials;
pub use diagnose::diagnose;
pub use facts::{HeaderSlip, TokenFacts};
pub use forecast::forecast;
pub use hygiene::inspect;
pub(crate) use no_token::NoToken;
pub use no_token::provider_failed;
pub use observation::{Address, Answer, Fault, Observation, Observed, Redirect, Silence};
pub use provider::{
    CommandProvider, Fetched, Fetching, FileProvider, FixedToken, OidcClientCredentials, ProviderError,
    TokenProvider,
};
pub use token::{Token, TokenSource};
pub use token_file::{TokenFile, TokenMetadata};
