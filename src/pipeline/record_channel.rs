//! The channel from the reader's thread to the run's task.
//!
//! ```text
//! reader thread ── send (waits while full) ──▶ buffer ── receive (waits while there is little) ──▶ task
//! ```
//!
//! The buffer is bounded by records and by bytes, so that the reader can be ahead without memory growing with
//! the input. One record larger than the bound passes alone.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::{Duration, Instant, sleep_until};

use crate::source::{Item, RawRecord};
use crate::{Error, ErrorKind};

/// Records that may wait. Enough that neither side wakes the other for every record.
const MAX_RECORDS: usize = 1024;

/// Bytes of aspects that may wait: a few reads of a file. They come on top of the sink's own bound.
const MAX_BYTES: usize = 1 << 20;

/// With this many, the task is woken. It is faster than most readers, and would otherwise be woken for every
/// record.
const BATCH_RECORDS: usize = MAX_RECORDS / 4;
const BATCH_BYTES: usize = MAX_BYTES / 4;

/// How long fewer records wait for more.
const COALESCE_WINDOW: Duration = Duration::from_millis(1);

/// A record, with its number in the [`RecordTracker`](super::checkpoint::RecordTracker) if the run keeps a
/// checkpoint.
pub(super) struct NumberedItem {
    pub(super) item: Item,
    pub(super) number: Option<u64>,
    /// An earlier run has finished it: only the transformers see it.
    pub(super) is_finished: bool,
}

#[derive(Default)]
struct Buffer {
    items: VecDeque<NumberedItem>,
    bytes: usize,
    /// How the source ended.
    ended: Option<Result<(), Error>>,
    /// The sender waits for space.
    is_full: bool,
    /// The receiver is gone.
    is_closed: bool,
}

#[derive(Default)]
struct Channel {
    buffer: Mutex<Buffer>,
    has_space: Notify,
    has_items: Notify,
}

/// The result of receiving.
pub(super) enum Received {
    /// At least one record.
    Items(VecDeque<NumberedItem>),
    /// The source has ended, or failed.
    Ended(Result<(), Error>),
}

/// The reader's end.
pub(super) struct RecordSender(Arc<Channel>);

/// The task's end.
pub(super) struct RecordReceiver(Arc<Channel>);

/// Creates a channel.
pub(super) fn record_channel() -> (RecordSender, RecordReceiver) {
    let channel = Arc::new(Channel::default());
    (RecordSender(Arc::clone(&channel)), RecordReceiver(channel))
}

impl Buffer {
    fn has_batch(&self) -> bool {
        self.items.len() >= BATCH_RECORDS || self.bytes >= BATCH_BYTES || self.is_full || self.ended.is_some()
    }

    fn has_space_for(&self, bytes: usize) -> bool {
        self.items.is_empty() || (self.items.len() < MAX_RECORDS && self.bytes + bytes <= MAX_BYTES)
    }
}

