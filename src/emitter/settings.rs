//! How an emitter sends: its settings and their defaults.

use std::time::Duration;

use super::queue::BatchLimits;
use crate::gms::{EmitMode, Endpoint, RequestEncoder, RetryPolicy};

/// The largest batch: the ingestion endpoint accepts at most 200 proposals per request from DataHub's own
/// client.
pub(crate) const MAX_PER_BATCH: usize = 200;

/// The largest number of requests in flight. More are too many for a server, and for the ports of a client.
pub(crate) const MAX_REQUESTS: usize = 10_000;

/// The defaults of DataHub's REST sink (`datahub_rest.py`). The builder and the sink's configuration use
/// them.
pub(crate) mod defaults {
    use std::time::Duration;

    pub(crate) const MAX_IN_FLIGHT_REQUESTS: usize = 15;
    pub(crate) const MAX_PER_BATCH: usize = 100;
    pub(crate) const MAX_PENDING_PROPOSALS: usize = 2_000;
    pub(crate) const MAX_PENDING_BYTES: usize = 16 * 1024 * 1024;
    pub(crate) const MAX_LINGER: Duration = Duration::from_secs(30);
    pub(crate) const TRACE_TIMEOUT: Duration = Duration::from_secs(3_600);
    pub(crate) const MAX_BATCH_BYTES: usize = 15 * 1024 * 1024;
    /// Through DataHub's frontend, whose buffer has 10 MB (`play.http.parser.maxMemoryBuffer`).
    pub(crate) const MAX_BATCH_BYTES_THROUGH_FRONTEND: usize = 9_500_000;
}

/// How proposals share requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Batching {
    /// Many proposals per request, and many requests in flight. The default, and by far the fastest.
    #[default]
    Batched,
    /// One proposal per request, and many requests in flight.
    Single,
    /// One proposal per request, and one request at a time: each has an outcome before the next one is sent.
    Sequential,
}

impl Batching {
    /// The [`EmitMode`] unless one is set: [`Sequential`](Self::Sequential) waits until GMS has written a
    /// proposal, the others until it has queued it.
    pub fn default_emit_mode(self) -> EmitMode {
        match self {
            Self::Sequential => EmitMode::SyncPrimary,
            Self::Batched | Self::Single => EmitMode::Async,
        }
    }
}

/// How proposals are sent.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) encoder: RequestEncoder,
    pub(super) batch: BatchLimits,
    pub(super) max_in_flight_requests: usize,
    /// Batches without a final outcome, including those that wait for a retry.
    pub(super) max_unsettled_batches: usize,
    pub(super) max_linger: Duration,
    pub(super) retry: RetryPolicy,
    pub(super) trace_timeout: Duration,
    /// A failure begins an outage instead of stopping the run.
    pub(super) keep_trying: bool,
}

impl Settings {
    /// The server is asked for its version before anything is sent.
    pub(super) fn checks_server_first(&self) -> bool {
        self.encoder.endpoint == Endpoint::Openapi
    }

    /// Queued proposals are followed until GMS has written them.
    pub(super) fn follows_traces(&self) -> bool {
        self.encoder.emit_mode == EmitMode::AsyncWait
    }
}
