//! Traces: the outcomes of writes through OpenAPI, by trace id, for the trace API. Memory is bounded.

use crate::failure::Failure;
use crate::store::write::Effect;
use crate::sync::lock;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard};
use std::time::{SystemTime, UNIX_EPOCH};

/// The number of traces, and of aspects in all traces; the oldest traces are dropped first.
const MAX_TRACES: usize = 10_000;
const MAX_ASPECTS: usize = 100_000;

/// The id of a write: 32 hexadecimal digits, as in GMS the time in microseconds and random bits
/// (`TraceIdGenerator`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TraceId(String);

impl TraceId {
    /// # Errors
    /// If the system provides no random numbers.
    pub(super) fn new() -> Result<Self, Failure> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(Self(format!("{:016x}{:016x}", now.as_micros() & u128::from(u64::MAX), random()?)))
    }

    /// Parses a trace id, or a `traceparent` header that contains one.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let id = if text.contains('-') { text.split('-').nth(1)? } else { text };
        (id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| Self(id.to_lowercase()))
    }

    /// The `traceparent` header of a response.
    ///
    /// # Errors
    /// If the system provides no random numbers.
    pub(super) fn header(&self) -> Result<String, Failure> {
        Ok(format!("00-{}-{:016x}-01", self.0, random()?))
    }
}

fn random() -> Result<u64, Failure> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes)
        .map_err(|error| Failure::internal(format!("no random numbers for a trace id: {error}")))?;
    Ok(u64::from_be_bytes(bytes))
}

/// The outcome of one aspect of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TraceOutcome {
    Stored(Effect),
    /// Accepted and later rejected.
    Rejected(String),
    /// Reported as pending for this number of trace requests (`None`: for all), and then stored.
    Pending(Option<u64>, Effect),
}

/// An aspect: the entity's URN and the aspect's name.
pub(super) type AspectId = (String, String);

#[derive(Debug, Default)]
pub(super) struct Traces {
    memory: Mutex<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    traces: VecDeque<(TraceId, BTreeMap<AspectId, TraceOutcome>)>,
    aspects: usize,
}

impl Traces {
    /// Records the outcomes of a write. The last change to an aspect counts, except that one without an
    /// effect does not replace one with an effect.
    pub(super) fn remember(&self, id: TraceId, outcomes: impl IntoIterator<Item = (AspectId, TraceOutcome)>) {
        let mut trace = BTreeMap::new();
        for (place, outcome) in outcomes {
            if outcome != TraceOutcome::Stored(Effect::Unchanged) || !trace.contains_key(&place) {
                trace.insert(place, outcome);
            }
        }
        let mut memory = self.memory();
        memory.aspects += trace.len();
        memory.traces.push_back((id, trace));
        while memory.traces.len() > MAX_TRACES || memory.aspects > MAX_ASPECTS {
            let Some((_, forgotten)) = memory.traces.pop_front() else { break };
            memory.aspects -= forgotten.len();
        }
    }

    /// The outcome of an aspect. The call counts for [`TraceOutcome::Pending`].
    pub(super) fn ask(&self, id: &TraceId, place: &AspectId) -> Option<TraceOutcome> {
        let mut memory = self.memory();
        let outcome = memory.traces.iter_mut().rfind(|(known, _)| known == id)?.1.get_mut(place)?;
        if let TraceOutcome::Pending(questions, then) = outcome {
            match questions {
                Some(0) => *outcome = TraceOutcome::Stored(*then),
                Some(left) => *left -= 1,
                None => {}
            }
        }
        Some(outcome.clone())
    }

    /// The aspects of an entity that a write changed.
    pub(super) fn aspects(&self, id: &TraceId, urn: &str) -> Vec<String> {
        let memory = self.memory();
        let trace = memory.traces.iter().rfind(|(known, _)| known == id);
        trace
            .into_iter()
            .flat_map(|(_, trace)| trace.keys())
            .filter(|(known, _)| known == urn)
            .map(|(_, aspect)| aspect.clone())
            .collect()
    }

    /// Removes all traces.
    pub(super) fn clear(&self) {
        *self.memory() = Memory::default();
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        lock(&self.memory)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(name: &str) -> AspectId {
        ("urn:li:tag:x".into(), name.into())
    }

    #[test]
    fn an_id_is_parsed_from_its_header() {
        let id = TraceId::new().unwrap();
        let header = id.header().unwrap();
        assert_eq!(header.len(), 55);
        assert_eq!(TraceId::parse(&header), Some(id.clone()));
        assert_eq!(TraceId::parse(&id.0), Some(id));
        for wrong in ["", "x", "00-12-34-01", "zz063609cb934b9d0d4e6a7d6d5e1234"] {
            assert_eq!(TraceId::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_pending_outcome_ends_after_its_requests() {
        let traces = Traces::default();
        let id = TraceId::new().unwrap();
        let written = Effect::Written(1);
        traces.remember(
            id.clone(),
            [
                (place("a"), TraceOutcome::Pending(Some(2), written)),
                (place("b"), TraceOutcome::Pending(None, written)),
            ],
        );
        let ask = |name| traces.ask(&id, &place(name)).unwrap();
        assert!(matches!(ask("a"), TraceOutcome::Pending(..)));
        assert!(matches!(ask("a"), TraceOutcome::Pending(..)));
        assert_eq!(ask("a"), TraceOutcome::Stored(written));
        assert!((0..100).all(|_| matches!(ask("b"), TraceOutcome::Pending(..))));
        assert_eq!(traces.ask(&id, &place("c")), None);
    }

    #[test]
    fn memory_is_bounded() {
        let traces = Traces::default();
        let first = TraceId::new().unwrap();
        let many = || (0..40_000).map(|n| (place(&n.to_string()), TraceOutcome::Stored(Effect::Row)));
        traces.remember(first.clone(), many());
        traces.remember(TraceId::new().unwrap(), many());
        assert!(traces.ask(&first, &place("1")).is_some());
        traces.remember(TraceId::new().unwrap(), many());
        assert!(traces.ask(&first, &place("1")).is_none());
        assert!(traces.memory().aspects <= MAX_ASPECTS);
    }
}
