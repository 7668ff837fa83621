//! Counts the outcomes of a run's proposals.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::sync::Notify;

use super::control::RunControl;
use super::dead_letter::DeadLetterWriter;
use super::limits::FailureLimits;
use super::report::{Failure, FailureKind, ProposalCounts};
use crate::Error;
use crate::diagnosis::SharedRenderer;
use crate::emitter::{Observer, Outcome, UndeliveredReason};
use crate::metadata::{Proposal, Urn};
use crate::source::InvalidRecord;

/// Failures that a report lists. All are counted, and all that can be are dead-lettered.
const MAX_LISTED_FAILURES: usize = 100;

/// Different messages of undelivered proposals that a report lists, each with one proposal.
const MAX_LISTED_UNDELIVERED: usize = 10;

/// Receives the outcome of every proposal, and writes dead letters.
#[derive(Debug)]
pub(super) struct OutcomeCounter {
    read: AtomicU64,
    delivered: AtomicU64,
    rejected: AtomicU64,
    filtered: AtomicU64,
    invalid: AtomicU64,
    /// The URN of a delivered proposal, as an example for the user to look at.
    example: OnceLock<Urn>,
    failures: Mutex<Failures>,
    dead_letters: Option<DeadLetterWriter>,
    limits: Option<(FailureLimits, RunControl)>,
    renderer: SharedRenderer,
    /// Proposals with an outcome of [`settle`](Self::settle).
    settled: AtomicU64,
    /// Woken by each outcome.
    has_settled: Notify,
}

#[derive(Debug, Default)]
struct Failures {
    listed: Vec<Failure>,
    undelivered: Vec<Failure>,
    undelivered_messages: HashSet<String>,
    /// A delivery was dropped without an outcome, which is a fault of this crate.
    has_dropped: bool,
}

impl OutcomeCounter {
    /// `dead_letters` is `None` in a dry run, which writes no files.
    pub(super) fn new(dead_letters: Option<DeadLetterWriter>) -> Self {
        Self {
            read: AtomicU64::new(0),
            delivered: AtomicU64::new(0),
            rejected: AtomicU64::new(0),
            filtered: AtomicU64::new(0),
            invalid: AtomicU64::new(0),
            example: OnceLock::new(),
            failures: Mutex::default(),
            dead_letters,
            limits: None,
            renderer: SharedRenderer::default(),
            settled: AtomicU64::new(0),
            has_settled: Notify::new(),
        }
    }

    /// Renders the diagnoses of undelivered proposals with `renderer`.
    pub(super) fn with_renderer(self, renderer: SharedRenderer) -> Self {
        Self { renderer, ..self }
    }

    /// Stops the run when more proposals fail than `limits` allow.
    pub(super) fn with_limits(self, limits: FailureLimits, control: RunControl) -> Self {
        Self { limits: Some((limits, control)), ..self }
    }

    /// A proposal was read.
    pub(super) fn count_read(&self) {
        self.read.fetch_add(1, Ordering::Relaxed);
    }

    /// A proposal that was read is filtered.
    pub(super) fn count_filtered(&self) {
        self.filtered.fetch_add(1, Ordering::Relaxed);
    }

    /// Proposals that the source's own settings filter: they count as read, too.
    pub(super) fn count_filtered_by_source(&self, count: u64) {
        if count > 0 {
            self.read.fetch_add(count, Ordering::Relaxed);
            self.filtered.fetch_add(count, Ordering::Relaxed);
        }
    }

    /// A record could not be understood. Returns whether it was dead-lettered.
    pub(super) fn count_invalid(&self, record: &InvalidRecord) -> bool {
        self.invalid.fetch_add(1, Ordering::Relaxed);
        let is_written =
            self.dead_letters.as_ref().is_some_and(|dead_letters| dead_letters.write_invalid(record));
        self.failures().list(Failure {
            origin: Some(record.origin.to_string()),
            urn: None,
            aspect: None,
            status: None,
            message: record.reason.clone(),
            kind: FailureKind::Invalid,
        });
        self.check_limits();
        is_written
    }

