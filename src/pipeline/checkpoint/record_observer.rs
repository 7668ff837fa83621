//! Observes the proposals of one record.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::tracker::RecordTracker;
use crate::emitter::{Observer, Outcome};
use crate::metadata::Proposal;
use crate::pipeline::outcome_counter::OutcomeCounter;

/// Receives the outcomes of a record's proposals, and settles the record after the last one.
///
/// The record is finished if none of its proposals is undelivered.
pub(in crate::pipeline) struct RecordObserver {
    counter: Arc<OutcomeCounter>,
    tracker: Arc<RecordTracker>,
    number: u64,
    unsettled: AtomicUsize,
    has_undelivered: AtomicBool,
}

impl RecordObserver {
    /// Observes the `proposals` (at least one) of the record with this number.
    pub(in crate::pipeline) fn new(
        counter: Arc<OutcomeCounter>,
        tracker: Arc<RecordTracker>,
        number: u64,
        proposals: usize,
    ) -> Self {
        Self {
            counter,
            tracker,
            number,
            unsettled: AtomicUsize::new(proposals),
            has_undelivered: AtomicBool::new(false),
        }
    }
}

impl Observer for RecordObserver {
    fn settled(&self, proposal: Proposal, outcome: Outcome) {
        if !self.counter.settle(&proposal, outcome) {
            self.has_undelivered.store(true, Ordering::Relaxed);
        }
        if self.unsettled.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.tracker.settle(self.number, !self.has_undelivered.load(Ordering::Relaxed));
        }
    }
}
