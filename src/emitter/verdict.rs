//! The meaning of a response for the proposals of a request: a pure function.
//!
//! [`decide`] knows the request group, the response and the progress of the run as plain facts, and returns
//! what to do. `settle` collects the facts and carries the decision out. The test enumerates the facts.
//!
//! The rules:
//!
//! - **A rejected batch** is split until the proposals at fault are alone: by the URNs that GMS's message
//!   names, else by bisection. So one bad record costs one record, and about two requests per halving. A 413
//!   also makes the batches of the rest of the run smaller.
//! - **A rejected single proposal** is rejected if GMS has accepted anything in this run. Until then it is
//!   held as a suspect (see `record_or_run`).
//! - **A 403** that names some proposals of a batch is about those. One that names none, or all, is about the
//!   caller and stops the run. A single proposal that is named is at fault once anything was accepted.
//! - **A 500 that remains after the retries** may be the fault of one record or of the server. The batch is
//!   bisected; it is the server's fault if nothing is accepted any more, whichever part is sent.
//! - **Anything else** stops the run.
//!
//! A service's emitter is never stopped ([`Progress::keeps_trying`]): where a run would stop, the group is
//! sent again later. So it does not need to know whether the run is at fault, and every rejection is about
//! the record. A single proposal that fails with 500 is at fault once GMS has accepted another one since.

use crate::gms::{RetryReason, Route, Verdict};

/// How many proposals of one batch, refused alone before anything was accepted, show that no single record is
/// at fault.
pub(super) const REFUSED_ALONE: usize = 3;

/// The facts about the request group.
#[expect(clippy::struct_excessive_bools, reason = "the facts are independent of each other")]
#[derive(Clone, Copy, Debug)]
pub(super) struct GroupFacts {
    pub(super) route: Route,
    pub(super) proposals: usize,
    pub(super) has_several_urns: bool,
    /// The group is part of a batch that was rejected.
    pub(super) is_part: bool,
    /// The group is one CREATE or `CREATE_ENTITY`.
    pub(super) creates: bool,
    /// An attempt ended without a response, so that GMS may have accepted the proposals then.
    pub(super) outcome_unknown: bool,
    /// How many proposals the whole batch has.
    pub(super) batch_size: usize,
}

/// The facts about the response.
#[derive(Clone, Debug)]
pub(super) struct ResponseFacts {
    /// The meaning for the request.
    pub(super) verdict: Verdict,
    /// `None` if there is no response.
    pub(super) status: Option<u16>,
    /// How many of the group's proposals the message names.
    pub(super) named: usize,
    /// The message says that what was to be created already exists.
    pub(super) says_exists: bool,
}

/// The facts about the run, at one moment.
#[expect(clippy::struct_excessive_bools, reason = "the facts are independent of each other")]
#[derive(Clone, Copy, Debug)]
pub(super) struct Progress {
    /// GMS has accepted a proposal in this run.
    pub(super) has_accepted: bool,
    /// GMS has accepted a proposal since the groups of this batch began to fail with 500.
    pub(super) has_accepted_since: bool,
    /// Nothing is sent any more.
    pub(super) is_stopped: bool,
    /// The emitter is a service's: nothing stops it, so a rejection is always blamed on the record.
    pub(super) keeps_trying: bool,
    /// Groups of this batch in a row that failed with 500, without this one.
    pub(super) failing: u32,
    /// Proposals of this batch that were refused alone before anything was accepted, without this one.
    pub(super) refused_alone: usize,
    /// Single proposals of this batch that failed with 500, without this one.
    pub(super) failed_alone: usize,
    /// The largest number of requests in flight.
    pub(super) max_in_flight_requests: usize,
}

/// The next step for a request group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decision {
    pub(super) action: Action,
    /// Make further batches smaller than this request.
    pub(super) shrink_batches: bool,
}

/// The next step for the proposals of a request group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// They are delivered, or queued by GMS.
    Accept,
    /// The proposal was delivered by an attempt without a response.
    AcceptEarlierAttempt,
    /// Send each in a request of its own: GMS does not support batches.
    SendSingly,
    /// Send the group again in two parts.
    Split(Split),
    /// Reject those that a 403 names, and send the others again.
    RejectNamed,
    /// Reject the single proposal.
    Reject,
    /// Hold the single proposal as a suspect.
    Hold(StopAt),
    /// Keep the single proposal until the batch is finished, when more is known about the server.
    Postpone,
    /// They are undelivered, because the run has stopped.
    LeaveUndelivered,
    /// Stop the run; they are undelivered.
    Stop(StopBecause),
}

/// How to split a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Split {
    /// Into the proposals that the message names, and the others.
    ByNamedUrns,
    /// Into halves.
    InHalves,
    /// Into halves, which are not retried as often as the whole was.
    InHalvesAfterServerError,
}

