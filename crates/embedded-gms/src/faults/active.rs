//! The configured faults, and when each of them acts.

use std::sync::{Mutex, MutexGuard};
use std::time::Instant;

use serde::Serialize;

use super::fault::Fault;
use crate::sync::lock;

/// The configured faults, with their counters.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    active: Mutex<Vec<ActiveFault>>,
}

#[derive(Debug)]
struct ActiveFault {
    fault: Fault,
    since: Instant,
    matched: u64,
    acted: u64,
}

/// The status of a fault, as `/faults` returns it.
#[derive(Debug, Serialize)]
pub(crate) struct FaultStatus {
    action: &'static str,
    path: String,
    urn: Option<String>,
    /// The number of requests that matched.
    matched: u64,
    /// The number of requests on which it acted.
    acted: u64,
}

impl ActiveFault {
    fn new(fault: Fault, since: Instant) -> Self {
        Self { fault, since, matched: 0, acted: 0 }
    }

    /// Counts a matching request, and returns whether the fault acts on it.
    fn acts(&mut self, now: Instant) -> bool {
        let fault = &self.fault;
        let Some(begun) = now.saturating_duration_since(self.since).checked_sub(fault.after_time) else {
            return false;
        };
        let passes = self.matched < fault.after;
        self.matched += 1;
        let over = fault.times.is_some_and(|times| self.acted >= times)
            || fault.lasts.is_some_and(|lasts| begun >= lasts);
        if passes || over {
            return false;
        }
        self.acted += 1;
        true
    }
}

impl Faults {
    pub(crate) fn add(&self, fault: Fault) {
        self.active().push(ActiveFault::new(fault, Instant::now()));
    }

    /// Replaces all faults.
    pub(crate) fn replace(&self, faults: Vec<Fault>) {
        let now = Instant::now();
        *self.active() = faults.into_iter().map(|fault| ActiveFault::new(fault, now)).collect();
    }

    pub(crate) fn clear(&self) {
        self.active().clear();
    }

    /// The status of each fault, in order.
    pub(crate) fn statuses(&self) -> Vec<FaultStatus> {
        let state = |active: &ActiveFault| FaultStatus {
            action: active.fault.action.name(),
            path: active.fault.path_prefix.clone(),
            urn: active.fault.urn_contains.clone(),
            matched: active.matched,
            acted: active.acted,
        };
        self.active().iter().map(state).collect()
    }

    /// The fault that acts on a request, if any. `bytes` is the length of the body, which may not have been
    /// kept.
    pub(crate) fn find(&self, path: &str, body: &[u8], bytes: u64) -> Option<Fault> {
        self.find_at(Instant::now(), path, body, bytes)
    }

    fn find_at(&self, now: Instant, path: &str, body: &[u8], bytes: u64) -> Option<Fault> {
        let mut active = self.active();
        let mut matching = active.iter_mut().filter(|active| active.fault.matches(path, body, bytes));
        matching.find_map(|active| active.acts(now).then(|| active.fault.clone()))
    }

    fn active(&self) -> MutexGuard<'_, Vec<ActiveFault>> {
        lock(&self.active)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::fault::Action;
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
            ..Fault::new(delay(1))
        });
        let action = |path: &str, body: &[u8]| faults.find(path, body, 0).map(|fault| fault.action);
        let hit = || action("/aspects/urn%3Ali%3Atag%3Aa", b"");
        assert_eq!(action("/entities/urn:li:tag:a", b""), None);
        assert_eq!(action("/aspects", br#"{"urn":"urn:li:tag:b"}"#), None);
        assert_eq!(hit(), None);
        assert_eq!(action("/aspects", br#"{"urn":"urn:li:tag:a"}"#), Some(delay(1)));
        assert_eq!(hit(), Some(delay(1)));
        assert_eq!(hit(), None);
        let statuses = serde_json::to_value(faults.statuses()).unwrap();
        assert_eq!((&statuses[0]["matched"], &statuses[0]["acted"]), (&4.into(), &2.into()));
    }

    #[test]
    fn faults_follow_each_other() {
        let faults = Faults::default();
        faults.add(Fault { times: Some(1), ..Fault::new(delay(1)) });
        faults.add(Fault { times: Some(1), ..Fault::new(delay(2)) });
        let action = || faults.find("/", b"", 0).map(|fault| fault.action);
        assert_eq!([(); 3].map(|()| action()), [Some(delay(1)), Some(delay(2)), None]);
        faults.add(Fault::new(Action::Reset));
        faults.clear();
        assert_eq!(action(), None);
    }

    #[test]
    fn a_fault_acts_within_its_time() {
        let faults = Faults::default();
        let seconds = Duration::from_secs;
        let fault = Fault { after_time: seconds(2), after: 1, ..Fault::new(Action::Reset) };
        faults.replace(vec![Fault { lasts: Some(seconds(3)), ..fault }]);
        let start = Instant::now();
        let acts = |at: Duration| faults.find_at(start + at, "/", b"", 0).is_some();
        assert!(!acts(seconds(0)) && !acts(seconds(1)));
        // The first request within its time passes.
        assert!(!acts(seconds(3)));
        assert!(acts(seconds(4)) && acts(seconds(4)));
        assert!(!acts(seconds(6)));
    }

    #[test]
    fn a_fault_is_for_large_bodies() {
        let faults = Faults::default();
        faults.add(Fault { larger_than: Some(10), ..Fault::new(Action::TooLarge) });
        assert!(faults.find("/", b"", 10).is_none());
        assert!(faults.find("/", b"", 11).is_some());
    }
}
