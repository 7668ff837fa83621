//! Sends the request of a group until it has a final result: retries, and resends after a 401.
//!
//! Every attempt needs a permit of the request limit and an open auth gate. The retry loop is here;
//! `gms::retry` decides after each attempt what follows, and the auth gate decides what follows a 401.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tracing::{debug, warn};

use super::auth_gate::{GateGuard, RefusedRequest, TokenDecision};
use super::exchange::Exchange;
use super::group_by_request::RequestGroup;
use super::lifecycle::Phase;
use super::limit::RequestPermit;
use super::pending::Pending;
use super::shared::Shared;
use crate::gms::{GmsResponse, Next, RequestBody, RequestLine, RetryPolicy, RetryState, SendError, Verdict};

/// How an attempt passes the auth gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Passage {
    /// It waits until the gate is open.
    WhenOpen,
    /// It finds out whether the token is refused, while the gate is closed.
    WhileClosed,
}

/// Sends `group`, first with `permit` if there is one already. `None` if nothing may be sent any more.
///
/// If the token was refused, the returned guard keeps other requests from being sent until the caller has
/// stopped the run.
pub(super) async fn send<'a>(
    shared: &'a Shared,
    group: &RequestGroup,
    mut permit: Option<RequestPermit>,
) -> Option<(Exchange, Option<GateGuard<'a>>)> {
    let mut earlier_attempts = 0;
    loop {
        let first = permit.take();
        let (mut exchange, guard) =
            send_with_token(shared, group, Passage::WhenOpen, first, earlier_attempts).await?;
        let Some(mut refused) = refused_request(&exchange) else { return Some((exchange, guard)) };
        let mut review = shared.gate.review().await;
        loop {
            let decision = review.decide(refused, shared.client.credentials(), &shared.lifecycle).await;
            debug!(after_refusal = ?decision, "the token was refused");
            match decision {
                TokenDecision::Retry => break,
                TokenDecision::Stop(unavailable) => {
                    exchange.token_unavailable = unavailable;
                    return Some((exchange, guard));
                }
                TokenDecision::RetrySameTokenAfter(delay) => {
                    warn!(
                        "GMS refuses a token that it has accepted before; trying it once more in {} s",
                        delay.as_secs()
                    );
                    let attempts = exchange.attempts.count;
                    let Some((retried, _)) = resend_while_closed(shared, group, delay, attempts).await else {
                        return Some((exchange, guard));
                    };
                    let Some(again) = refused_request(&retried) else {
                        review.clear();
                        return Some((retried, None));
                    };
                    refused = again;
                }
            }
        }
        earlier_attempts = exchange.attempts.count;
        shared.counters.retried.fetch_add(1, Relaxed);
    }
}

/// Waits for `delay`, and sends the group although the gate is closed. `None` if sending has stopped.
async fn resend_while_closed<'a>(
    shared: &'a Shared,
    group: &RequestGroup,
    delay: Duration,
    earlier_attempts: u32,
) -> Option<(Exchange, Option<GateGuard<'a>>)> {
    tokio::select! {
        biased;
        () = tokio::time::sleep(delay) => {}
        () = shared.lifecycle.reached(Phase::Stopped) => return None,
    }
    send_with_token(shared, group, Passage::WhileClosed, None, earlier_attempts).await
}

/// The request as the auth gate reviews it, if it was refused with 401.
fn refused_request(exchange: &Exchange) -> Option<RefusedRequest> {
    match (&exchange.attempts.verdict, &exchange.attempts.last) {
        (Verdict::Unauthorized, Ok(response)) => {
            Some(RefusedRequest { generation: response.token_generation, sent_at: exchange.sent_at })
        }
        _ => None,
    }
}

