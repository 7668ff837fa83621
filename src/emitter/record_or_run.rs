//! Is a rejected record at fault, or the whole run?
//!
//! As long as GMS has accepted nothing, a rejection may have a cause that concerns every proposal: a missing
//! privilege, a wrong endpoint, a broken server. Rejecting records then would write the whole input to the
//! dead-letter file. Therefore:
//!
//! - A proposal that was refused alone is a *suspect*. It is held until something is accepted, which shows
//!   that the record is at fault, or until the run stops, which shows that it is not, or until the emitter
//!   has been idle for 50 ms and nothing can show it any more.
//! - One batch at a time is bisected, with at most 16 requests.
//! - Three proposals of one bisected batch that were refused alone stop the run. So do as many proposals that
//!   were sent alone as can be in flight together, since those all leave before the first one is refused.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::outcome::Rejection;
use super::pending::Pending;
use crate::diagnosis::Diagnosis;

/// How many requests with a part of a batch are sent before anything was accepted.
const MAX_PARTS: u32 = 16;

/// The proposals that were refused alone, and what is known about whose fault it is.
#[derive(Default)]
pub(super) struct Suspects {
    held: Mutex<Vec<Suspect>>,
    /// Suspects since the last time that something was accepted.
    in_a_row: AtomicUsize,
    /// Something was accepted.
    accepted: watch::Sender<bool>,
    /// Requests with a part of a batch before anything was accepted.
    parts: AtomicU32,
    /// Held while a batch is bisected before anything was accepted: one batch is enough to find out.
    bisecting: tokio::sync::Mutex<()>,
}

/// A proposal that was refused alone.
pub(super) struct Suspect {
    pub(super) proposal: Pending,
    /// The outcome if the record is at fault.
    pub(super) rejection: Rejection,
    /// The diagnosis if it is not: GMS's message does not say which.
    pub(super) server_error: Option<Diagnosis>,
}

impl Suspects {
    /// Holds a suspect. Returns how many there are since the last time that something was accepted.
    pub(super) fn hold(&self, suspect: Suspect) -> usize {
        self.held().push(suspect);
        self.in_a_row.fetch_add(1, Relaxed) + 1
    }

    /// Something was accepted.
    pub(super) fn note_accepted(&self) {
        self.in_a_row.store(0, Relaxed);
        self.accepted.send_if_modified(|accepted| !std::mem::replace(accepted, true));
    }

    /// Returns once something was accepted.
    pub(super) async fn first_accepted(&self) {
        // The sender lives as long as `self`, so waiting cannot fail.
        drop(self.accepted.subscribe().wait_for(|accepted| *accepted).await);
    }

    /// Waits for the turn to bisect a batch.
    pub(super) async fn bisecting(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.bisecting.lock().await
    }

    pub(super) fn is_empty(&self) -> bool {
        self.held().is_empty()
    }

    /// Removes all suspects.
    pub(super) fn take(&self) -> Vec<Suspect> {
        std::mem::take(&mut *self.held())
    }

    /// Counts a request with a part of a batch. `false` after 16 of them.
    pub(super) fn may_send_part(&self) -> bool {
        self.parts.fetch_add(1, Relaxed) < MAX_PARTS
    }

    fn held(&self) -> MutexGuard<'_, Vec<Suspect>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
