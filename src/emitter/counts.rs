//! Counts of proposals, by outcome, and of requests.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde::Serialize;

use super::outcome::Outcome;

/// How many proposals were emitted, how they ended, and how many requests that took. Once the emitter is
/// closed, `emitted = delivered + rejected + undelivered`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Counts {
    /// Proposals that were emitted.
    pub emitted: u64,
    /// Proposals that GMS accepted.
    pub delivered: u64,
    /// Proposals that were refused because of their content.
    pub rejected: u64,
    /// Proposals without a final outcome.
    pub undelivered: u64,
    /// HTTP requests that carried proposals, retries included.
    pub requests: u64,
    /// Requests that were retries.
    pub retried: u64,
    /// Batches that were split because GMS rejected them.
    pub split: u64,
    /// Bytes of the requests' bodies.
    pub bytes: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) emitted: AtomicU64,
    pub(super) delivered: AtomicU64,
    pub(super) rejected: AtomicU64,
    pub(super) undelivered: AtomicU64,
    pub(super) requests: AtomicU64,
    pub(super) retried: AtomicU64,
    pub(super) split: AtomicU64,
    pub(super) bytes: AtomicU64,
    /// Proposals that GMS has accepted, including queued ones that it may still fail to write.
    pub(super) accepted: AtomicU64,
}

impl Counters {
    pub(super) fn count(&self, outcome: &Outcome) {
        let counter = match outcome {
            Outcome::Delivered => &self.delivered,
            Outcome::Rejected(_) => &self.rejected,
            Outcome::Undelivered(_) => &self.undelivered,
        };
        counter.fetch_add(1, Relaxed);
    }

    pub(super) fn read(&self) -> Counts {
        Counts {
            emitted: self.emitted.load(Relaxed),
            delivered: self.delivered.load(Relaxed),
            rejected: self.rejected.load(Relaxed),
            undelivered: self.undelivered.load(Relaxed),
            requests: self.requests.load(Relaxed),
            retried: self.retried.load(Relaxed),
            split: self.split.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
        }
    }
}