impl Channel {
    fn lock(&self) -> MutexGuard<'_, Buffer> {
        self.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RecordSender {
    /// Sends one record; waits while the buffer is full. False when the receiver is gone.
    pub(super) async fn send(&self, record: NumberedItem) -> bool {
        let bytes = size(&record.item);
        loop {
            {
                let mut buffer = self.0.lock();
                if buffer.is_closed {
                    return false;
                }
                if buffer.has_space_for(bytes) {
                    let (was_empty, had_batch) = (buffer.items.is_empty(), buffer.has_batch());
                    buffer.items.push_back(record);
                    buffer.bytes += bytes;
                    let wakes = was_empty || !had_batch && buffer.has_batch();
                    drop(buffer);
                    if wakes {
                        self.0.has_items.notify_one();
                    }
                    return true;
                }
                if !std::mem::replace(&mut buffer.is_full, true) {
                    self.0.has_items.notify_one();
                }
            }
            self.0.has_space.notified().await;
        }
    }

    /// Ends the channel with the result of the source.
    pub(super) fn end(self, result: Result<(), Error>) {
        self.0.lock().ended = Some(result);
        // Dropping wakes the receiver.
    }
}

impl Drop for RecordSender {
    fn drop(&mut self) {
        let mut buffer = self.0.lock();
        if buffer.ended.is_none() {
            buffer.ended = Some(Err(Error::new(
                ErrorKind::Internal,
                "the reader of the source ended unexpectedly; this is a fault of datahub-emitter",
            )));
        }
        drop(buffer);
        self.0.has_items.notify_one();
    }
}

impl RecordReceiver {
    /// Takes all records that wait; waits while there are none, and for [`COALESCE_WINDOW`] while there are
    /// few.
    ///
    /// Cancel safe: no record is lost if the future is dropped.
    pub(super) async fn receive(&self) -> Received {
        let mut coalesce_until = None;
        loop {
            let is_empty = {
                let mut buffer = self.0.lock();
                let is_over = coalesce_until.is_some_and(|until| until <= Instant::now());
                if !buffer.items.is_empty() && (is_over || buffer.has_batch()) {
                    (buffer.bytes, buffer.is_full) = (0, false);
                    let items = std::mem::take(&mut buffer.items);
                    drop(buffer);
                    self.0.has_space.notify_one();
                    return Received::Items(items);
                }
                if let Some(ended) = buffer.ended.take() {
                    buffer.ended = Some(Ok(()));
                    return Received::Ended(ended);
                }
                buffer.items.is_empty()
            };
            if is_empty {
                self.0.has_items.notified().await;
            } else {
                let until = *coalesce_until.get_or_insert_with(|| Instant::now() + COALESCE_WINDOW);
                tokio::select! {
                    biased;
                    () = self.0.has_items.notified() => {}
                    () = sleep_until(until) => {}
                }
            }
        }
    }
}

impl Drop for RecordReceiver {
    fn drop(&mut self) {
        let mut buffer = self.0.lock();
        buffer.is_closed = true;
        buffer.items.clear();
        drop(buffer);
        self.0.has_space.notify_one();
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
    use crate::threads::block_on;

    fn record(index: u64, bytes: usize) -> NumberedItem {
        let item = Item::Invalid(InvalidRecord {
            origin: Origin { file: "-".into(), index, offset: 0 },
            reason: String::new(),
            raw: RawRecord::Text(vec![b'x'; bytes].into()),
        });
        NumberedItem { item, number: None, is_finished: false }
    }

    fn index(numbered: &NumberedItem) -> u64 {
        match &numbered.item {
            Item::Invalid(record) => record.origin.index,
            _ => unreachable!("only invalid records are sent"),
        }
    }

    #[tokio::test]
    async fn everything_arrives_in_order_within_the_bounds() {
        let (sender, receiver) = record_channel();
        let reader = std::thread::spawn(move || {
            for number in 0..5_000 {
                assert!(block_on(sender.send(record(number, 10_000))));
            }
            sender.end(Ok(()));
        });
        let mut expected = 0;
        loop {
            match receiver.receive().await {
                Received::Items(items) => {
                    assert!(items.len() * 10_000 <= MAX_BYTES);
                    for item in &items {
                        assert_eq!(index(item), expected);
                        expected += 1;
                    }
                }
                Received::Ended(end) => {
                    end.unwrap();
                    break;
                }
            }
        }
        assert_eq!(expected, 5_000);
        reader.join().unwrap();
    }

    #[tokio::test]
    async fn a_record_waits_only_briefly_for_others() {
        let (sender, receiver) = record_channel();
        for number in 0..3 {
            assert!(sender.send(record(number, 1)).await);
            let Received::Items(items) = receiver.receive().await else { panic!("nothing was received") };
            assert_eq!(items.iter().map(index).collect::<Vec<_>>(), [number]);
        }
    }

    #[tokio::test]
    async fn a_record_larger_than_the_bound_passes_alone() {
        let (sender, receiver) = record_channel();
        assert!(sender.send(record(0, MAX_BYTES * 2)).await);
        let reader = std::thread::spawn(move || block_on(sender.send(record(1, 1))));
        let Received::Items(items) = receiver.receive().await else { panic!("nothing was received") };
        assert_eq!(items.len(), 1);
        assert!(reader.join().unwrap());
    }

    #[test]
    fn the_reader_ends_when_the_receiver_is_gone() {
        let (sender, receiver) = record_channel();
        for number in 0..MAX_RECORDS as u64 {
            assert!(block_on(sender.send(record(number, 0))));
        }
        let reader = std::thread::spawn(move || block_on(sender.send(record(0, 0))));
        drop(receiver);
        assert!(!reader.join().unwrap());
    }

    #[tokio::test]
    async fn a_reader_that_ends_unexpectedly_is_a_failure() {
        let (sender, receiver) = record_channel();
        drop(sender);
        assert!(matches!(receiver.receive().await, Received::Ended(Err(_))));
    }
}
