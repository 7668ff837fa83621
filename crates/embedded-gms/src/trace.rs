//! What became of writes through OpenAPI, for the trace API: remembered by trace id, as far as memory is set aside for it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use super::failure::Failure;
use super::store::write::Effect;

/// How many traces are remembered, and how many aspects in all of them; the oldest traces are forgotten first.
const MAX_TRACES: usize = 10_000;
const MAX_ASPECTS: usize = 100_000;

/// The name of a write, 32 hexadecimal digits: as in GMS its time in microseconds, and random bits
/// (`TraceIdGenerator`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TraceId(String);

impl TraceId {
    /// # Errors
    /// When there are no random numbers.
    pub(super) fn new() -> Result<Self, Failure> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(Self(format!("{:016x}{:016x}", now.as_micros() & u128::from(u64::MAX), random()?)))
    }

    /// A trace id, or the whole header `traceparent` that holds one; `None` when it is neither.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let id = if text.contains('-') { text.split('-').nth(1)? } else { text };
        (id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| Self(id.to_lowercase()))
    }

    /// The header `traceparent` for an answer.
    ///
    /// # Errors
    /// When there are no random numbers.
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

/// What became of one aspect of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Stored(Effect),
    /// Accepted, and rejected afterwards.
    Rejected(String),
    /// Said to be pending for so many questions more (`None`: for ever), and then this.
    Pending(Option<u64>, Effect),
}

/// An aspect, by its entity's URN and its own name.
pub(super) type Place = (String, String);

#[derive(Debug, Default)]
pub(super) struct Traces {
    memory: Mutex<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    traces: VecDeque<(TraceId, BTreeMap<Place, Fate>)>,
    aspects: usize,
}

impl Traces {
    /// Remembers what became of a write. The last change to an aspect counts, but one that changed nothing does not
    /// hide one that did.
    pub(super) fn remember(&self, id: TraceId, fates: impl IntoIterator<Item = (Place, Fate)>) {
        let mut trace = BTreeMap::new();
        for (place, fate) in fates {
            if fate != Fate::Stored(Effect::Unchanged) || !trace.contains_key(&place) {
                trace.insert(place, fate);
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

    /// What became of an aspect; this question counts for [`Fate::Pending`].
    pub(super) fn ask(&self, id: &TraceId, place: &Place) -> Option<Fate> {
        let mut memory = self.memory();
        let fate = memory.traces.iter_mut().rfind(|(known, _)| known == id)?.1.get_mut(place)?;
        if let Fate::Pending(questions, then) = fate {
            match questions {
                Some(0) => *fate = Fate::Stored(*then),
                Some(left) => *left -= 1,
                None => {}
            }
        }
        Some(fate.clone())
    }

    /// The aspects of an entity that a write touched.
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

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(name: &str) -> Place {
        ("urn:li:tag:x".into(), name.into())
    }

    #[test]
    fn an_id_is_found_in_its_header() {
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
    fn what_is_pending_ends_after_its_questions() {
        let traces = Traces::default();
        let id = TraceId::new().unwrap();
        let written = Effect::Written(1);
        traces.remember(
            id.clone(),
            [(place("a"), Fate::Pending(Some(2), written)), (place("b"), Fate::Pending(None, written))],
        );
        let ask = |name| traces.ask(&id, &place(name)).unwrap();
        assert!(matches!(ask("a"), Fate::Pending(..)));
        assert!(matches!(ask("a"), Fate::Pending(..)));
        assert_eq!(ask("a"), Fate::Stored(written));
        assert!((0..100).all(|_| matches!(ask("b"), Fate::Pending(..))));
        assert_eq!(traces.ask(&id, &place("c")), None);
    }

    #[test]
    fn memory_is_bounded() {
        let traces = Traces::default();
        let first = TraceId::new().unwrap();
        let many = || (0..40_000).map(|n| (place(&n.to_string()), Fate::Stored(Effect::Row)));
        traces.remember(first.clone(), many());
        traces.remember(TraceId::new().unwrap(), many());
        assert!(traces.ask(&first, &place("1")).is_some());
        traces.remember(TraceId::new().unwrap(), many());
        assert!(traces.ask(&first, &place("1")).is_none());
        assert!(traces.memory().aspects <= MAX_ASPECTS);
    }
}
