//! What the emitter's handles, its driver and its requests share.

use std::fmt;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::{Notify, Semaphore, mpsc, watch};
use tokio::time::Instant;

use super::counts::{Counters, Counts};
use super::doubt::{Doubt, Held, REFUSED_ALONE};
use super::fault::fault;
use super::gate::Gate;
use super::limit::Limit;
use super::queue::{BatchLimits, Queue, Queued};
use super::room::{Place, Room};
use super::stop::{Cause, Stop};
use super::traces::{MAX_OPEN_TRACES, OpenTrace};
use super::{Delivery, Outcome, Undelivered, UndeliveredReason};
use crate::Error;
use crate::gms::{Client, EmitMode, Endpoint, OutgoingProposal, RequestEncoder, RetryPolicy, ServerConfig};
use crate::metadata::{Name, Urn};

/// A proposal's bytes beside its aspect, for the bound on memory.
const OVERHEAD_BYTES: usize = 512;

/// How proposals are sent.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) wire: RequestEncoder,
    pub(super) batch: BatchLimits,
    pub(super) max_requests: usize,
    /// Batches that are not settled, those included that wait until they may be sent again.
    pub(super) max_under_way: usize,
    pub(super) max_age: Duration,
    pub(super) retry: RetryPolicy,
    /// How long a queued proposal is asked after.
    pub(super) trace_timeout: Duration,
}

impl Settings {
    /// The server is asked whether it can do what is wanted, before anything is sent.
    pub(super) fn asks_first(&self) -> bool {
        self.wire.endpoint == Endpoint::Openapi
    }

    /// So many proposals, refused one by one before the first delivery, are enough to see that it is the run's fault: more
    /// than travel together, since they all leave before the first is refused.
    pub(super) fn doubtful_singles(&self) -> usize {
        self.max_requests.max(REFUSED_ALONE)
    }

    /// What GMS queues is followed until it is written.
    pub(super) fn traces(&self) -> bool {
        self.wire.emit_mode == EmitMode::AsyncWait
    }
}

/// Where the emitter stands. It only ever moves down this list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// It takes proposals.
    Open,
    /// It takes no more, and delivers what it has.
    Closing,
    /// It sends nothing more; requests on their way may end.
    Stopped,
    /// Nothing is waited for.
    Abandoned,
    /// Everything is settled.
    Ended,
}

pub(super) struct State {
    pub(super) client: Client,
    pub(super) settings: Settings,
    pub(super) counters: Counters,
    queue: Mutex<Queue<Item>>,
    room: Room,
    /// Something happened that the driver should look at.
    pub(super) wake: Notify,
    phase: watch::Sender<Phase>,
    stop: OnceLock<Stop>,
    epoch: Mutex<Epoch>,
    /// Epochs that ended and may still have items.
    ended_epochs: tokio::sync::Mutex<Vec<mpsc::Receiver<()>>>,
    flushes: AtomicUsize,
    /// GMS does not know batches.
    single_only: AtomicBool,
    /// Traces that may still be opened.
    pub(super) trace_slots: Arc<Semaphore>,
    /// That something GMS queued stayed open was said.
    pub(super) unsettled_told: AtomicBool,
    /// What requests pass through while the token is not in doubt.
    pub(super) gate: Gate,
    /// What requests wait for while the server has enough to do.
    pub(super) limit: Arc<Limit>,
    /// What was rejected before anything was delivered.
    pub(super) doubt: Doubt,
    /// To the driver, who has them followed.
    pub(super) traces: mpsc::UnboundedSender<OpenTrace>,
}

/// What was emitted between two flushes. Each item holds a clone of the sender, so the receiver knows when the last
/// of them is settled.
struct Epoch {
    sender: mpsc::Sender<()>,
    receiver: mpsc::Receiver<()>,
}

impl Epoch {
    fn begin() -> Self {
        let (sender, receiver) = mpsc::channel(1);
        Self { sender, receiver }
    }
}

/// A proposal in the queue.
pub(super) struct Item {
    pub(super) delivery: Delivery,
    /// The time that it is sent with, in milliseconds since 1970.
    pub(super) observed_at: i64,
    /// When it came.
    pub(super) arrived: Instant,
    lane: Name,
    encoded_bytes: usize,
    place: Place,
    _epoch: mpsc::Sender<()>,
}

impl Queued for Item {
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

impl Item {
    /// It, for a request that is made of it while it is sent.
    pub(super) fn outgoing(&self) -> OutgoingProposal {
        OutgoingProposal {
            proposal: self.delivery.share(),
            now: self.observed_at,
            encoded_len: self.encoded_bytes,
        }
    }

