//! The record of what arrived, for tests to ask.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::{HeaderMap, Method, Uri};
use serde::Serialize;

/// How many requests are remembered; the oldest are forgotten first.
const REMEMBERED: usize = 10_000;

/// How much of a path is remembered, in characters.
const LONGEST_PATH: usize = 4096;

/// How much of the headers is remembered, in bytes of their names and values together.
const LONGEST_HEADERS: usize = 8192;

/// What stands for a secret.
const MASK: &str = "***";

/// Parts of the names of headers that hold secrets.
const SECRET: &[&str] =
    &["authorization", "cookie", "token", "secret", "password", "credential", "api-key", "apikey"];

/// One request that the embedded GMS received. No body is kept, and no secret of a header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ReceivedRequest {
    /// Counts all requests since the start, from 0.
    pub order: u64,
    /// The method, for example `POST`.
    pub method: String,
    /// The path with its query, as it was sent; at most 4,096 characters of it.
    pub path: String,
    /// Whether it came by way of the frontend.
    pub frontend: bool,
    /// The headers with their names in small letters, in the order in which they came; at most 8 KiB of them. `***`
    /// stands for what may be a secret; of an `Authorization` the scheme is kept.
    pub headers: Vec<(String, String)>,
    /// The bytes of the body that were received.
    pub bytes: u64,
    /// Whether the caller was recognised; always true with authentication off.
    pub authorised: bool,
    /// The status that was answered. `None` while there is no answer yet, and for good when a fault reset the
    /// connection or the client went away.
    pub status: Option<u16>,
}

impl ReceivedRequest {
    /// The first value of the header of that name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
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
#[derive(Clone, Debug)]
pub(super) struct Entry {
    record: Arc<Record>,
    number: u64,
}

impl Record {
    /// Notes a request that has just arrived.
    pub(super) fn arrived(
        self: &Arc<Self>,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        frontend: bool,
    ) -> Entry {
        let path = uri.path_and_query().map_or_else(|| uri.path(), |path| path.as_str());
        let headers = masked(headers);
        let mut ring = self.ring();
        if ring.entries.len() >= REMEMBERED {
            ring.entries.pop_front();
            ring.first += 1;
        }
        let number = ring.first + (ring.entries.len() as u64);
        ring.entries.push_back(ReceivedRequest {
            order: number,
            method: method.to_string(),
            path: path.chars().take(LONGEST_PATH).collect(),
            frontend,
            headers,
            bytes: 0,
            authorised: false,
            status: None,
        });
        Entry { record: Arc::clone(self), number }
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

fn masked(headers: &HeaderMap) -> Vec<(String, String)> {
    let mut room = LONGEST_HEADERS;
    let mut kept = Vec::new();
    for (name, value) in headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        let shown = if SECRET.iter().any(|part| name.as_str().contains(part)) {
            // The scheme tells what kind of secret it was; without one, all of it is secret.
            match value.split_once(' ') {
                Some((scheme @ ("Bearer" | "bearer" | "Basic" | "basic"), _)) => format!("{scheme} {MASK}"),
                _ => MASK.to_owned(),
            }
        } else {
            value.into_owned()
        };
        let Some(left) = room.checked_sub(name.as_str().len() + shown.len()) else { break };
        room = left;
        kept.push((name.to_string(), shown));
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrived(record: &Arc<Record>, path: &'static str) -> Entry {
        record.arrived(&Method::GET, &Uri::from_static(path), &HeaderMap::new(), false)
    }

    #[test]
    fn the_oldest_are_forgotten_and_late_answers_find_their_entry() {
        let record = Arc::new(Record::default());
        let first = arrived(&record, "/first");
        let second = arrived(&record, "/second?x=1");
        for _ in 2..=REMEMBERED {
            arrived(&record, "/more");
        }
        first.answered(200);
        second.answered(404);
        let requests = record.requests();
        assert_eq!(requests.len(), REMEMBERED);
        assert_eq!((requests[0].order, requests[0].path.as_str()), (1, "/second?x=1"));
        assert_eq!(requests[0].status, Some(404));
        assert!(requests[1..].iter().all(|request| request.status.is_none()));
    }

    #[test]
    fn secrets_of_headers_are_masked_and_the_rest_bounded() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("authorization", "Bearer hidden"),
            ("cookie", "PLAY_SESSION=hidden"),
            ("proxy-authorization", "hidden"),
            ("x-api-key", "hidden words"),
            ("x-auth-token", "hidden"),
            ("accept", "application/json"),
        ] {
            headers.append(name, value.parse().unwrap());
        }
        headers.insert("x-long", "x".repeat(LONGEST_HEADERS).parse().unwrap());
        let kept = masked(&headers);
        assert!(!format!("{kept:?}").contains("hidden"), "{kept:?}");
        assert!(kept.contains(&("authorization".into(), "Bearer ***".into())));
        assert!(kept.contains(&("accept".into(), "application/json".into())));
        assert!(!kept.iter().any(|(name, _)| name == "x-long"));
    }
}
