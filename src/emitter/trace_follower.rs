//! Follows proposals that GMS has queued until GMS says that it has written them, or has not (`ASYNC_WAIT`).

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tracing::{debug, warn};

use super::auth_gate::RETRY_REFUSED_TOKEN_AFTER;
use super::lifecycle::Phase;
use super::open_traces::OpenTrace;
use super::outcome::{Outcome, Rejection, RejectionReason, Undelivered, UndeliveredReason};
use super::pending::Pending;
use super::queue::Queued;
use super::shared::Shared;
use crate::gms::{GmsResponse, RequestLine, SendError, Trace, TraceStatus, Verdict, classify, trace};

/// The delay before the first query; each further one is twice as long.
const FIRST_DELAY: Duration = Duration::from_millis(250);

/// The longest delay before a query.
const MAX_DELAY: Duration = Duration::from_secs(10);

/// Queries GMS until every proposal of `trace` has an outcome, or the time is up.
pub(super) async fn follow(shared: Arc<Shared>, trace: OpenTrace) {
    let OpenTrace { id, proposals: mut pending, slot: _slot, age: _age } = trace;
    let Some(id) = id else {
        return give_up(
            &shared,
            pending,
            "GMS's response names no trace (traceparent), so it cannot be followed",
        );
    };
    let line = shared.client.trace_line(&id);
    let ends_at = Instant::now().checked_add(shared.settings.trace_timeout);
    let mut delay = FIRST_DELAY;
    let mut is_last_query = false;
    let mut may_retry_token = true;
    while !pending.is_empty() {
        let mut query_at = Instant::now() + delay;
        if let Some(ends_at) = ends_at {
            query_at = query_at.min(ends_at);
        }
        tokio::select! {
            biased;
            () = shared.lifecycle.reached(Phase::Abandoned) => break,
            // Nothing more is sent: query once more, at once.
            () = shared.lifecycle.reached(Phase::Stopped), if !shared.lifecycle.is_stopped() => {}
            () = tokio::time::sleep_until(query_at) => {}
        }
        if shared.lifecycle.stop_reason().is_some_and(|stop| stop.reason == UndeliveredReason::Refused) {
            // The query would be refused as well.
            break;
        }
        delay = (delay * 2).min(MAX_DELAY);
        is_last_query |=
            shared.lifecycle.is_stopped() || ends_at.is_some_and(|ends_at| Instant::now() >= ends_at);
        let body = trace::body(
            pending.iter().map(|pending| (pending.urn().as_str(), pending.delivery.proposal().aspect_name())),
        );
        let query = async {
            if !shared.lifecycle.is_stopped() {
                shared.limit.pause_is_over().await;
            }
            shared.client.trace(&line, body.into()).await
        };
        let result = tokio::select! {
            biased;
            result = query => result,
            () = shared.lifecycle.reached(Phase::Abandoned) => break,
        };
        match result {
            Ok(response) => match Trace::read(&response) {
                Some(trace) => pending = settle(&shared, pending, &trace),
                None if response.status.as_u16() == 401 && has_other_token(&shared, &response).await => {}
                // GMS responds with 401 also while it cannot reach its token store.
                None if response.status.as_u16() == 401 && std::mem::take(&mut may_retry_token) => {
                    delay = RETRY_REFUSED_TOKEN_AFTER;
                }
                None if is_final(&response) => return refused(&shared, pending, &line, &response),
                None => {
                    if let Verdict::Retry(reason) = classify(Ok(&response), &[]) {
                        shared.limit.note_retry_after(reason);
                    }
                    log_failure(&shared, &line, &Ok(response));
                }
            },
            Err(error) => log_failure(&shared, &line, &Err(error)),
        }
        if is_last_query {
            break;
        }
    }
    give_up(&shared, pending, "GMS queued it, and did not say in time whether it was written");
}

/// Settles the proposals that the trace has a result for, and returns the others.
fn settle(shared: &Shared, proposals: Vec<Pending>, trace: &Trace) -> Vec<Pending> {
    let mut still_pending = Vec::new();
    for pending in proposals {
        match trace.status(pending.urn().as_str(), pending.delivery.proposal().aspect_name()) {
            TraceStatus::Pending => still_pending.push(pending),
            TraceStatus::Settled => shared.settle(pending.delivery, Outcome::Delivered),
            TraceStatus::Failed(message) => {
                let message = shared.client.redact(&message);
                let mut rejection = Rejection::new(RejectionReason::RejectedAfterQueueing, message);
                rejection.attempts = 1;
                shared.settle(pending.delivery, Outcome::Rejected(rejection));
            }
        }
    }
    still_pending
}

/// Whether the token has changed since the query was sent, or can be renewed.
async fn has_other_token(shared: &Shared, response: &GmsResponse) -> bool {
    shared.client.credentials().renew(response.token_generation).await.is_ok_and(|renewed| renewed)
}

/// Whether GMS would respond to another query in the same way.
fn is_final(response: &GmsResponse) -> bool {
    matches!(response.status.as_u16(), 300..=399 | 400 | 401 | 403 | 404 | 405 | 407)
        || (response.status.is_success() && response.is_page())
}

fn refused(shared: &Shared, pending: Vec<Pending>, line: &RequestLine, response: &GmsResponse) {
    if response.status.as_u16() == 401 && !shared.keeps_trying() {
        shared.stop_with(UndeliveredReason::Refused, shared.client.diagnose(line, response).into());
    }
    let hint = match response.status.as_u16() {
        403 => " (the query needs the privilege to view the entity)",
        _ => "",
    };
    let message = format!(
        "GMS queued it, and does not say whether it was written: {}{hint}",
        shared.client.describe_failure(line, &Ok(response.clone()))
    );
    give_up(shared, pending, &message);
}

fn log_failure(shared: &Shared, line: &RequestLine, result: &Result<GmsResponse, SendError>) {
    debug!("{}; trying again", shared.client.describe_failure(line, result));
}

fn give_up(shared: &Shared, proposals: Vec<Pending>, message: &str) {
    if !proposals.is_empty() && shared.traces.should_warn() {
        warn!(proposals = proposals.len(), "{message}");
    }
    for pending in proposals {
        let undelivered = Undelivered::new(UndeliveredReason::TraceUnsettled, message);
        shared.settle(pending.delivery, Outcome::Undelivered(undelivered));
    }
}
