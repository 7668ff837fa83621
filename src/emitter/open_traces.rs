//! The requests whose proposals GMS has queued and not yet written (`ASYNC_WAIT`).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::ages::AgeGuard;
use super::pending::Pending;

/// How many traces are open at once. Each query about one costs GMS a search of its queue.
const MAX_OPEN_TRACES: usize = 64;

/// A request whose proposals GMS has queued.
pub(super) struct OpenTrace {
    /// GMS's name for the request; without one it cannot be followed.
    pub(super) id: Option<String>,
    pub(super) proposals: Vec<Pending>,
    pub(super) slot: Option<TraceSlot>,
    pub(super) age: AgeGuard,
}

/// Permission to open one of at most 64 traces; returned on drop.
pub(super) struct TraceSlot {
    _permit: OwnedSemaphorePermit,
}

/// Hands open traces to the driver, which starts a task that follows each.
pub(super) struct OpenTraces {
    slots: Arc<Semaphore>,
    sender: mpsc::UnboundedSender<OpenTrace>,
    /// The warning that some proposals stay queued was logged.
    warned: AtomicBool,
}

impl OpenTraces {
    /// Also returns the driver's end.
    pub(super) fn new() -> (Self, mpsc::UnboundedReceiver<OpenTrace>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let slots = Arc::new(Semaphore::new(MAX_OPEN_TRACES));
        (Self { slots, sender, warned: AtomicBool::new(false) }, receiver)
    }

    pub(super) fn try_slot(&self) -> Option<TraceSlot> {
        Arc::clone(&self.slots).try_acquire_owned().ok().map(|permit| TraceSlot { _permit: permit })
    }

    pub(super) async fn slot(&self) -> Option<TraceSlot> {
        Arc::clone(&self.slots).acquire_owned().await.ok().map(|permit| TraceSlot { _permit: permit })
    }

    pub(super) fn open(&self, trace: OpenTrace) {
        // The driver receives as long as a batch is in flight. If it has ended, the drop guards report an
        // outcome.
        drop(self.sender.send(trace));
    }

    /// Whether to log the warning that proposals stay queued: once, however many traces there are.
    pub(super) fn should_warn(&self) -> bool {
        !self.warned.swap(true, Relaxed)
    }
}