/// When a suspect stops the run, as long as GMS has accepted nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StopAt {
    /// At once.
    This,
    /// When there is this number of suspects.
    Suspects(usize),
    /// Not because of this one.
    Never,
}

/// Why to stop the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StopBecause {
    /// The response, or its absence, concerns every request.
    Response,
    /// The server has no OpenAPI v3.
    NoOpenapi,
}

/// Decides what to do with a group whose last response is `response`.
pub(super) fn decide(group: &GroupFacts, response: &ResponseFacts, progress: &Progress) -> Decision {
    let decision = |action| Decision { action, shrink_batches: false };
    match (&response.verdict, response.status) {
        (Verdict::Delivered, Some(_)) => decision(Action::Accept),
        (Verdict::Forbidden, Some(_)) => decision(forbidden(group, response, progress)),
        (Verdict::UnknownBatch, Some(_)) if group.route == Route::Batch => decision(Action::SendSingly),
        (Verdict::Rejected | Verdict::UnknownBatch, Some(status)) => {
            rejected(group, response, status, progress)
        }
        (Verdict::Retry(_), Some(500)) => decision(server_error(group, progress)),
        // A client error that `retry_status_codes` contains, after the retries.
        (Verdict::Retry(RetryReason::Failed { .. }), Some(status @ 400..=499)) if !progress.is_stopped => {
            rejected(group, response, status, progress)
        }
        _ => decision(Action::Stop(StopBecause::Response)),
    }
}

/// Decides about a single proposal that failed with 500, at the end of its batch. It is at fault if GMS has
/// accepted something since. Otherwise that is open until GMS accepts something, or until there are enough
/// suspects.
pub(super) fn decide_postponed(progress: &Progress) -> Action {
    if progress.has_accepted_since && !progress.is_stopped {
        return Action::Reject;
    }
    Action::Hold(if progress.has_accepted { StopAt::Suspects(max_suspects(progress)) } else { StopAt::This })
}

fn forbidden(group: &GroupFacts, response: &ResponseFacts, progress: &Progress) -> Action {
    let names_all = response.named == group.proposals;
    if response.named == 0
        || (names_all && !progress.keeps_trying && (group.has_several_urns || !progress.has_accepted))
    {
        return Action::Stop(StopBecause::Response);
    }
    Action::RejectNamed
}

fn rejected(group: &GroupFacts, response: &ResponseFacts, status: u16, progress: &Progress) -> Decision {
    let shrink_batches = status == 413;
    let decision = |action| Decision { action, shrink_batches };
    if group.route.is_answered_with_aspects() && status == 404 && !progress.has_accepted {
        return decision(Action::Stop(StopBecause::NoOpenapi));
    }
    if group.proposals > 1 {
        let names_some = 0 < response.named && response.named < group.proposals;
        return decision(Action::Split(if names_some { Split::ByNamedUrns } else { Split::InHalves }));
    }
    if group.creates && group.outcome_unknown && response.says_exists {
        return decision(Action::AcceptEarlierAttempt);
    }
    // A proposal that is too large says nothing about others.
    if progress.has_accepted || progress.keeps_trying || status == 413 {
        return decision(Action::Reject);
    }
    decision(Action::Hold(if !group.is_part {
        StopAt::Suspects(max_suspects(progress))
    } else if progress.refused_alone + 1 >= REFUSED_ALONE {
        StopAt::This
    } else {
        StopAt::Never
    }))
}

fn server_error(group: &GroupFacts, progress: &Progress) -> Action {
    if progress.is_stopped {
        // It was not retried as often as it would have been.
        return Action::LeaveUndelivered;
    }
    if progress.keeps_trying {
        return match group.proposals {
            0 | 1 if progress.has_accepted_since => Action::Reject,
            0 | 1 => Action::Stop(StopBecause::Response),
            _ => Action::Split(Split::InHalvesAfterServerError),
        };
    }
    let is_the_servers_fault = if progress.has_accepted {
        let bisections = group.batch_size.checked_ilog2().unwrap_or(0);
        progress.failing + 1 > bisections + 2 && !progress.has_accepted_since
    } else {
        group.batch_size == 1 || progress.failed_alone + 1 >= REFUSED_ALONE
    };
    match group.proposals {
        _ if is_the_servers_fault => Action::Stop(StopBecause::Response),
        0 | 1 => Action::Postpone,
        _ => Action::Split(Split::InHalvesAfterServerError),
    }
}

/// How many suspects that were sent alone show that no single record is at fault: more than can be in flight
/// together, since those all leave before the first one is refused.
fn max_suspects(progress: &Progress) -> usize {
    progress.max_in_flight_requests.max(REFUSED_ALONE)
}

#[cfg(test)]
mod tests;
