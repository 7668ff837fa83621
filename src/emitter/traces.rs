//! Follows what GMS has queued until it is written, or is not.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use tracing::{debug, warn};

use super::gate::REST;
use super::queue::Queued;
use super::state::{Item, Phase, State};
use super::{Outcome, Rejection, Undelivered, UndeliveredReason};
use crate::gms::{GmsResponse, RequestLine, SendError, Trace, TraceStatus, Verdict, classify, trace};

/// Traces that are open at a time. Each costs GMS a look into its queue with every question.
pub(super) const MAX_OPEN_TRACES: usize = 64;

/// How long the first question waits; each further one twice as long.
const FIRST_DELAY: Duration = Duration::from_millis(250);

/// The longest that a question waits.
const LONGEST_DELAY: Duration = Duration::from_secs(10);

/// A request whose proposals GMS has queued.
pub(super) struct OpenTrace {
    /// By which GMS knows it; without one it cannot be followed.
    pub(super) id: Option<String>,
    pub(super) items: Vec<Item>,
    /// One of [`MAX_OPEN_TRACES`].
    pub(super) slot: Option<OwnedSemaphorePermit>,
}

/// Asks until every proposal is settled, or time is up.
pub(super) async fn follow(state: Arc<State>, trace: OpenTrace) {
    let OpenTrace { id, mut items, slot: _slot } = trace;
    let Some(id) = id else {
        return give_up(&state, items, "GMS's answer names no trace (traceparent), so it cannot be asked");
    };
    let target = state.client.trace_line(&id);
    let ends_at = Instant::now().checked_add(state.settings.trace_timeout);
    let mut delay = FIRST_DELAY;
    let mut last_question = false;
    let mut may_rest = true;
    while !items.is_empty() {
        let mut asks_at = Instant::now() + delay;
        if let Some(ends_at) = ends_at {
            asks_at = asks_at.min(ends_at);
        }
        tokio::select! {
            () = tokio::time::sleep_until(asks_at) => {}
            // Nothing more is sent, so there is no reason to wait for long.
            () = state.reached(Phase::Stopped), if state.phase() < Phase::Stopped => {}
            () = state.reached(Phase::Abandoned) => break,
        }
        if state.stopped().is_some_and(|stop| stop.reason == UndeliveredReason::Refused) {
            // Whoever is refused learns nothing more.
            break;
        }
        delay = (delay * 2).min(LONGEST_DELAY);
        last_question |= state.phase() >= Phase::Stopped || ends_at.is_some_and(|end| Instant::now() >= end);
        let body = trace::body(
            items.iter().map(|item| (item.urn().as_str(), item.delivery.proposal().aspect_name())),
        );
        let ask = async {
            if state.phase() < Phase::Stopped {
                state.limit.unpaused().await;
            }
            state.client.trace(&target, body.into()).await
        };
        let asked = tokio::select! {
            asked = ask => asked,
            () = state.reached(Phase::Abandoned) => break,
        };
        match asked {
            Ok(reply) => match Trace::read(&reply) {
                Some(trace) => items = settle(&state, items, &trace),
                None if reply.status.as_u16() == 401 && has_another_token(&state, &reply).await => {}
                // GMS answers so also while it cannot reach its token store.
                None if reply.status.as_u16() == 401 && std::mem::take(&mut may_rest) => delay = REST,
                None if is_final(&reply) => return refused(&state, items, &target, &reply),
                None => {
                    if let Verdict::Retry(trouble) = classify(Ok(&reply), &[]) {
                        state.limit.heed(trouble);
                    }
                    trouble(&state, &target, &Ok(reply));
                }
            },
            Err(fault) => trouble(&state, &target, &Err(fault)),
        }
        if last_question {
            break;
        }
    }
    give_up(&state, items, "GMS queued it, and had not said by the end whether it was written");
}

/// Settles what the answer settles, and returns the rest.
fn settle(state: &State, items: Vec<Item>, trace: &Trace) -> Vec<Item> {
    let mut pending = Vec::new();
    for item in items {
        match trace.status(item.urn().as_str(), item.delivery.proposal().aspect_name()) {
            TraceStatus::Pending => pending.push(item),
            TraceStatus::Settled => state.settle(item.delivery, Outcome::Delivered),
            TraceStatus::Failed(words) => {
                let rejection = Rejection {
                    reason: "rejected-after-queueing",
                    status: None,
                    message: state.client.redact(&words),
                    attempts: 1,
                };
                state.settle(item.delivery, Outcome::Rejected(rejection));
            }
        }
    }
    pending
}

/// Whether the token was changed, or can be, since this was asked.
async fn has_another_token(state: &State, reply: &GmsResponse) -> bool {
    state.client.credentials().renew(reply.token_generation).await.is_ok_and(|renewed| renewed)
}

/// Whether asking again would be answered the same way.
fn is_final(reply: &GmsResponse) -> bool {
    matches!(reply.status.as_u16(), 300..=399 | 400 | 401 | 403 | 404 | 405 | 407)
        || (reply.status.is_success() && reply.content_type().starts_with("text/html"))
}

fn refused(state: &State, items: Vec<Item>, target: &RequestLine, reply: &GmsResponse) {
    if reply.status.as_u16() == 401 {
        state.stop(UndeliveredReason::Refused, state.client.diagnose(target, reply).into());
    }
    let hint =
        if reply.status.as_u16() == 403 { " (asking takes the privilege to view the entity)" } else { "" };
    let message = format!(
        "GMS queued it, and does not tell what became of it: {}{hint}",
        state.client.describe_failure(target, &Ok(reply.clone()))
    );
    give_up(state, items, &message);
}

fn trouble(state: &State, target: &RequestLine, last: &Result<GmsResponse, SendError>) {
    debug!("{}; asking again", state.client.describe_failure(target, last));
}

fn give_up(state: &State, items: Vec<Item>, message: &str) {
    // There may be as many traces as requests, and one line tells enough.
    if !items.is_empty() && !state.unsettled_told.swap(true, Relaxed) {
        warn!(proposals = items.len(), "{message}");
    }
    for item in items {
        let why = Undelivered { reason: UndeliveredReason::TraceUnsettled, message: message.to_owned() };
        state.settle(item.delivery, Outcome::Undelivered(why));
    }
}
