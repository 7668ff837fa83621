//! Settles the proposals of one batch: carries out what `verdict` decides about each response.

use std::collections::VecDeque;
use std::sync::atomic::Ordering::Relaxed;

use tracing::{debug, warn};

use super::exchange::Exchange;
use super::group_by_request::{RequestGroup, group_by_request};
use super::lifecycle::StopCause;
use super::named_urns::{names, refused_entities};
use super::open_traces::{OpenTrace, TraceSlot};
use super::outcome::{Outcome, Rejection, RejectionReason, UndeliveredReason};
use super::pending::Pending;
use super::queue::Queued;
use super::record_or_run::Suspect;
use super::shared::Shared;
use super::verdict::{
    Action, Decision, GroupFacts, Progress, ResponseFacts, Split, StopAt, StopBecause, decide,
    decide_postponed,
};
use crate::ErrorKind;
use crate::diagnosis::Diagnosis;
use crate::gms::{AcceptedAspects, GmsResponse, RejectedRequest, Route, Verdict, rejection_hint, trace};
use crate::metadata::ChangeType;

/// One batch while it is delivered: the groups that are still to be sent, and what the responses to others
/// showed.
pub(super) struct BatchSettlement<'a> {
    shared: &'a Shared,
    groups: VecDeque<RequestGroup>,
    /// How many proposals the batch has.
    size: usize,
    /// Groups in a row that failed with 500.
    failing: u32,
    /// How many proposals GMS had accepted when the first of them failed.
    accepted_before: u64,
    /// Single proposals that failed with 500. They are at fault only if GMS accepts others in the meantime.
    postponed: Vec<(Pending, Rejection)>,
    /// The diagnosis of the last such 500.
    server_error: Option<Diagnosis>,
    /// Proposals that were refused alone before anything was accepted.
    refused_alone: usize,
    /// Why the run stops if no part of the batch is accepted.
    cause_if_nothing_is_accepted: Option<StopCause>,
}

impl<'a> BatchSettlement<'a> {
    pub(super) fn new(shared: &'a Shared, proposals: Vec<Pending>) -> Self {
        let size = proposals.len();
        Self {
            shared,
            groups: group_by_request(proposals, &shared.settings.encoder, shared.sends_batches()),
            size,
            failing: 0,
            accepted_before: 0,
            postponed: Vec::new(),
            server_error: None,
            refused_alone: 0,
            cause_if_nothing_is_accepted: None,
        }
    }

    /// The group to send next. A batch is split into single proposals if GMS turned out not to support
    /// batches.
    pub(super) fn next_group(&mut self) -> Option<RequestGroup> {
        let group = self.groups.pop_front()?;
        if group.route != Route::Batch || self.shared.sends_batches() {
            return Some(group);
        }
        for single in group.into_singles(&self.shared.settings.encoder).into_iter().rev() {
            self.groups.push_front(single);
        }
        self.groups.pop_front()
    }

    /// Enough parts of the batch were sent, and none was accepted: the run stops.
    pub(super) fn give_up(&mut self, group: RequestGroup) {
        let cause = self.cause_if_nothing_is_accepted.take();
        let cause = cause
            .unwrap_or_else(|| StopCause::Message(ErrorKind::Rejected, "GMS rejects every proposal".into()));
        self.stop(group, cause);
    }

