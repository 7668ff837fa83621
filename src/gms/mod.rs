//! How GMS is spoken to: its address, the requests, what an answer means, and when to ask again.

mod address;
mod classify;
mod client;
mod emit_mode;
mod environment;
mod explain;
mod graphql;
mod openapi;
mod reply;
mod restli;
mod retry;
mod server_config;
mod system_metadata;
mod taken;
mod target;
mod tls;
pub(crate) mod trace;
mod transport;
mod write;

pub use address::{AddressError, ServerAddress};
pub(crate) use classify::{Trouble, Verdict, classify};
pub use client::{Client, ClientMode, ClientSettings};
pub use emit_mode::{EmitMode, Endpoint};
pub use environment::GmsEnvironment;
pub(crate) use explain::{Rejected, explain};
pub use graphql::{GraphqlAnswer, GraphqlError, Me};
pub(crate) use reply::{Reply, TransportFault, TransportKind};
pub(crate) use retry::Attempts;
pub use retry::RetryPolicy;
pub use server_config::{Feature, ServerConfig};
pub(crate) use taken::Taken;
pub(crate) use target::Target;
pub use tls::TlsSettings;
pub(crate) use trace::{Trace, TraceStatus};
pub(crate) use write::{Route, Wire, Write};
