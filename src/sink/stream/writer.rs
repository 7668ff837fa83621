//! The thread of a [`Stream`](super::Stream): encodes, writes, and settles.

use std::io;
use std::sync::Arc;

use tokio::sync::{Semaphore, oneshot};

use super::queue::{StreamPhase, StreamQueue, WriterTask};
use super::target::{Layout, StreamTarget};
use crate::Error;
use crate::emitter::Outcome;

/// Encoded bytes that are handed to the operating system at once while records keep coming.
const FLUSH_BYTES: usize = 256 * 1024;

/// Works on the queue until the sink is closed, dropped or failed.
pub(super) struct Writer {
    queue: Arc<StreamQueue>,
    capacity: Arc<Semaphore>,
    target: Box<dyn StreamTarget>,
    layout: Layout,
    buffer: Vec<u8>,
    is_first: bool,
}

impl Writer {
    pub(super) fn new(
        queue: Arc<StreamQueue>,
        capacity: Arc<Semaphore>,
        target: Box<dyn StreamTarget>,
        layout: Layout,
    ) -> Self {
        Self { queue, capacity, target, layout, buffer: Vec::with_capacity(FLUSH_BYTES), is_first: true }
    }

    pub(super) async fn run(mut self) {
        self.layout.push_start(&mut self.buffer);
        loop {
            let result = match self.queue.next_task().await {
                WriterTask::Encode(queued) => {
                    self.layout.push_record(queued.delivery.proposal(), self.is_first, &mut self.buffer);
                    self.is_first = false;
                    self.queue.push_encoded(queued);
                    if self.buffer.len() < FLUSH_BYTES {
                        continue;
                    }
                    self.flush()
                }
                WriterTask::Flush => self.flush(),
                WriterTask::Finish(sender) => {
                    self.finish(sender);
                    return;
                }
                WriterTask::Exit => return,
            };
            if let Err(error) = result {
                self.capacity.close();
                self.queue.end(StreamPhase::Failed(self.queue.write_failure(&error)));
                return;
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.target.write_all(&self.buffer)?;
        self.target.flush()?;
        self.buffer.clear();
        self.buffer.shrink_to(2 * FLUSH_BYTES);
        for queued in self.queue.take_encoded() {
            queued.delivery.settle(Outcome::Delivered);
        }
        Ok(())
    }

    fn finish(mut self, sender: oneshot::Sender<Result<(), Error>>) {
        self.layout.push_end(&mut self.buffer);
        let written = self.target.write_all(&self.buffer).and_then(|()| self.target.flush());
        // The close was given up while the last bytes were being written: the output is not put in place.
        if self.queue.is_abandoned() {
            return;
        }
        let outcome = match written.and_then(|()| self.target.finish()) {
            Ok(()) => {
                self.queue.end(StreamPhase::Ended);
                Ok(())
            }
            Err(error) => {
                let failure = self.queue.write_failure(&error);
                self.queue.end(StreamPhase::Failed(failure.clone()));
                Err(failure.error())
            }
        };
        // No one waits any more if the deadline is over.
        drop(sender.send(outcome));
    }
}
