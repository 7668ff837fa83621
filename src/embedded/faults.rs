//! Faults on demand: what goes wrong between a client and a GMS, at the request that a test names.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use percent_encoding::percent_decode_str;

/// Something that goes wrong with the requests that match.
///
/// The first fault that matches a request acts on it, in the order in which they were given, and before authentication,
/// as a proxy in front of GMS would.
///
/// ```
/// use datahub_emitter::embedded::{Action, Fault};
///
/// let twice_unavailable = Fault {
///     path_prefix: "/aspects".into(),
///     times: Some(2),
///     ..Fault::new(Action::Status {
///         code: 503,
///         headers: vec![("Retry-After".into(), "1".into())],
///         body: String::new(),
///     })
/// };
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The start of the paths that it acts on, with their query: `/aspects?action=ingestProposalBatch` is one call, and
    /// `/aspects` all of them. The empty text, which is the default, is for all.
    pub path_prefix: String,
    /// A text that must stand in the path (percent-decoded) or in the body as it was sent; `None`, which is the
    /// default, for any. The body of a caller that was not recognised is not looked at.
    pub urn_contains: Option<String>,
    /// How many matching requests pass before it acts; 0 by default.
    pub after: u64,
    /// How many requests it acts on; `None`, which is the default, for all.
    pub times: Option<u64>,
    /// What happens.
    pub action: Action,
}

/// What a [`Fault`] does.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Answers with a status instead of doing what was asked.
    Status {
        /// The status, from 100 to 999.
        code: u16,
        /// The headers; `Content-Type` is `application/json` if none is given.
        headers: Vec<(String, String)>,
        /// The body.
        body: String,
    },
    /// Resets the connection instead of doing what was asked.
    Reset,
    /// Does what was asked, and then resets the connection instead of answering.
    ResetAfter,
    /// Waits before it does what was asked.
    Delay(Duration),
    /// Answers 200 with a web page, as a login page in front of GMS does.
    Html,
    /// Answers as a Rest.li resource that does not have the action that is asked for, as an old GMS does to
    /// `ingestProposalBatch`. Only for `POST` to `/aspects` and `/entities`.
    UnknownAction,
    /// Accepts a write as if nothing were wrong, and leaves changes out of it without a word, as GMS does with what it
    /// cannot build a proposal of. They are missing from the answer as well, where it lists what was accepted.
    Drop {
        /// The aspect that is left out; with `None` every one. Of the entities those whose URN holds
        /// [`urn_contains`](Fault::urn_contains), if that is set.
        aspect: Option<String>,
    },
    /// Accepts an asynchronous write, and rejects changes afterwards: nothing of them is stored, and the trace API says
    /// why. A synchronous write is done as it should be.
    RejectLater {
        /// Which aspect, as in [`Drop`](Self::Drop).
        aspect: Option<String>,
        /// The reason that the trace API gives.
        message: String,
    },
    /// Does what was asked, but the trace API says of an asynchronous write through OpenAPI that it is pending.
    StayPending {
        /// Which aspect, as in [`Drop`](Self::Drop).
        aspect: Option<String>,
        /// How many times the trace API says so; for ever with `None`.
        polls: Option<u64>,
    },
}

/// A fault that acts on the changes of a request.
#[derive(Clone, Debug)]
pub(super) struct Interference {
    urn_contains: Option<String>,
    action: Action,
}

/// What a fault does to a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meddling<'a> {
    Drop,
    Reject(&'a str),
    Pending(Option<u64>),
}

impl Interference {
    /// What happens to a change of this aspect.
    pub(super) fn meddling(&self, urn: &str, changed: &str, asynchronous: bool) -> Option<Meddling<'_>> {
        if self.urn_contains.as_deref().is_some_and(|part| !urn.contains(part)) {
            return None;
        }
        let (aspect, meddling) = match &self.action {
            Action::Drop { aspect } => (aspect, Meddling::Drop),
            Action::RejectLater { aspect, message } if asynchronous => (aspect, Meddling::Reject(message)),
            Action::StayPending { aspect, polls } if asynchronous => (aspect, Meddling::Pending(*polls)),
            _ => return None,
        };
        aspect.as_deref().is_none_or(|aspect| aspect == changed).then_some(meddling)
    }
}

impl Fault {
    /// `action` for every request.
    pub fn new(action: Action) -> Self {
        Self { path_prefix: String::new(), urn_contains: None, after: 0, times: None, action }
    }

    /// What is left of it for the one who looks at the changes of a request.
    pub(super) fn interference(self) -> Interference {
        Interference { urn_contains: self.urn_contains, action: self.action }
    }

    fn matches(&self, path: &str, body: &[u8]) -> bool {
        path.starts_with(&self.path_prefix)
            && self.urn_contains.as_deref().is_none_or(|urn| {
                percent_decode_str(path).decode_utf8_lossy().contains(urn) || contains(body, urn.as_bytes())
            })
    }
}

