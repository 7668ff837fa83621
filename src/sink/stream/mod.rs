//! The basis of sinks that write a stream of records: a thread that encodes, writes, and settles.
//!
//! ```text
//! Stream ── write (waits for capacity) ──▶ queue ──▶ Writer (a thread) ──▶ target
//! ```
//!
//! Writing blocks for as long as a disk or the reader of a pipe takes, so it is kept off the runtime's
//! threads. A delivery is settled as delivered when its bytes were handed to the operating system, no
//! earlier.

mod queue;
mod target;
mod writer;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

pub(super) use self::target::{Layout, StreamTarget};

use self::queue::StreamQueue;
use self::writer::Writer;
use crate::emitter::{Delivery, Outcome};
use crate::platform::Platform;
use crate::threads::Worker;
use crate::{Error, ErrorKind};

/// The aspects of unsettled deliveries take up at most this many bytes; a single larger one is written alone.
const MAX_UNSETTLED_BYTES: u32 = 4 * 1024 * 1024;

/// The rough size in bytes of a delivery without its aspect.
const DELIVERY_OVERHEAD_BYTES: usize = 512;

/// Writes records to a [`StreamTarget`].
pub(super) struct Stream {
    queue: Arc<StreamQueue>,
    capacity: Arc<Semaphore>,
    writer: Option<Worker>,
    waits_on_drop: bool,
}

impl Stream {
    /// Starts the thread. `target_name` is for messages.
    ///
    /// # Errors
    /// Of kind [`ErrorKind::Internal`] when the operating system refuses a thread.
    pub(super) fn start(
        target_name: String,
        target: Box<dyn StreamTarget>,
        layout: Layout,
        platform: &Platform,
    ) -> Result<Self, Error> {
        let queue = Arc::new(StreamQueue::new(target_name, target.reader_may_leave()));
        let capacity = Arc::new(Semaphore::new(MAX_UNSETTLED_BYTES as usize));
        let waits_on_drop = target.never_blocks_for_long();
        let writer = Writer::new(Arc::clone(&queue), Arc::clone(&capacity), target, layout);
        let writer = Worker::start(&*platform.threads, "sink-writer", writer.run()).map_err(|error| {
            Error::new(ErrorKind::Internal, "cannot start the sink's thread").with_source(error)
        })?;
        Ok(Self { queue, capacity, writer: Some(writer), waits_on_drop })
    }

    pub(super) async fn write(&self, delivery: Delivery) {
        let size = delivery.proposal().aspect().map_or(0, |aspect| aspect.value().len());
        let weight = u32::try_from(size + DELIVERY_OVERHEAD_BYTES)
            .map_or(MAX_UNSETTLED_BYTES, |weight| weight.min(MAX_UNSETTLED_BYTES));
        match Arc::clone(&self.capacity).acquire_many_owned(weight).await {
            Ok(permit) => self.queue.push(delivery, permit),
            // The semaphore is closed once nothing more is taken.
            Err(_) => delivery.settle(Outcome::Undelivered(self.queue.undelivered())),
        }
    }

    pub(super) fn stopped(&self) -> Option<Error> {
        self.queue.stopped()
    }

    pub(super) async fn close(&self, deadline: Option<Duration>) -> Result<(), Error> {
        let ended = match self.queue.start_finish() {
            Ok(ended) => ended,
            Err(result) => return result,
        };
        self.capacity.close();
        let outcome = match deadline {
            None => ended.await.ok(),
            Some(deadline) => {
                let Ok(outcome) = tokio::time::timeout(deadline, ended).await else {
                    self.queue.abandon();
                    let cause = format!("it took no more bytes within {deadline:?}");
                    return Err(self.queue.failure("cannot finish writing", &cause).error());
                };
                outcome.ok()
            }
        };
        outcome.unwrap_or_else(|| {
            self.queue.abandon();
            Err(Error::new(ErrorKind::Internal, "the sink's thread ended before its work did"))
        })
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.capacity.close();
        self.queue.abandon();
        if let Some(writer) = self.writer.take()
            && self.waits_on_drop
        {
            // A temporary file must be gone when the process ends.
            writer.join();
        }
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Stream").field(&self.queue.target_name()).finish()
    }
}
