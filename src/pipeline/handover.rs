//! Hands records from the reader's thread to the run's task.
//!
//! ```text
//! reader thread ── push (blocks while full) ──▶ ring ── take everything (waits while there is little) ──▶ task
//! ```
//!
//! What waits is bounded by number and by bytes, so that the reader can be ahead without memory growing with the file.
//! One record larger than the bound passes alone.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::{Duration, Instant, sleep_until};

use crate::Error;
use crate::source::{Item, RawRecord};

/// Records that may wait. Enough that neither side wakes the other for each single record.
const MAX_RECORDS: usize = 1024;

/// Bytes of aspects that may wait: a few reads of a file. They come on top of the sink's own bound.
const MAX_BYTES: usize = 1 << 20;

/// What is enough to be taken at once. The task is faster than most readers, and would be woken for each record.
const ENOUGH_RECORDS: usize = MAX_RECORDS / 4;
const ENOUGH_BYTES: usize = MAX_BYTES / 4;

/// How long fewer records wait for others, if the source has not ended.
const GATHERING: Duration = Duration::from_millis(1);

/// A record, and its number where it is kept account of which are finished.
pub(super) struct Numbered {
    pub(super) item: Item,
    pub(super) number: Option<u64>,
}

#[derive(Default)]
struct Ring {
    items: VecDeque<Numbered>,
    bytes: usize,
    /// How the source ended.
    ended: Option<Result<(), Error>>,
    /// The reader waits for room.
    full: bool,
    /// The task takes nothing more.
    closed: bool,
}

#[derive(Default)]
struct Shared {
    ring: Mutex<Ring>,
    room: Condvar,
    filled: Notify,
}

/// What was taken.
pub(super) enum Taken {
    /// At least one record.
    Items(VecDeque<Numbered>),
    /// The source is at its end, or failed.
    Ended(Result<(), Error>),
}

/// The reader's end.
pub(super) struct Giver(Arc<Shared>);

/// The task's end.
pub(super) struct Taker(Arc<Shared>);

/// Makes the two ends.
pub(super) fn handover() -> (Giver, Taker) {
    let shared = Arc::new(Shared::default());
    (Giver(Arc::clone(&shared)), Taker(shared))
}

