//! The state that an emitter's handles, its driver and its requests share.

use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use super::ages::Ages;
use super::auth_gate::AuthGate;
use super::backpressure::{Capacity, CapacityPermit, NoCapacity};
use super::counts::{Counters, Counts};
use super::delivery::Delivery;
use super::flush::FlushTracker;
use super::health::{HealthTracker, OutageTurn};
use super::lifecycle::{Lifecycle, Phase, StopCause};
use super::limit::{RequestLimit, RequestPermit};
use super::open_traces::{OpenTrace, OpenTraces};
use super::outcome::{Outcome, Undelivered, UndeliveredReason};
use super::pending::Pending;
use super::queue::Queue;
use super::record_or_run::{Suspect, Suspects};
use super::settings::Settings;
use super::validate::validate;
use crate::Error;
use crate::gms::{Client, RetryPolicy, ServerConfig};
use crate::metadata::Proposal;

/// The memory that a proposal uses beside its aspect, roughly.
const OVERHEAD_BYTES: usize = 512;

pub(super) struct Shared {
    pub(super) client: Client,
    pub(super) settings: Settings,
    pub(super) counters: Counters,
    pub(super) lifecycle: Lifecycle,
    pub(super) gate: AuthGate,
    pub(super) limit: Arc<RequestLimit>,
    pub(super) suspects: Suspects,
    pub(super) traces: OpenTraces,
    pub(super) health: HealthTracker,
    pub(super) ages: Arc<Ages>,
    /// Wakes the driver.
    pub(super) wake: Notify,
    queue: Mutex<Queue<Pending>>,
    capacity: Capacity,
    flushes: FlushTracker,
    /// GMS turned out not to support batches.
    lacks_batches: AtomicBool,
}

/// Why a proposal is not admitted to the queue.
pub(super) enum NotAdmitted {
    /// It has an outcome already.
    Settled(Outcome),
    /// There is no capacity for it at the moment.
    Full,
}

impl Shared {
    /// Also returns the driver's end of [`traces`](Self::traces).
    pub(super) fn new(
        client: Client,
        settings: Settings,
        capacity: Capacity,
    ) -> (Self, mpsc::UnboundedReceiver<OpenTrace>) {
        let (traces, opened) = OpenTraces::new();
        let limit = RequestLimit::new(settings.max_in_flight_requests, settings.retry.first_delay);
        let shared = Self {
            client,
            queue: Mutex::new(Queue::new(settings.batch)),
            settings,
            counters: Counters::default(),
            lifecycle: Lifecycle::new(),
            gate: AuthGate::new(),
            limit: Arc::new(limit),
            suspects: Suspects::default(),
            traces,
            health: HealthTracker::new(),
            ages: Arc::default(),
            wake: Notify::new(),
            capacity,
            flushes: FlushTracker::new(),
            lacks_batches: AtomicBool::new(false),
        };
        (shared, opened)
    }

    /// The queue. A panic while the lock was held leaves it consistent: none of its methods calls foreign
    /// code.
    pub(super) fn queue(&self) -> MutexGuard<'_, Queue<Pending>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for capacity for `proposal`, or returns the outcome of one that will not be sent. Counts
    /// nothing, so that a caller may stop waiting.
    pub(super) async fn admit(&self, proposal: &Proposal) -> Result<CapacityPermit, Outcome> {
        validate(proposal, self.settings.encoder.endpoint).map_err(Outcome::Rejected)?;
        let mut reserving = pin!(self.capacity.reserve(memory_bytes(proposal)));
        let first = poll_fn(|context| Poll::Ready(reserving.as_mut().poll(context))).await;
        let permit = match first {
            Poll::Ready(permit) => permit,
            Poll::Pending => {
                // The batch that is forming cannot become larger.
                self.wake.notify_one();
                reserving.await
            }
        };
        permit.ok_or_else(|| Outcome::Undelivered(self.lifecycle.undelivered()))
    }

    /// As [`admit`](Self::admit), without waiting.
    pub(super) fn try_admit(&self, proposal: &Proposal) -> Result<CapacityPermit, NotAdmitted> {
        validate(proposal, self.settings.encoder.endpoint)
            .map_err(|rejection| NotAdmitted::Settled(Outcome::Rejected(rejection)))?;
        self.capacity.try_reserve(memory_bytes(proposal)).map_err(|error| match error {
            NoCapacity::Full => NotAdmitted::Full,
            NoCapacity::Closed => NotAdmitted::Settled(Outcome::Undelivered(self.lifecycle.undelivered())),
        })
    }

