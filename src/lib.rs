//! Emits metadata change proposals to DataHub's metadata service (GMS), and runs ingestion recipes.
//!
//! ```no_run
//! use datahub_emitter::emitter::{Emitter, Outcome};
//! use datahub_emitter::metadata::{Proposal, Urn};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let emitter = Emitter::builder("http://localhost:8080").token(std::env::var("DATAHUB_GMS_TOKEN")?).build()?;
//! let urn = Urn::parse("urn:li:dataset:(urn:li:dataPlatform:hive,shop.orders,PROD)")?;
//! let receipt = emitter.emit(Proposal::upsert(urn, "status", r#"{"removed":false}"#)?).await;
//! assert_eq!(receipt.await, Outcome::Delivered);
//! emitter.close(None).await;
//! # Ok(())
//! # }
//! ```
//!
//! The [guide](_documentation::library) explains more; the other pages of [`_documentation`] describe the
//! command `datahub-emit`.
//!
//! # Modules
//!
//! | module | content |
//! |---|---|
//! | [`metadata`] | URNs, proposals, aspects |
//! | [`auth`] | tokens, where they come from, and the diagnosis of a refusal |
//! | [`diagnosis`] | the known causes of a failure, with evidence and fixes |
//! | [`gms`] | the client: requests, responses, retries |
//! | [`emitter`] | delivery: order, batches, limits, outcomes |
//! | [`http`] | the HTTP layer below `gms` and the identity providers |
//! | [`recipe`] | recipes as values with line and column |
//! | [`source`], [`sink`] | plugins: where proposals come from, and where they go |
//! | [`pipeline`] | a run, from recipe to report |
//! | `embedded` | the embedded GMS, for first runs and tests |
//!
//! # Errors and outcomes
//!
//! The result of one proposal is an [`Outcome`](emitter::Outcome): delivered, rejected or undelivered. An
//! [`Error`] ends the whole operation. Its [`kind`](Error::kind) tells what to do next, and if the cause is
//! known, its [`diagnosis`](Error::diagnosis) contains the evidence and the fixes.
//!
//! # Features
//!
//! | feature | default | adds |
//! |---|---|---|
//! | `pipeline` | yes | recipes, sources, sinks, runs; and `~/.datahubenv` as a part of the environment |
//! | `cli` | yes | the command `datahub-emit`; includes `pipeline` |
//! | `embedded` | yes | the embedded GMS, with its server and its database |
//! | `kafka` | no | the sink `datahub-kafka`, with librdkafka; includes `pipeline` |
//!
//! A program that only emits metadata disables all of them with `default-features = false`.

#[cfg(any(doc, doctest))]
pub mod _documentation;
// The test of the diagnoses compiles the command line's renderer, which names this crate.
#[cfg(test)]
extern crate self as datahub_emitter;

#[cfg(feature = "pipeline")]
mod atomic_write;
pub mod auth;
mod box_future;
pub mod clock;
pub mod diagnosis;
mod display_text;
mod duration;
#[cfg(feature = "embedded")]
pub mod embedded;
pub mod emitter;
mod environment;
mod error;
#[cfg(feature = "pipeline")]
mod external_sort;
#[cfg(feature = "pipeline")]
pub mod file_system;
#[cfg(feature = "pipeline")]
mod foreign_file;
pub mod gms;
mod hex;
pub mod http;
pub mod metadata;
#[cfg(feature = "pipeline")]
pub mod pipeline;
#[cfg(feature = "pipeline")]
mod platform;
#[cfg(feature = "pipeline")]
pub mod recipe;
mod redact;
#[cfg(feature = "pipeline")]
pub mod sink;
#[cfg(feature = "pipeline")]
pub mod source;
#[cfg(feature = "pipeline")]
mod spool;
mod suggest;
#[cfg(feature = "pipeline")]
pub mod threads;
#[cfg(feature = "pipeline")]
pub mod transform;

pub use box_future::BoxFuture;
pub use duration::parse_duration;
pub use environment::Environment;
pub use error::{Error, ErrorKind};
#[cfg(feature = "pipeline")]
pub use platform::Platform;
#[cfg(feature = "pipeline")]
pub use recipe::registry::{Registry, UnknownType};
#[cfg(feature = "pipeline")]
pub use redact::mask_credentials;

/// Compiles the README's program.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
