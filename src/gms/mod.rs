//! How GMS is spoken to: its address, the requests, what an answer means, and when to ask again.

mod address;
mod classify;
mod client;
mod environment;
mod reply;
pub(crate) mod restli;
mod retry;
mod server_config;
mod tls;
mod transport;

pub use address::{AddressError, ServerAddress};
pub(crate) use classify::{Trouble, Verdict, classify};
pub use client::{Client, ClientMode, ClientSettings};
pub use environment::GmsEnvironment;
pub(crate) use reply::{Reply, TransportFault, TransportKind};
pub(crate) use retry::Attempts;
pub use retry::RetryPolicy;
pub use server_config::ServerConfig;
pub use tls::TlsSettings;