/// The faults that are set, and how often each has matched.
#[derive(Debug, Default)]
pub(super) struct Faults {
    active: Mutex<Vec<(Fault, u64)>>,
}

impl Faults {
    pub(super) fn add(&self, fault: Fault) {
        self.active.lock().unwrap_or_else(PoisonError::into_inner).push((fault, 0));
    }

    pub(super) fn clear(&self) {
        self.active.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// What is to happen to a request, if anything is.
    pub(super) fn find(&self, path: &str, body: &[u8]) -> Option<Fault> {
        let mut active = self.active.lock().unwrap_or_else(PoisonError::into_inner);
        active.iter_mut().filter(|(fault, _)| fault.matches(path, body)).find_map(|(fault, matched)| {
            let number = *matched;
            *matched += 1;
            let acts = number.checked_sub(fault.after)?;
            fault.times.is_none_or(|times| acts < times).then(|| fault.clone())
        })
    }
}

/// Marks an answer in whose place the connection is reset.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reset;

/// An answer that resets the connection.
pub(super) fn reset() -> Response {
    let mut response = Response::default();
    response.extensions_mut().insert(Reset);
    response
}

/// The answer of [`Action::Status`].
pub(super) fn status(code: u16, headers: &[(String, String)], body: String) -> Response {
    let wrong = |what: &str| {
        let text = format!("the fault cannot be played: {what} is not one that HTTP has");
        (StatusCode::NOT_IMPLEMENTED, text).into_response()
    };
    let Ok(code) = StatusCode::from_u16(code) else {
        return wrong(&format!("status {code}"));
    };
    let json = (header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let mut response = (code, [json], body).into_response();
    for (name, value) in headers {
        match (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
            (Ok(name), Ok(value)) => drop(response.headers_mut().insert(name, value)),
            _ => return wrong(&format!("header {name:?}")),
        }
    }
    response
}

/// The answer of [`Action::Html`].
pub(super) fn html() -> Response {
    let page = "<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body><form action=\"/logIn\" \
                method=\"post\"><input name=\"username\"><input name=\"password\" type=\"password\"></form></body></html>\n";
    ([(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"))], page).into_response()
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    memchr::memmem::find(text, part).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delay(seconds: u64) -> Action {
        Action::Delay(Duration::from_secs(seconds))
    }

    #[test]
    fn a_fault_counts_only_what_matches() {
        let faults = Faults::default();
        faults.add(Fault {
            path_prefix: "/aspects".into(),
            urn_contains: Some("urn:li:tag:a".into()),
            after: 1,
            times: Some(2),
            action: delay(1),
        });
        let action = |path: &str, body: &[u8]| faults.find(path, body).map(|fault| fault.action);
        let hit = || action("/aspects/urn%3Ali%3Atag%3Aa", b"");
        assert_eq!(action("/entities/urn:li:tag:a", b""), None);
        assert_eq!(action("/aspects", br#"{"urn":"urn:li:tag:b"}"#), None);
        assert_eq!(hit(), None);
        assert_eq!(action("/aspects", br#"{"urn":"urn:li:tag:a"}"#), Some(delay(1)));
        assert_eq!(hit(), Some(delay(1)));
        assert_eq!(hit(), None);
    }

    #[test]
    fn faults_follow_each_other() {
        let faults = Faults::default();
        faults.add(Fault { times: Some(1), ..Fault::new(delay(1)) });
        faults.add(Fault { times: Some(1), ..Fault::new(delay(2)) });
        let action = || faults.find("/", b"").map(|fault| fault.action);
        assert_eq!([(); 3].map(|()| action()), [Some(delay(1)), Some(delay(2)), None]);
        faults.add(Fault::new(Action::Reset));
        faults.clear();
        assert_eq!(action(), None);
    }

    #[test]
    fn a_fault_meddles_with_the_changes_that_it_names() {
        let fault =
            |action| Fault { urn_contains: Some("tag:a".into()), ..Fault::new(action) }.interference();
        let drop = fault(Action::Drop { aspect: Some("status".into()) });
        assert_eq!(drop.meddling("urn:li:tag:a", "status", false), Some(Meddling::Drop));
        assert_eq!(drop.meddling("urn:li:tag:a", "tagKey", false), None);
        assert_eq!(drop.meddling("urn:li:tag:b", "status", false), None);
        let later = fault(Action::RejectLater { aspect: None, message: "no".into() });
        assert_eq!(later.meddling("urn:li:tag:a", "status", true), Some(Meddling::Reject("no")));
        assert_eq!(later.meddling("urn:li:tag:a", "status", false), None);
        assert_eq!(fault(Action::Html).meddling("urn:li:tag:a", "status", true), None);
    }

    #[test]
    fn a_fault_that_cannot_be_played_says_so() {
        assert_eq!(status(99, &[], String::new()).status(), StatusCode::NOT_IMPLEMENTED);
        assert_eq!(
            status(503, &[("a b".into(), "x".into())], String::new()).status(),
            StatusCode::NOT_IMPLEMENTED
        );
    }
}
