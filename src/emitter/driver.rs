//! Decides when a batch leaves, and runs the tasks that deliver batches and follow traces.
//!
//! A batch leaves at once when it is full, by count or by bytes, when the emitter has no capacity for a
//! further proposal, and when somebody waits for a flush or the end. While nothing is in flight, it leaves
//! 5 ms after its first proposal, so that a single proposal does not wait. Otherwise it leaves when a request
//! comes back, or after `max_linger`. So neither a slow source nor a fast one needs tuning.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};

use super::deliver::deliver;
use super::delivery::RUNTIME_GONE;
use super::lifecycle::{Phase, StopCause};
use super::open_traces::OpenTrace;
use super::outcome::UndeliveredReason;
use super::pending::Pending;
use super::queue::{FormingBatch, Queued};
use super::shared::Shared;
use super::trace_follower::follow;
use crate::ErrorKind;
use crate::metadata::Urn;

/// How long the first proposal waits for others while nothing is in flight: a slow source gets low latency,
/// and a fast one fills a batch in this time.
const LINGER: Duration = Duration::from_millis(5);

/// How long the emitter must have been idle before suspects are settled: the next proposals may show whether
/// a record is at fault. There are no next ones while the emitter is flushed or closed.
const IDLE_BEFORE_JUDGEMENT: Duration = Duration::from_millis(50);

/// Forms batches and sends them until the emitter is closed or stopped, and every proposal has an outcome.
/// `end` ends the emitter also if the task is dropped before it runs.
pub(super) async fn drive(shared: Arc<Shared>, mut opened: UnboundedReceiver<OpenTrace>, mut end: EndGuard) {
    let mut deliveries = Deliveries::default();
    let mut traces = JoinSet::new();
    let mut is_checked = !shared.settings.checks_server_first();
    // A request came back since a batch last left.
    let mut has_returned = false;
    let mut idle_since = None;
    loop {
        if shared.lifecycle.is_stopped() {
            shared.settle_queued();
        }
        while let Ok(trace) = opened.try_recv() {
            traces.spawn(follow(Arc::clone(&shared), trace));
        }
        if !is_checked && !shared.queue().is_empty() {
            is_checked = true;
            check_server(&shared).await;
            continue;
        }
        let mut look_again_at = None;
        while deliveries.running.len() < shared.settings.max_unsettled_batches && shared.limit.is_available()
        {
            match next_batch(&shared, !deliveries.running.is_empty(), has_returned) {
                NextBatch::Leaves(batch) => {
                    has_returned = false;
                    deliveries.start(&shared, batch);
                }
                NextBatch::Waits(until) => {
                    look_again_at = until;
                    break;
                }
            }
        }
        if deliveries.running.is_empty() && look_again_at.is_none() {
            let judged_at = *idle_since.get_or_insert_with(Instant::now) + IDLE_BEFORE_JUDGEMENT;
            if judged_at <= Instant::now() || shared.is_flushing() {
                shared.settle_suspects();
            } else if !shared.suspects.is_empty() {
                look_again_at = Some(judged_at);
            }
        } else {
            idle_since = None;
        }
        let is_idle = deliveries.running.is_empty() && traces.is_empty();
        if is_idle && shared.lifecycle.phase() >= Phase::Closing && shared.queue().is_empty() {
            break;
        }
        let timer = async {
            match look_again_at {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            // Finished requests come first: callers may wake this task all the time.
            biased;
            Some(finished) = deliveries.running.join_next_with_id(), if !deliveries.running.is_empty() => {
                deliveries.release(&shared, &finished);
                has_returned = true;
            }
            Some(trace) = opened.recv() => {
                traces.spawn(follow(Arc::clone(&shared), trace));
            }
            Some(_) = traces.join_next(), if !traces.is_empty() => {}
            () = shared.wake.notified() => {}
            () = shared.limit.batch_may_go.notified() => {}
            () = timer => {}
        }
    }
    end.is_regular = true;
}

/// Checks before the first batch that the server supports the settings, and stops the run if it does not.
async fn check_server(shared: &Shared) {
    loop {
        let config = tokio::select! {
            biased;
            config = shared.server_config() => config,
            () = shared.lifecycle.reached(Phase::Abandoned) => return,
        };
        let Err(error) = config else { return shared.health.note_response() };
        let cause = StopCause::from(&error);
        // A server that lacks a feature will not get it.
        if error.kind() == ErrorKind::Input || !shared.keeps_trying() {
            return shared.stop(cause);
        }
        shared.begin_outage(cause);
        drop(shared.wait_during_outage(&mut None).await);
    }
}

/// Ends the emitter when the driver ends, even if that is because the runtime is shut down: nobody waits
/// forever.
pub(super) struct EndGuard {
    shared: Arc<Shared>,
    /// The driver has ended by itself.
    is_regular: bool,
}

impl EndGuard {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, is_regular: false }
    }
}

impl Drop for EndGuard {
    fn drop(&mut self) {
        if !self.is_regular {
            let cause = StopCause::Message(ErrorKind::Internal, RUNTIME_GONE.into());
            self.shared.stop_with(UndeliveredReason::RuntimeGone, cause);
        }
        self.shared.advance(Phase::Ended);
        // A caller that read the phase before may have queued something since.
        self.shared.settle_queued();
        self.shared.settle_suspects();
    }
}

enum NextBatch {
    Leaves(Vec<Pending>),
    /// Until that time at the latest, if nothing happens before.
    Waits(Option<Instant>),
}

fn next_batch(shared: &Shared, in_flight: bool, has_returned: bool) -> NextBatch {
    let is_flushing = shared.is_flushing();
    let mut queue = shared.queue();
    let Some(FormingBatch { items, is_full }) = queue.form() else {
        return NextBatch::Waits(None);
    };
    let Some(queued_at) = items.iter().map(|pending| pending.queued_at).min() else {
        return NextBatch::Waits(None);
    };
    let linger = if in_flight && !has_returned { shared.settings.max_linger } else { LINGER };
    // `None` is a time that the clock cannot represent: it never comes.
    let leaves_at = queued_at.checked_add(linger);
    if is_full || is_flushing || shared.is_exhausted() || leaves_at.is_some_and(|at| at <= Instant::now()) {
        return NextBatch::Leaves(queue.take());
    }
    NextBatch::Waits(leaves_at)
}

/// The batches that are being delivered, and the URNs of each.
#[derive(Default)]
struct Deliveries {
    running: JoinSet<()>,
    urns: HashMap<Id, Vec<Urn>>,
}

impl Deliveries {
    fn start(&mut self, shared: &Arc<Shared>, batch: Vec<Pending>) {
        let urns = batch.iter().map(|pending| pending.urn().clone()).collect();
        let delivery = deliver(Arc::clone(shared), batch, shared.limit.try_acquire());
        self.urns.insert(self.running.spawn(delivery).id(), urns);
    }

    /// Frees the batch's URNs. If the task panicked, the drop guards of its proposals have reported their
    /// outcome.
    fn release(&mut self, shared: &Shared, finished: &Result<(Id, ()), JoinError>) {
        let id = match finished {
            Ok((id, ())) => *id,
            Err(error) => error.id(),
        };
        let urns = self.urns.remove(&id).unwrap_or_default();
        shared.queue().release(urns.iter());
    }
}