    /// Settles the proposals of `group` that have an outcome now. Proposals to be sent again are put in
    /// front, in order.
    pub(super) fn settle(&mut self, mut group: RequestGroup, exchange: &Exchange, slot: Option<TraceSlot>) {
        group.outcome_unknown |= exchange.attempts.outcome_unknown;
        let Ok(response) = &exchange.attempts.last else {
            let cause = self.diagnosis(exchange);
            return self.stop(group, cause);
        };
        let message = FailureMessage::new(&exchange.attempts.verdict, response);
        let facts = ResponseFacts {
            verdict: exchange.attempts.verdict.clone(),
            status: Some(response.status.as_u16()),
            named: group.proposals.iter().filter(|pending| message.names(pending)).count(),
            says_exists: message.0.contains("already exists"),
        };
        let mut progress = self.progress(exchange);
        if facts.status == Some(500) {
            let before = *group.accepted_before_failure.get_or_insert(exchange.accepted_before);
            if progress.keeps_trying {
                progress.has_accepted_since = self.shared.accepted() > before;
            }
        }
        let Decision { action, shrink_batches } = decide(&self.facts(&group), &facts, &progress);
        if shrink_batches {
            self.shared.shrink_batches(exchange.body_bytes, group.proposals.len());
        }
        debug!(?action, proposals = group.proposals.len(), "the response was read");
        if is_of_a_working_server(action) {
            self.shared.health.note_response();
        }
        match action {
            Action::Accept => self.accept(group, exchange, response, slot),
            Action::AcceptEarlierAttempt => {
                for pending in group.proposals {
                    self.shared.settle(pending.delivery, Outcome::Delivered);
                }
            }
            Action::SendSingly => {
                if self.shared.note_lacks_batches() {
                    warn!("this GMS does not support ingestProposalBatch; proposals are sent one by one");
                }
                self.groups.push_front(group);
            }
            Action::Split(Split::InHalvesAfterServerError) => {
                self.note_server_error(exchange, &progress);
                group.retries_exhausted = true;
                self.bisect(group, response);
            }
            Action::Split(split) => {
                self.cause_if_nothing_is_accepted = Some(self.nothing_is_accepted(exchange, response));
                match split {
                    Split::ByNamedUrns => self.split_by_named_urns(group, response, &message),
                    Split::InHalves | Split::InHalvesAfterServerError => self.bisect(group, response),
                }
            }
            Action::RejectNamed => self.reject_named(group, exchange, response, &message),
            Action::Reject => {
                for pending in group.proposals {
                    let rejection =
                        self.rejection(RejectionReason::GmsRejected, &pending, exchange, response);
                    self.shared.settle(pending.delivery, Outcome::Rejected(rejection));
                }
            }
            Action::Hold(stop_at) => {
                self.refused_alone += 1;
                for proposal in group.proposals {
                    let rejection =
                        self.rejection(RejectionReason::GmsRejected, &proposal, exchange, response);
                    let stop = || self.shared.stop(self.nothing_is_accepted(exchange, response));
                    self.hold(Suspect { proposal, rejection, server_error: None }, stop_at, stop);
                }
            }
            Action::Postpone => {
                self.note_server_error(exchange, &progress);
                for pending in group.proposals {
                    let rejection =
                        self.rejection(RejectionReason::GmsRejected, &pending, exchange, response);
                    self.postponed.push((pending, rejection));
                }
            }
            Action::LeaveUndelivered => self.shared.settle_undelivered(group.proposals),
            Action::Stop(StopBecause::Response) => {
                let cause = self.diagnosis(exchange);
                self.stop(group, cause);
            }
            Action::Stop(StopBecause::NoOpenapi) => {
                self.shared.stop(self.no_openapi(exchange));
                self.shared.settle_undelivered(group.proposals);
            }
        }
    }

    /// Settles the single proposals that failed with 500, once all groups of the batch were sent.
    pub(super) fn finish(mut self) {
        for (proposal, rejection) in std::mem::take(&mut self.postponed) {
            let progress = Progress {
                is_stopped: self.shared.lifecycle.stop_reason().is_some(),
                ..self.progress_since(self.accepted_before)
            };
            match decide_postponed(&progress) {
                Action::Hold(stop_at) => {
                    let stop = || {
                        if let Some(error) = &self.server_error {
                            self.shared.stop_with(UndeliveredReason::Unreachable, error.clone().into());
                        }
                    };
                    let server_error = self.server_error.clone();
                    self.hold(Suspect { proposal, rejection, server_error }, stop_at, stop);
                }
                _ => self.shared.settle(proposal.delivery, Outcome::Rejected(rejection)),
            }
        }
    }

    fn facts(&self, group: &RequestGroup) -> GroupFacts {
        let creates = |pending: &Pending| {
            matches!(pending.delivery.proposal().change_type(), ChangeType::Create | ChangeType::CreateEntity)
        };
        GroupFacts {
            route: group.route,
            proposals: group.proposals.len(),
            has_several_urns: group.has_several_urns(),
            is_part: group.is_part,
            creates: matches!(&group.proposals[..], [only] if creates(only)),
            outcome_unknown: group.outcome_unknown,
            batch_size: self.size,
        }
    }

    fn progress(&self, exchange: &Exchange) -> Progress {
        self.progress_since(if self.failing == 0 { exchange.accepted_before } else { self.accepted_before })
    }

    fn progress_since(&self, accepted_before: u64) -> Progress {
        let accepted = self.shared.accepted();
        Progress {
            has_accepted: accepted > 0,
            has_accepted_since: accepted > accepted_before,
            is_stopped: self.shared.lifecycle.is_stopped(),
            keeps_trying: self.shared.keeps_trying(),
            failing: self.failing,
            refused_alone: self.refused_alone,
            failed_alone: self.postponed.len(),
            max_in_flight_requests: self.shared.settings.max_in_flight_requests,
        }
    }

