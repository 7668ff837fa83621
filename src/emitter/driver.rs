//! Decides when a batch leaves.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};

use super::deliver::deliver;
use super::queue::{Forming, Queued};
use super::state::{Item, Phase, State};
use super::stop::Cause;
use super::traces::{OpenTrace, follow};
use crate::metadata::Urn;

/// How long the first proposal waits for company when nothing is in flight: a slow source gets low latency, and a
/// fast one fills a batch meanwhile.
const COMPANY: Duration = Duration::from_millis(5);

/// How long nothing must have been under way or queued until a rejection that is in doubt is judged: what comes next may show
/// that it is no record's fault. Nothing comes once the emitter is being flushed or closed.
const QUIET: Duration = Duration::from_millis(50);

/// Forms batches and sends them until the emitter is closed or stopped, and everything is settled.
pub(super) async fn drive(state: Arc<State>, mut opened: UnboundedReceiver<OpenTrace>) {
    let _end = End(Arc::clone(&state));
    let mut requests = Requests::default();
    let mut traces = JoinSet::new();
    // The first batch waits for this.
    let mut ready = !state.settings.asks_first();
    // A request came back since a batch last left.
    let mut returned = false;
    let mut quiet_since = None;
    loop {
        if state.phase() >= Phase::Stopped {
            state.settle_queued();
        }
        while let Ok(trace) = opened.try_recv() {
            traces.spawn(follow(Arc::clone(&state), trace));
        }
        if !ready && !state.queue().is_empty() {
            ready = true;
            make_sure(&state).await;
            continue;
        }
        let mut look_again = None;
        while requests.running.len() < state.settings.max_under_way && state.limit.has_room() {
            match next_batch(&state, !requests.running.is_empty(), returned) {
                Next::Batch(batch) => {
                    returned = false;
                    requests.send(&state, batch);
                }
                Next::Wait(until) => {
                    look_again = until;
                    break;
                }
            }
        }
        if requests.running.is_empty() && look_again.is_none() {
            let judged_at = *quiet_since.get_or_insert_with(Instant::now) + QUIET;
            if judged_at <= Instant::now() || state.is_flushing() {
                state.settle_doubtful();
            } else if state.doubt.is_about_any() {
                look_again = Some(judged_at);
            }
        } else {
            quiet_since = None;
        }
        let idle = requests.running.is_empty() && traces.is_empty();
        if idle && state.phase() >= Phase::Closing && state.queue().is_empty() {
            break;
        }
        let timer = async {
            match look_again {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = state.wake.notified() => {}
            () = state.limit.room.notified() => {}
            () = timer => {}
            Some(done) = requests.running.join_next_with_id(), if !requests.running.is_empty() => {
                requests.release(&state, &done);
                returned = true;
            }
            Some(trace) = opened.recv() => {
                traces.spawn(follow(Arc::clone(&state), trace));
            }
            Some(_) = traces.join_next(), if !traces.is_empty() => {}
        }
    }
}

/// Asks a server that was not asked before whether it can do what is wanted of it; nothing is sent to one that cannot.
async fn make_sure(state: &State) {
    let asked = tokio::select! {
        asked = state.server_config() => asked,
        () = state.reached(Phase::Abandoned) => return,
    };
    if let Err(error) = asked {
        let cause = Cause::from(&error);
        state.stop_for(cause);
    }
}

/// However the driver ends (a runtime may be shut down below it), nobody waits for it in vain.
struct End(Arc<State>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.advance(Phase::Ended);
        // Whoever looked at the phase just before has queued something since.
        self.0.settle_queued();
        self.0.settle_doubtful();
    }
}

enum Next {
    Batch(Vec<Item>),
    /// Look again at that time, if nothing happens before.
    Wait(Option<Instant>),
}

/// A batch leaves when it is full; at once when somebody waits for it; after 5 ms if nothing is in flight; else when
/// a request has come back, or it is old enough.
fn next_batch(state: &State, in_flight: bool, returned: bool) -> Next {
    let flushing = state.is_flushing();
    let mut queue = state.queue();
    let Some(Forming { items, is_full }) = queue.form() else {
        return Next::Wait(None);
    };
    let Some(arrived) = items.iter().map(|item| item.arrived).min() else {
        return Next::Wait(None);
    };
    let patience = if in_flight && !returned { state.settings.max_age } else { COMPANY };
    // A time beyond the clock's end never comes.
    let leaves_at = arrived.checked_add(patience);
    if is_full || flushing || leaves_at.is_some_and(|at| at <= Instant::now()) {
        return Next::Batch(queue.take());
    }
    Next::Wait(leaves_at)
}

/// Requests in flight, and the URNs that each holds.
#[derive(Default)]
struct Requests {
    running: JoinSet<()>,
    urns: HashMap<Id, Vec<Urn>>,
}

impl Requests {
    fn send(&mut self, state: &Arc<State>, batch: Vec<Item>) {
        let urns = batch.iter().map(|item| item.urn().clone()).collect();
        let id = self.running.spawn(deliver(Arc::clone(state), batch, state.limit.try_enter())).id();
        self.urns.insert(id, urns);
    }

    /// The URNs are free again, however the request ended: if it panicked, its proposals' drop guards have spoken.
    fn release(&mut self, state: &State, done: &Result<(Id, ()), JoinError>) {
        let id = match done {
            Ok((id, ())) => *id,
            Err(error) => error.id(),
        };
        let urns = self.urns.remove(&id).unwrap_or_default();
        state.queue().release(urns.iter());
    }
}
