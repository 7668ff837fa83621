//! Sends one batch until every proposal in it is settled.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use tracing::{debug, warn};

use super::gate::Ruling;
use super::pieces::{self, Piece};
use super::queue::Queued;
use super::state::{Cause, Item, Phase, State};
use super::traces::OpenTrace;
use super::{Outcome, Rejection, UndeliveredReason};
use crate::auth::Diagnosis;
use crate::gms::{
    Attempts, Rejected, Reply, RetryPolicy, Route, Taken, Target, TransportFault, Verdict, Write, explain,
    trace,
};
use crate::metadata::ChangeType;

/// Delivers `batch`. One that GMS rejects is taken apart until the proposals at fault stand alone, so that a bad
/// record costs one record; the batch keeps its URNs meanwhile, so order holds.
pub(super) async fn deliver(state: Arc<State>, batch: Vec<Item>) {
    let mut course = Course::begin(&state, batch);
    while let Some(piece) = course.next_piece() {
        let slot = if piece.route.may_be_queued() { trace_slot(&state).await } else { None };
        if state.phase() >= Phase::Stopped {
            state.settle_undelivered(piece.items);
            continue;
        }
        tokio::select! {
            sent = send_as_someone(&state, &piece) => match sent {
                Some(sent) => course.settle(piece, &sent, slot),
                None => state.settle_undelivered(piece.items),
            },
            () = state.reached(Phase::Abandoned) => state.settle_undelivered(piece.items),
        }
    }
    course.judge_suspects();
}

/// Waits until a trace may be opened, where what GMS queues is followed.
async fn trace_slot(state: &State) -> Option<OwnedSemaphorePermit> {
    if !state.settings.traces() {
        return None;
    }
    tokio::select! {
        slot = Arc::clone(&state.trace_slots).acquire_owned() => slot.ok(),
        () = state.reached(Phase::Stopped) => None,
    }
}

/// A batch on its way, in as many pieces as it takes.
struct Course<'a> {
    state: &'a State,
    pieces: VecDeque<Piece>,
    /// Proposals in the batch.
    size: usize,
    /// What the whole emitter had taken off its hands when this began.
    taken_before: u64,
    /// Pieces in a row that a 500 came back for.
    failing: u32,
    /// Single proposals that a 500 came back for. They are at fault only if GMS takes others meanwhile.
    suspects: Vec<(Item, Outcome)>,
    /// What the last such 500 says of the server.
    trouble: Option<Diagnosis>,
}

/// A request, and what it came to.
pub(super) struct Sent {
    write: Write,
    target: Target,
    pub(super) attempts: Attempts,
    /// When it was first sent.
    begun: Instant,
    /// Why there was no other token, where one was refused.
    refusal: Option<String>,
}

impl<'a> Course<'a> {
    fn begin(state: &'a State, items: Vec<Item>) -> Self {
        let size = items.len();
        Self {
            state,
            pieces: pieces::of(items, &state.settings.wire, state.batches()),
            size,
            taken_before: state.counters.taken.load(Relaxed),
            failing: 0,
            suspects: Vec::new(),
            trouble: None,
        }
    }

    /// What is sent next. A batch for a GMS that turned out not to know batches is taken apart first.
    fn next_piece(&mut self) -> Option<Piece> {
        let piece = self.pieces.pop_front()?;
        if piece.route != Route::Batch || self.state.batches() {
            return Some(piece);
        }
        for single in pieces::of(piece.items, &self.state.settings.wire, false).into_iter().rev() {
            self.pieces.push_front(Piece {
                may_be_written: piece.may_be_written,
                troubled: piece.troubled,
                ..single
            });
        }
        self.pieces.pop_front()
    }

    /// Settles what the answer settles, and puts what is to be sent again in front, in smaller pieces and in order.
    fn settle(&mut self, mut piece: Piece, sent: &Sent, slot: Option<OwnedSemaphorePermit>) {
        let attempts = &sent.attempts;
        piece.may_be_written |= attempts.outcome_unknown;
        match (&attempts.verdict, &attempts.last) {
            (Verdict::Delivered, Ok(reply)) => self.taken(piece, sent, reply, slot),
            (Verdict::Forbidden, Ok(reply)) => self.forbidden(piece, sent, reply),
            (Verdict::UnknownBatch, Ok(_)) if piece.route == Route::Batch => self.no_batches(piece),
            (Verdict::Rejected | Verdict::UnknownBatch, Ok(reply)) => self.rejected(piece, sent, reply),
            (Verdict::Retry(_), Ok(reply)) if reply.status.as_u16() == 500 => {
                self.unclear(piece, sent, reply);
            }
            _ => self.stop(piece, self.diagnosis(sent)),
        }
    }