    /// GMS has written the proposals, or queued them. Over OpenAPI the response lists what it accepted.
    fn accept(
        &mut self,
        group: RequestGroup,
        exchange: &Exchange,
        response: &GmsResponse,
        slot: Option<TraceSlot>,
    ) {
        self.failing = 0;
        self.shared.gate.note_accepted(response.token_generation);
        let listed =
            group.route.is_answered_with_aspects().then(|| AcceptedAspects::read(response)).flatten();
        let mut accepted = Vec::with_capacity(group.proposals.len());
        for pending in group.proposals {
            let proposal = pending.delivery.proposal();
            if listed
                .as_ref()
                .is_none_or(|listed| listed.contains(proposal.urn().as_str(), proposal.aspect_name()))
            {
                accepted.push(pending);
            } else {
                let rejection = self.dropped(&pending, response, exchange.attempts.count);
                self.shared.settle(pending.delivery, Outcome::Rejected(rejection));
            }
        }
        if accepted.is_empty() {
            return;
        }
        self.shared.counters.accepted.fetch_add(accepted.len() as u64, Relaxed);
        self.shared.suspects.note_accepted();
        self.shared.reject_suspects();
        if self.shared.settings.follows_traces() && exchange.is_asynchronous {
            accepted.iter_mut().for_each(Pending::release_count);
            let age = self.shared.ages.note(&accepted);
            let id = trace::trace_id(response);
            self.shared.traces.open(OpenTrace { id, proposals: accepted, slot, age });
            return;
        }
        for pending in accepted {
            self.shared.settle(pending.delivery, Outcome::Delivered);
        }
    }

    fn dropped(&self, pending: &Pending, response: &GmsResponse, attempts: u32) -> Rejection {
        let proposal = pending.delivery.proposal();
        let status = response.status.as_u16();
        let server = self.shared.client.known_config().map_or("this GMS", |server| server.version_name());
        let message = format!(
            "GMS responded with {status}, but its response does not contain the aspect {} of {}: it has not accepted it. \
             GMS does this with an aspect that it does not know for an entity of this type ({server}; \
             datahub-emitter {})",
            proposal.aspect_name(),
            proposal.urn(),
            env!("CARGO_PKG_VERSION")
        );
        Rejection::new(RejectionReason::AspectDroppedByGms, message).with_response(status, attempts)
    }

    fn reject_named(
        &mut self,
        mut group: RequestGroup,
        exchange: &Exchange,
        response: &GmsResponse,
        message: &FailureMessage,
    ) {
        self.cause_if_nothing_is_accepted = Some(self.diagnosis(exchange));
        for pending in group.proposals.extract_if(.., |pending| message.names(pending)) {
            let rejection = self.rejection(RejectionReason::Forbidden, &pending, exchange, response);
            self.shared.settle(pending.delivery, Outcome::Rejected(rejection));
        }
        if !group.proposals.is_empty() {
            self.shared.counters.split.fetch_add(1, Relaxed);
            self.groups.push_front(group);
        }
    }

    fn split_by_named_urns(&mut self, group: RequestGroup, response: &GmsResponse, message: &FailureMessage) {
        let [named, others] = group.partition(|pending| message.names(pending));
        debug!(
            status = response.status.as_u16(),
            named = named.proposals.len(),
            "GMS rejected a batch and named some of its proposals; sending the others first"
        );
        self.put_back([others, named]);
    }

    fn bisect(&mut self, group: RequestGroup, response: &GmsResponse) {
        debug!(
            status = response.status.as_u16(),
            proposals = group.proposals.len(),
            "GMS rejected a batch; sending it in halves"
        );
        self.put_back(group.bisect());
    }

    /// Puts two parts of a group in its place.
    fn put_back(&mut self, [first, second]: [RequestGroup; 2]) {
        self.shared.counters.split.fetch_add(1, Relaxed);
        self.groups.push_front(second);
        self.groups.push_front(first);
    }

    /// Holds a suspect. `stop` stops the run; it is called if there are enough suspects and nothing was
    /// accepted.
    fn hold(&self, suspect: Suspect, stop_at: StopAt, stop: impl FnOnce()) {
        let is_server_error = suspect.server_error.is_some();
        let suspects = self.shared.suspects.hold(suspect);
        let is_enough = match stop_at {
            StopAt::This => true,
            StopAt::Suspects(enough) => suspects >= enough,
            StopAt::Never => false,
        };
        // GMS may have accepted something since the decision. That shows that GMS's message was about the
        // record; a server error says nothing about the record, whatever was accepted before it.
        let has_accepted = self.shared.has_accepted();
        if is_enough && (is_server_error || !has_accepted) {
            stop();
        } else if has_accepted && !is_server_error {
            self.shared.reject_suspects();
        }
    }

