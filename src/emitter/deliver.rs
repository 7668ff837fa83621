//! Sends one batch until every proposal in it is settled.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use bytes::Bytes;
use tracing::{debug, warn};

use super::queue::Queued;
use super::state::{Item, Phase, State};
use super::{Outcome, Rejection, UndeliveredReason};
use crate::auth::Diagnosis;
use crate::gms::{Attempts, Reply, RetryPolicy, TransportFault, Verdict, restli};
use crate::metadata::ChangeType;

/// Delivers `batch`. One that GMS rejects is taken apart until the proposals at fault stand alone, so that a bad
/// record costs one record; the batch keeps its URNs meanwhile, so order holds.
pub(super) async fn deliver(state: Arc<State>, batch: Vec<Item>) {
    let mut course = Course::begin(&state, batch);
    while let Some(piece) = course.pieces.pop_front() {
        if state.phase() >= Phase::Stopped {
            undelivered(&state, piece.items);
            continue;
        }
        tokio::select! {
            attempts = send(&state, &piece) => course.settle(piece, &attempts),
            () = state.reached(Phase::Abandoned) => undelivered(&state, piece.items),
        }
    }
    course.judge_suspects();
}

/// A batch on its way, in as many pieces as it takes.
struct Course<'a> {
    state: &'a State,
    pieces: VecDeque<Piece>,
    /// Proposals in the batch.
    size: usize,
    /// What the whole emitter had delivered when this began.
    delivered_before: u64,
    /// Pieces in a row that a 500 came back for.
    failing: u32,
    /// Single proposals that a 500 came back for. They are at fault only if GMS takes others meanwhile.
    suspects: Vec<(Item, Outcome)>,
    /// What the last such 500 says of the server.
    trouble: Option<Diagnosis>,
}

/// Proposals that go in one request.
struct Piece {
    items: Vec<Item>,
    /// An earlier attempt ended without an answer that says what became of it.
    may_be_written: bool,
    /// It is part of a batch for which a 500 kept coming back, so it need not be tried as often again.
    troubled: bool,
}

impl<'a> Course<'a> {
    fn begin(state: &'a State, items: Vec<Item>) -> Self {
        let size = items.len();
        Self {
            state,
            pieces: VecDeque::from([Piece { items, may_be_written: false, troubled: false }]),
            size,
            delivered_before: state.counters.delivered.load(Relaxed),
            failing: 0,
            suspects: Vec::new(),
            trouble: None,
        }
    }

    /// Settles what the answer settles, and puts what is to be sent again in front, in smaller pieces and in order.
    fn settle(&mut self, mut piece: Piece, attempts: &Attempts) {
        piece.may_be_written |= attempts.outcome_unknown;
        match (&attempts.verdict, &attempts.last) {
            (Verdict::Delivered, _) => {
                self.failing = 0;
                for item in piece.items {
                    self.state.settle(item.delivery, Outcome::Delivered);
                }
            }
            (Verdict::Forbidden, Ok(reply)) => self.forbidden(piece, reply, attempts),
            (Verdict::Rejected, Ok(reply)) => self.rejected(piece, reply, attempts),
            (Verdict::Retry(_), Ok(reply)) if reply.status.as_u16() == 500 => {
                self.unclear(piece, reply, attempts);
            }
            _ => self.stop(piece, diagnosis(self.state, attempts)),
        }
    }

    /// A 403 that names some proposals is about those. One that names none is about the caller, and so is one that
    /// names all, as long as nothing was delivered in this run.
    fn forbidden(&mut self, mut piece: Piece, reply: &Reply, attempts: &Attempts) {
        let words = reply.words();
        let named = |item: &Item| names(&words, item.urn().as_str());
        let count = piece.items.iter().filter(|item| named(item)).count();
        if count == 0 || (count == piece.items.len() && !self.state.has_delivered()) {
            return self.stop(piece, diagnosis(self.state, attempts));
        }
        for item in piece.items.extract_if(.., |item| named(item)) {
            self.state.settle(item.delivery, rejection(self.state, "forbidden", reply, attempts));
        }
        if !piece.items.is_empty() {
            self.state.counters.split.fetch_add(1, Relaxed);
            self.pieces.push_front(piece);
        }
    }

    /// A single proposal is rejected; a batch is taken apart by halves.
    fn rejected(&mut self, piece: Piece, reply: &Reply, attempts: &Attempts) {
        if piece.items.len() > 1 {
            return self.halve(piece, reply);
        }
        // What was sent without an answer and is there now, was taken then.
        let taken_before = piece.may_be_written && reply.words().contains("already exists");
        for item in piece.items {
            let creates =
                matches!(item.delivery.proposal().change_type, ChangeType::Create | ChangeType::CreateEntity);
            let outcome = if taken_before && creates {
                Outcome::Delivered
            } else {
                rejection(self.state, "gms-rejected", reply, attempts)
            };
            self.state.settle(item.delivery, outcome);
        }
    }