    /// GMS has written it, or queued it. Over OpenAPI it also says what it took, and leaves out what it dropped.
    fn taken(&mut self, piece: Piece, sent: &Sent, reply: &Reply, slot: Option<OwnedSemaphorePermit>) {
        self.failing = 0;
        self.state.gate.taken(reply.generation);
        let said = piece.route.is_answered_with_aspects().then(|| Taken::read(reply)).flatten();
        let mut kept = Vec::with_capacity(piece.items.len());
        for item in piece.items {
            let proposal = item.delivery.proposal();
            if said.as_ref().is_none_or(|taken| taken.holds(proposal.urn.as_str(), &proposal.aspect_name)) {
                kept.push(item);
            } else {
                let outcome = self.dropped(&item, reply, sent.attempts.count);
                self.state.settle(item.delivery, outcome);
            }
        }
        self.state.counters.taken.fetch_add(kept.len() as u64, Relaxed);
        if self.state.settings.traces() && sent.write.asynchronous && !kept.is_empty() {
            kept.iter_mut().for_each(Item::leave_queue);
            let opened = OpenTrace { id: trace::trace_id(reply), items: kept, slot };
            // The driver takes them for as long as batches are under way; if it is gone, drop guards speak.
            drop(self.state.traces.send(opened));
            return;
        }
        for item in kept {
            self.state.settle(item.delivery, Outcome::Delivered);
        }
    }

    fn dropped(&self, item: &Item, reply: &Reply, attempts: u32) -> Outcome {
        let proposal = item.delivery.proposal();
        let server = self.state.client.known_config().map_or("this GMS", |server| server.version_name());
        Outcome::Rejected(Rejection {
            reason: "aspect-dropped-by-gms",
            status: Some(reply.status.as_u16()),
            message: format!(
                "GMS answered {} and left the aspect {} of {} out of its answer: it has not taken it. GMS does so with an \
                 aspect that it does not know for an entity of this type ({server}; datahub-emitter {})",
                reply.status.as_u16(),
                proposal.aspect_name,
                proposal.urn,
                env!("CARGO_PKG_VERSION")
            ),
            attempts,
        })
    }

    /// An old GMS: what it does not take together, it takes one by one.
    fn no_batches(&mut self, piece: Piece) {
        if self.state.send_no_batches() {
            warn!("this GMS does not know ingestProposalBatch; proposals are sent one by one");
        }
        self.pieces.push_front(piece);
    }

    /// A 403 that names some proposals is about those. One that names none is about the caller, and so is one that
    /// names all, as long as nothing was delivered in this run.
    fn forbidden(&mut self, mut piece: Piece, sent: &Sent, reply: &Reply) {
        let words = reply.words();
        // The caller's own URN comes before.
        let words = words.split_once(" is unauthorized").map_or(words.as_str(), |(_, refused)| refused);
        let named = |item: &Item| names(words, item.urn().as_str());
        let count = piece.items.iter().filter(|item| named(item)).count();
        if count == 0 || (count == piece.items.len() && !self.state.has_taken()) {
            return self.stop(piece, self.diagnosis(sent));
        }
        for item in piece.items.extract_if(.., |item| named(item)) {
            let outcome = self.rejection("forbidden", &item, sent, reply);
            self.state.settle(item.delivery, outcome);
        }
        if !piece.items.is_empty() {
            self.state.counters.split.fetch_add(1, Relaxed);
            self.pieces.push_front(piece);
        }
    }

