//! Passes the outcomes of records on to the child and the spool.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use super::acknowledgements::Acknowledgements;
use super::child::Child;
use crate::source::{ExtractionProgress, Position, RecordFeedback};
use crate::spool::{Spool, SpoolPosition};

/// The parts of a running source that other threads use.
#[derive(Debug, Default)]
pub(super) struct Feedback {
    pub(super) acknowledgements: Arc<Acknowledgements>,
    pub(super) spool: OnceLock<Arc<Spool>>,
    pub(super) child: OnceLock<Arc<Child>>,
    /// The source must not start any more.
    is_over: AtomicBool,
    /// No record is read any more.
    is_stopped: AtomicBool,
}

impl Feedback {
    pub(super) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    /// Whether no record is read any more.
    pub(super) fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::Acquire)
    }

    /// Ends the child that has just started if the run was interrupted meanwhile.
    pub(super) fn terminate_if_over(&self) {
        if self.is_over() {
            self.interrupted();
        }
    }
}

impl RecordFeedback for Feedback {
    fn settled(&self, record: u64, failure: Option<&str>) {
        if self.child.get().is_some() {
            self.acknowledgements.settle(record, failure);
        }
    }

    fn checkpointed(&self, position: Position) {
        if let Some(spool) = self.spool.get() {
            spool.release(spool_position(position));
        }
    }

    fn delivery_stopped(&self, reason: &str) {
        self.is_stopped.store(true, Ordering::Release);
        match self.spool.get() {
            Some(spool) => {
                spool.end_release();
                spool.end_reading();
                self.acknowledgements.stop(reason);
            }
            None => self.interrupted(),
        }
    }

    fn interrupted(&self) {
        self.is_over.store(true, Ordering::Release);
        self.is_stopped.store(true, Ordering::Release);
        if let Some(child) = self.child.get() {
            child.terminate();
        }
        if let Some(spool) = self.spool.get() {
            spool.end_release();
            spool.end_reading();
        }
    }

    fn extraction(&self) -> Option<ExtractionProgress> {
        self.child.get().map(|_| self.acknowledgements.progress())
    }

    fn completed(&self) {
        if let Some(spool) = self.spool.get()
            && let Err(error) = Spool::remove(spool.directory())
        {
            tracing::warn!("cannot remove the spool {}: {error}", spool.directory().display());
        }
    }
}

pub(super) fn spool_position(position: Position) -> SpoolPosition {
    SpoolPosition { segment: position.file, frames: position.record, offset: position.offset }
}