    /// Syncs the dead letters. Proposals whose dead letters are lost become undelivered: returns false if
    /// there are any in this run.
    pub(super) fn sync_dead_letters(&self) -> bool {
        let Some(Err(lost)) = self.dead_letters.as_ref().map(DeadLetterWriter::sync) else { return true };
        self.rejected.fetch_sub(lost, Ordering::Release);
        false
    }

    /// Why the run must stop, if a dead letter could not be written.
    pub(super) fn failure(&self) -> Option<Error> {
        self.dead_letters.as_ref().and_then(DeadLetterWriter::failure)
    }

    pub(super) fn dead_letters(&self) -> Option<&DeadLetterWriter> {
        self.dead_letters.as_ref()
    }

    pub(super) fn example(&self) -> Option<&Urn> {
        self.example.get()
    }

    pub(super) fn invalid_records(&self) -> u64 {
        self.invalid.load(Ordering::Relaxed)
    }

    pub(super) fn counts(&self) -> ProposalCounts {
        // Outcomes are loaded before `read`, so that the counts also add up while the run is in progress.
        let delivered = self.delivered.load(Ordering::Acquire);
        let rejected = self.rejected.load(Ordering::Acquire);
        let filtered = self.filtered.load(Ordering::Acquire);
        ProposalCounts::new(self.read.load(Ordering::Acquire), delivered, rejected, filtered)
    }

    /// The failures for the report.
    pub(super) fn listed_failures(&self) -> Vec<Failure> {
        let failures = self.failures();
        failures.listed.iter().chain(&failures.undelivered).cloned().collect()
    }

    /// Whether a delivery was dropped without an outcome.
    pub(super) fn has_dropped(&self) -> bool {
        self.failures().has_dropped
    }

    /// Rejected proposals and invalid records, and how many proposals and records have an outcome in total.
    pub(super) fn failed(&self) -> (u64, u64) {
        let counts = self.counts();
        let failed = counts.rejected + self.invalid_records();
        (failed, counts.delivered + counts.filtered + failed)
    }

    /// Waits until every proposal that was read has an outcome.
    pub(super) async fn all_settled(&self) {
        loop {
            let woken = self.has_settled.notified();
            // Loaded first, so that a proposal that is read meanwhile is waited for.
            let settled = self.settled.load(Ordering::Acquire) + self.filtered.load(Ordering::Acquire);
            if settled >= self.read.load(Ordering::Acquire) {
                return;
            }
            woken.await;
        }
    }

    /// Records the outcome of a proposal. Returns whether a resumed run may skip it: not if it is
    /// undelivered, or if it was rejected and its dead letter could not be written.
    pub(super) fn settle(&self, proposal: &Proposal, outcome: Outcome) -> bool {
        let is_final = self.record_outcome(proposal, outcome);
        self.settled.fetch_add(1, Ordering::Release);
        self.has_settled.notify_one();
        is_final
    }

    fn record_outcome(&self, proposal: &Proposal, outcome: Outcome) -> bool {
        match outcome {
            Outcome::Delivered => {
                self.delivered.fetch_add(1, Ordering::Release);
                if self.example.get().is_none() {
                    self.example.get_or_init(|| proposal.urn().clone());
                }
                true
            }
            Outcome::Rejected(rejection) => {
                // Without a dead letter it counts as undelivered, and a later run sends it again.
                let is_written = self
                    .dead_letters
                    .as_ref()
                    .is_some_and(|dead_letters| dead_letters.write_rejected(proposal, &rejection));
                if is_written {
                    self.rejected.fetch_add(1, Ordering::Release);
                }
                // The user needs to know about the rejection in both cases.
                let kind = FailureKind::Rejected;
                self.failures().list(failure(kind, proposal, rejection.status, rejection.message));
                self.check_limits();
                is_written
            }
            Outcome::Undelivered(undelivered) => {
                let reason = undelivered.reason.as_str();
                let message = match undelivered.diagnosis() {
                    Some(diagnosis) => {
                        let summary = self.renderer.summary(&diagnosis.summary);
                        format!("not delivered ({reason}): {summary}")
                    }
                    None if undelivered.message.is_empty() => format!("not sent ({reason})"),
                    None => format!("not delivered ({reason}): {}", undelivered.message),
                };
                let mut failures = self.failures();
                failures.has_dropped |= undelivered.reason == UndeliveredReason::Dropped;
                failures.list_undelivered(failure(FailureKind::Undelivered, proposal, None, message));
                false
            }
        }
    }

