//! What GMS's answers mean for the proposals of one batch.

use std::collections::VecDeque;
use std::sync::atomic::Ordering::Relaxed;

use tokio::sync::OwnedSemaphorePermit;
use tracing::{debug, warn};

use super::deliver::Sent;
use super::doubt::{Held, REFUSED_ALONE};
use super::pieces::{self, Piece};
use super::queue::Queued;
use super::state::{Item, Phase, State};
use super::stop::Cause;
use super::traces::OpenTrace;
use super::{Outcome, Rejection, UndeliveredReason};
use crate::ErrorKind;
use crate::diagnosis::Diagnosis;
use crate::gms::{
    AcceptedAspects, GmsResponse, RejectedRequest, RetryReason, Route, Verdict, rejection_hint, trace,
};
use crate::metadata::ChangeType;

/// A batch on its way, in as many pieces as it takes.
pub(super) struct Course<'a> {
    state: &'a State,
    pieces: VecDeque<Piece>,
    /// Proposals in the batch.
    size: usize,
    /// What the whole emitter had taken off its hands when a 500 first came back for the pieces that fail now.
    taken_before: u64,
    /// Pieces in a row that a 500 came back for.
    failing: u32,
    /// Single proposals that a 500 came back for. They are at fault only if GMS takes others meanwhile.
    suspects: Vec<(Item, Outcome)>,
    /// What the last such 500 says of the server.
    trouble: Option<Diagnosis>,
    /// What the last refusal of several says, if it is the run's.
    refusal: Option<Cause>,
    /// Proposals that were refused alone, before anything was delivered.
    refused_alone: usize,
}

impl<'a> Course<'a> {
    pub(super) fn begin(state: &'a State, items: Vec<Item>) -> Self {
        let size = items.len();
        Self {
            state,
            pieces: pieces::of(items, &state.settings.wire, state.batches()),
            size,
            taken_before: 0,
            failing: 0,
            suspects: Vec::new(),
            trouble: None,
            refusal: None,
            refused_alone: 0,
        }
    }

    /// What is sent next. A batch for a GMS that turned out not to know batches is taken apart first.
    pub(super) fn next_piece(&mut self) -> Option<Piece> {
        let piece = self.pieces.pop_front()?;
        if piece.route != Route::Batch || self.state.batches() {
            return Some(piece);
        }
        for single in pieces::of(piece.items, &self.state.settings.wire, false).into_iter().rev() {
            self.pieces.push_front(Piece {
                may_be_written: piece.may_be_written,
                troubled: piece.troubled,
                is_part: piece.is_part,
                ..single
            });
        }
        self.pieces.pop_front()
    }

    /// Enough parts were tried, and none was taken.
    pub(super) fn give_up(&mut self, piece: Piece) {
        let unnamed = || Cause::Message(ErrorKind::Rejected, "GMS rejects whatever it is sent".into());
        let cause = self.refusal.take().unwrap_or_else(unnamed);
        self.stop(piece, cause);
    }

