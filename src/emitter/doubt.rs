//! Rejections before anything was delivered: are the records at fault, or is it the run?

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::Outcome;
use super::state::Item;
use crate::diagnosis::Diagnosis;

/// So many proposals of one batch, refused alone before the first delivery, are enough to see that it is the run's fault.
pub(super) const REFUSED_ALONE: usize = 3;

/// So many requests at most go into finding out which records are at fault, before the first delivery.
const MAX_APART: u32 = 16;

/// Keeps what was rejected until something is delivered, which shows that the records are at fault, or the run stops, which
/// shows that none of them is, or nothing comes any more that could show it.
#[derive(Default)]
pub(super) struct Doubt {
    held: Mutex<Vec<Held>>,
    /// Proposals refused alone, one after another with no delivery in between.
    in_a_row: AtomicUsize,
    /// Something was delivered.
    ever: watch::Sender<bool>,
    /// Requests that taking apart took, before the first delivery.
    apart: AtomicU32,
    /// Whoever takes a batch apart before the first delivery holds it: one is enough to find out.
    pub(super) turn: tokio::sync::Mutex<()>,
}

/// A proposal that was refused alone.
pub(super) struct Held {
    pub(super) item: Item,
    /// How it ends if it is at fault.
    pub(super) rejection: Outcome,
    /// What is the matter if it is not: GMS's words blame nobody.
    pub(super) trouble: Option<Diagnosis>,
}

impl Doubt {
    fn held(&self) -> MutexGuard<'_, Vec<Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a rejection for later. Returns how many there were since the last delivery.
    pub(super) fn hold(&self, held: Held) -> usize {
        self.held().push(held);
        self.in_a_row.fetch_add(1, Relaxed) + 1
    }

    /// Something was delivered.
    pub(super) fn delivered(&self) {
        self.in_a_row.store(0, Relaxed);
        self.ever.send_if_modified(|ever| !std::mem::replace(ever, true));
    }

    /// Returns once something was delivered.
    pub(super) async fn first_delivery(&self) {
        // The sender lives as long as `self`, so waiting cannot fail.
        drop(self.ever.subscribe().wait_for(|ever| *ever).await);
    }

    /// Whether anything is kept.
    pub(super) fn is_about_any(&self) -> bool {
        !self.held().is_empty()
    }

    /// Hands out what was kept.
    pub(super) fn release(&self) -> Vec<Held> {
        std::mem::take(&mut *self.held())
    }

    /// Counts a request with a part of a batch. `false` if there were enough of them.
    pub(super) fn may_send_part(&self) -> bool {
        self.apart.fetch_add(1, Relaxed) < MAX_APART
    }
}
