//! The metadata that is emitted: URNs, proposals, aspects and system metadata, and the records of metadata
//! files.

mod aspect;
mod change_type;
pub(crate) mod json;
pub(crate) mod model;
mod name;
mod openapi_value;
mod origin;
mod proposal;
pub mod record;
mod system_metadata;
mod urn;

pub use aspect::{Aspect, ContentType, InvalidAspect};
pub use change_type::{ChangeType, UnknownChangeType};
pub use name::Name;
pub(crate) use openapi_value::push_openapi_value;
pub use origin::Origin;
pub use proposal::Proposal;
pub use system_metadata::SystemMetadata;
pub use urn::{KeyAspectError, Urn, UrnError};