    /// Settles what the answer settles, and puts what is to be sent again in front, in smaller pieces and in order.
    pub(super) fn settle(&mut self, mut piece: Piece, sent: &Sent<'_>, slot: Option<OwnedSemaphorePermit>) {
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
            // The user has it tried again, and it stays.
            (Verdict::Retry(RetryReason::Failed { .. }), Ok(reply))
                if reply.status.is_client_error() && self.state.phase() < Phase::Stopped =>
            {
                self.rejected(piece, sent, reply);
            }
            _ => self.stop(piece, self.diagnosis(sent)),
        }
    }

    /// GMS has written it, or queued it. Over OpenAPI it also says what it took, and leaves out what it dropped.
    fn taken(
        &mut self,
        piece: Piece,
        sent: &Sent<'_>,
        reply: &GmsResponse,
        slot: Option<OwnedSemaphorePermit>,
    ) {
        self.failing = 0;
        self.state.gate.taken(reply.token_generation);
        let said = piece.route.is_answered_with_aspects().then(|| AcceptedAspects::read(reply)).flatten();
        let mut kept = Vec::with_capacity(piece.items.len());
        for item in piece.items {
            let proposal = item.delivery.proposal();
            if said.as_ref().is_none_or(|taken| taken.holds(proposal.urn().as_str(), proposal.aspect_name()))
            {
                kept.push(item);
            } else {
                let outcome = self.dropped(&item, reply, sent.attempts.count);
                self.state.settle(item.delivery, outcome);
            }
        }
        if !kept.is_empty() {
            self.state.counters.taken.fetch_add(kept.len() as u64, Relaxed);
            // What was refused before was refused for what it is.
            self.state.doubt.delivered();
            self.state.settle_held();
        }
        if self.state.settings.traces() && sent.asynchronous && !kept.is_empty() {
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

    fn dropped(&self, item: &Item, reply: &GmsResponse, attempts: u32) -> Outcome {
        let proposal = item.delivery.proposal();
        let server = self.state.client.known_config().map_or("this GMS", |server| server.version_name());
        Outcome::Rejected(Rejection {
            reason: "aspect-dropped-by-gms",
            status: Some(reply.status.as_u16()),
            message: format!(
                "GMS answered {} and left the aspect {} of {} out of its answer: it has not taken it. GMS does so with an \
                 aspect that it does not know for an entity of this type ({server}; datahub-emitter {})",
                reply.status.as_u16(),
                proposal.aspect_name(),
                proposal.urn(),
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

    /// A 403 that names some proposals is about those. One that names none is about the caller, and so is one that names
    /// all; a single one that is named is at fault as soon as anything was delivered in this run.
    fn forbidden(&mut self, mut piece: Piece, sent: &Sent<'_>, reply: &GmsResponse) {
        let words = reply.full_message();
        // The caller's own URN comes before.
        let words = words.split_once(" is unauthorized").map_or(words.as_str(), |(_, refused)| refused);
        let named = |item: &Item| names(words, item.urn().as_str());
        let count = piece.items.iter().filter(|item| named(item)).count();
        let is_all = count == piece.items.len();
        if count == 0 || (is_all && (piece.has_several_urns() || !self.state.has_taken())) {
            return self.stop(piece, self.diagnosis(sent));
        }
        self.refusal = Some(self.diagnosis(sent));
        for item in piece.items.extract_if(.., |item| named(item)) {
            let outcome = self.rejection("forbidden", &item, sent, reply);
            self.state.settle(item.delivery, outcome);
        }
        if !piece.items.is_empty() {
            self.state.counters.split.fetch_add(1, Relaxed);
            self.pieces.push_front(piece);
        }
    }

    /// A single proposal is rejected; a batch is taken apart.
    fn rejected(&mut self, piece: Piece, sent: &Sent<'_>, reply: &GmsResponse) {
        let status = reply.status.as_u16();
        if piece.route.is_answered_with_aspects() && status == 404 && !self.state.has_taken() {
            return self.stop(piece, self.no_openapi(sent));
        }
        if status == 413 {
            self.state.learn_batch_bytes(sent.body_bytes, piece.items.len());
        }
        if piece.items.len() > 1 {
            return self.take_apart(piece, sent, reply);
        }
        // What was sent without an answer and is there now, was taken then.
        let was_taken = piece.may_be_written && reply.full_message().contains("already exists");
        let is_part = piece.is_part;
        for item in piece.items {
            let creates = matches!(
                item.delivery.proposal().change_type(),
                ChangeType::Create | ChangeType::CreateEntity
            );
            if was_taken && creates {
                self.state.settle(item.delivery, Outcome::Delivered);
                continue;
            }
            let outcome = self.rejection("gms-rejected", &item, sent, reply);
            // What is too large says nothing of others.
            if self.state.has_taken() || status == 413 {
                self.state.settle(item.delivery, outcome);
                continue;
            }
            self.refused_alone += 1;
            let held = self.state.doubt.hold(Held { item, rejection: outcome, trouble: None });
            let is_enough = if is_part {
                self.refused_alone >= REFUSED_ALONE
            } else {
                held >= self.state.settings.doubtful_singles()
            };
            if is_enough && !self.state.has_taken() {
                self.state.stop_for(self.nothing_is_taken(sent, reply));
            }
        }
        // Something may have been taken since that was asked.
        if self.state.has_taken() {
            self.state.settle_held();
        }
    }

    /// Nothing that was tried is taken, so it is no record's fault.
    fn nothing_is_taken(&self, sent: &Sent<'_>, reply: &GmsResponse) -> Cause {
        let message = self.state.client.redact(&reply.message());
        Cause::Message(
            ErrorKind::Rejected,
            format!(
                "GMS rejects whatever it is sent, so no record alone is at fault: {} from {}: {message}",
                reply.status.as_u16(),
                sent.target
            ),
        )
    }

    /// Its version did not tell, but its answer does.
    fn no_openapi(&self, sent: &Sent<'_>) -> Cause {
        let error = self.state.client.lacks_openapi();
        Cause::Message(error.kind(), format!("404 from {}: {}", sent.target, error.full_message()))
    }

    /// A 500 without clear words that stays may be the fault of one record, or the server's. It is the server's when
    /// nothing goes through any more, or nothing ever did, whichever part of the batch is tried.
    fn unclear(&mut self, mut piece: Piece, sent: &Sent<'_>, reply: &GmsResponse) {
        if self.state.phase() >= Phase::Stopped {
            // It was not tried to the end.
            return self.state.settle_undelivered(piece.items);
        }
        if self.failing == 0 {
            self.taken_before = sent.taken_before;
        }
        self.failing += 1;
        let diagnosis = self.state.client.diagnose_attempts(&sent.target, &sent.attempts);
        let patience = self.size.checked_ilog2().unwrap_or(0) + 2;
        let is_hopeless = if self.state.has_taken() {
            self.failing > patience && !self.goes_on()
        } else {
            self.size == 1 || self.suspects.len() + 1 >= REFUSED_ALONE
        };
        if is_hopeless {
            return self.stop(piece, diagnosis.into());
        }
        self.refusal = Some(diagnosis.clone().into());
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

    fn rejection(&self, reason: &'static str, item: &Item, sent: &Sent<'_>, reply: &GmsResponse) -> Outcome {
        let state = self.state;
        let proposal = item.delivery.proposal();
        let mut message = state.client.redact(&reply.message());
        let explanation = rejection_hint(&RejectedRequest {
            status: reply.status.as_u16(),
            message: &message,
            endpoint: state.settings.wire.endpoint,
            body_bytes: sent.body_bytes,
            aspect_bytes: proposal.aspect().map_or(0, |aspect| aspect.value().len()),
            patches: proposal.change_type() == ChangeType::Patch,
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

    /// By the URNs that GMS's words name, else by halves.
    fn take_apart(&mut self, piece: Piece, sent: &Sent<'_>, reply: &GmsResponse) {
        let words = reply.full_message();
        let named = |item: &Item| names(&words, item.urn().as_str());
        let count = piece.items.iter().filter(|item| named(item)).count();
        let names_some = 0 < count && count < piece.items.len();
        self.refusal = Some(self.nothing_is_taken(sent, reply));
        if names_some {
            debug!(
                status = reply.status.as_u16(),
                named = count,
                "GMS rejected a batch, and named some of it"
            );
            let [hit, rest] = piece.divide(named);
            return self.put_back([rest, hit]);
        }
        self.halve(piece, reply);
    }

    fn halve(&mut self, piece: Piece, reply: &GmsResponse) {
        debug!(
            status = reply.status.as_u16(),
            proposals = piece.items.len(),
            "GMS rejected a batch; sending it in halves"
        );
        self.put_back(piece.halves());
    }

    /// Puts two parts of a piece in its place.
    fn put_back(&mut self, [first, second]: [Piece; 2]) {
        self.state.counters.split.fetch_add(1, Relaxed);
        self.pieces.push_front(second);
        self.pieces.push_front(first);
    }

    /// GMS has taken something since this batch first left.
    fn goes_on(&self) -> bool {
        self.state.counters.taken.load(Relaxed) > self.taken_before
    }

    fn diagnosis(&self, sent: &Sent<'_>) -> Cause {
        let mut diagnosis = self.state.client.diagnose_attempts(&sent.target, &sent.attempts);
        diagnosis.evidence.extend(sent.refusal.clone());
        diagnosis.into()
    }

    fn stop(&mut self, piece: Piece, cause: Cause) {
        self.state.stop_for(cause);
        self.state.settle_undelivered(piece.items);
    }

    /// Single proposals that a 500 came back for are at fault if GMS has taken something since. Otherwise that is open
    /// until it takes something, or enough of them fail one after another.
    pub(super) fn judge_suspects(&mut self) {
        let suspects = std::mem::take(&mut self.suspects);
        let is_stopped = self.state.stopped().is_some();
        let (goes_on, has_taken) = (self.goes_on(), self.state.has_taken());
        for (item, rejection) in suspects {
            if goes_on && !is_stopped {
                self.state.settle(item.delivery, rejection);
                continue;
            }
            let held = self.state.doubt.hold(Held { item, rejection, trouble: self.trouble.clone() });
            let is_enough = !has_taken || held >= self.state.settings.doubtful_singles();
            if let (true, Some(trouble)) = (is_enough, self.trouble.clone()) {
                self.state.stop(UndeliveredReason::Unreachable, trouble.into());
            }
        }
    }
}

/// Whether GMS's words name `urn`, and not only another that begins with it.
fn names(message: &str, urn: &str) -> bool {
    message.match_indices(urn).any(|(at, _)| {
        let mut rest = message.get(at + urn.len()..).unwrap_or_default().chars();
        let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ']' | '}');
        match rest.next() {
            None | Some(',' | ';') => true,
            // The end of a sentence, or of a name with something before it.
            Some(':' | '.' | ')') => rest.next().is_none_or(ends),
            Some(c) => ends(c),
        }
    })
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
        for words in ["record with urn urn:li:tag:pii: no", "no such (urn:li:tag:pii)", "['urn:li:tag:pii']"]
        {
            assert!(names(words, "urn:li:tag:pii"), "{words}");
        }
        assert!(!names("urn:li:tag:pii:eu, urn:li:tag:pii.eu", "urn:li:tag:pii"));
    }
}