    /// It is on GMS's side now: it counts no more among what waits here, but for its bytes.
    pub(super) fn leave_queue(&mut self) {
        self.place.give_back_count();
    }
}

impl State {
    /// Also returns where [`traces`](Self::traces) leads.
    pub(super) fn new(
        client: Client,
        settings: Settings,
        room: Room,
    ) -> (Self, mpsc::UnboundedReceiver<OpenTrace>) {
        let (traces, opened) = mpsc::unbounded_channel();
        let limit = Arc::new(Limit::new(settings.max_requests, settings.retry.first_delay));
        let state = Self {
            client,
            queue: Mutex::new(Queue::new(settings.batch)),
            settings,
            counters: Counters::default(),
            room,
            wake: Notify::new(),
            phase: watch::Sender::new(Phase::Open),
            stop: OnceLock::new(),
            epoch: Mutex::new(Epoch::begin()),
            ended_epochs: tokio::sync::Mutex::new(Vec::new()),
            flushes: AtomicUsize::new(0),
            single_only: AtomicBool::new(false),
            trace_slots: Arc::new(Semaphore::new(MAX_OPEN_TRACES)),
            unsettled_told: AtomicBool::new(false),
            gate: Gate::new(),
            limit,
            doubt: Doubt::default(),
            traces,
        };
        (state, opened)
    }

    /// The queue. A panic while it was locked leaves it whole: no method of it calls foreign code.
    pub(super) fn queue(&self) -> MutexGuard<'_, Queue<Item>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a delivery as soon as there is room for it, or settles it at once if it can't be sent.
    pub(super) async fn admit(&self, mut delivery: Delivery) {
        self.counters.emitted.fetch_add(1, Relaxed);
        if let Some(fault) = fault(delivery.proposal(), self.settings.wire.endpoint) {
            return self.settle(delivery, Outcome::Rejected(fault));
        }
        let aspect_bytes = delivery.proposal().aspect().map_or(0, |aspect| aspect.value().len());
        let place = self.room.take(aspect_bytes + OVERHEAD_BYTES).await;
        let (Some(place), Phase::Open) = (place, self.phase()) else {
            return self.settle(delivery, Outcome::Undelivered(self.why_undelivered()));
        };
        let observed_at = now_millis();
        delivery.note_observed(observed_at);
        let wire = &self.settings.wire;
        let encoded_bytes =
            wire.encoded_len(delivery.proposal(), observed_at, &mut Vec::with_capacity(OVERHEAD_BYTES));
        let lane = wire.lane(delivery.proposal());
        let epoch = self.epoch().sender.clone();
        let arrived = Instant::now();
        let item = Item { delivery, observed_at, arrived, lane, encoded_bytes, place, _epoch: epoch };
        let look = self.queue().push(item);
        // The driver may have ended since the phase was looked at.
        if look || self.phase() != Phase::Open {
            self.wake.notify_one();
        }
        if self.phase() == Phase::Ended {
            self.settle_queued();
        }
    }

    pub(super) fn settle(&self, delivery: Delivery, outcome: Outcome) {
        self.counters.count(&outcome);
        delivery.settle(outcome);
    }

    /// Settles what is still queued as undelivered.
    pub(super) fn settle_queued(&self) {
        let items = self.queue().drain();
        self.settle_undelivered(items);
    }

    /// Settles these as undelivered, for the reason that nothing is sent any more.
    pub(super) fn settle_undelivered(&self, items: Vec<Item>) {
        for item in items {
            self.settle(item.delivery, Outcome::Undelivered(self.why_undelivered()));
        }
    }

    pub(super) fn why_undelivered(&self) -> Undelivered {
        match self.stop.get() {
            Some(stop) => Undelivered { reason: stop.reason, message: stop.cause.summary().to_owned() },
            None => Undelivered {
                reason: UndeliveredReason::Closed,
                message: "the emitter was closed first".into(),
            },
        }
    }

    /// Stops sending for good. The first reason counts.
    pub(super) fn stop(&self, reason: UndeliveredReason, cause: Cause) {
        if self.stop.set(Stop { reason, cause }).is_ok() {
            self.advance(Phase::Stopped);
        }
    }

    /// Stops sending for good, for `cause`.
    pub(super) fn stop_for(&self, cause: Cause) {
        self.stop(cause.reason(), cause);
    }

    /// Settles what was held back: as rejected, since others were taken, unless sending has stopped meanwhile.
    pub(super) fn settle_held(&self) {
        for Held { item, rejection, .. } in self.doubt.release() {
            let outcome = match self.stop.get() {
                Some(_) => Outcome::Undelivered(self.why_undelivered()),
                None => rejection,
            };
            self.settle(item.delivery, outcome);
        }
    }

