//! Tracks which records of a run are finished.
//!
//! ```text
//!   finished      position                                     read last
//! ▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓│▓▓▓▓▓▓▓░░▓▓▓▓▓▓▓░░▓▓▓▓░░░░▓▓░░░░░░░░░░░░░░░░│
//!                 └ the first unfinished record                  └ at most 100,000 records or 64 MiB ahead
//! ```
//!
//! Records are settled in any order. A later run starts at the first unfinished one, and skips the finished
//! ones behind it. It must not send a record that is older than one that was delivered for the same URN, so a
//! record behind the position counts as finished only while no earlier record of its URNs is unfinished.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::ranges::Ranges;
use crate::metadata::Proposal;
use crate::source::{Item, Position};

/// How far the reader may be ahead of the first record in flight.
const MAX_AHEAD: MaxAhead = MaxAhead { records: 100_000, bytes: 64 * 1024 * 1024 };

/// Ranges of finished records that a checkpoint lists; finished records behind them are sent again.
const MAX_RANGES: usize = 10_000;

/// Blocked URNs that are remembered; with more, no record behind them counts as finished.
const MAX_BLOCKED_URNS: usize = 100_000;

#[derive(Clone, Copy, Debug)]
struct MaxAhead {
    records: usize,
    bytes: u64,
}

/// Knows of each record that was read whether it is finished.
#[derive(Debug)]
pub(in crate::pipeline) struct RecordTracker {
    state: Mutex<TrackerState>,
    has_space: Notify,
    urn_hasher: RandomState,
    max_ahead: MaxAhead,
}

/// The reader's decision about a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pipeline) enum Admission {
    /// Forwards it under this number.
    Forward(u64),
    /// Skips it: an earlier run has finished it.
    Skip,
    /// Stops reading.
    Stop,
}

/// Where a later run continues.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct CheckpointPosition {
    /// Records before the position, of all files.
    pub(super) number: u64,
    pub(super) position: Position,
    /// Finished records behind the position.
    pub(super) finished: Ranges,
}

impl CheckpointPosition {
    /// Nothing is finished.
    pub(super) fn is_beginning(&self) -> bool {
        self.number == 0 && self.finished.is_empty()
    }
}

#[derive(Debug)]
struct TrackerState {
    /// All records before this one are finished.
    number: u64,
    position: Position,
    /// Records that an earlier run has finished.
    finished_before: Ranges,
    /// The settled records behind the first undelivered one, once there is one.
    blocked: Option<BlockedUrns>,
    /// Records from the first one in flight to the last one read.
    slots: VecDeque<Slot>,
    /// The number of the first slot.
    first: u64,
    bytes: u64,
    /// The source's position behind the last record.
    last: Position,
    newly_finished: u64,
    reader_waits: bool,
    is_closed: bool,
}

#[derive(Debug)]
struct Slot {
    after: Position,
    bytes: u64,
    urns: UrnHashes,
    end: Option<RecordEnd>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RecordEnd {
    Finished,
    /// One of its proposals is undelivered, and stays so in this run.
    Undelivered,
}

/// Hashes of a record's URNs.
#[derive(Debug)]
enum UrnHashes {
    None,
    One(u64),
    Many(Box<[u64]>),
}

/// The settled records behind the first undelivered one, and the URNs of those that must be sent again.
#[derive(Debug, Default)]
struct BlockedUrns {
    finished: Ranges,
    urns: HashSet<u64>,
    /// No more is remembered: every further record must be sent again.
    is_full: bool,
}

impl RecordTracker {
    pub(super) fn new(start: CheckpointPosition) -> Self {
        Self::with_max_ahead(start, MAX_AHEAD)
    }

    fn with_max_ahead(start: CheckpointPosition, max_ahead: MaxAhead) -> Self {
        let CheckpointPosition { number, position, finished } = start;
        let state = TrackerState {
            number,
            position,
            finished_before: finished,
            blocked: None,
            slots: VecDeque::new(),
            first: number,
            bytes: 0,
            last: position,
            newly_finished: 0,
            reader_waits: false,
            is_closed: false,
        };
        Self { state: Mutex::new(state), has_space: Notify::new(), urn_hasher: RandomState::new(), max_ahead }
    }

    /// Admits a record behind which the source is at `after`. Waits while the reader is too far ahead.
    pub(in crate::pipeline) async fn admit(&self, item: &Item, after: Position) -> Admission {
        loop {
            if let Some(admission) = self.try_admit(item, after) {
                return admission;
            }
            self.has_space.notified().await;
        }
    }

