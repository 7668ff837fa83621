//! The queue between a [`Stream`](super::Stream) and its writer thread.

use std::collections::VecDeque;
use std::io;
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, OwnedSemaphorePermit, oneshot};

use crate::emitter::{Delivery, Outcome, Undelivered, UndeliveredReason};
use crate::{Error, ErrorKind};

/// Deliveries that are not settled yet, and the phase of the stream.
pub(super) struct StreamQueue {
    /// The name of the target, for messages.
    target_name: String,
    reader_may_leave: bool,
    state: Mutex<QueueState>,
    writer: Notify,
}

struct QueueState {
    phase: StreamPhase,
    queue: VecDeque<QueuedDelivery>,
    /// Encoded, and not handed to the operating system yet.
    encoded: Vec<QueuedDelivery>,
}

pub(super) struct QueuedDelivery {
    pub(super) delivery: Delivery,
    /// Released when it is dropped.
    _capacity: OwnedSemaphorePermit,
}

pub(super) enum StreamPhase {
    Open,
    /// No more is taken. The sender belongs to the caller of `close`.
    Finishing(oneshot::Sender<Result<(), Error>>),
    /// The writer puts the output in place.
    Ending,
    Ended,
    /// The stream was dropped, or its deadline was over.
    Abandoned,
    Failed(WriteFailure),
}

/// Why writing failed; can be turned into any number of errors.
#[derive(Clone, Debug)]
pub(super) struct WriteFailure {
    kind: ErrorKind,
    message: String,
    cause: String,
}

/// The writer's next task.
pub(super) enum WriterTask {
    Encode(QueuedDelivery),
    Flush,
    Finish(oneshot::Sender<Result<(), Error>>),
    Exit,
}

impl WriteFailure {
    pub(super) fn error(&self) -> Error {
        Error::new(self.kind, self.message.clone()).with_source(self.cause.clone())
    }
}

impl StreamQueue {
    pub(super) fn new(target_name: String, reader_may_leave: bool) -> Self {
        let state = QueueState { phase: StreamPhase::Open, queue: VecDeque::new(), encoded: Vec::new() };
        Self { target_name, reader_may_leave, state: Mutex::new(state), writer: Notify::new() }
    }

    pub(super) fn target_name(&self) -> &str {
        &self.target_name
    }

    /// Queues a delivery, or settles it as undelivered if the stream takes no more.
    pub(super) fn push(&self, delivery: Delivery, capacity: OwnedSemaphorePermit) {
        {
            let mut state = self.lock();
            if matches!(state.phase, StreamPhase::Open) {
                state.queue.push_back(QueuedDelivery { delivery, _capacity: capacity });
                drop(state);
                self.writer.notify_one();
                return;
            }
        }
        delivery.settle(Outcome::Undelivered(self.undelivered()));
    }

    /// Starts the end of the stream; the receiver resolves to its result. `Err` if it has ended already, or
    /// is ending.
    pub(super) fn start_finish(&self) -> Result<oneshot::Receiver<Result<(), Error>>, Result<(), Error>> {
        let (sender, receiver) = oneshot::channel();
        let mut state = self.lock();
        match &state.phase {
            StreamPhase::Open => state.phase = StreamPhase::Finishing(sender),
            StreamPhase::Ended => return Err(Ok(())),
            StreamPhase::Failed(failure) => return Err(Err(failure.error())),
            StreamPhase::Finishing(_) | StreamPhase::Ending | StreamPhase::Abandoned => {
                return Err(Err(self.failure("cannot be closed", "it was closed before").error()));
            }
        }
        drop(state);
        self.writer.notify_one();
        Ok(receiver)
    }

    /// Why the stream has stopped for good, if it has.
    pub(super) fn stopped(&self) -> Option<Error> {
        match &self.lock().phase {
            StreamPhase::Failed(failure) => Some(failure.error()),
            _ => None,
        }
    }

    /// Ends the stream in `phase` and settles the rest as undelivered. A stream that has ended already stays
    /// as it is.
    pub(super) fn end(&self, phase: StreamPhase) {
        let rest = {
            let mut state = self.lock();
            if matches!(state.phase, StreamPhase::Ended | StreamPhase::Failed(_)) {
                return;
            }
            state.phase = phase;
            let mut rest = mem::take(&mut state.encoded);
            rest.extend(mem::take(&mut state.queue));
            rest
        };
        self.writer.notify_one();
        let undelivered = self.undelivered();
        for queued in rest {
            queued.delivery.settle(Outcome::Undelivered(undelivered.clone()));
        }
    }

    pub(super) fn abandon(&self) {
        self.end(StreamPhase::Abandoned);
    }

    pub(super) fn is_abandoned(&self) -> bool {
        matches!(self.lock().phase, StreamPhase::Abandoned)
    }

    /// Waits for something to do.
    pub(super) async fn next_task(&self) -> WriterTask {
        loop {
            if let Some(task) = self.try_next_task() {
                return task;
            }
            self.writer.notified().await;
        }
    }

    fn try_next_task(&self) -> Option<WriterTask> {
        let mut state = self.lock();
        if matches!(state.phase, StreamPhase::Abandoned) {
            return Some(WriterTask::Exit);
        }
        if let Some(queued) = state.queue.pop_front() {
            return Some(WriterTask::Encode(queued));
        }
        if !state.encoded.is_empty() {
            return Some(WriterTask::Flush);
        }
        match mem::replace(&mut state.phase, StreamPhase::Ending) {
            StreamPhase::Finishing(sender) => Some(WriterTask::Finish(sender)),
            phase => {
                state.phase = phase;
                None
            }
        }
    }

    /// Holds a delivery until its bytes are flushed.
    pub(super) fn push_encoded(&self, queued: QueuedDelivery) {
        {
            let mut state = self.lock();
            if !matches!(state.phase, StreamPhase::Abandoned) {
                state.encoded.push(queued);
                return;
            }
        }
        queued.delivery.settle(Outcome::Undelivered(self.undelivered()));
    }

    pub(super) fn take_encoded(&self) -> Vec<QueuedDelivery> {
        mem::take(&mut self.lock().encoded)
    }

    pub(super) fn write_failure(&self, error: &io::Error) -> WriteFailure {
        if error.kind() == io::ErrorKind::BrokenPipe {
            let failure = self.failure("cannot write", "the program that read it has ended (broken pipe)");
            return WriteFailure {
                kind: if self.reader_may_leave { ErrorKind::OutputClosed } else { failure.kind },
                ..failure
            };
        }
        self.failure("cannot write", &error.to_string())
    }

    pub(super) fn failure(&self, what: &str, cause: &str) -> WriteFailure {
        WriteFailure {
            kind: ErrorKind::Disk,
            message: format!("{}: {what}", self.target_name),
            cause: cause.into(),
        }
    }

    /// Why a delivery cannot be taken any more.
    pub(super) fn undelivered(&self) -> Undelivered {
        match &self.lock().phase {
            StreamPhase::Failed(failure) => {
                let reason = match failure.kind {
                    ErrorKind::Disk => UndeliveredReason::Disk,
                    _ => UndeliveredReason::Closed,
                };
                Undelivered::new(reason, format!("{}: {}", failure.message, failure.cause))
            }
            _ => Undelivered::new(
                UndeliveredReason::Closed,
                format!("{}: the sink is closed", self.target_name),
            ),
        }
    }

    /// The state is changed in single steps, so a panic of another thread leaves it consistent.
    fn lock(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