impl Ring {
    fn has_enough(&self) -> bool {
        self.items.len() >= ENOUGH_RECORDS || self.bytes >= ENOUGH_BYTES || self.full || self.ended.is_some()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Giver {
    /// Gives one more record; waits while the ring is full. False when no one takes records any more.
    pub(super) fn push(&self, numbered: Numbered) -> bool {
        let bytes = size(&numbered.item);
        let mut ring = self.0.lock();
        while !ring.closed
            && !ring.items.is_empty()
            && (ring.items.len() >= MAX_RECORDS || ring.bytes + bytes > MAX_BYTES)
        {
            if !std::mem::replace(&mut ring.full, true) {
                self.0.filled.notify_one();
            }
            ring = self.0.room.wait(ring).unwrap_or_else(PoisonError::into_inner);
        }
        if ring.closed {
            return false;
        }
        let (was_empty, was_enough) = (ring.items.is_empty(), ring.has_enough());
        ring.items.push_back(numbered);
        ring.bytes += bytes;
        let wakes = was_empty || !was_enough && ring.has_enough();
        drop(ring);
        if wakes {
            self.0.filled.notify_one();
        }
        true
    }

    /// Says that there is nothing more, and why if it is not the end.
    pub(super) fn end(self, end: Result<(), Error>) {
        self.0.lock().ended = Some(end);
        // Dropping wakes the other end.
    }
}

impl Drop for Giver {
    fn drop(&mut self) {
        let mut ring = self.0.lock();
        if ring.ended.is_none() {
            ring.ended = Some(Err(Error::new(
                crate::ErrorKind::Internal,
                "the reader of the source stopped without a word; this is a fault of datahub-emitter",
            )));
        }
        drop(ring);
        self.0.filled.notify_one();
    }
}

impl Taker {
    /// Takes everything that waits; waits while there is nothing, and for a moment while there is little. May be dropped half
    /// way without losing a record.
    pub(super) async fn take(&self) -> Taken {
        let mut gathered_until = None;
        loop {
            let is_empty = {
                let mut ring = self.0.lock();
                let gathered = gathered_until.is_some_and(|until| until <= Instant::now());
                if !ring.items.is_empty() && (gathered || ring.has_enough()) {
                    (ring.bytes, ring.full) = (0, false);
                    let items = std::mem::take(&mut ring.items);
                    drop(ring);
                    self.0.room.notify_one();
                    return Taken::Items(items);
                }
                if let Some(ended) = ring.ended.take() {
                    ring.ended = Some(Ok(()));
                    return Taken::Ended(ended);
                }
                ring.items.is_empty()
            };
            if is_empty {
                self.0.filled.notified().await;
            } else {
                let until = *gathered_until.get_or_insert_with(|| Instant::now() + GATHERING);
                tokio::select! {
                    () = self.0.filled.notified() => {}
                    () = sleep_until(until) => {}
                }
            }
        }
    }
}

impl Drop for Taker {
    fn drop(&mut self) {
        let mut ring = self.0.lock();
        ring.closed = true;
        ring.items.clear();
        drop(ring);
        self.0.room.notify_one();
    }
}

fn size(item: &Item) -> usize {
    match item {
        Item::Record { proposals, .. } => {
            proposals.iter().filter_map(|proposal| proposal.aspect()).map(|aspect| aspect.value().len()).sum()
        }
        Item::Invalid(record) => match &record.raw {
            RawRecord::Text(text) => text.len(),
            RawRecord::Long { .. } => 0,
        },
        Item::Ignored(..) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::Origin;
    use crate::source::InvalidRecord;

    fn record(index: u64, bytes: usize) -> Numbered {
        let item = Item::Invalid(InvalidRecord {
            origin: Origin { file: "-".into(), index, offset: 0 },
            reason: String::new(),
            raw: RawRecord::Text(vec![b'x'; bytes].into()),
        });
        Numbered { item, number: None }
    }

    fn index(numbered: &Numbered) -> u64 {
        match &numbered.item {
            Item::Invalid(record) => record.origin.index,
            _ => unreachable!("only invalid records are pushed"),
        }
    }

    #[tokio::test]
    async fn everything_arrives_in_order_within_the_bounds() {
        let (giver, taker) = handover();
        let reader = std::thread::spawn(move || {
            for number in 0..5_000 {
                assert!(giver.push(record(number, 10_000)));
            }
            giver.end(Ok(()));
        });
        let mut expected = 0;
        loop {
            match taker.take().await {
                Taken::Items(items) => {
                    assert!(items.len() * 10_000 <= MAX_BYTES);
                    for item in &items {
                        assert_eq!(index(item), expected);
                        expected += 1;
                    }
                }
                Taken::Ended(end) => {
                    end.unwrap();
                    break;
                }
            }
        }
        assert_eq!(expected, 5_000);
        reader.join().unwrap();
    }

    #[tokio::test]
    async fn a_record_does_not_wait_for_others_for_long() {
        let (giver, taker) = handover();
        for number in 0..3 {
            assert!(giver.push(record(number, 1)));
            let Taken::Items(items) = taker.take().await else { panic!("nothing was taken") };
            assert_eq!(items.iter().map(index).collect::<Vec<_>>(), [number]);
        }
    }

    #[tokio::test]
    async fn a_record_larger_than_the_bound_passes_alone() {
        let (giver, taker) = handover();
        assert!(giver.push(record(0, MAX_BYTES * 2)));
        let reader = std::thread::spawn(move || giver.push(record(1, 1)));
        let Taken::Items(items) = taker.take().await else { panic!("nothing was taken") };
        assert_eq!(items.len(), 1);
        assert!(reader.join().unwrap());
    }

    #[test]
    fn the_reader_ends_when_no_one_takes() {
        let (giver, taker) = handover();
        for number in 0..MAX_RECORDS as u64 {
            assert!(giver.push(record(number, 0)));
        }
        let reader = std::thread::spawn(move || giver.push(record(0, 0)));
        drop(taker);
        assert!(!reader.join().unwrap());
    }

    #[tokio::test]
    async fn a_reader_that_vanishes_is_a_failure() {
        let (giver, taker) = handover();
        drop(giver);
        assert!(matches!(taker.take().await, Taken::Ended(Err(_))));
    }
}
