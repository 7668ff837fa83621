//! A small implementation of DataHub's metadata service (GMS) that runs inside a process and listens on a
//! real socket, for first runs and tests.
//!
//! It accepts proposals, patches and snapshots over Rest.li and OpenAPI, stores aspects with their versions
//! in SQLite (a file, or memory), and requires its own access tokens, like GMS with metadata service
//! authentication on. It answers searches, lineage and relationships over GraphQL, Rest.li and OpenAPI. It is
//! not a replacement for GMS: it has no search ranking and no user interface.
//!
//! ```
//! # async fn example() -> Result<(), datahub_embedded_gms::Error> {
//! use datahub_embedded_gms::Gms;
//!
//! let gms = Gms::builder().start().await?;
//! println!("{} takes {} as a bearer token", gms.url(), gms.token());
//!
//! // … send something to it, and then look:
//! let stored = gms.aspect("urn:li:corpuser:datahub", "corpUserKey").await;
//! assert_eq!(stored.as_deref(), Some(r#"{"username":"datahub"}"#));
//! assert!(gms.requests().is_empty());
//!
//! gms.stop().await;
//! # Ok(())
//! # }
//! # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
//! ```
//!
//! The server has its own thread and Tokio runtime. It can be used from any runtime, including a
//! single-threaded one, and is not delayed by code that blocks there.

mod actor;
mod administration;
mod authentication;
mod authorization;
mod body_form;
mod bootstrap;
mod builder;
mod change;
mod cross_site;
mod duration;
mod error;
mod failure;
mod faults;
mod fields;
mod frontend;
mod gms;
mod graph;
mod graphql;
mod group;
mod ingest;
mod json_text;
mod keys;
mod model;
mod openapi;
mod password;
mod patch;
mod proposal;
mod references;
mod refusal;
mod registry;
mod request_log;
mod restli;
mod routes;
mod search;
mod seed;
mod server;
mod small_file;
mod snapshot;
mod socket;
mod state;
mod store;
mod sync;
mod system_metadata;
mod token_info;
mod tokens;
mod trace;
mod tree;
mod urn;
mod user;

#[cfg(test)]
mod tests;

pub use authentication::AuthFilter;
pub use authorization::Policy;
pub use body_form::BodyForm;
pub use builder::GmsBuilder;
pub use duration::TokenDuration;
pub use error::{Error, ErrorKind};
pub use faults::{Action, Fault, RetryAfter};
pub use gms::Gms;
pub use refusal::RefusalForm;
pub use request_log::ReceivedRequest;
pub use token_info::TokenInfo;
pub use user::User;