/// Sends `group` until there is a final result, or the retries are used up. `None` if nothing may be sent any
/// more.
async fn send_with_token<'a>(
    shared: &'a Shared,
    group: &RequestGroup,
    passage: Passage,
    permit: Option<RequestPermit>,
    earlier_attempts: u32,
) -> Option<(Exchange, Option<GateGuard<'a>>)> {
    let mut permit = wait_for_permit(shared, passage, permit).await?;
    let encoder = &shared.settings.encoder;
    let write =
        encoder.write(group.route, group.proposals.iter().map(|pending| pending.delivery.proposal()))?;
    let line = shared.client.write_line(&write);
    let encode = || encoder.body(&write, group.proposals.iter().map(Pending::outgoing));
    let mut body = encode();
    let body_bytes = body.as_ref().map_or(0, RequestBody::len);
    let fewer_retries;
    let policy = if group.retries_exhausted {
        // The whole batch was retried already. A server that has accepted nothing yet gets no further
        // retries.
        let policy = &shared.settings.retry;
        let max_times = policy.max_times.min(u32::from(shared.has_accepted()));
        fewer_retries = RetryPolicy { max_times, ..policy.clone() };
        &fewer_retries
    } else {
        &shared.settings.retry
    };
    let mut retry = RetryState::new(policy, shared.client.clock());
    let mut accepted_before = None;
    loop {
        shared.counters.requests.fetch_add(1, Relaxed);
        shared.counters.bytes.fetch_add(body_bytes as u64, Relaxed);
        if retry.attempts() > 0 {
            shared.counters.retried.fetch_add(1, Relaxed);
        }
        let result = shared.client.write(&line, body.take()).await;
        let next = retry.next(&result);
        let verdict = next.verdict();
        // The gate is closed before another request can get the permit.
        let guard = (verdict == Verdict::Unauthorized).then(|| shared.gate.close());
        note_health(shared, &line, &result, &verdict);
        let sent_at = permit.sent_at();
        permit.complete(&verdict, body_bytes);
        let accepted_before = *accepted_before.get_or_insert_with(|| shared.accepted());
        let next_permit = match next {
            Next::RetryAfter { delay, reason } => {
                debug!(retry = ?reason, "the request failed");
                let delay = delay.max(shared.limit.take_retry());
                let failure = shared.client.describe_failure(&line, &result);
                warn!("{failure}; trying again in {:.1} s", delay.as_secs_f64());
                wait_to_retry(shared, passage, delay).await
            }
            Next::Done(_) | Next::GiveUp(_) => None,
        };
        match next_permit {
            Some(next_permit) if retry.is_within_budget() => {
                permit = next_permit;
                body = encode();
            }
            _ => {
                let mut attempts = retry.finish(result, &next);
                attempts.count += earlier_attempts;
                let is_asynchronous = write.asynchronous;
                let exchange = Exchange {
                    line,
                    body_bytes,
                    is_asynchronous,
                    attempts,
                    sent_at,
                    accepted_before,
                    token_unavailable: None,
                };
                return Some((exchange, guard));
            }
        }
    }
}

/// Notes for the emitter's status whether requests succeed.
fn note_health(
    shared: &Shared,
    line: &RequestLine,
    result: &Result<GmsResponse, SendError>,
    verdict: &Verdict,
) {
    let now = shared.client.clock().now();
    match verdict {
        Verdict::Delivered => shared.health.note_success(now),
        Verdict::Retry(_) | Verdict::Unauthorized | Verdict::NotGms | Verdict::Fatal => {
            shared.health.note_failure(now, shared.client.diagnose_result(line, result).into());
        }
        Verdict::Forbidden | Verdict::Rejected | Verdict::UnknownBatch => {}
    }
}

/// Waits for `delay`, and for a permit. `None` if nothing may be sent any more.
async fn wait_to_retry(shared: &Shared, passage: Passage, delay: Duration) -> Option<RequestPermit> {
    tokio::select! {
        biased;
        () = tokio::time::sleep(delay) => {}
        () = shared.lifecycle.reached(Phase::Stopped) => return None,
    }
    wait_for_permit(shared, passage, None).await
}

/// Waits until a request may be sent. `None` if nothing may be sent any more.
async fn wait_for_permit(
    shared: &Shared,
    passage: Passage,
    permit: Option<RequestPermit>,
) -> Option<RequestPermit> {
    tokio::select! {
        biased;
        () = shared.lifecycle.reached(Phase::Stopped) => None,
        permit = pass_gate_and_limit(shared, passage, permit) => Some(permit),
    }
}

async fn pass_gate_and_limit(
    shared: &Shared,
    passage: Passage,
    mut permit: Option<RequestPermit>,
) -> RequestPermit {
    loop {
        if passage == Passage::WhenOpen && !shared.gate.is_open() {
            // The request that finds out about the token needs a permit as well.
            drop(permit.take());
            shared.gate.wait_until_open(&shared.lifecycle).await;
        }
        let mut permit = match permit.take() {
            Some(permit) => permit,
            None => shared.limit.acquire().await,
        };
        permit.ready().await;
        if passage == Passage::WhileClosed || shared.gate.is_open() {
            return permit;
        }
    }
}