    /// Settles what was held back although nothing more is under way that could show what is at fault. What GMS's words
    /// blame is rejected. Of the rest nobody can say it, so it is undelivered, and in the end that is what stopped the run.
    pub(super) fn settle_doubtful(&self) {
        for Held { item, rejection, trouble } in self.doubt.release() {
            if let Some(trouble) = trouble.clone().filter(|_| self.phase() >= Phase::Closing) {
                self.stop_for(trouble.into());
            }
            let outcome = match (self.stop.get(), trouble) {
                (Some(_), _) => Outcome::Undelivered(self.why_undelivered()),
                (None, Some(trouble)) => Outcome::Undelivered(Undelivered {
                    reason: UndeliveredReason::Unreachable,
                    message: trouble.summary,
                }),
                (None, None) => rejection,
            };
            self.settle(item.delivery, outcome);
        }
    }

    /// A body of `bytes` with so many proposals was too large; further batches are smaller.
    pub(super) fn learn_batch_bytes(&self, bytes: usize, proposals: usize) {
        let fits = if proposals > 1 { bytes / 2 } else { bytes.saturating_sub(1) };
        if self.queue().shrink_batches(fits) {
            tracing::warn!(
                "a request of {bytes} bytes was too large (413); further ones have at most {fits}"
            );
        }
    }

    pub(super) fn stopped(&self) -> Option<&Stop> {
        self.stop.get()
    }

    pub(super) fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    pub(super) fn advance(&self, to: Phase) {
        self.phase.send_if_modified(|phase| {
            let moves = to > *phase;
            if moves {
                *phase = to;
            }
            moves
        });
        self.room.close();
        self.wake.notify_one();
    }

    /// Returns when the emitter is at `phase`, or beyond.
    pub(super) async fn reached(&self, phase: Phase) {
        // The sender lives as long as `self`, so waiting cannot fail.
        drop(self.phase.subscribe().wait_for(|now| *now >= phase).await);
    }

    pub(super) fn begin_close(&self) {
        self.advance(Phase::Closing);
    }

    pub(super) async fn close(&self, deadline: Option<Duration>) {
        self.begin_close();
        let ended = self.reached(Phase::Ended);
        match deadline {
            None => ended.await,
            Some(deadline) => {
                if tokio::time::timeout(deadline, ended).await.is_err() {
                    self.advance(Phase::Abandoned);
                    self.reached(Phase::Ended).await;
                }
            }
        }
    }

    pub(super) async fn flush(&self) {
        let _flushing = Flushing::begin(&self.flushes);
        let mut ended = self.ended_epochs.lock().await;
        ended.push(std::mem::replace(&mut *self.epoch(), Epoch::begin()).receiver);
        self.wake.notify_one();
        // An epoch is taken off the list when it is over, so that a flush given up half-way leaves none unwatched.
        while let Some(epoch) = ended.last_mut() {
            let nothing = epoch.recv().await;
            debug_assert!(nothing.is_none(), "nobody sends");
            ended.pop();
        }
    }

    fn epoch(&self) -> MutexGuard<'_, Epoch> {
        self.epoch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody waits, so batches leave although they are not full.
    pub(super) fn is_flushing(&self) -> bool {
        self.flushes.load(SeqCst) > 0 || self.phase() >= Phase::Closing
    }

    /// Asks the server what it is, unless it has been asked, and makes sure that it can do what is wanted of it.
    pub(super) async fn server_config(&self) -> Result<ServerConfig, Error> {
        let config = match self.client.known_config() {
            Some(known) => known.clone(),
            None => self.client.server_config(&self.settings.retry).await?,
        };
        self.client.check_features(self.settings.wire.endpoint, self.settings.wire.emit_mode)?;
        Ok(config)
    }

    /// GMS has taken something in this run.
    pub(super) fn has_taken(&self) -> bool {
        self.counters.taken.load(Relaxed) > 0
    }

    /// Whether proposals may go in batches.
    pub(super) fn batches(&self) -> bool {
        self.settings.wire.batches && !self.is_single_only()
    }

    /// GMS does not know batches. Returns whether that is news.
    pub(super) fn send_no_batches(&self) -> bool {
        !self.single_only.swap(true, Relaxed)
    }

    /// GMS turned out not to know batches.
    pub(super) fn is_single_only(&self) -> bool {
        self.single_only.load(Relaxed)
    }

    /// Once all has ended, whatever is neither delivered nor rejected is undelivered, also what nobody settled.
    pub(super) fn counts(&self) -> Counts {
        let mut counts = self.counters.read();
        if self.phase() == Phase::Ended {
            counts.undelivered = counts.emitted.saturating_sub(counts.delivered + counts.rejected);
        }
        counts
    }
}

/// Counts a flush for as long as it is waited for.
struct Flushing<'a>(&'a AtomicUsize);

impl<'a> Flushing<'a> {
    fn begin(flushes: &'a AtomicUsize) -> Self {
        flushes.fetch_add(1, SeqCst);
        Self(flushes)
    }
}

impl Drop for Flushing<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("server", self.client.server())
            .field("phase", &self.phase())
            .finish_non_exhaustive()
    }
}

/// The time, in milliseconds since 1970.
fn now_millis() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
