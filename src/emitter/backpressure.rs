//! Backpressure: bounds the proposals that are queued and in flight, by count and by bytes.
//!
//! Capacity is reserved before a proposal is queued. While there is none, the caller waits, its source is not
//! read, and memory use stays the same.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};

/// The largest bound on the count that can be honoured.
pub(super) const MAX_COUNT: usize = Semaphore::MAX_PERMITS;

/// The largest bound on the bytes that can be honoured.
pub(super) const MAX_BYTES: u32 = u32::MAX;

/// The capacity for proposals. Waiting callers get it in the order in which they came.
#[derive(Debug)]
pub(crate) struct Capacity {
    count: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
    max_bytes: u32,
}

/// Capacity for one proposal; returned on drop.
#[derive(Debug)]
pub(crate) struct CapacityPermit {
    count: Option<OwnedSemaphorePermit>,
    _bytes: OwnedSemaphorePermit,
}

/// Why there is no capacity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoCapacity {
    /// Other proposals use it.
    Full,
    /// The emitter admits no more proposals.
    Closed,
}

impl From<TryAcquireError> for NoCapacity {
    fn from(error: TryAcquireError) -> Self {
        match error {
            TryAcquireError::NoPermits => Self::Full,
            TryAcquireError::Closed => Self::Closed,
        }
    }
}

impl CapacityPermit {
    /// Returns the capacity by count, and keeps the bytes.
    pub(super) fn release_count(&mut self) {
        self.count = None;
    }
}

impl Capacity {
    /// Capacity for `count` proposals, from 1 to [`MAX_COUNT`], with together `bytes`, at least 1.
    pub(crate) fn new(count: usize, bytes: u32) -> Self {
        let permits = usize::try_from(bytes).unwrap_or(MAX_COUNT);
        Self {
            count: Arc::new(Semaphore::new(count)),
            bytes: Arc::new(Semaphore::new(permits)),
            max_bytes: bytes,
        }
    }

    /// Waits for capacity for a proposal of `bytes`. A proposal larger than the whole capacity waits until it
    /// can have all of it. `None` once the capacity is closed. Cancel safe: a cancelled caller holds nothing.
    pub(crate) async fn reserve(&self, bytes: usize) -> Option<CapacityPermit> {
        let count = Arc::clone(&self.count).acquire_owned().await.ok()?;
        let bytes = Arc::clone(&self.bytes).acquire_many_owned(self.permits(bytes)).await.ok()?;
        Some(CapacityPermit { count: Some(count), _bytes: bytes })
    }

    /// Reserves capacity if there is some that no waiting caller comes first for.
    pub(super) fn try_reserve(&self, bytes: usize) -> Result<CapacityPermit, NoCapacity> {
        let count = Arc::clone(&self.count).try_acquire_owned()?;
        let bytes = Arc::clone(&self.bytes).try_acquire_many_owned(self.permits(bytes))?;
        Ok(CapacityPermit { count: Some(count), _bytes: bytes })
    }

    /// Whether nothing more can be admitted until a proposal has an outcome. A caller that waits for bytes
    /// takes those that are available, so they are used up then.
    pub(super) fn is_exhausted(&self) -> bool {
        self.count.available_permits() == 0 || self.bytes.available_permits() == 0
    }

    /// Ends all waiting, and refuses further reservations.
    pub(crate) fn close(&self) {
        self.count.close();
        self.bytes.close();
    }

    fn permits(&self, bytes: usize) -> u32 {
        u32::try_from(bytes).unwrap_or(u32::MAX).clamp(1, self.max_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    /// Polls once: whether there is capacity is known without waiting.
    fn ready<T>(future: impl Future<Output = T>) -> Option<T> {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => Some(value),
            Poll::Pending => None,
        }
    }

    #[test]
    fn count_and_bytes_are_both_bounded() {
        let capacity = Capacity::new(3, 100);
        let first = ready(capacity.reserve(60)).flatten().unwrap();
        assert!(!capacity.is_exhausted());
        {
            let mut waiting = pin!(capacity.reserve(60));
            let polled = waiting.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(polled.is_pending(), "60 + 60 bytes are over 100");
            assert!(capacity.is_exhausted());
        }
        assert!(!capacity.is_exhausted());
        assert_eq!(capacity.try_reserve(60).unwrap_err(), NoCapacity::Full);
        let second = capacity.try_reserve(30).unwrap();
        let third = ready(capacity.reserve(1)).flatten().unwrap();
        assert!(ready(capacity.reserve(1)).is_none(), "the count is 3");
        assert_eq!(capacity.try_reserve(1).unwrap_err(), NoCapacity::Full);
        drop((first, second, third));
        assert!(ready(capacity.reserve(60)).is_some());
    }

    #[test]
    fn a_proposal_larger_than_the_capacity_is_admitted_alone() {
        let capacity = Capacity::new(10, 100);
        let large = ready(capacity.reserve(5_000_000_000)).flatten().unwrap();
        assert!(ready(capacity.reserve(1)).is_none());
        drop(large);
        let small = ready(capacity.reserve(1)).flatten().unwrap();
        assert!(ready(capacity.reserve(5_000)).is_none(), "it waits until it is alone");
        drop(small);
    }

    #[test]
    fn a_cancelled_wait_holds_no_capacity() {
        let capacity = Capacity::new(2, 100);
        let all = capacity.try_reserve(100).unwrap();
        assert!(ready(capacity.reserve(50)).is_none());
        drop(all);
        drop((capacity.try_reserve(50).unwrap(), capacity.try_reserve(50).unwrap()));
    }

    #[test]
    fn a_closed_capacity_refuses_everyone() {
        let capacity = Capacity::new(10, 100);
        capacity.close();
        assert!(matches!(ready(capacity.reserve(1)), Some(None)));
        assert_eq!(capacity.try_reserve(1).unwrap_err(), NoCapacity::Closed);
    }
}
