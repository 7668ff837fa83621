//! What a run leaves behind, so that a later one can go on where it stopped.
//!
//! ```text
//! reader ─ admit ─▶ Tracker ◀─ settle ─ Watch (one for each record) ◀─ outcomes
//!                      │
//!                      └─ standing ─▶ Keeper ─▶ checkpoint.json, at most 20 times a second
//! ```
//!
//! The unit is the source's record: it is finished when all its proposals are delivered, dead-lettered or filtered, and
//! it is not while one is undelivered.

mod begin;
mod file;
mod keeper;
mod ranges;
mod tracker;
mod watch;

pub(super) use begin::{Asked, Begun, begin};
pub(super) use keeper::Keeper;
pub(super) use ranges::Finished;
pub(super) use tracker::{Admitted, Tracker};
pub(super) use watch::Watch;

/// The checkpoint's name in a pipeline's state directory.
pub(super) const FILE_NAME: &str = "checkpoint.json";