    fn note_server_error(&mut self, exchange: &Exchange, progress: &Progress) {
        if progress.failing == 0 {
            self.accepted_before = exchange.accepted_before;
        }
        self.failing = progress.failing + 1;
        let diagnosis = self.shared.client.diagnose_attempts(&exchange.line, &exchange.attempts);
        self.cause_if_nothing_is_accepted = Some(diagnosis.clone().into());
        self.server_error = Some(diagnosis);
    }

    fn rejection(
        &self,
        reason: RejectionReason,
        pending: &Pending,
        exchange: &Exchange,
        response: &GmsResponse,
    ) -> Rejection {
        let Shared { client, settings, .. } = self.shared;
        let proposal = pending.delivery.proposal();
        let status = response.status.as_u16();
        let mut message = client.redact(&response.message());
        let hint = rejection_hint(&RejectedRequest {
            status,
            message: &message,
            endpoint: settings.encoder.endpoint,
            body_bytes: exchange.body_bytes,
            aspect_bytes: proposal.aspect().map_or(0, |aspect| aspect.value().len()),
            patches: proposal.change_type() == ChangeType::Patch,
            frontend: client.server().is_frontend(),
            server: client.known_config(),
        });
        if let Some(hint) = hint {
            message = format!("{message} ({hint})");
        }
        Rejection::new(reason, message).with_response(status, exchange.attempts.count)
    }

    fn nothing_is_accepted(&self, exchange: &Exchange, response: &GmsResponse) -> StopCause {
        let message = self.shared.client.redact(&response.message());
        StopCause::Message(
            ErrorKind::Rejected,
            format!(
                "GMS rejects every proposal, so no record alone is at fault: {} from {}: {message}",
                response.status.as_u16(),
                exchange.line
            ),
        )
    }

    /// The server's version did not tell that it has no OpenAPI v3, but its response does.
    fn no_openapi(&self, exchange: &Exchange) -> StopCause {
        let error = self.shared.client.lacks_openapi();
        StopCause::Message(error.kind(), format!("404 from {}: {}", exchange.line, error.full_message()))
    }

    fn diagnosis(&self, exchange: &Exchange) -> StopCause {
        let mut diagnosis = self.shared.client.diagnose_attempts(&exchange.line, &exchange.attempts);
        diagnosis.evidence.extend(exchange.token_unavailable.clone());
        diagnosis.into()
    }

    /// Stops the run, or puts the group back for a later attempt. It comes after groups without a common URN:
    /// if it fails because of its content, their success shows that.
    fn stop(&mut self, mut group: RequestGroup, cause: StopCause) {
        if self.shared.keeps_trying() {
            self.shared.begin_outage(cause);
            group.retries_exhausted = false;
            let is_in_group = |other: &Pending| group.proposals.iter().any(|own| own.urn() == other.urn());
            if self.groups.iter().flat_map(|other| &other.proposals).any(is_in_group) {
                self.groups.push_front(group);
            } else {
                self.groups.push_back(group);
            }
            return;
        }
        self.shared.stop(cause);
        self.shared.settle_undelivered(group.proposals);
    }
}

/// Whether the response shows that the server works, although it may have rejected something.
fn is_of_a_working_server(action: Action) -> bool {
    match action {
        Action::Accept
        | Action::AcceptEarlierAttempt
        | Action::SendSingly
        | Action::Split(Split::ByNamedUrns | Split::InHalves)
        | Action::RejectNamed
        | Action::Reject
        | Action::Hold(_) => true,
        Action::Split(Split::InHalvesAfterServerError)
        | Action::Postpone
        | Action::LeaveUndelivered
        | Action::Stop(_) => false,
    }
}

/// The message of a response that refuses something; empty if it does not.
struct FailureMessage(String);

impl FailureMessage {
    fn new(verdict: &Verdict, response: &GmsResponse) -> Self {
        Self(match verdict {
            Verdict::Delivered => String::new(),
            Verdict::Forbidden => refused_entities(&response.full_message()).to_owned(),
            _ => response.full_message(),
        })
    }

    fn names(&self, pending: &Pending) -> bool {
        !self.0.is_empty() && names(&self.0, pending.urn().as_str())
    }
}
