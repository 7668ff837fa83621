//! The record of what arrived, for tests to ask.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::{Method, Uri};

/// How many requests are remembered; the oldest are forgotten first.
const REMEMBERED: usize = 10_000;

/// How much of a path is remembered, in characters.
const LONGEST_PATH: usize = 4096;

/// One request that the embedded GMS received. Neither headers nor bodies are kept, so no secret is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReceivedRequest {
    /// The method, for example `POST`.
    pub method: String,
    /// The path with its query, as it was sent; at most 4,096 characters of it.
    pub path: String,
    /// The status that was answered. `None` while there is no answer yet, and for good when a fault reset the
    /// connection or the client went away.
    pub status: Option<u16>,
    /// The bytes of the body that were received.
    pub bytes: u64,
    /// Whether the caller was recognised; always true with authentication off.
    pub authorised: bool,
}

#[derive(Debug, Default)]
pub(super) struct Record {
    ring: Mutex<Ring>,
}

#[derive(Debug, Default)]
struct Ring {
    /// The number of the first entry, counted from the start.
    first: u64,
    entries: VecDeque<ReceivedRequest>,
}

/// Stands for one entry, and fills it in.
#[derive(Debug)]
pub(super) struct Entry {
    record: Arc<Record>,
    number: u64,
}

impl Record {
    /// Notes a request that has just arrived.
    pub(super) fn arrived(self: &Arc<Self>, method: &Method, uri: &Uri) -> Entry {
        let path = uri.path_and_query().map_or_else(|| uri.path(), |path| path.as_str());
        let mut ring = self.ring();
        if ring.entries.len() >= REMEMBERED {
            ring.entries.pop_front();
            ring.first += 1;
        }
        ring.entries.push_back(ReceivedRequest {
            method: method.to_string(),
            path: path.chars().take(LONGEST_PATH).collect(),
            status: None,
            bytes: 0,
            authorised: false,
        });
        Entry { record: Arc::clone(self), number: ring.first + (ring.entries.len() as u64) - 1 }
    }

    /// What is remembered, in the order of arrival.
    pub(super) fn requests(&self) -> Vec<ReceivedRequest> {
        self.ring().entries.iter().cloned().collect()
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    pub(super) fn authorised(&self, authorised: bool) {
        self.update(|entry| entry.authorised = authorised);
    }

    pub(super) fn received(&self, bytes: u64) {
        self.update(|entry| entry.bytes = bytes);
    }

    pub(super) fn answered(&self, status: u16) {
        self.update(|entry| entry.status = Some(status));
    }

    fn update(&self, change: impl FnOnce(&mut ReceivedRequest)) {
        let mut ring = self.record.ring();
        let index = self.number.checked_sub(ring.first).and_then(|index| usize::try_from(index).ok());
        if let Some(entry) = index.and_then(|index| ring.entries.get_mut(index)) {
            change(entry);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_are_forgotten_and_late_answers_find_their_entry() {
        let record = Arc::new(Record::default());
        let first = record.arrived(&Method::GET, &Uri::from_static("/first"));
        let second = record.arrived(&Method::GET, &Uri::from_static("/second?x=1"));
        for _ in 2..=REMEMBERED {
            record.arrived(&Method::GET, &Uri::from_static("/more"));
        }
        first.answered(200);
        second.answered(404);
        let requests = record.requests();
        assert_eq!(requests.len(), REMEMBERED);
        assert_eq!(requests[0].path, "/second?x=1");
        assert_eq!(requests[0].status, Some(404));
        assert!(requests[1..].iter().all(|request| request.status.is_none()));
    }
}
