//! What the sinks that write a stream of records have in common: a thread that encodes, writes, and settles.
//!
//! Writing may block for as long as a disk or the reader of a pipe likes, so it is kept off the runtime's threads. A
//! delivery is settled as delivered when its bytes were handed to the operating system, no earlier.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::SinkSummary;
use super::writer::{Layout, Target, Writer};
use crate::emitter::{Delivery, Outcome, Undelivered, UndeliveredReason};
use crate::{Error, ErrorKind};

/// The aspects of unsettled deliveries take up at most so many bytes; a single larger one passes alone.
const ROOM: u32 = 4 * 1024 * 1024;

/// What a delivery takes up besides its aspect, roughly.
const OVERHEAD: usize = 512;

/// Writes records to a [`Target`].
pub(super) struct Stream {
    shared: Arc<Shared>,
    room: Arc<Semaphore>,
    thread: Option<JoinHandle<()>>,
    wait_on_drop: bool,
}

pub(super) struct Shared {
    /// What is written to, for messages.
    name: String,
    /// A reader that goes away has seen enough.
    may_be_left: bool,
    state: Mutex<State>,
    wake: Condvar,
}

pub(super) struct State {
    pub(super) phase: Phase,
    queue: VecDeque<Queued>,
    /// Encoded, and not handed to the operating system yet.
    pub(super) encoded: Vec<Queued>,
}

pub(super) struct Queued {
    pub(super) delivery: Delivery,
    /// Gives its room back when it is dropped.
    _room: OwnedSemaphorePermit,
}

pub(super) enum Phase {
    Open,
    /// No more is taken; who waits for the end is told.
    Finishing(oneshot::Sender<Result<(), Error>>),
    /// The end is being made.
    Ending,
    Ended,
    /// It was dropped, or its deadline was over.
    Abandoned,
    Failed(Fault),
}

/// Why writing failed; can make any number of errors.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    kind: ErrorKind,
    message: String,
    cause: String,
}

/// What the thread is to do.
pub(super) enum Work {
    Encode(Queued),
    Flush,
    Finish(oneshot::Sender<Result<(), Error>>),
    Leave,
}

impl Stream {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub(super) fn start(name: String, target: Box<dyn Target>, layout: Layout) -> Result<Self, Error> {
        let shared = Arc::new(Shared {
            name,
            may_be_left: target.may_be_left(),
            state: Mutex::new(State { phase: Phase::Open, queue: VecDeque::new(), encoded: Vec::new() }),
            wake: Condvar::new(),
        });
        let room = Arc::new(Semaphore::new(ROOM as usize));
        let wait_on_drop = target.is_prompt();
        let writer = Writer::new(Arc::clone(&shared), Arc::clone(&room), target, layout);
        let thread = thread::Builder::new().name("sink-writer".into()).spawn(move || writer.run()).map_err(
            |error| Error::new(ErrorKind::Internal, "cannot start the sink's thread").with_source(error),
        )?;
        Ok(Self { shared, room, thread: Some(thread), wait_on_drop })
    }

    pub(super) async fn write(&self, delivery: Delivery) {
        let size = delivery.proposal().aspect().map_or(0, |aspect| aspect.value().len());
        let weight = u32::try_from(size + OVERHEAD).map_or(ROOM, |weight| weight.min(ROOM));
        // Closed once nothing more is taken.
        let Ok(permit) = Arc::clone(&self.room).acquire_many_owned(weight).await else {
            let why = self.shared.undelivered();
            delivery.settle(Outcome::Undelivered(why));
            return;
        };
        let refused = {
            let mut state = self.shared.lock();
            if matches!(state.phase, Phase::Open) {
                state.queue.push_back(Queued { delivery, _room: permit });
                None
            } else {
                Some(delivery)
            }
        };
        match refused {
            None => self.shared.wake.notify_one(),
            Some(delivery) => delivery.settle(Outcome::Undelivered(self.shared.undelivered())),
        }
    }

    pub(super) fn stopped(&self) -> Option<Error> {
        match &self.shared.lock().phase {
            Phase::Failed(fault) => Some(fault.error()),
            _ => None,
        }
    }

