//! Back-pressure: how much may be queued and in flight together.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bounds what is held, by count and by bytes. Whoever waits for room is served in order.
#[derive(Debug)]
pub(super) struct Room {
    count: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
    all_bytes: u32,
}

/// Room for one proposal; given back on drop.
#[derive(Debug)]
pub(super) struct Place {
    count: Option<OwnedSemaphorePermit>,
    _bytes: OwnedSemaphorePermit,
}

impl Place {
    /// Gives back the room by count, and keeps that by bytes.
    pub(super) fn give_back_count(&mut self) {
        self.count = None;
    }
}

impl Room {
    pub(super) fn new(count: usize, bytes: usize) -> Self {
        let all_bytes = u32::try_from(bytes).unwrap_or(u32::MAX).max(1);
        let count = count.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            count: Arc::new(Semaphore::new(count)),
            bytes: Arc::new(Semaphore::new(usize::try_from(all_bytes).unwrap_or(Semaphore::MAX_PERMITS))),
            all_bytes,
        }
    }

    /// Waits for room for a proposal of `bytes`. One that is larger than all the room there is passes alone.
    /// `None` when the room is closed.
    pub(super) async fn take(&self, bytes: usize) -> Option<Place> {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX).clamp(1, self.all_bytes);
        let count = Arc::clone(&self.count).acquire_owned().await.ok()?;
        let bytes = Arc::clone(&self.bytes).acquire_many_owned(bytes).await.ok()?;
        Some(Place { count: Some(count), _bytes: bytes })
    }

    /// Nobody gets room any more, and nobody waits for it.
    pub(super) fn close(&self) {
        self.count.close();
        self.bytes.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_lite_poll::is_ready;

    /// Polls once: whether there is room is known without waiting.
    mod futures_lite_poll {
        use std::pin::pin;
        use std::task::{Context, Poll, Waker};

        pub(super) fn is_ready<T>(future: impl Future<Output = T>) -> Option<T> {
            match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(value) => Some(value),
                Poll::Pending => None,
            }
        }
    }

    #[test]
    fn count_and_bytes_are_both_bounded() {
        let room = Room::new(3, 100);
        let first = is_ready(room.take(60)).flatten().unwrap();
        assert!(is_ready(room.take(60)).is_none(), "60 + 60 bytes are over 100");
        let second = is_ready(room.take(30)).flatten().unwrap();
        let third = is_ready(room.take(1)).flatten().unwrap();
        assert!(is_ready(room.take(1)).is_none(), "three are all there may be");
        drop((first, second, third));
        assert!(is_ready(room.take(60)).is_some());
    }

    #[test]
    fn one_larger_than_all_the_room_passes_alone() {
        let room = Room::new(10, 100);
        let large = is_ready(room.take(5_000_000_000)).flatten().unwrap();
        assert!(is_ready(room.take(1)).is_none());
        drop(large);
        let small = is_ready(room.take(1)).flatten().unwrap();
        assert!(is_ready(room.take(5_000)).is_none(), "it waits until it is alone");
        drop(small);
    }

    #[test]
    fn a_closed_room_turns_everyone_away() {
        let room = Room::new(10, 100);
        room.close();
        assert!(matches!(is_ready(room.take(1)), Some(None)));
    }
}
