//! What travels: URNs, proposals, their aspects and system metadata.

pub(crate) mod json;
pub mod model;
mod nearest;
mod openapi_value;
mod proposal;
pub mod record;
mod snapshot;
mod system_metadata;
mod urn;

#[allow(unused_imports)]
pub(crate) use openapi_value::push_openapi_value;
pub use proposal::{
    Aspect, ChangeType, ContentType, InvalidAspect, Name, Origin, Proposal, UnknownChangeType,
};
pub use system_metadata::SystemMetadata;
pub use urn::{KeyAspectError, Urn, UrnError};
