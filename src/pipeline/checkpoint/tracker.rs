//! Which records of a run are finished.
//!
//! ```text
//!   finished      position                                     read last
//! ▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓│▓▓▓▓▓▓▓░░▓▓▓▓▓▓▓░░▓▓▓▓░░░░▓▓░░░░░░░░░░░░░░░░│
//!                 └ the first record that is not finished        └ at most 100,000 records or 64 MiB on
//! ```
//!
//! Records end in any order. A later run begins at the first one that is not finished, and passes over those behind it
//! that are. It must not send a record that is older than one that was delivered for the same URN, so a record counts as
//! finished ahead of others only while no earlier record of its URNs is unfinished.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::ranges::Ranges;
use crate::metadata::Proposal;
use crate::source::{Item, Position};

/// The reader is never further ahead of the first record under way.
const AHEAD: Ahead = Ahead { records: 100_000, bytes: 64 * 1024 * 1024 };

/// Ranges of finished records that a checkpoint lists; what is finished behind them is sent again.
const MAX_RANGES: usize = 10_000;

/// URNs of records that were left which are remembered; with more, nothing behind them counts as finished.
const MAX_LEFT: usize = 100_000;

/// How far the reader may be ahead.
#[derive(Clone, Copy, Debug)]
struct Ahead {
    records: usize,
    bytes: u64,
}

/// Knows of each record that was read whether it is finished.
#[derive(Debug)]
pub(in crate::pipeline) struct Tracker {
    state: Mutex<State>,
    room: Condvar,
    urns: RandomState,
    ahead: Ahead,
}

/// What becomes of a record that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pipeline) enum Admitted {
    /// It goes on its way under this number.
    As(u64),
    /// An earlier run has finished it.
    Finished,
    /// Nothing more is wanted.
    Closed,
}

/// Where a later run goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Standing {
    /// Records before the position, of all files.
    pub(super) number: u64,
    pub(super) position: Position,
    /// Records that are finished behind it.
    pub(super) finished: Ranges,
}

impl Standing {
    /// Nothing is finished.
    pub(super) fn is_beginning(&self) -> bool {
        self.number == 0 && self.finished.is_empty()
    }
}

#[derive(Debug)]
struct State {
    /// All before this are finished.
    number: u64,
    position: Position,
    /// What was finished before, in an earlier run.
    before: Ranges,
    /// Since a record was left: what is behind it.
    stuck: Option<Stuck>,
    /// Records from the first one under way to the one read last.
    slots: VecDeque<Slot>,
    /// The number of the first of them.
    first: u64,
    bytes: u64,
    /// Where the source stood after the record that was read last.
    last: Position,
    newly_finished: u64,
    reader_waits: bool,
    closed: bool,
}

#[derive(Debug)]
struct Slot {
    after: Position,
    bytes: u64,
    urns: Urns,
    end: Option<End>,
}

/// How a record ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Finished,
    /// A proposal of it was not delivered, and will not be in this run.
    Left,
}

/// Hashes of the URNs that a record is about.
#[derive(Debug)]
enum Urns {
    None,
    One(u64),
    Many(Box<[u64]>),
}

/// What is known of records behind the first one that was left.
#[derive(Debug, Default)]
struct Stuck {
    finished: Ranges,
    blocked: HashSet<u64>,
    full: bool,
}

impl Tracker {
    /// Begins where `standing` says.
    pub(super) fn new(standing: Standing) -> Self {
        Self::within(standing, AHEAD)
    }

    fn within(standing: Standing, ahead: Ahead) -> Self {
        let Standing { number, position, finished } = standing;
        let state = State {
            number,
            position,
            before: finished,
            stuck: None,
            slots: VecDeque::new(),
            first: number,
            bytes: 0,
            last: position,
            newly_finished: 0,
            reader_waits: false,
            closed: false,
        };
        Self { state: Mutex::new(state), room: Condvar::new(), urns: RandomState::new(), ahead }
    }

