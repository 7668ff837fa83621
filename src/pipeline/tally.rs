//! Counts how every proposal of a run ended.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use super::RunControl;
use super::dead_letter::DeadLetters;
use super::limits::Limits;
use super::report::{Failure, FailureKind, ProposalCounts};
use crate::Error;
use crate::emitter::{Observer, Outcome, UndeliveredReason};
use crate::metadata::{Proposal, Urn};
use crate::source::InvalidRecord;

/// The most failures that a report lists; all are counted, and all that can be are dead-lettered.
const LISTED_FAILURES: usize = 100;

/// The most ways of not being delivered that a report lists, one proposal for each.
const LISTED_UNDELIVERED: usize = 10;

/// Is told of every proposal's end, and keeps the letters of those that were refused.
#[derive(Debug)]
pub(super) struct Tally {
    read: AtomicU64,
    delivered: AtomicU64,
    rejected: AtomicU64,
    filtered: AtomicU64,
    invalid: AtomicU64,
    /// One URN that was delivered, to show how to look at it.
    example: OnceLock<Urn>,
    failures: Mutex<Failures>,
    letters: Option<DeadLetters>,
    /// How much may fail, and what is stopped then.
    watch: Option<(Limits, RunControl)>,
}

#[derive(Debug, Default)]
struct Failures {
    listed: Vec<Failure>,
    undelivered: Vec<Failure>,
    undelivered_messages: HashSet<String>,
    /// Code of ours forgot a proposal.
    dropped: bool,
}

impl Tally {
    /// `letters` is `None` in a dry run, which leaves nothing behind.
    pub(super) fn new(letters: Option<DeadLetters>) -> Self {
        Self {
            read: AtomicU64::new(0),
            delivered: AtomicU64::new(0),
            rejected: AtomicU64::new(0),
            filtered: AtomicU64::new(0),
            invalid: AtomicU64::new(0),
            example: OnceLock::new(),
            failures: Mutex::default(),
            letters,
            watch: None,
        }
    }

    /// Stops the run when more fails than `limits` allow.
    pub(super) fn watched(self, limits: Limits, control: RunControl) -> Self {
        Self { watch: Some((limits, control)), ..self }
    }

    /// A proposal was read.
    pub(super) fn read(&self) {
        self.read.fetch_add(1, Ordering::Relaxed);
    }

    /// A proposal was left out by request.
    pub(super) fn filtered(&self) {
        self.filtered.fetch_add(1, Ordering::Relaxed);
    }

    /// Proposals that the source's own settings leave out.
    pub(super) fn filtered_by_source(&self, count: u64) {
        if count > 0 {
            self.read.fetch_add(count, Ordering::Relaxed);
            self.filtered.fetch_add(count, Ordering::Relaxed);
        }
    }

    /// A record was not understood. Returns whether its letter is kept.
    pub(super) fn invalid(&self, record: &InvalidRecord) -> bool {
        self.invalid.fetch_add(1, Ordering::Relaxed);
        let kept = self.letters.as_ref().is_some_and(|letters| letters.invalid(record));
        self.failures().list(Failure {
            origin: Some(record.origin.to_string()),
            urn: None,
            aspect: None,
            status: None,
            message: record.reason.clone(),
            kind: FailureKind::Invalid,
        });
        self.look_at_limits();
        kept
    }

    /// Puts the letters on the disk for good. Proposals whose letters could not be kept are undelivered after all: false
    /// if there are any in this run.
    pub(super) fn sync_letters(&self) -> bool {
        let Some(Err(lost)) = self.letters.as_ref().map(DeadLetters::sync) else { return true };
        self.rejected.fetch_sub(lost, Ordering::Release);
        false
    }

    /// Why there is no use in going on, if there is none: a letter could not be kept.
    pub(super) fn broken(&self) -> Option<Error> {
        self.letters.as_ref().and_then(DeadLetters::failure)
    }

    pub(super) fn letters(&self) -> Option<&DeadLetters> {
        self.letters.as_ref()
    }

    pub(super) fn example(&self) -> Option<&Urn> {
        self.example.get()
    }

    pub(super) fn invalid_records(&self) -> u64 {
        self.invalid.load(Ordering::Relaxed)
    }

    pub(super) fn counts(&self) -> ProposalCounts {
        // What was settled is loaded before what was read, so that a count taken while the run goes on is possible too.
        let delivered = self.delivered.load(Ordering::Acquire);
        let rejected = self.rejected.load(Ordering::Acquire);
        let filtered = self.filtered.load(Ordering::Acquire);
        ProposalCounts::new(self.read.load(Ordering::Acquire), delivered, rejected, filtered)
    }

    /// The failures for the report, and whether code of ours forgot a proposal.
    pub(super) fn take_failures(&self) -> (Vec<Failure>, bool) {
        let mut failures = self.failures();
        let mut listed = std::mem::take(&mut failures.listed);
        listed.append(&mut failures.undelivered);
        (listed, failures.dropped)
    }

    /// How many failed, and of how many that are settled.
    pub(super) fn failed(&self) -> (u64, u64) {
        let counts = self.counts();
        let failed = counts.rejected + self.invalid_records();
        (failed, counts.delivered + counts.filtered + failed)
    }

    fn look_at_limits(&self) {
        let Some((limits, control)) = &self.watch else { return };
        let (failed, settled) = self.failed();
        if let Some(exceeded) = limits.exceeded(failed, settled) {
            control.stop_at_bound(|| exceeded);
        }
    }