    /// `None` if the reader is too far ahead.
    fn try_admit(&self, item: &Item, after: Position) -> Option<Admission> {
        let urns = match item {
            Item::Record { proposals, .. } => self.hash_urns(proposals),
            Item::Invalid(_) | Item::Ignored(..) => UrnHashes::None,
        };
        let mut state = self.lock();
        let bytes = if after.file == state.last.file {
            after.offset.saturating_sub(state.last.offset)
        } else {
            after.offset
        };
        if state.is_closed {
            return Some(Admission::Stop);
        }
        state.reader_waits = !state.slots.is_empty()
            && (state.slots.len() >= self.max_ahead.records || state.bytes + bytes > self.max_ahead.bytes);
        if state.reader_waits {
            return None;
        }
        let number = state.first + state.slots.len() as u64;
        let was_finished = state.finished_before.contains(number);
        state.bytes += bytes;
        state.last = after;
        let end = was_finished.then_some(RecordEnd::Finished);
        state.slots.push_back(Slot { after, bytes, urns, end });
        if was_finished {
            state.advance();
            return Some(Admission::Skip);
        }
        Some(Admission::Forward(number))
    }

    /// A record has ended: it is finished, or has to be sent again by a later run.
    pub(in crate::pipeline) fn settle(&self, number: u64, is_finished: bool) {
        let mut state = self.lock();
        let index = number.checked_sub(state.first).and_then(|index| usize::try_from(index).ok());
        let Some(slot) = index.and_then(|index| state.slots.get_mut(index)) else { return };
        slot.end = Some(if is_finished { RecordEnd::Finished } else { RecordEnd::Undelivered });
        state.newly_finished += u64::from(is_finished);
        if index == Some(0) {
            state.advance();
            if state.reader_waits {
                self.has_space.notify_one();
            }
        }
    }

    /// Stops the reader.
    pub(in crate::pipeline) fn close(&self) {
        self.lock().is_closed = true;
        self.has_space.notify_one();
    }

    /// Records that were finished in this run.
    pub(super) fn newly_finished(&self) -> u64 {
        self.lock().newly_finished
    }

    /// Whether every record that was read is finished.
    pub(super) fn all_finished(&self) -> bool {
        let state = self.lock();
        state.slots.is_empty() && state.blocked.is_none()
    }

    pub(super) fn position(&self) -> CheckpointPosition {
        let state = self.lock();
        let settled = state.blocked.as_ref();
        let mut finished = settled.map(|blocked| blocked.finished.clone()).unwrap_or_default();
        let is_full = settled.is_some_and(|blocked| blocked.is_full);
        // URNs of records in flight block later records as well.
        let mut in_flight: HashSet<u64> = HashSet::new();
        for (slot, number) in state.slots.iter().zip(state.first..) {
            if is_full || finished.len() >= MAX_RANGES {
                break;
            }
            let is_blocked = |urn: &u64| {
                in_flight.contains(urn) || settled.is_some_and(|blocked| blocked.urns.contains(urn))
            };
            if slot.end == Some(RecordEnd::Finished) && !slot.urns.as_slice().iter().any(is_blocked) {
                finished.push(number);
            } else {
                in_flight.extend(slot.urns.as_slice());
            }
        }
        // Records that an earlier run has finished and this one has not read yet.
        let next = state.first + state.slots.len() as u64;
        if !is_full && finished.len() < MAX_RANGES {
            finished.append_from(&state.finished_before, next);
        }
        CheckpointPosition { number: state.number, position: state.position, finished }
    }

    fn hash_urns(&self, proposals: &[Proposal]) -> UrnHashes {
        let hash = |proposal: &Proposal| self.urn_hasher.hash_one(proposal.urn().as_str());
        match proposals {
            [] => UrnHashes::None,
            [one] => UrnHashes::One(hash(one)),
            // A snapshot is about one entity.
            [first, rest @ ..] if rest.iter().all(|other| other.urn() == first.urn()) => {
                UrnHashes::One(hash(first))
            }
            all => UrnHashes::Many(all.iter().map(hash).collect()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, TrackerState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TrackerState {
    /// Removes the settled records from the front.
    fn advance(&mut self) {
        while self.slots.front().is_some_and(|slot| slot.end.is_some()) {
            let Some(slot) = self.slots.pop_front() else { return };
            let number = self.first;
            self.first += 1;
            self.bytes -= slot.bytes;
            let is_finished = slot.end == Some(RecordEnd::Finished);
            if is_finished && self.blocked.is_none() {
                self.number = number + 1;
                self.position = slot.after;
            } else {
                self.blocked.get_or_insert_default().push(number, is_finished, &slot.urns);
            }
        }
    }
}

impl BlockedUrns {
    /// Adds the next settled record.
    fn push(&mut self, number: u64, is_finished: bool, urns: &UrnHashes) {
        let urns = urns.as_slice();
        if self.is_full {
            return;
        }
        if is_finished && !urns.iter().any(|urn| self.urns.contains(urn)) {
            self.finished.push(number);
        } else {
            self.urns.extend(urns);
        }
        self.is_full = self.urns.len() > MAX_BLOCKED_URNS || self.finished.len() >= MAX_RANGES;
    }
}

impl UrnHashes {
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
