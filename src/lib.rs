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
//! # Where things are
//!
//! | module | what it is about |
//! |---|---|
//! | [`metadata`] | what travels: URNs, proposals, their aspects |
//! | [`auth`] | tokens and token providers; why a request was refused |
//! | [`diagnosis`] | the known causes of a failure, with evidence and fixes |
//! | [`gms`] | how GMS is spoken to |
//! | [`emitter`] | delivery: order, batches, retries, outcomes |
//! | [`recipe`] | what the user wrote, with the place of every word |
//! | [`source`], [`sink`] | plugins: where proposals come from, and where they go |
//! | [`pipeline`] | a run, from recipe to report |
//! | `embedded` | a GMS in the process, for first runs and tests |
//!
//! # Errors and outcomes
//!
//! The fate of a single proposal is an [`Outcome`](emitter::Outcome): delivered, rejected, or undelivered. An [`Error`]
//! ends an operation as a whole. Its [`kind`](Error::kind) says what to do next. If the cause is known, its
//! [`diagnosis`](Error::diagnosis) says what was observed and how to fix it.
//!
//! # Features
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `cli` | yes | the command `datahub-emit` |
//! | `embedded` | yes | the embedded GMS, with its server and its database |
//!
//! A program that embeds the emitter turns both off.

mod atomic_write;
pub mod auth;
pub mod diagnosis;
mod display_text;
mod duration;
#[cfg(feature = "embedded")]
pub mod embedded;
pub mod emitter;
mod environment;
mod error;
pub mod file_system;
pub mod gms;
mod hex;
pub mod metadata;
pub mod pipeline;
mod platform;
pub mod recipe;
mod redact;
mod registry;
mod shell;
pub mod sink;
pub mod source;
pub mod threads;

pub use duration::parse_duration;
pub use environment::Environment;
pub use error::{Error, ErrorKind};
pub use platform::Platform;
pub use redact::mask_credentials;
pub use registry::{Registry, UnknownType};

/// The README's program, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