    fn failures(&self) -> MutexGuard<'_, Failures> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Failures {
    fn list(&mut self, failure: Failure) {
        if self.listed.len() < LISTED_FAILURES {
            self.listed.push(failure);
        }
    }

    /// Hundreds may be left for one reason: one of them stands for all.
    fn list_undelivered(&mut self, failure: Failure) {
        if self.undelivered.len() < LISTED_UNDELIVERED
            && self.undelivered_messages.insert(failure.message.clone())
        {
            self.undelivered.push(failure);
        }
    }
}

impl Tally {
    /// A proposal ended. Returns whether it is done with: one that is undelivered is not, nor one that was refused and
    /// could not be kept.
    pub(super) fn settle(&self, proposal: Proposal, outcome: Outcome) -> bool {
        match outcome {
            Outcome::Delivered => {
                self.delivered.fetch_add(1, Ordering::Release);
                if self.example.get().is_none() {
                    self.example.get_or_init(|| proposal.urn().clone());
                }
                true
            }
            Outcome::Rejected(rejection) => {
                // A refused proposal counts as rejected only if it is kept; else a later run has to meet it again.
                let kept =
                    self.letters.as_ref().is_some_and(|letters| letters.rejected(&proposal, &rejection));
                if kept {
                    self.rejected.fetch_add(1, Ordering::Release);
                }
                // Also one that could not be kept was refused: that is what the user has to know of it.
                let kind = FailureKind::Rejected;
                self.failures().list(failure(kind, &proposal, rejection.status, rejection.message));
                self.look_at_limits();
                kept
            }
            Outcome::Undelivered(undelivered) => {
                let mut failures = self.failures();
                failures.dropped |= undelivered.reason == UndeliveredReason::Dropped;
                let reason = undelivered.reason.as_str();
                let message = if undelivered.message.is_empty() {
                    format!("not sent ({reason})")
                } else {
                    format!("not delivered ({reason}): {}", undelivered.message)
                };
                failures.list_undelivered(failure(FailureKind::Undelivered, &proposal, None, message));
                false
            }
        }
    }
}

impl Observer for Tally {
    fn settled(&self, proposal: Proposal, outcome: Outcome) {
        self.settle(proposal, outcome);
    }
}

fn failure(kind: FailureKind, proposal: &Proposal, status: Option<u16>, message: String) -> Failure {
    Failure {
        origin: proposal.origin().map(ToString::to_string),
        urn: Some(proposal.urn().to_string()),
        aspect: Some(proposal.aspect_name().to_string()),
        status,
        message,
        kind,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::emitter::{Delivery, Rejection, RejectionReason, Undelivered};

    fn proposal(number: usize) -> Proposal {
        Proposal::delete(Urn::parse(&format!("urn:li:tag:t{number}")).unwrap(), "tagKey")
    }

    fn rejected() -> Outcome {
        Outcome::Rejected(Rejection::new(RejectionReason::GmsRejected, "no").with_response(422, 1))
    }

    fn deliver(tally: &Arc<Tally>, number: usize) -> Delivery {
        tally.read();
        Delivery::observed(proposal(number), Arc::clone(tally) as Arc<dyn Observer>)
    }

    fn tally(path: std::path::PathBuf) -> Arc<Tally> {
        Arc::new(Tally::new(Some(DeadLetters::new(path, "file-1".into()))))
    }

    #[test]
    fn every_end_is_counted_once() {
        let directory = tempfile::tempdir().unwrap();
        let tally = tally(directory.path().join("letters.jsonl"));
        deliver(&tally, 0).settle(Outcome::Delivered);
        deliver(&tally, 1).settle(rejected());
        deliver(&tally, 2).settle(Outcome::Undelivered(Undelivered {
            reason: UndeliveredReason::Closed,
            message: String::new(),
        }));
        tally.read();
        tally.filtered();
        drop(deliver(&tally, 3));
        let still_under_way = deliver(&tally, 4);

        let counts = tally.counts();
        assert_eq!(
            (counts.read, counts.delivered, counts.rejected, counts.undelivered, counts.filtered),
            (6, 1, 1, 3, 1)
        );
        assert_eq!(tally.example().unwrap().as_str(), "urn:li:tag:t0");
        let (failures, dropped) = tally.take_failures();
        assert!(dropped, "a forgotten proposal is told");
        assert_eq!(failures.len(), 3);
        drop(still_under_way);
    }

    #[test]
    fn a_hundred_failures_are_listed_and_all_are_counted() {
        let directory = tempfile::tempdir().unwrap();
        let tally = tally(directory.path().join("letters.jsonl"));
        for number in 0..250 {
            deliver(&tally, number).settle(rejected());
        }
        assert_eq!(tally.counts().rejected, 250);
        tally.sync_letters();
        assert_eq!(tally.letters().unwrap().report().records, 250);
        assert_eq!(tally.take_failures().0.len(), LISTED_FAILURES);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_could_not_be_kept_is_left_for_a_later_run() {
        let tally = tally("/dev/full".into());
        deliver(&tally, 0).settle(rejected());
        let counts = tally.counts();
        assert_eq!((counts.read, counts.rejected, counts.undelivered), (1, 0, 1));
        assert!(tally.broken().is_some());
    }
}