    /// Lists a proposal that could not be transformed in a run that sends nothing.
    pub(super) fn list_untransformed(&self, proposal: &Proposal, message: String) {
        self.failures().list(failure(FailureKind::Rejected, proposal, None, message));
    }

    fn check_limits(&self) {
        let Some((limits, control)) = &self.limits else { return };
        let (failed, settled) = self.failed();
        if let Some(exceeded) = limits.exceeded(failed, settled) {
            control.stop_at_limit(|| exceeded);
        }
    }

    fn failures(&self) -> MutexGuard<'_, Failures> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Failures {
    fn list(&mut self, failure: Failure) {
        if self.listed.len() < MAX_LISTED_FAILURES {
            self.listed.push(failure);
        }
    }

    /// Hundreds of proposals may be undelivered for one reason, so one of them is listed for each message.
    fn list_undelivered(&mut self, failure: Failure) {
        if self.undelivered.len() < MAX_LISTED_UNDELIVERED
            && self.undelivered_messages.insert(failure.message.clone())
        {
            self.undelivered.push(failure);
        }
    }
}

impl Observer for OutcomeCounter {
    fn settled(&self, proposal: Proposal, outcome: Outcome) {
        self.settle(&proposal, outcome);
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

    fn deliver(counter: &Arc<OutcomeCounter>, number: usize) -> Delivery {
        counter.count_read();
        Delivery::observed(proposal(number), Arc::clone(counter) as Arc<dyn Observer>)
    }

    fn counter(path: std::path::PathBuf) -> Arc<OutcomeCounter> {
        let platform = crate::platform::Platform::default();
        Arc::new(OutcomeCounter::new(Some(DeadLetterWriter::new(platform, path, "file-1".into()))))
    }

    #[test]
    fn every_outcome_is_counted_once() {
        let directory = tempfile::tempdir().unwrap();
        let counter = counter(directory.path().join("dead-letters.jsonl"));
        deliver(&counter, 0).settle(Outcome::Delivered);
        deliver(&counter, 1).settle(rejected());
        deliver(&counter, 2).settle(Outcome::Undelivered(Undelivered::new(UndeliveredReason::Closed, "")));
        counter.count_read();
        counter.count_filtered();
        drop(deliver(&counter, 3));
        let still_in_flight = deliver(&counter, 4);

        let counts = counter.counts();
        assert_eq!(
            (counts.read, counts.delivered, counts.rejected, counts.undelivered, counts.filtered),
            (6, 1, 1, 3, 1)
        );
        assert_eq!(counter.example().unwrap().as_str(), "urn:li:tag:t0");
        let failures = counter.listed_failures();
        assert!(counter.has_dropped(), "a dropped delivery is reported");
        assert_eq!(failures.len(), 3);
        drop(still_in_flight);
    }

    #[test]
    fn a_hundred_failures_are_listed_and_all_are_counted() {
        let directory = tempfile::tempdir().unwrap();
        let counter = counter(directory.path().join("dead-letters.jsonl"));
        for number in 0..250 {
            deliver(&counter, number).settle(rejected());
        }
        assert_eq!(counter.counts().rejected, 250);
        counter.sync_dead_letters();
        assert_eq!(counter.dead_letters().unwrap().report().records, 250);
        assert_eq!(counter.listed_failures().len(), MAX_LISTED_FAILURES);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_rejected_proposal_without_a_dead_letter_is_undelivered() {
        let counter = counter("/dev/full".into());
        deliver(&counter, 0).settle(rejected());
        let counts = counter.counts();
        assert_eq!((counts.read, counts.rejected, counts.undelivered), (1, 0, 1));
        assert!(counter.failure().is_some());
    }
}
