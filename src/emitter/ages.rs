//! How old the oldest proposal in flight is: one entry per batch, so that a proposal costs nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::pending::Pending;

/// When the oldest proposal of each batch or trace was queued.
#[derive(Debug, Default)]
pub(super) struct Ages {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    next: u64,
    oldest: BTreeMap<u64, Instant>,
}

/// Keeps the entry of a batch while it exists.
pub(super) struct AgeGuard {
    ages: Arc<Ages>,
    number: u64,
}

impl Ages {
    /// Notes the age of a batch.
    pub(super) fn note(self: &Arc<Self>, batch: &[Pending]) -> AgeGuard {
        let mut inner = self.inner();
        let number = inner.next;
        inner.next += 1;
        if let Some(oldest) = batch.iter().map(|pending| pending.queued_at).min() {
            inner.oldest.insert(number, oldest);
        }
        AgeGuard { ages: Arc::clone(self), number }
    }

    /// When the oldest proposal in flight was queued.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.inner().oldest.values().min().copied()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for AgeGuard {
    fn drop(&mut self) {
        self.ages.inner().oldest.remove(&self.number);
    }
}