    /// Counts a proposal and queues it, or settles one that was not admitted.
    pub(super) fn enqueue(&self, delivery: Delivery, admission: Result<CapacityPermit, Outcome>) {
        self.counters.emitted.fetch_add(1, Relaxed);
        let permit = match admission {
            Ok(permit) if self.lifecycle.phase() == Phase::Open => permit,
            Ok(_) => return self.settle(delivery, Outcome::Undelivered(self.lifecycle.undelivered())),
            Err(outcome) => return self.settle(delivery, outcome),
        };
        let observed_at = self.client.clock().now().as_millisecond();
        let flush = self.flushes.token();
        let pending = Pending::new(delivery, permit, flush, &self.settings.encoder, observed_at);
        let may_leave = self.queue().push(pending);
        // The driver may have ended since the phase was read.
        let phase = self.lifecycle.phase();
        if may_leave || phase != Phase::Open || self.is_exhausted() {
            self.wake.notify_one();
        }
        if phase == Phase::Ended {
            self.settle_queued();
        }
    }

    pub(super) fn settle(&self, delivery: Delivery, outcome: Outcome) {
        self.counters.count(&outcome);
        delivery.settle(outcome);
    }

    /// No proposal is admitted until another one has an outcome, so that a batch cannot become fuller.
    pub(super) fn is_exhausted(&self) -> bool {
        self.capacity.is_exhausted()
    }

    /// How many proposals wait in the queue, and when the oldest of them was queued.
    pub(super) fn queued(&self) -> (usize, Option<Instant>) {
        let queue = self.queue();
        (queue.len(), queue.oldest().map(|pending| pending.queued_at).min())
    }

    /// A failure that would stop a run is followed by further attempts. Once the emitter is closing, it stops
    /// like a run, so that closing ends.
    pub(super) fn keeps_trying(&self) -> bool {
        self.settings.keep_trying && self.lifecycle.phase() == Phase::Open
    }

    /// It is not open whether a record or the run is at fault when GMS rejects a proposal.
    pub(super) fn blames_records(&self) -> bool {
        self.has_accepted() || self.keeps_trying()
    }

    /// The requests failed after their retries, and are sent again later.
    pub(super) fn begin_outage(&self, cause: StopCause) {
        let message = cause.to_error().full_message();
        let RetryPolicy { first_delay, longest_delay, .. } = self.settings.retry;
        let now = self.client.clock().now();
        let delay = self.health.note_outage(now, cause, first_delay, longest_delay);
        tracing::warn!("{message}; the emitter tries again in {:.1} s", delay.as_secs_f64());
    }

