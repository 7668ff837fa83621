//! Counts what the worlds have reached: fault kinds, and the states of the program, which it logs.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::fault;

/// How often each fault, state and decision was reached.
#[derive(Debug, Default)]
pub(crate) struct Coverage {
    counts: Mutex<BTreeMap<String, u64>>,
}

/// Fields of the program's log whose values are states or decisions, and all their values.
const STATES: [(&str, &[&str]); 4] = [
    ("phase", &["Closing", "Stopped", "Abandoned", "Ended"]),
    ("retry", &["NoConnection", "OutcomeUnknown", "Throttled", "Server", "Failed"]),
    (
        "action",
        &[
            "Accept",
            "SendSingly",
            "Split(ByNamedUrns)",
            "Split(InHalves)",
            "Split(InHalvesAfterServerError)",
            "RejectNamed",
            "Reject",
            "Hold",
            "Postpone",
            "LeaveUndelivered",
            "Stop(Response)",
        ],
    ),
    ("after_refusal", &["Retry", "RetrySameTokenAfter", "Stop"]),
];

impl Coverage {
    pub(crate) fn count(&self, name: &str) {
        *self.counts.lock().unwrap().entry(name.to_owned()).or_default() += 1;
    }

    /// Adds the counts of another one.
    pub(crate) fn add(&self, other: &Self) {
        let mut counts = self.counts.lock().unwrap();
        for (name, count) in &*other.counts.lock().unwrap() {
            *counts.entry(name.clone()).or_default() += count;
        }
    }

    /// The names that were never reached.
    pub(crate) fn missing(&self) -> Vec<String> {
        let counts = self.counts.lock().unwrap();
        let states = STATES
            .iter()
            .flat_map(|(field, values)| values.iter().map(move |value| format!("{field}={value}")));
        let all = fault::ALL.iter().map(|&name| name.to_owned()).chain(states);
        all.filter(|name| !counts.contains_key(name)).collect()
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = self.counts.lock().unwrap();
        counts.iter().try_for_each(|(name, count)| writeln!(f, "{count:>9} {name}"))
    }
}

/// Receives what the program logs.
#[derive(Debug)]
pub(crate) struct LogReader(pub(crate) Arc<Coverage>);

impl Subscriber for LogReader {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("datahub_emitter")
    }

    fn event(&self, event: &Event<'_>) {
        event.record(&mut States(&self.0));
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct States<'a>(&'a Coverage);

impl Visit for States<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if STATES.iter().any(|(name, _)| *name == field.name()) {
            let text = format!("{field}={value:?}");
            // A value counts as its variant. The ways to split and to stop are decisions of their own.
            let is_whole = text.starts_with("action=Split") || text.starts_with("action=Stop");
            let end = if is_whole { &[' '][..] } else { &[' ', '('] };
            self.0.count(text.split(end).next().unwrap_or_default());
        }
    }
}
