//! Delivery of proposals: from [`Emitter::emit`] to the [`Outcome`].
//!
//! ```no_run
//! use datahub_emitter::emitter::{Emitter, Outcome};
//! use datahub_emitter::metadata::{Proposal, Urn};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let emitter = Emitter::builder("http://localhost:8080").token(std::env::var("DATAHUB_GMS_TOKEN")?).build()?;
//! let urn = Urn::parse("urn:li:dataset:(urn:li:dataPlatform:hive,shop.orders,PROD)")?;
//! let receipt = emitter.emit(Proposal::upsert(urn, "status", r#"{"removed":false}"#)?).await;
//! match receipt.await {
//!     Outcome::Delivered => println!("delivered"),
//!     other => println!("not delivered: {other:?}"),
//! }
//! let counts = emitter.close(None).await;
//! assert_eq!(counts.emitted, counts.delivered + counts.rejected + counts.undelivered);
//! # Ok(())
//! # }
//! ```
//!
//! # How a proposal travels
//!
//! ```text
//! emit ─ validate ─ backpressure ─ queue ─ driver ─ deliver ─ send ─ verdict ─ settle ─┬ receipt
//!                                    ↑                │                                └ observer
//!                                    └── parked URN ──┘
//! ```
//!
//! 1. **Validation** (`validate`). GMS responds to some proposals with success and writes nothing. They are
//!    rejected before they are sent, with the reason.
//! 2. **Backpressure** (`backpressure`). The proposals that are queued and in flight are bounded by count and
//!    by bytes. While there is no capacity, [`Emitter::emit`] waits, so that the source is not read and
//!    memory use stays the same.
//! 3. **Queue** (`queue`). A batch takes the oldest proposals whose URN is not in flight. The others are
//!    parked until the batch that holds their URN is settled, so that proposals of one URN never overtake
//!    each other.
//! 4. **Driver** (`driver`). One task decides when a batch leaves, and starts a task that delivers it.
//! 5. **Requests** (`group_by_request`). A batch becomes one or more requests: an upsert and a patch, for
//!    example, use different ones.
//! 6. **Sending** (`send`). Each attempt waits for a permit of the request limit (`limit`: requests in
//!    flight, rate after a 429, retry budget, `Retry-After`) and for the auth gate (`auth_gate`). Failures
//!    are retried as `gms::retry` says. After a 401 one task finds out whether there is another token, while
//!    no other request is sent.
//! 7. **Verdict** (`verdict`). A pure function of the response, the request and the progress of the run says
//!    what follows: the proposals are delivered or rejected, the batch is split, or the run stops. As long as
//!    GMS has accepted nothing, it is open whether a record or the run is at fault (`record_or_run`).
//! 8. **Settlement** (`settle`). Carries the decision out. Every proposal is in a [`Delivery`], whose drop
//!    guard reports an outcome even if code forgets to.
//! 9. **Traces** (`open_traces`, `trace_follower`). With [`EmitMode::AsyncWait`](crate::gms::EmitMode) GMS
//!    only says that it has queued a proposal. It is followed by its trace until it is written, while further
//!    proposals are sent.
//!
//! With [`keep_trying`](EmitterBuilder::keep_trying), a failure that would stop the run begins an outage
//! instead, during which one batch at a time is tried again (`health`). [`Emitter::status`] shows it.
//!
//! `shared` is the state that these parts have in common, `pending` a proposal on its way through them,
//! `exchange` a request with its result, and `lifecycle` says whether proposals are admitted and requests
//! sent, and why not.

mod ages;
mod auth_gate;
mod backpressure;
mod bisect;
mod builder;
mod counts;
mod deliver;
mod delivery;
mod driver;
mod emit_all;
mod exchange;
mod flush;
mod group_by_request;
mod handle;
mod health;
mod lifecycle;
mod limit;
mod named_urns;
mod open_traces;
mod outcome;
mod pending;
mod queue;
mod receipt;
mod record_or_run;
mod send;
mod settings;
mod settle;
mod shared;
mod status;
mod trace_follower;
mod try_emit;
mod validate;
mod verdict;

#[cfg(feature = "kafka")]
pub(crate) use backpressure::{Capacity, CapacityPermit};
pub use builder::EmitterBuilder;
pub use counts::Counts;
pub use delivery::{Delivery, Observer};
pub use emit_all::EmitAllResult;
pub use handle::Emitter;
pub use outcome::{DeliveryError, Outcome, Rejection, RejectionReason, Undelivered, UndeliveredReason};
pub use receipt::Receipt;
pub use settings::Batching;
#[cfg(feature = "pipeline")]
pub(crate) use settings::{MAX_PER_BATCH, MAX_REQUESTS, defaults};
pub use status::{Health, Problem, Status};
pub use try_emit::TryEmitError;
#[cfg(feature = "kafka")]
pub(crate) use validate::validate;
