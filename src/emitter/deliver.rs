//! Sends one batch until every proposal in it is settled.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use tracing::warn;

use super::course::Course;
use super::gate::{Closed, Ruling};
use super::limit::Pass;
use super::pieces::Piece;
use super::state::{Item, Phase, State};
use crate::gms::{Attempts, Next, RequestBody, RequestLine, RetryState, Verdict};

/// Delivers `batch`. One that GMS rejects is taken apart until the proposals at fault stand alone, so that a bad
/// record costs one record; the batch keeps its URNs meanwhile, so order holds.
///
/// The first request goes with `pass`, if there is one already.
pub(super) async fn deliver(state: Arc<State>, batch: Vec<Item>, mut pass: Option<Pass>) {
    let mut course = Course::begin(&state, batch);
    let mut turn = None;
    while let Some(piece) = course.next_piece() {
        if piece.is_part && !state.has_taken() && turn.is_none() {
            turn = tokio::select! {
                turn = state.doubt.turn.lock() => Some(turn),
                () = state.doubt.first_delivery() => None,
                () = state.reached(Phase::Stopped) => None,
            };
        }
        if state.has_taken() {
            turn = None;
        } else if piece.is_part && state.phase() < Phase::Stopped && !state.doubt.may_send_part() {
            course.give_up(piece);
            continue;
        }
        let slot = if piece.route.may_be_queued() { trace_slot(&state, &mut pass).await } else { None };
        if state.phase() >= Phase::Stopped {
            state.settle_undelivered(piece.items);
            continue;
        }
        tokio::select! {
            sent = send_as_someone(&state, &piece, pass.take()) => match sent {
                Some(sent) => course.settle(piece, &sent, slot),
                None => state.settle_undelivered(piece.items),
            },
            () = state.reached(Phase::Abandoned) => state.settle_undelivered(piece.items),
        }
    }
    course.judge_suspects();
}

/// Waits until a trace may be opened, where what GMS queues is followed. Others may need the room meanwhile.
async fn trace_slot(state: &State, pass: &mut Option<Pass>) -> Option<OwnedSemaphorePermit> {
    if !state.settings.traces() {
        return None;
    }
    if let Ok(slot) = Arc::clone(&state.trace_slots).try_acquire_owned() {
        return Some(slot);
    }
    drop(pass.take());
    tokio::select! {
        slot = Arc::clone(&state.trace_slots).acquire_owned() => slot.ok(),
        () = state.reached(Phase::Stopped) => None,
    }
}

/// A request, and what it came to.
pub(super) struct Sent<'a> {
    /// GMS answers when it has queued what is in it.
    pub(super) asynchronous: bool,
    pub(super) body_bytes: usize,
    pub(super) target: RequestLine,
    pub(super) attempts: Attempts,
    /// When it was last sent.
    begun: Instant,
    /// What the whole emitter had taken off its hands when the first attempt failed, if one did.
    pub(super) taken_before: u64,
    /// Why there was no other token, where one was refused.
    pub(super) refusal: Option<String>,
    /// Where the token was refused: nobody else goes out until it is known what that means.
    _doubt: Option<Closed<'a>>,
}

/// Sends a piece, and again with another token if there is one where the first was refused.
async fn send_as_someone<'a>(state: &'a State, piece: &Piece, mut pass: Option<Pass>) -> Option<Sent<'a>> {
    // With tokens that were refused.
    let mut before = 0;
    loop {
        let mut sent = send(state, piece, Way::ThroughGate(pass.take())).await?;
        sent.attempts.count += before;
        let generation = match (&sent.attempts.verdict, &sent.attempts.last) {
            (Verdict::Unauthorized, Ok(reply)) => reply.token_generation,
            _ => return Some(sent),
        };
        match state.gate.refused(state, generation, sent.begun, send(state, piece, Way::AsJudge)).await {
            Ruling::Again => {
                before = sent.attempts.count;
                state.counters.retried.fetch_add(1, Relaxed);
            }
            Ruling::Answered(again) => return Some(*again),
            Ruling::Stop(refusal) => {
                sent.refusal = refusal;
                return Some(sent);
            }
        }
    }
}

