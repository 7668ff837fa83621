//! The resume checkpoint: what a run leaves behind so that a later one can continue where it stopped.
//!
//! ```text
//! reader ─ admit ─▶ RecordTracker ◀─ settle ─ RecordObserver (one per record) ◀─ outcomes
//!                        │
//!                        └─ position ─▶ CheckpointWriter ─▶ checkpoint.json, at most 20 times per second
//! ```
//!
//! The unit is the source's record: it is finished when all its proposals are delivered, dead-lettered or
//! filtered, and unfinished while one of them is undelivered.

mod file;
mod ranges;
mod record_observer;
mod start;
mod tracker;
mod writer;

pub(super) use ranges::FinishedRecords;
pub(super) use record_observer::{RecordObserver, RecordSettlement};
pub(super) use start::{StartRequest, StartedRun, start};
pub(super) use tracker::{Admission, RecordTracker};
pub(super) use writer::CheckpointWriter;

/// The checkpoint's name in a pipeline's state directory.
pub(super) const FILE_NAME: &str = "checkpoint.json";
