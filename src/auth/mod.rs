//! Who we are: tokens, and why one was refused.

mod authorization;
mod claims;
mod diagnosis;
mod endpoint;
mod refusal;
mod scrub;
mod token;

pub(crate) use authorization::authorization;
pub use claims::Claims;
pub use diagnosis::{Code, Diagnosis};
pub use endpoint::{NotGms, Unreachable, not_gms, unreachable};
pub use refusal::{Refusal, TokenFacts, refusal};
pub(crate) use scrub::Scrubber;
pub use token::{Token, TokenSource};
