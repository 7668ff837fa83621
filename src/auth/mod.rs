//! Who we are: tokens, and why one was refused.

mod authorization;
mod claims;
mod credentials;
mod diagnosis;
mod endpoint;
mod hygiene;
mod no_token;
pub mod provider;
mod refusal;
mod scrub;
mod token;

pub(crate) use authorization::authorization;
pub use claims::Claims;
pub(crate) use credentials::Credentials;
pub use diagnosis::{Code, Diagnosis};
pub use endpoint::{NotGms, Unreachable, not_gms, unreachable};
pub(crate) use no_token::NoToken;
pub use provider::{
    CommandProvider, Fetched, Fetching, FileProvider, FixedToken, OidcClientCredentials, ProviderError,
    TokenProvider,
};
pub use refusal::{Refusal, TokenFacts, refusal};
pub(crate) use scrub::Scrubber;
pub use token::{Token, TokenSource};
