//! A proposal from its admission to its outcome: the delivery, and what the emitter holds for it.

use tokio::time::Instant;

use super::backpressure::CapacityPermit;
use super::delivery::Delivery;
use super::flush::FlushToken;
use super::queue::Queued;
use crate::gms::{OutgoingProposal, RequestEncoder};
use crate::metadata::{Name, Urn};

/// The scratch buffer in which a proposal's encoded length is measured holds most proposals beside their
/// aspect.
const SCRATCH_BYTES: usize = 512;

/// A proposal that is queued or in flight.
pub(super) struct Pending {
    pub(super) delivery: Delivery,
    pub(super) queued_at: Instant,
    /// The `lastObserved` time of the request, in milliseconds since 1970, for a proposal that has none.
    observed_at: i64,
    lane: Name,
    encoded_bytes: usize,
    permit: CapacityPermit,
    _flush: FlushToken,
}

impl Pending {
    /// Fixes everything about the request that depends on the time, so that retries send the same bytes.
    /// `observed_at` is the time in milliseconds since 1970.
    pub(super) fn new(
        mut delivery: Delivery,
        permit: CapacityPermit,
        flush: FlushToken,
        encoder: &RequestEncoder,
        observed_at: i64,
    ) -> Self {
        delivery.set_last_observed(observed_at);
        delivery.enter_runtime();
        let mut scratch = Vec::with_capacity(SCRATCH_BYTES);
        let encoded_bytes = encoder.encoded_len(delivery.proposal(), observed_at, &mut scratch);
        let lane = encoder.lane(delivery.proposal());
        let queued_at = Instant::now();
        Self { delivery, queued_at, observed_at, lane, encoded_bytes, permit, _flush: flush }
    }

    /// A handle for a request body that is encoded while it is sent. It shares the aspect's bytes.
    pub(super) fn outgoing(&self) -> OutgoingProposal {
        OutgoingProposal {
            proposal: self.delivery.share(),
            now: self.observed_at,
            encoded_len: self.encoded_bytes,
        }
    }

    /// GMS has queued the proposal: another one may be admitted. Its bytes still count, because it stays in
    /// memory.
    pub(super) fn release_count(&mut self) {
        self.permit.release_count();
    }
}

impl Queued for Pending {
    fn urn(&self) -> &Urn {
        self.delivery.proposal().urn()
    }

    fn lane(&self) -> Name {
        self.lane.clone()
    }

    fn encoded_bytes(&self) -> usize {
        self.encoded_bytes
    }
}