    /// A 500 without clear words that stays may be the fault of one record, or the server's. It is the server's when
    /// nothing went through in this run, or nothing goes through any more.
    fn unclear(&mut self, mut piece: Piece, reply: &Reply, attempts: &Attempts) {
        self.failing += 1;
        let diagnosis = diagnosis(self.state, attempts);
        let patience = self.size.checked_ilog2().unwrap_or(0) + 2;
        if !self.state.has_delivered() || (self.failing > patience && !self.goes_on()) {
            return self.stop(piece, diagnosis);
        }
        self.trouble = Some(diagnosis);
        piece.troubled = true;
        if piece.items.len() > 1 {
            return self.halve(piece, reply);
        }
        for item in piece.items {
            self.suspects.push((item, rejection(self.state, "gms-rejected", reply, attempts)));
        }
    }

    fn halve(&mut self, mut piece: Piece, reply: &Reply) {
        let status = reply.status.as_u16();
        debug!(status, proposals = piece.items.len(), "GMS rejected a batch; sending it in halves");
        self.state.counters.split.fetch_add(1, Relaxed);
        let second = piece.items.split_off(piece.items.len() / 2);
        self.pieces.push_front(Piece {
            items: second,
            may_be_written: piece.may_be_written,
            troubled: piece.troubled,
        });
        self.pieces.push_front(piece);
    }

    /// GMS has taken something since this batch first left.
    fn goes_on(&self) -> bool {
        self.state.counters.delivered.load(Relaxed) > self.delivered_before
    }

    fn stop(&mut self, piece: Piece, diagnosis: Diagnosis) {
        let reason = match diagnosis.code.kind() {
            crate::ErrorKind::Refused => UndeliveredReason::Refused,
            _ => UndeliveredReason::Unreachable,
        };
        self.state.stop(reason, diagnosis);
        undelivered(self.state, piece.items);
    }

    fn judge_suspects(&mut self) {
        let suspects = std::mem::take(&mut self.suspects);
        if suspects.is_empty() {
            return;
        }
        let at_fault = self.goes_on();
        if let (false, Some(trouble)) = (at_fault, self.trouble.take()) {
            self.state.stop(UndeliveredReason::Unreachable, trouble);
        }
        for (item, rejection) in suspects {
            let outcome =
                if at_fault { rejection } else { Outcome::Undelivered(self.state.why_undelivered()) };
            self.state.settle(item.delivery, outcome);
        }
    }
}

fn rejection(state: &State, reason: &'static str, reply: &Reply, attempts: &Attempts) -> Outcome {
    Outcome::Rejected(Rejection {
        reason,
        status: Some(reply.status.as_u16()),
        message: state.client.scrub(&reply.message()),
        attempts: attempts.count,
    })
}

/// Whether GMS's words name `urn`, and not only another that begins with it.
fn names(message: &str, urn: &str) -> bool {
    message.match_indices(urn).any(|(at, _)| {
        let next = message.get(at + urn.len()..).and_then(|rest| rest.chars().next());
        next.is_none_or(|c| c == ',' || c.is_whitespace() || matches!(c, '"' | '\'' | '.' | ']'))
    })
}

fn undelivered(state: &State, items: Vec<Item>) {
    for item in items {
        state.settle(item.delivery, Outcome::Undelivered(state.why_undelivered()));
    }
}

fn diagnosis(state: &State, attempts: &Attempts) -> Diagnosis {
    state.client.diagnose_attempts("POST", path(state), attempts)
}

fn path(state: &State) -> &'static str {
    if state.settings.single { restli::INGEST_PROPOSAL } else { restli::INGEST_PROPOSAL_BATCH }
}

async fn send(state: &State, piece: &Piece) -> Attempts {
    let body = body(state, &piece.items);
    let path = path(state);
    let attempt = |number: u32| {
        state.counters.requests.fetch_add(1, Relaxed);
        state.counters.bytes.fetch_add(body.len() as u64, Relaxed);
        if number > 1 {
            state.counters.retried.fetch_add(1, Relaxed);
        }
        state.client.post(path, body.clone())
    };
    let wait = |last: &Result<Reply, TransportFault>, delay: Duration| {
        warn!("{}; trying again in {:.1} s", state.client.trouble("POST", path, last), delay.as_secs_f64());
        async move {
            tokio::select! {
                () = tokio::time::sleep(delay) => true,
                () = state.reached(Phase::Stopped) => false,
            }
        }
    };
    let retry = &state.settings.retry;
    if piece.troubled {
        let once = RetryPolicy { max_times: retry.max_times.min(1), ..retry.clone() };
        return once.run(attempt, wait).await;
    }
    retry.run(attempt, wait).await
}

fn body(state: &State, items: &[Item]) -> Bytes {
    let proposals = items.iter().map(|item| (item.delivery.proposal(), item.observed_at));
    let capacity = items.iter().map(|item| item.encoded_bytes() + 1).sum();
    if state.settings.single {
        return restli::single_body(proposals, state.settings.asynchronous, capacity);
    }
    restli::batch_body(proposals, state.settings.asynchronous, capacity)
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn a_urn_is_named_only_as_a_whole() {
        let message = "HttpStatus: 403 Urn: urn:li:tag:pii, HttpStatus: 403 Urn: urn:li:tag:gold";
        assert!(names(message, "urn:li:tag:pii"));
        assert!(names(message, "urn:li:tag:gold"));
        assert!(!names(message, "urn:li:tag:p"));
        assert!(!names(message, "urn:li:tag:silver"));
    }
}