    /// Waits for the end of an outage, or for the turn to find out about it, and lets go of `permit`
    /// meanwhile.
    pub(super) async fn wait_during_outage(
        &self,
        permit: &mut Option<RequestPermit>,
    ) -> Option<OutageTurn<'_>> {
        if self.health.is_outage() {
            drop(permit.take());
        }
        let turn = self.health.wait_for_turn(&self.lifecycle).await;
        if turn.is_some() {
            self.gate.forget_refusals().await;
        }
        turn
    }

    /// Settles what is still queued as undelivered.
    pub(super) fn settle_queued(&self) {
        let queued = self.queue().drain();
        self.settle_undelivered(queued);
    }

    /// Settles `proposals` as undelivered, because nothing is sent any more.
    pub(super) fn settle_undelivered(&self, proposals: Vec<Pending>) {
        for pending in proposals {
            self.settle(pending.delivery, Outcome::Undelivered(self.lifecycle.undelivered()));
        }
    }

    /// Stops sending for `cause`. The first cause is kept.
    pub(super) fn stop(&self, cause: StopCause) {
        self.stop_with(cause.reason(), cause);
    }

    /// Stops sending for `cause`, with another reason for the undelivered proposals than the cause's own.
    pub(super) fn stop_with(&self, reason: UndeliveredReason, cause: StopCause) {
        self.lifecycle.stop(reason, cause);
        self.after_phase_change();
    }

    pub(super) fn advance(&self, to: Phase) {
        self.lifecycle.advance(to);
        self.after_phase_change();
    }

    /// Every phase but the first one admits no more proposals.
    fn after_phase_change(&self) {
        self.capacity.close();
        self.wake.notify_one();
    }

    /// Settles the suspects as rejected, since GMS has accepted others, unless sending has stopped in the
    /// meantime.
    pub(super) fn reject_suspects(&self) {
        for Suspect { proposal, rejection, .. } in self.suspects.take() {
            let outcome = match self.lifecycle.stop_reason() {
                Some(_) => Outcome::Undelivered(self.lifecycle.undelivered()),
                None => Outcome::Rejected(rejection),
            };
            self.settle(proposal.delivery, outcome);
        }
    }

    /// Settles the suspects although nothing in flight can show any more what is at fault. Those that GMS's
    /// message blames are rejected. For the others nobody can tell, so they are undelivered, and once the
    /// emitter is being closed, they stop the run.
    pub(super) fn settle_suspects(&self) {
        for Suspect { proposal, rejection, server_error } in self.suspects.take() {
            if let Some(error) = server_error.clone().filter(|_| self.lifecycle.phase() >= Phase::Closing) {
                self.stop(error.into());
            }
            let outcome = match (self.lifecycle.stop_reason(), server_error) {
                (Some(_), _) => Outcome::Undelivered(self.lifecycle.undelivered()),
                (None, Some(error)) => {
                    Outcome::Undelivered(Undelivered::diagnosed(UndeliveredReason::Unreachable, error.into()))
                }
                (None, None) => Outcome::Rejected(rejection),
            };
            self.settle(proposal.delivery, outcome);
        }
    }

    /// Makes further batches smaller, because a body of `bytes` with this number of proposals was too large.
    pub(super) fn shrink_batches(&self, bytes: usize, proposals: usize) {
        let max = if proposals > 1 { bytes / 2 } else { bytes.saturating_sub(1) };
        if self.queue().shrink_batches(max) {
            tracing::warn!("a request of {bytes} bytes was too large (413); further ones have at most {max}");
        }
    }

    /// Admits no more proposals, and delivers those that are there.
    pub(super) fn start_closing(&self) {
        self.advance(Phase::Closing);
    }

    /// Closes, and waits until every proposal has an outcome. Abandons requests in flight after `deadline`.
    pub(super) async fn close(&self, deadline: Option<Duration>) {
        self.start_closing();
        let ended = self.lifecycle.reached(Phase::Ended);
        match deadline {
            None => ended.await,
            Some(deadline) => {
                if tokio::time::timeout(deadline, ended).await.is_err() {
                    self.advance(Phase::Abandoned);
                    self.lifecycle.reached(Phase::Ended).await;
                }
            }
        }
    }

    pub(super) async fn flush(&self) {
        self.flushes.flush(|| self.wake.notify_one()).await;
    }

    /// Somebody waits for the outcomes, so that batches leave although they are not full.
    pub(super) fn is_flushing(&self) -> bool {
        self.flushes.is_requested() || self.lifecycle.phase() >= Phase::Closing
    }

    /// Asks the server for its configuration, unless it was asked before, and checks that it supports the
    /// settings.
    pub(super) async fn server_config(&self) -> Result<ServerConfig, Error> {
        let config = match self.client.known_config() {
            Some(known) => known.clone(),
            None => self.client.server_config(&self.settings.retry).await?,
        };
        self.client.check_features(self.settings.encoder.endpoint, self.settings.encoder.emit_mode)?;
        Ok(config)
    }

    /// GMS has accepted a proposal of this emitter.
    pub(super) fn has_accepted(&self) -> bool {
        self.accepted() > 0
    }

    /// How many proposals GMS has accepted.
    pub(super) fn accepted(&self) -> u64 {
        self.counters.accepted.load(Relaxed)
    }

    /// Whether proposals may be sent in batches.
    pub(super) fn sends_batches(&self) -> bool {
        self.settings.encoder.batches && !self.lacks_batches()
    }

    /// GMS does not support batches. Returns whether that was unknown before.
    pub(super) fn note_lacks_batches(&self) -> bool {
        !self.lacks_batches.swap(true, Relaxed)
    }

    /// GMS turned out not to support batches.
    pub(super) fn lacks_batches(&self) -> bool {
        self.lacks_batches.load(Relaxed)
    }

    /// The counts. At the end, whatever is neither delivered nor rejected is undelivered, including what a
    /// panic left behind.
    pub(super) fn counts(&self) -> Counts {
        let mut counts = self.counters.read();
        if self.lifecycle.phase() == Phase::Ended {
            counts.undelivered = counts.emitted.saturating_sub(counts.delivered + counts.rejected);
        }
        counts
    }
}

/// The bytes that a proposal counts against the bound on memory.
fn memory_bytes(proposal: &Proposal) -> usize {
    proposal.aspect().map_or(0, |aspect| aspect.value().len()) + OVERHEAD_BYTES
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("server", self.client.server())
            .field("phase", &self.lifecycle.phase())
            .finish_non_exhaustive()
    }
}
