//! The log of received requests, for tests.

mod query;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::http::{HeaderMap, Method, Uri};
use serde::Serialize;

use crate::sync::lock;

pub(super) use query::LogQuery;

/// The number of logged requests; the oldest are dropped first.
const MAX_ENTRIES: usize = 10_000;

/// The logged length of a path, in characters.
const MAX_PATH_CHARS: usize = 4096;

/// The logged size of all headers, in bytes of names and values.
const MAX_HEADER_BYTES: usize = 8192;

/// Replaces a secret.
const MASK: &str = "***";

/// Parts of the names of headers with secrets.
const SECRET: &[&str] =
    &["authorization", "cookie", "token", "secret", "password", "credential", "api-key", "apikey"];

/// A request that the server received, without its body and without the secrets in its headers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ReceivedRequest {
    /// The number of the request since the start, from 0.
    pub order: u64,
    /// The method, for example `POST`.
    pub method: String,
    /// The path with its query, as it was sent; at most 4,096 characters.
    pub path: String,
    /// Whether the request was sent to the frontend.
    pub frontend: bool,
    /// The headers with lower-case names, in the order received; at most 8 KiB. Values that may be secret are
    /// replaced by `***`; the scheme of `Authorization` is kept.
    pub headers: Vec<(String, String)>,
    /// The received bytes of the body.
    pub bytes: u64,
    /// Whether the caller was authenticated; always true with authentication off.
    pub authorised: bool,
    /// The status of the response. `None` before there is a response, and if a fault reset the connection or
    /// the client disconnected.
    pub status: Option<u16>,
}

impl ReceivedRequest {
    /// The first value of a header; the case of the name is ignored.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

#[derive(Debug, Default)]
pub(super) struct RequestLog {
    ring: Mutex<Ring>,
}

#[derive(Debug, Default)]
struct Ring {
    /// The number of the first entry since the start.
    first: u64,
    entries: VecDeque<ReceivedRequest>,
}

/// A handle that completes one entry.
#[derive(Clone, Debug)]
pub(super) struct LogEntry {
    log: Arc<RequestLog>,
    number: u64,
}

impl RequestLog {
    /// Logs a request on arrival.
    pub(super) fn arrived(
        self: &Arc<Self>,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        frontend: bool,
    ) -> LogEntry {
        let path = uri.path_and_query().map_or_else(|| uri.path(), |path| path.as_str());
        let headers = masked(headers);
        let mut ring = self.ring();
        if ring.entries.len() >= MAX_ENTRIES {
            ring.entries.pop_front();
            ring.first += 1;
        }
        let number = ring.first + (ring.entries.len() as u64);
        ring.entries.push_back(ReceivedRequest {
            order: number,
            method: method.to_string(),
            path: path.chars().take(MAX_PATH_CHARS).collect(),
            frontend,
            headers,
            bytes: 0,
            authorised: false,
            status: None,
        });
        LogEntry { log: Arc::clone(self), number }
    }

    /// The logged requests, in the order of arrival.
    pub(super) fn requests(&self) -> Vec<ReceivedRequest> {
        self.ring().entries.iter().cloned().collect()
    }

    /// Removes all requests. The numbers continue.
    pub(super) fn clear(&self) {
        let mut ring = self.ring();
        ring.first += ring.entries.len() as u64;
        ring.entries.clear();
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        lock(&self.ring)
    }
}

impl LogEntry {
    pub(super) fn authorised(&self, authorised: bool) {
        self.update(|entry| entry.authorised = authorised);
    }

    pub(super) fn received(&self, bytes: u64) {
        self.update(|entry| entry.bytes = bytes);
    }

    pub(super) fn responded(&self, status: u16) {
        self.update(|entry| entry.status = Some(status));
    }

    fn update(&self, change: impl FnOnce(&mut ReceivedRequest)) {
        let mut ring = self.log.ring();
        let index = self.number.checked_sub(ring.first).and_then(|index| usize::try_from(index).ok());
        if let Some(entry) = index.and_then(|index| ring.entries.get_mut(index)) {
            change(entry);
        }
    }
}

fn masked(headers: &HeaderMap) -> Vec<(String, String)> {
    let mut room = MAX_HEADER_BYTES;
    let mut kept = Vec::new();
    for (name, value) in headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        let shown = if SECRET.iter().any(|part| name.as_str().contains(part)) {
            // The scheme shows the kind of the secret. Without a scheme, the whole value is secret.
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

    fn arrived(log: &Arc<RequestLog>, path: &'static str) -> LogEntry {
        log.arrived(&Method::GET, &Uri::from_static(path), &HeaderMap::new(), false)
    }

    #[test]
    fn the_oldest_entries_are_dropped_and_late_responses_find_theirs() {
        let log = Arc::new(RequestLog::default());
        let first = arrived(&log, "/first");
        let second = arrived(&log, "/second?x=1");
        for _ in 2..=MAX_ENTRIES {
            arrived(&log, "/more");
        }
        first.responded(200);
        second.responded(404);
        let requests = log.requests();
        assert_eq!(requests.len(), MAX_ENTRIES);
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
        headers.insert("x-long", "x".repeat(MAX_HEADER_BYTES).parse().unwrap());
        let kept = masked(&headers);
        assert!(!format!("{kept:?}").contains("hidden"), "{kept:?}");
        assert!(kept.contains(&("authorization".into(), "Bearer ***".into())));
        assert!(kept.contains(&("accept".into(), "application/json".into())));
        assert!(!kept.iter().any(|(name, _)| name == "x-long"));
    }
}
