//! Observes the proposals of one record.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use std::sync::OnceLock;

use super::tracker::RecordTracker;
use crate::emitter::{Observer, Outcome};
use crate::metadata::Proposal;
use crate::pipeline::outcome_counter::OutcomeCounter;
use crate::source::RecordFeedback;

/// Where the end of a record is reported.
#[derive(Clone)]
pub(in crate::pipeline) struct RecordSettlement {
    /// The number of the record.
    pub(in crate::pipeline) number: u64,
    pub(in crate::pipeline) tracker: Option<Arc<RecordTracker>>,
    pub(in crate::pipeline) feedback: Option<Arc<dyn RecordFeedback>>,
}

impl RecordSettlement {
    /// The record has ended. It is finished if a later run need not send it again; `failure` says why it
    /// is not delivered.
    pub(in crate::pipeline) fn settle(&self, is_finished: bool, failure: Option<&str>) {
        if let Some(tracker) = &self.tracker {
            tracker.settle(self.number, is_finished);
        }
        if let Some(feedback) = &self.feedback {
            feedback.settled(self.number, failure);
        }
    }
}

/// Receives the outcomes of a record's proposals, and settles the record after the last one.
///
/// The record is finished if none of its proposals is undelivered.
pub(in crate::pipeline) struct RecordObserver {
    counter: Arc<OutcomeCounter>,
    settlement: RecordSettlement,
    unsettled: AtomicUsize,
    has_undelivered: AtomicBool,
    /// Why the first proposal that is not delivered is not.
    failure: OnceLock<String>,
}

impl RecordObserver {
    /// Observes the `proposals` (at least one) of a record.
    pub(in crate::pipeline) fn new(
        counter: Arc<OutcomeCounter>,
        settlement: RecordSettlement,
        proposals: usize,
    ) -> Self {
        Self {
            counter,
            settlement,
            unsettled: AtomicUsize::new(proposals),
            has_undelivered: AtomicBool::new(false),
            failure: OnceLock::new(),
        }
    }
}

impl Observer for RecordObserver {
    fn settled(&self, proposal: Proposal, outcome: Outcome) {
        match &outcome {
            Outcome::Delivered => {}
            Outcome::Rejected(rejection) => drop(self.failure.set(rejection.message.clone())),
            Outcome::Undelivered(undelivered) => {
                let message = if undelivered.message.is_empty() {
                    undelivered.reason.as_str()
                } else {
                    &undelivered.message
                };
                drop(self.failure.set(message.to_owned()));
            }
        }
        if !self.counter.settle(&proposal, outcome) {
            self.has_undelivered.store(true, Ordering::Relaxed);
        }
        if self.unsettled.fetch_sub(1, Ordering::AcqRel) == 1 {
            let is_finished = !self.has_undelivered.load(Ordering::Relaxed);
            self.settlement.settle(is_finished, self.failure.get().map(String::as_str));
        }
    }
}
