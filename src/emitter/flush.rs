//! Flushing: knows when every proposal that was emitted before a point in time has an outcome.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;

/// Held by a proposal until it has an outcome.
pub(super) struct FlushToken {
    _epoch: mpsc::Sender<()>,
}

/// The proposals between two flushes are an epoch. Each of them holds a clone of the epoch's sender, so that
/// the receiver learns when the last one has an outcome.
pub(super) struct FlushTracker {
    current: Mutex<Epoch>,
    /// Epochs that were ended by a flush and may have proposals without an outcome.
    ended: tokio::sync::Mutex<Vec<mpsc::Receiver<()>>>,
    waiting: AtomicUsize,
}

struct Epoch {
    sender: mpsc::Sender<()>,
    receiver: mpsc::Receiver<()>,
}

impl Epoch {
    fn new() -> Self {
        let (sender, receiver) = mpsc::channel(1);
        Self { sender, receiver }
    }
}

impl FlushTracker {
    pub(super) fn new() -> Self {
        Self {
            current: Mutex::new(Epoch::new()),
            ended: tokio::sync::Mutex::default(),
            waiting: AtomicUsize::new(0),
        }
    }

    /// A token for a new proposal.
    pub(super) fn token(&self) -> FlushToken {
        FlushToken { _epoch: self.current().sender.clone() }
    }

    /// Whether somebody waits for a flush.
    pub(super) fn is_requested(&self) -> bool {
        self.waiting.load(SeqCst) > 0
    }

    /// Waits until every proposal with a token from before has an outcome. `wake` is called once, when
    /// [`is_requested`](Self::is_requested) has become true.
    ///
    /// Cancel safe: a receiver is taken off the list only after its epoch is over, so that the next flush
    /// waits for the proposals of a cancelled one as well.
    pub(super) async fn flush(&self, wake: impl FnOnce()) {
        let _request = Request::new(&self.waiting);
        let mut ended = self.ended.lock().await;
        ended.push(std::mem::replace(&mut *self.current(), Epoch::new()).receiver);
        wake();
        while let Some(epoch) = ended.last_mut() {
            let nothing = epoch.recv().await;
            debug_assert!(nothing.is_none(), "nothing is ever sent");
            ended.pop();
        }
    }

    fn current(&self) -> MutexGuard<'_, Epoch> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts a flush while its future exists.
struct Request<'a>(&'a AtomicUsize);

impl<'a> Request<'a> {
    fn new(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, SeqCst);
        Self(waiting)
    }
}

impl Drop for Request<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    fn is_ready(future: std::pin::Pin<&mut impl Future<Output = ()>>) -> bool {
        matches!(future.poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(()))
    }

    #[test]
    fn a_flush_waits_for_earlier_proposals_and_for_those_of_a_cancelled_flush() {
        let tracker = FlushTracker::new();
        let early = tracker.token();
        {
            let mut cancelled = pin!(tracker.flush(|| {}));
            assert!(!is_ready(cancelled.as_mut()));
            assert!(tracker.is_requested());
        }
        assert!(!tracker.is_requested());
        let late = tracker.token();
        let mut flush = pin!(tracker.flush(|| {}));
        assert!(!is_ready(flush.as_mut()));
        let after = tracker.token();
        drop(late);
        assert!(!is_ready(flush.as_mut()), "a proposal of the cancelled flush has no outcome yet");
        drop(early);
        assert!(is_ready(flush.as_mut()));
        drop(after);
    }
}