    /// A record was read, and the source stands behind it at `after`. Waits while the reader is too far ahead.
    pub(in crate::pipeline) fn admit(&self, item: &Item, after: Position) -> Admitted {
        let urns = match item {
            Item::Record { proposals, .. } => self.urns(proposals),
            Item::Invalid(_) | Item::Ignored(..) => Urns::None,
        };
        let mut state = self.lock();
        let bytes = if after.file == state.last.file {
            after.offset.saturating_sub(state.last.offset)
        } else {
            after.offset
        };
        while !state.closed
            && !state.slots.is_empty()
            && (state.slots.len() >= self.ahead.records || state.bytes + bytes > self.ahead.bytes)
        {
            state.reader_waits = true;
            state = self.room.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.reader_waits = false;
        if state.closed {
            return Admitted::Closed;
        }
        let number = state.first + state.slots.len() as u64;
        let was_finished = state.before.contains(number);
        state.bytes += bytes;
        state.last = after;
        state.slots.push_back(Slot { after, bytes, urns, end: was_finished.then_some(End::Finished) });
        if was_finished {
            state.advance();
            return Admitted::Finished;
        }
        Admitted::As(number)
    }

    /// A record is at its end: finished, or left for a later run.
    pub(in crate::pipeline) fn settle(&self, number: u64, finished: bool) {
        let mut state = self.lock();
        let index = number.checked_sub(state.first).and_then(|index| usize::try_from(index).ok());
        let Some(slot) = index.and_then(|index| state.slots.get_mut(index)) else { return };
        slot.end = Some(if finished { End::Finished } else { End::Left });
        // One that is left was not finished before either.
        state.newly_finished += u64::from(finished);
        if index == Some(0) {
            state.advance();
            if state.reader_waits {
                self.room.notify_one();
            }
        }
    }

    /// The reader is let go: no more is read.
    pub(in crate::pipeline) fn close(&self) {
        self.lock().closed = true;
        self.room.notify_one();
    }

    /// How many records were finished in this run.
    pub(super) fn newly_finished(&self) -> u64 {
        self.lock().newly_finished
    }

    /// Every record that was read is finished.
    pub(super) fn all_finished(&self) -> bool {
        let state = self.lock();
        state.slots.is_empty() && state.stuck.is_none()
    }

    pub(super) fn standing(&self) -> Standing {
        let state = self.lock();
        let mut finished = state.stuck.as_ref().map(|stuck| stuck.finished.clone()).unwrap_or_default();
        let blocked_before = state.stuck.as_ref().map(|stuck| &stuck.blocked);
        let mut blocked: HashSet<u64> = HashSet::new();
        let full = state.stuck.as_ref().is_some_and(|stuck| stuck.full);
        for (slot, number) in state.slots.iter().zip(state.first..) {
            if full || finished.len() >= MAX_RANGES {
                break;
            }
            let is_blocked = |urn: &u64| {
                blocked.contains(urn) || blocked_before.is_some_and(|before| before.contains(urn))
            };
            if slot.end == Some(End::Finished) && !slot.urns.as_slice().iter().any(is_blocked) {
                finished.push(number);
            } else {
                blocked.extend(slot.urns.as_slice());
            }
        }
        // What an earlier run finished and this one has not come to yet.
        let next = state.first + state.slots.len() as u64;
        if !full && finished.len() < MAX_RANGES {
            finished.append_from(&state.before, next);
        }
        Standing { number: state.number, position: state.position, finished }
    }

    fn urns(&self, proposals: &[Proposal]) -> Urns {
        let hash = |proposal: &Proposal| self.urns.hash_one(proposal.urn().as_str());
        match proposals {
            [] => Urns::None,
            [one] => Urns::One(hash(one)),
            // A snapshot is about one entity.
            [first, rest @ ..] if rest.iter().all(|other| other.urn() == first.urn()) => {
                Urns::One(hash(first))
            }
            all => Urns::Many(all.iter().map(hash).collect()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes off the front what is at its end.
    fn advance(&mut self) {
        while self.slots.front().is_some_and(|slot| slot.end.is_some()) {
            let Some(slot) = self.slots.pop_front() else { return };
            let number = self.first;
            self.first += 1;
            self.bytes -= slot.bytes;
            let finished = slot.end == Some(End::Finished);
            if finished && self.stuck.is_none() {
                self.number = number + 1;
                self.position = slot.after;
            } else {
                self.stuck.get_or_insert_default().note(number, finished, &slot.urns);
            }
        }
    }
}

impl Stuck {
    fn note(&mut self, number: u64, finished: bool, urns: &Urns) {
        let urns = urns.as_slice();
        if self.full {
            return;
        }
        if finished && !urns.iter().any(|urn| self.blocked.contains(urn)) {
            self.finished.push(number);
        } else {
            self.blocked.extend(urns);
        }
        self.full = self.blocked.len() > MAX_LEFT || self.finished.len() >= MAX_RANGES;
    }
}

impl Urns {
    fn as_slice(&self) -> &[u64] {
        match self {
            Self::None => &[],
            Self::One(urn) => std::slice::from_ref(urn),
            Self::Many(urns) => urns,
        }
    }
}

#[cfg(test)]
mod tests;