/// How a request gets out.
enum Way {
    /// Not while the token is in doubt; perhaps with a pass already.
    ThroughGate(Option<Pass>),
    /// To find out whether the token is good.
    AsJudge,
}

/// Waits until a request may leave; `None` when none may any more.
async fn depart(state: &State, way: Way) -> Option<Pass> {
    let leave = async {
        let Way::ThroughGate(mut pass) = way else {
            let mut pass = state.limit.enter().await;
            pass.depart().await;
            return pass;
        };
        loop {
            if !state.gate.is_open() {
                // Whoever finds out about the token needs room as well.
                drop(pass.take());
                state.gate.pass(state).await;
            }
            let mut leaving = match pass.take() {
                Some(pass) => pass,
                None => state.limit.enter().await,
            };
            leaving.depart().await;
            if state.gate.is_open() {
                return leaving;
            }
        }
    };
    tokio::select! {
        biased;
        () = state.reached(Phase::Stopped) => None,
        pass = leave => Some(pass),
    }
}

/// `None` when nothing may be sent any more.
async fn send<'a>(state: &'a State, piece: &Piece, way: Way) -> Option<Sent<'a>> {
    let sends_as_judge = matches!(way, Way::AsJudge);
    let mut pass = depart(state, way).await?;
    let encoder = &state.settings.wire;
    let write = encoder.write(piece.route, piece.items.iter().map(|item| item.delivery.proposal()))?;
    let target = state.client.write_line(&write);
    let encode = || encoder.body(&write, piece.items.iter().map(Item::outgoing));
    let mut body = encode();
    let body_bytes = body.as_ref().map_or(0, RequestBody::len);
    let mut policy = state.settings.retry.clone();
    if piece.troubled {
        // The batch was retried often enough, and a server that has accepted nothing yet is not asked more than it must be.
        policy.max_times = policy.max_times.min(u32::from(state.has_taken()));
    }
    let mut retry = RetryState::new(&policy, state.client.clock());
    let taken = || state.counters.taken.load(Relaxed);
    let mut taken_before = None;
    loop {
        state.counters.requests.fetch_add(1, Relaxed);
        state.counters.bytes.fetch_add(body_bytes as u64, Relaxed);
        if retry.attempts() > 0 {
            state.counters.retried.fetch_add(1, Relaxed);
        }
        let result = state.client.write(&target, body.take()).await;
        let next = retry.next(&result);
        let verdict = next.verdict();
        // The gate closes before there is room for another request.
        let doubt = (verdict == Verdict::Unauthorized).then(|| state.gate.close());
        let begun = pass.began();
        pass.done(&verdict, body_bytes);
        let taken_before = *taken_before.get_or_insert_with(taken);
        let next_pass = match next {
            Next::RetryAfter { delay, .. } => {
                let delay = delay.max(state.limit.retry());
                let failure = state.client.describe_failure(&target, &result);
                warn!("{failure}; trying again in {:.1} s", delay.as_secs_f64());
                wait_to_retry(state, delay, sends_as_judge).await
            }
            Next::Done(_) | Next::GiveUp(_) => None,
        };
        match next_pass {
            Some(next_pass) if retry.is_within_budget() => {
                pass = next_pass;
                body = encode();
            }
            _ => {
                return Some(Sent {
                    asynchronous: write.asynchronous,
                    body_bytes,
                    target,
                    attempts: retry.finish(result, &next),
                    begun,
                    taken_before,
                    refusal: None,
                    _doubt: doubt,
                });
            }
        }
    }
}

/// Waits until a request may be sent again. `None` when nothing may be sent any more.
async fn wait_to_retry(state: &State, delay: Duration, sends_as_judge: bool) -> Option<Pass> {
    tokio::select! {
        () = tokio::time::sleep(delay) => {}
        () = state.reached(Phase::Stopped) => return None,
    }
    depart(state, if sends_as_judge { Way::AsJudge } else { Way::ThroughGate(None) }).await
}
