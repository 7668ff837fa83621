//! Emits metadata change proposals to DataHub's metadata service (GMS), and runs ingestion recipes.

pub mod auth;
#[cfg(feature = "embedded")]
pub mod embedded;
pub mod emitter;
mod error;
pub mod gms;
pub mod metadata;
pub mod pipeline;
pub mod recipe;
mod registry;
pub mod sink;
pub mod source;

pub use error::{Error, ErrorKind};
pub use registry::{Registry, UnknownType};
