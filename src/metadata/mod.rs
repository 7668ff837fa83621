//! What travels: URNs, proposals, their aspects and system metadata.

pub(crate) mod json;
pub mod model;
mod nearest;
mod proposal;
pub mod record;
mod snapshot;
mod system_metadata;
mod urn;

pub use proposal::{
    Aspect, ChangeType, ContentType, InvalidAspect, Name, Origin, Proposal, UnknownChangeType,
};
pub use system_metadata::SystemMetadata;
pub use urn::{Urn, UrnError};
