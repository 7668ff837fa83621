//! The thread's side of a [`Stream`](super::stream::Stream): it encodes, writes, and settles.

use std::io::{self, Write};
use std::mem;
use std::sync::Arc;

use tokio::sync::{Semaphore, oneshot};

use super::stream::{Phase, Shared, Work};
use crate::Error;
use crate::emitter::Outcome;
use crate::metadata::{Proposal, record};

/// Bytes are handed to the operating system in pieces of this size while records keep coming.
const FLUSH_AT: usize = 256 * 1024;

/// Where the bytes go.
pub(super) trait Target: Write + Send {
    /// Puts what was written in its final place. Dropping the target instead leaves no trace where that can be done.
    fn finish(self: Box<Self>) -> io::Result<()>;

    /// Whether a reader that goes away means that enough was seen, and not that something is wrong.
    fn may_be_left(&self) -> bool {
        false
    }

    /// Whether a write ends soon whatever others do, so that dropping the sink may wait for it.
    fn is_prompt(&self) -> bool;
}

/// How records follow one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// A JSON array as DataHub's file sink lays it out (`ingestion/sink/file.py`).
    Array,
    /// A record a line.
    Lines,
}

impl Layout {
    fn start(self, out: &mut Vec<u8>) {
        if self == Self::Array {
            out.extend_from_slice(b"[\n");
        }
    }

    fn record(self, proposal: &Proposal, first: bool, out: &mut Vec<u8>) {
        match self {
            Self::Array => {
                if !first {
                    out.extend_from_slice(b",\n");
                }
                record::write_indented(proposal, out);
            }
            Self::Lines => {
                record::write_json_form(proposal, out);
                out.push(b'\n');
            }
        }
    }

    fn end(self, out: &mut Vec<u8>) {
        if self == Self::Array {
            out.extend_from_slice(b"\n]");
        }
    }
}

/// Takes from the queue until the sink is closed, dropped or broken.
pub(super) struct Writer {
    shared: Arc<Shared>,
    room: Arc<Semaphore>,
    target: Box<dyn Target>,
    layout: Layout,
    buffer: Vec<u8>,
    first: bool,
}

impl Writer {
    pub(super) fn new(
        shared: Arc<Shared>,
        room: Arc<Semaphore>,
        target: Box<dyn Target>,
        layout: Layout,
    ) -> Self {
        Self { shared, room, target, layout, buffer: Vec::with_capacity(FLUSH_AT), first: true }
    }

    pub(super) fn run(mut self) {
        self.layout.start(&mut self.buffer);
        loop {
            let result = match self.shared.work() {
                Work::Encode(queued) => {
                    self.layout.record(queued.delivery.proposal(), self.first, &mut self.buffer);
                    self.first = false;
                    self.shared.keep(queued);
                    if self.buffer.len() < FLUSH_AT {
                        continue;
                    }
                    self.flush()
                }
                Work::Flush => self.flush(),
                Work::Finish(sender) => {
                    self.finish(sender);
                    return;
                }
                Work::Leave => return,
            };
            if let Err(error) = result {
                self.room.close();
                self.shared.end(Phase::Failed(self.shared.broken(&error)));
                return;
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.target.write_all(&self.buffer)?;
        self.target.flush()?;
        self.buffer.clear();
        self.buffer.shrink_to(2 * FLUSH_AT);
        let written = mem::take(&mut self.shared.lock().encoded);
        for queued in written {
            queued.delivery.settle(Outcome::Delivered);
        }
        Ok(())
    }

    fn finish(mut self, sender: oneshot::Sender<Result<(), Error>>) {
        self.layout.end(&mut self.buffer);
        let result = self.target.write_all(&self.buffer).and_then(|()| self.target.flush());
        // What was given up while the last bytes were on their way is not put in its place.
        if matches!(self.shared.lock().phase, Phase::Abandoned) {
            return;
        }
        let result = result.and_then(|()| self.target.finish());
        let outcome = match result {
            Ok(()) => {
                self.shared.end(Phase::Ended);
                Ok(())
            }
            Err(error) => {
                let fault = self.shared.broken(&error);
                self.shared.end(Phase::Failed(fault.clone()));
                Err(fault.error())
            }
        };
        // Nobody waits any more when the deadline is over.
        drop(sender.send(outcome));
    }
}