    /// A single proposal is rejected; a batch is taken apart by halves.
    fn rejected(&mut self, piece: Piece, sent: &Sent, reply: &Reply) {
        if piece.route.is_answered_with_aspects() && reply.status.as_u16() == 404 && !self.state.has_taken() {
            return self.stop(piece, self.no_openapi(sent));
        }
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
                self.rejection("gms-rejected", &item, sent, reply)
            };
            self.state.settle(item.delivery, outcome);
        }
    }

    /// Its version did not tell, but its answer does.
    fn no_openapi(&self, sent: &Sent) -> Cause {
        let error = self.state.client.lacks_openapi();
        Cause::Message(error.kind(), format!("404 from {}: {}", sent.target, error.full_message()))
    }

    /// A 500 without clear words that stays may be the fault of one record, or the server's. It is the server's when
    /// nothing went through in this run, or nothing goes through any more.
    fn unclear(&mut self, mut piece: Piece, sent: &Sent, reply: &Reply) {
        self.failing += 1;
        let diagnosis = self.state.client.diagnose_attempts(&sent.target, &sent.attempts);
        let patience = self.size.checked_ilog2().unwrap_or(0) + 2;
        if !self.state.has_taken() || (self.failing > patience && !self.goes_on()) {
            return self.stop(piece, diagnosis.into());
        }
        self.trouble = Some(diagnosis);
        piece.troubled = true;
        if piece.items.len() > 1 {
            return self.halve(piece, reply);
        }
        for item in piece.items {
            let outcome = self.rejection("gms-rejected", &item, sent, reply);
            self.suspects.push((item, outcome));
        }
    }

    fn rejection(&self, reason: &'static str, item: &Item, sent: &Sent, reply: &Reply) -> Outcome {
        let state = self.state;
        let proposal = item.delivery.proposal();
        let mut message = state.client.scrub(&reply.message());
        let explanation = explain(&Rejected {
            status: reply.status.as_u16(),
            message: &message,
            endpoint: state.settings.wire.endpoint,
            body_bytes: sent.write.body.as_ref().map_or(0, bytes::Bytes::len),
            aspect_bytes: proposal.aspect.as_ref().map_or(0, |aspect| aspect.value.len()),
            patches: proposal.change_type == ChangeType::Patch,
            frontend: state.client.server().is_frontend(),
            server: state.client.known_config(),
        });
        if let Some(explanation) = explanation {
            message = format!("{message} ({explanation})");
        }
        Outcome::Rejected(Rejection {
            reason,
            status: Some(reply.status.as_u16()),
            message,
            attempts: sent.attempts.count,
        })
    }

    fn halve(&mut self, mut piece: Piece, reply: &Reply) {
        let status = reply.status.as_u16();
        debug!(status, proposals = piece.items.len(), "GMS rejected a batch; sending it in halves");
        self.state.counters.split.fetch_add(1, Relaxed);
        let second = piece.items.split_off(piece.items.len() / 2);
        self.pieces.push_front(Piece { items: second, ..piece });
        self.pieces.push_front(piece);
    }

    /// GMS has taken something since this batch first left.
    fn goes_on(&self) -> bool {
        self.state.counters.taken.load(Relaxed) > self.taken_before
    }

    fn diagnosis(&self, sent: &Sent) -> Cause {
        let mut diagnosis = self.state.client.diagnose_attempts(&sent.target, &sent.attempts);
        diagnosis.evidence.extend(sent.refusal.clone());
        diagnosis.into()
    }

    fn stop(&mut self, piece: Piece, cause: Cause) {
        self.state.stop(cause.reason(), cause);
        self.state.settle_undelivered(piece.items);
    }

    fn judge_suspects(&mut self) {
        let suspects = std::mem::take(&mut self.suspects);
        if suspects.is_empty() {
            return;
        }
        let at_fault = self.goes_on();
        if let (false, Some(trouble)) = (at_fault, self.trouble.take()) {
            self.state.stop(UndeliveredReason::Unreachable, trouble.into());
        }
        for (item, rejection) in suspects {
            let outcome =
                if at_fault { rejection } else { Outcome::Undelivered(self.state.why_undelivered()) };
            self.state.settle(item.delivery, outcome);
        }
    }
}

/// Whether GMS's words name `urn`, and not only another that begins with it.
fn names(message: &str, urn: &str) -> bool {
    message.match_indices(urn).any(|(at, _)| {
        let next = message.get(at + urn.len()..).and_then(|rest| rest.chars().next());
        next.is_none_or(|c| c == ',' || c.is_whitespace() || matches!(c, '"' | '\'' | '.' | ']'))
    })
}

/// Sends a piece, and again with another token if there is one where the first was refused.
async fn send_as_someone(state: &State, piece: &Piece) -> Option<Sent> {
    loop {
        state.gate.pass(state).await;
        let mut sent = send(state, piece).await?;
        let generation = match (&sent.attempts.verdict, &sent.attempts.last) {
            (Verdict::Unauthorized, Ok(reply)) => reply.generation,
            _ => return Some(sent),
        };
        match state.gate.refused(state, generation, sent.begun, send(state, piece)).await {
            Ruling::Again => {}
            Ruling::Answered(sent) => return Some(*sent),
            Ruling::Stop(refusal) => {
                sent.refusal = refusal;
                return Some(sent);
            }
        }
    }
}

/// `None` for a piece without proposals, which cannot be.
async fn send(state: &State, piece: &Piece) -> Option<Sent> {
    let proposals = piece.items.iter().map(|item| (item.delivery.proposal(), item.observed_at));
    let capacity = piece.items.iter().map(|item| item.encoded_bytes() + 1).sum();
    let write = state.settings.wire.write(piece.route, proposals, capacity)?;
    let target = state.client.target_of(&write);
    let begun = Instant::now();
    let attempt = |number: u32| {
        state.counters.requests.fetch_add(1, Relaxed);
        state.counters.bytes.fetch_add(write.body.as_ref().map_or(0, |body| body.len() as u64), Relaxed);
        if number > 1 {
            state.counters.retried.fetch_add(1, Relaxed);
        }
        state.client.write(&target, &write)
    };
    let wait = |last: &Result<Reply, TransportFault>, delay: Duration| {
        warn!("{}; trying again in {:.1} s", state.client.trouble(&target, last), delay.as_secs_f64());
        async move {
            tokio::select! {
                () = tokio::time::sleep(delay) => true,
                () = state.reached(Phase::Stopped) => false,
            }
        }
    };
    let retry = &state.settings.retry;
    let attempts = if piece.troubled {
        let once = RetryPolicy { max_times: retry.max_times.min(1), ..retry.clone() };
        once.run(attempt, wait).await
    } else {
        retry.run(attempt, wait).await
    };
    Some(Sent { write, target, attempts, begun, refusal: None })
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
