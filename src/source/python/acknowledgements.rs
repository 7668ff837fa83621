//! Passes the outcomes of records on to the child.

use std::collections::BTreeSet;
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::source::ExtractionProgress;

/// The outcomes that the child has not received yet.
///
/// Any thread adds outcomes, and one thread [sends](Self::send) them. `flushed` follows the outcomes of all
/// records before it.
#[derive(Debug, Default)]
pub(super) struct Acknowledgements {
    state: Mutex<State>,
    changed: Condvar,
    received: AtomicU64,
    settled: AtomicU64,
    delivered: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    outgoing: Vec<Outgoing>,
    /// All records before this one have an outcome.
    settled_below: u64,
    /// Records behind that have one.
    settled_ahead: BTreeSet<u64>,
    /// Flushes without a reply: the number of each, and the number of records before it.
    flushes: VecDeque<(u64, u64)>,
    is_closed: bool,
}

#[derive(Debug)]
enum Outgoing {
    Delivered(u64),
    Failed(u64, String),
    Flushed(u64),
    Stop(String),
}

impl Acknowledgements {
    /// Counts a record of the child.
    pub(super) fn received(&self) {
        self.received.fetch_add(1, Ordering::Relaxed);
    }

    /// The progress of the extraction.
    pub(super) fn progress(&self) -> ExtractionProgress {
        let (delivered, settled) =
            (self.delivered.load(Ordering::Relaxed), self.settled.load(Ordering::Relaxed));
        // Read last: a record is received before it is settled.
        let extracted = self.received.load(Ordering::Relaxed);
        ExtractionProgress { extracted, waiting: extracted.saturating_sub(settled), delivered }
    }

    /// A record has its outcome: delivered, or the reason why not.
    pub(super) fn settle(&self, record: u64, failure: Option<&str>) {
        self.settled.fetch_add(1, Ordering::Relaxed);
        self.delivered.fetch_add(u64::from(failure.is_none()), Ordering::Relaxed);
        let mut state = self.lock();
        state.outgoing.push(match failure {
            None => Outgoing::Delivered(record),
            Some(reason) => Outgoing::Failed(record, reason.to_owned()),
        });
        if record >= state.settled_below {
            state.settled_ahead.insert(record);
        }
        let mut below = state.settled_below;
        while state.settled_ahead.remove(&below) {
            below += 1;
        }
        state.settled_below = below;
        state.reply_to_flushes();
        drop(state);
        self.changed.notify_one();
    }

    /// The child asks for a reply once the `records` before have an outcome.
    pub(super) fn flush(&self, number: u64, records: u64) {
        let mut state = self.lock();
        state.flushes.push_back((number, records));
        state.reply_to_flushes();
        drop(state);
        self.changed.notify_one();
    }

    /// Nothing more is delivered.
    pub(super) fn stop(&self, reason: &str) {
        self.lock().outgoing.push(Outgoing::Stop(reason.to_owned()));
        self.changed.notify_one();
    }

    /// Ends [`send`](Self::send): the child has ended.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_one();
    }

    /// Sends outcomes to the child until [`close`](Self::close), or until the child is gone.
    pub(super) fn send(&self, child: &mut impl Write) {
        loop {
            let mut state = self.lock();
            while state.outgoing.is_empty() && !state.is_closed {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            let outgoing = std::mem::take(&mut state.outgoing);
            let is_closed = state.is_closed;
            drop(state);
            let sent = child.write_all(lines(outgoing).as_bytes());
            if is_closed || sent.is_err() {
                return;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn reply_to_flushes(&mut self) {
        while let Some((number, records)) = self.flushes.front().copied()
            && records <= self.settled_below
        {
            self.flushes.pop_front();
            self.outgoing.push(Outgoing::Flushed(number));
        }
    }
}

/// The messages. Delivered records with consecutive numbers share one.
fn lines(outgoing: Vec<Outgoing>) -> String {
    let mut text = String::new();
    let mut run: Option<(u64, u64)> = None;
    let end_run = |run: &mut Option<(u64, u64)>, text: &mut String| {
        if let Some((first, last)) = run.take() {
            writeln!(text, "{{\"ack\":[{first},{last}]}}").unwrap_or_default();
        }
    };
    for message in outgoing {
        if let Outgoing::Delivered(record) = message {
            match &mut run {
                Some((_, last)) if *last + 1 == record => *last = record,
                _ => {
                    end_run(&mut run, &mut text);
                    run = Some((record, record));
                }
            }
            continue;
        }
        end_run(&mut run, &mut text);
        let line = match message {
            Outgoing::Failed(record, message) => serde_json::json!({"failed": record, "message": message}),
            Outgoing::Flushed(number) => serde_json::json!({"flushed": number}),
            Outgoing::Stop(reason) => serde_json::json!({"stop": reason}),
            Outgoing::Delivered(_) => continue,
        };
        writeln!(text, "{line}").unwrap_or_default();
    }
    end_run(&mut run, &mut text);
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sent(acknowledgements: &Acknowledgements) -> Vec<String> {
        acknowledgements.close();
        let mut out = Vec::new();
        acknowledgements.send(&mut out);
        String::from_utf8(out).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn consecutive_records_share_a_message_and_failures_do_not() {
        let acknowledgements = Acknowledgements::default();
        for record in [0, 1, 2] {
            acknowledgements.settle(record, None);
        }
        acknowledgements.settle(3, Some("422"));
        acknowledgements.settle(4, None);
        acknowledgements.stop("401");
        assert_eq!(
            sent(&acknowledgements),
            [
                "{\"ack\":[0,2]}",
                "{\"failed\":3,\"message\":\"422\"}",
                "{\"ack\":[4,4]}",
                "{\"stop\":\"401\"}"
            ]
        );
    }

    #[test]
    fn progress_counts_records_with_and_without_an_outcome() {
        let acknowledgements = Acknowledgements::default();
        for _ in 0..5 {
            acknowledgements.received();
        }
        acknowledgements.settle(0, None);
        acknowledgements.settle(1, Some("422"));
        let expected = ExtractionProgress { extracted: 5, waiting: 3, delivered: 1 };
        assert_eq!(acknowledgements.progress(), expected);
    }

    proptest! {
        /// `flushed` comes after the outcomes of all records before the flush, in whatever order they arrive.
        #[test]
        fn a_flush_waits_for_every_record_before_it(
            order in Just((0..12_u64).collect::<Vec<_>>()).prop_shuffle(),
            flushed_at in 0..12_u64,
            asked_after in 0..12_usize,
        ) {
            let acknowledgements = Acknowledgements::default();
            for (index, record) in order.iter().enumerate() {
                if index == asked_after {
                    acknowledgements.flush(1, flushed_at);
                }
                acknowledgements.settle(*record, None);
            }
            let mut seen = Vec::new();
            for line in sent(&acknowledgements) {
                let message: serde_json::Value = serde_json::from_str(&line).unwrap();
                if let Some(range) = message.get("ack") {
                    seen.extend(range[0].as_u64().unwrap()..=range[1].as_u64().unwrap());
                } else {
                    prop_assert_eq!(message["flushed"].as_u64(), Some(1));
                    prop_assert!((0..flushed_at).all(|record| seen.contains(&record)));
                    seen.push(100);
                }
            }
            prop_assert_eq!(seen.len(), 13, "every record once, and one reply");
        }
    }
}