    pub(super) async fn close(&self, deadline: Option<Duration>) -> Result<(), Error> {
        let (sender, ended) = oneshot::channel();
        {
            let mut state = self.shared.lock();
            match &state.phase {
                Phase::Open => state.phase = Phase::Finishing(sender),
                Phase::Ended => return Ok(()),
                Phase::Failed(fault) => return Err(fault.error()),
                Phase::Finishing(_) | Phase::Ending | Phase::Abandoned => {
                    return Err(self.shared.fault("its end was given up", "it was closed before").error());
                }
            }
        }
        self.room.close();
        self.shared.wake.notify_one();
        let outcome = match deadline {
            None => ended.await.ok(),
            Some(deadline) => {
                let Ok(outcome) = tokio::time::timeout(deadline, ended).await else {
                    self.shared.abandon();
                    let cause = format!("it took no more bytes within {deadline:?}");
                    return Err(self.shared.fault("cannot finish writing", &cause).error());
                };
                outcome.ok()
            }
        };
        outcome.unwrap_or_else(|| {
            self.shared.abandon();
            Err(Error::new(ErrorKind::Internal, "the sink's thread ended before its work did"))
        })
    }

    pub(super) fn summary() -> SinkSummary {
        SinkSummary {
            delivered_means: "written",
            token: super::TokenSummary { source: "none".into(), ..super::TokenSummary::default() },
            ..SinkSummary::default()
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.room.close();
        self.shared.abandon();
        if let Some(thread) = self.thread.take()
            && self.wait_on_drop
        {
            // So that a temporary file is gone when the process ends. A panic there was told of by `close`.
            drop(thread.join());
        }
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Stream").field(&self.shared.name).finish()
    }
}

impl Fault {
    pub(super) fn error(&self) -> Error {
        Error::new(self.kind, self.message.clone()).with_source(self.cause.clone())
    }
}

impl Shared {
    /// What the lock guards is changed in single steps, so a thread that panicked leaves it whole.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fault(&self, what: &str, cause: &str) -> Fault {
        Fault { kind: ErrorKind::Disk, message: format!("{}: {what}", self.name), cause: cause.into() }
    }

    /// Why a delivery can't be taken any more.
    fn undelivered(&self) -> Undelivered {
        match &self.lock().phase {
            Phase::Failed(fault) => {
                let reason = match fault.kind {
                    ErrorKind::Disk => UndeliveredReason::Disk,
                    _ => UndeliveredReason::Closed,
                };
                Undelivered::new(reason, format!("{}: {}", fault.message, fault.cause))
            }
            _ => Undelivered::new(UndeliveredReason::Closed, format!("{}: the sink is closed", self.name)),
        }
    }

    /// Ends it in `phase` and settles all that is left as undelivered. What has ended already stays as it is.
    pub(super) fn end(&self, phase: Phase) {
        let left = {
            let mut state = self.lock();
            if matches!(state.phase, Phase::Ended | Phase::Failed(_)) {
                return;
            }
            state.phase = phase;
            let mut left = mem::take(&mut state.encoded);
            left.extend(mem::take(&mut state.queue));
            left
        };
        self.wake.notify_one();
        let why = self.undelivered();
        for queued in left {
            queued.delivery.settle(Outcome::Undelivered(why.clone()));
        }
    }

    fn abandon(&self) {
        self.end(Phase::Abandoned);
    }

    /// Waits for something to do.
    pub(super) fn work(&self) -> Work {
        let mut state = self.lock();
        loop {
            if matches!(state.phase, Phase::Abandoned) {
                return Work::Leave;
            }
            if let Some(queued) = state.queue.pop_front() {
                return Work::Encode(queued);
            }
            if !state.encoded.is_empty() {
                return Work::Flush;
            }
            match mem::replace(&mut state.phase, Phase::Ending) {
                Phase::Finishing(sender) => return Work::Finish(sender),
                phase => state.phase = phase,
            }
            state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Keeps a delivery until its bytes are flushed.
    pub(super) fn keep(&self, queued: Queued) {
        {
            let mut state = self.lock();
            if !matches!(state.phase, Phase::Abandoned) {
                state.encoded.push(queued);
                return;
            }
        }
        queued.delivery.settle(Outcome::Undelivered(self.undelivered()));
    }
}

impl Shared {
    pub(super) fn broken(&self, error: &io::Error) -> Fault {
        if error.kind() == io::ErrorKind::BrokenPipe {
            let fault = self.fault("cannot write", "the program that read it has ended (broken pipe)");
            return Fault {
                kind: if self.may_be_left { ErrorKind::OutputClosed } else { fault.kind },
                ..fault
            };
        }
        self.fault("cannot write", &error.to_string())
    }
}
