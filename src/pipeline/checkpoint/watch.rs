//! Watches the proposals of one record.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::tracker::Tracker;
use crate::emitter::{Observer, Outcome};
use crate::metadata::Proposal;
use crate::pipeline::tally::Tally;

/// Is told of the end of each proposal of a record, and tells the tracker of the record's.
///
/// A record is finished when all of its proposals are settled, and none is undelivered.
pub(in crate::pipeline) struct Watch {
    tally: Arc<Tally>,
    tracker: Arc<Tracker>,
    number: u64,
    open: AtomicUsize,
    left: AtomicBool,
}

impl Watch {
    /// Watches the `proposals` (at least one) of the record with this number.
    pub(in crate::pipeline) fn new(
        tally: Arc<Tally>,
        tracker: Arc<Tracker>,
        number: u64,
        proposals: usize,
    ) -> Self {
        Self { tally, tracker, number, open: AtomicUsize::new(proposals), left: AtomicBool::new(false) }
    }
}

impl Observer for Watch {
    fn settled(&self, proposal: Proposal, outcome: Outcome) {
        if !self.tally.settle(proposal, outcome) {
            self.left.store(true, Ordering::Relaxed);
        }
        if self.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.tracker.settle(self.number, !self.left.load(Ordering::Relaxed));
        }
    }
}
