//! Where proposals go. A sink is a plugin: [`Sink`], made by a constructor that the registry knows by the recipe's
//! `sink.type`.

pub mod blackhole;
pub mod console;
pub mod datahub_rest;
mod examine;
pub mod file;
mod registry;
mod stream;
#[cfg(test)]
mod tests;
mod writer;

use std::time::Duration;

pub use examine::{Examination, Step};
pub use registry::{OnWait, OpenSink, SinkContext, SinkRegistry};

use crate::Error;
pub use crate::box_future::BoxFuture;
use crate::emitter::Delivery;
use crate::gms::Client;

/// Takes proposals, and settles each of them.
pub trait Sink: Send + Sync {
    /// Takes one more. Returns when there is room for it, which is how a slow sink slows its source down; it may be
    /// settled much later. When the sink has stopped for good, the delivery is settled as undelivered.
    fn write(&self, delivery: Delivery) -> BoxFuture<'_, ()>;

    /// Why the sink has stopped for good, if it has: there is no use in reading on.
    fn stopped(&self) -> Option<Error>;

    /// Settles everything that was written, and puts what it made in its final place. A second call with a deadline may
    /// come while the first is still waited for; it makes both end in time.
    ///
    /// # Errors
    /// What the sink died of, for example a disk that is full.
    fn close(&self, deadline: Option<Duration>) -> BoxFuture<'_, Result<(), Error>>;

    /// What the report says of the sink.
    fn summary(&self) -> SinkSummary;

    /// Whether what it settled as delivered stays so if the run ends at any moment, even with the process: a later run may
    /// go on behind it. `false`, as here, for a sink that makes one whole thing of everything it takes; its runs keep no
    /// checkpoint.
    fn is_resumable(&self) -> bool {
        false
    }

    /// Looks whether a run could deliver here, step by step. With `write`, one harmless write is made and taken back. A sink
    /// that has nothing to ask has no steps.
    fn examine(&self, write: bool) -> BoxFuture<'_, Examination> {
        let _ = write;
        Box::pin(async { Examination::default() })
    }

    /// The GMS that it writes to, if it writes to one: for whoever has something to ask there.
    fn gms(&self) -> Option<&Client> {
        None
    }
}

/// What a run's report says of its sink.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SinkSummary {
    /// The server's address, without credentials.
    pub server: Option<String>,
    /// The server's version, as its `/config` says.
    pub gms_version: Option<String>,
    /// `restli` or `openapi`.
    pub endpoint: Option<&'static str>,
    /// The sink's mode, for example `ASYNC_BATCH`.
    pub mode: Option<&'static str>,
    /// What a delivery means: `queued`, `stored`, `indexed` or `written`.
    pub delivered_means: &'static str,
    /// HTTP requests that carried proposals.
    pub requests: RequestCounts,
    /// The token that was used.
    pub token: TokenSummary,
    /// Things that the user should know.
    pub warnings: Vec<String>,
}

/// Requests that carried proposals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestCounts {
    /// Attempts, retries included.
    pub sent: u64,
    /// Attempts after the first.
    pub retried: u64,
    /// Batches taken apart because GMS rejected them.
    pub split: u64,
    /// Bytes of their bodies.
    pub bytes: u64,
}

/// What is known of the token, without the token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenSummary {
    /// Where it came from; `none` if there is none.
    pub source: String,
    /// Whose it is, from its claims.
    pub actor: Option<String>,
    /// Its kind, from its claims: `PERSONAL`, `SESSION` or `SERVICE_ACCOUNT`.
    pub kind: Option<String>,
    /// When it expires, RFC 3339.
    pub expires_at: Option<String>,
}
