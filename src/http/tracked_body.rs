//! A request's body that records how much of it was sent.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::time::{Instant, sleep_until};

use super::Body;

/// The largest piece that is handed to the connection, 256 KiB: writing a larger one could take longer than
/// the time limit on a slow line although it makes progress.
const MAX_FRAME_BYTES: usize = 256 * 1024;

/// A body whose chunks do not add up to its length. Sending it would make the server misread this request or
/// the next one.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("a request has another length than it said; this is a fault of datahub-emitter")]
pub(super) struct BodyLengthError;

/// A body that records the progress of sending it.
#[derive(Debug)]
pub(super) struct TrackedBody {
    /// The bytes that were not handed over yet.
    remaining: usize,
    /// The rest of the current chunk.
    chunk: Bytes,
    body: Body,
    progress: Progress,
}

/// How much of a request was sent.
#[derive(Clone, Debug)]
pub(super) struct Progress {
    state: Arc<Mutex<SendState>>,
}

#[derive(Debug)]
struct SendState {
    /// When the last piece was handed over, or the request was made.
    moved_at: Instant,
    /// The connection exists, so the body is being sent.
    begun: bool,
    /// All of the body was handed over.
    ended: bool,
}

impl TrackedBody {
    pub(super) fn new(body: Body, progress: Progress) -> Self {
        let remaining = body.len();
        if remaining == 0 {
            progress.end();
        }
        Self { remaining, chunk: Bytes::new(), body, progress }
    }
}

impl http_body::Body for TrackedBody {
    type Data = Bytes;
    type Error = BodyLengthError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyLengthError>>> {
        let this = &mut *self;
        if this.chunk.is_empty() {
            match this.body.next() {
                Some(chunk) if chunk.len() <= this.remaining => this.chunk = chunk,
                None if this.remaining == 0 => return Poll::Ready(None),
                _ => return Poll::Ready(Some(Err(BodyLengthError))),
            }
        }
        let length = this.chunk.len().min(MAX_FRAME_BYTES);
        let frame = this.chunk.split_to(length);
        this.remaining -= length;
        this.progress.moved(this.remaining == 0);
        Poll::Ready(Some(Ok(Frame::data(frame))))
    }

    fn is_end_stream(&self) -> bool {
        self.remaining == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.remaining as u64)
    }
}

impl Progress {
    pub(super) fn begin() -> Self {
        let state = SendState { moved_at: Instant::now(), begun: false, ended: false };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Records that the request has no body.
    pub(super) fn end(&self) {
        self.with(|state| state.ended = true);
    }

    /// Whether the whole request was sent, as far as its body shows.
    pub(super) fn is_sent(&self) -> bool {
        self.with(|state| state.ended)
    }

    fn moved(&self, ended: bool) {
        self.with(|state| *state = SendState { moved_at: Instant::now(), begun: true, ended });
    }

    /// Waits until nothing was sent for `limit`, and returns whether the whole body was sent by then. The
    /// time before the first piece is not limited here, because the connection has its own limit. A request
    /// without a body does not show when it is sent, so it gets `limit` twice: for the connection and for the
    /// response.
    pub(super) async fn stalled(&self, limit: Duration) -> bool {
        loop {
            let (until, watched, ended) = self.with(|state| {
                let limit = if state.begun { limit } else { limit.saturating_mul(2) };
                (state.moved_at.checked_add(limit), state.begun || state.ended, state.ended)
            });
            let now = Instant::now();
            if watched && until.is_some_and(|until| until <= now) {
                return ended;
            }
            // An instant beyond the clock's range never comes.
            match if watched { until } else { now.checked_add(limit) } {
                Some(until) => sleep_until(until).await,
                None => std::future::pending().await,
            }
        }
    }

    fn with<T>(&self, change: impl FnOnce(&mut SendState) -> T) -> T {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body::Body as _;
    use std::task::Waker;

    /// Seven chunks of 100,000 bytes, which the body says are `extra` bytes more.
    fn body(extra: usize) -> Body {
        Body::from_chunks(700_000 + extra, std::iter::repeat_n(Bytes::from(vec![b'x'; 100_000]), 7))
    }

    fn sent(body: &mut TrackedBody) -> Result<usize, BodyLengthError> {
        let mut bytes = 0;
        let mut context = Context::from_waker(Waker::noop());
        while let Poll::Ready(Some(frame)) = Pin::new(&mut *body).poll_frame(&mut context) {
            bytes += frame?.into_data().unwrap().len();
        }
        Ok(bytes)
    }

    #[tokio::test]
    async fn a_body_of_the_announced_length_is_sent_to_its_end() {
        for body in [body(0), Body::from(Bytes::from(vec![b'x'; 700_000]))] {
            let mut tracked = TrackedBody::new(body, Progress::begin());
            assert_eq!(tracked.size_hint().exact(), Some(700_000));
            assert!(!tracked.is_end_stream());
            assert_eq!(sent(&mut tracked).unwrap(), 700_000);
            assert!(tracked.is_end_stream() && tracked.progress.with(|state| state.ended));
        }
    }

    #[tokio::test]
    async fn a_body_of_another_length_is_not_sent_to_its_end() {
        let mut tracked = TrackedBody::new(body(1), Progress::begin());
        sent(&mut tracked).unwrap_err();
        assert!(!tracked.is_end_stream());
        let too_long = Body::from_chunks(1, std::iter::once(Bytes::from_static(b"xx")));
        sent(&mut TrackedBody::new(too_long, Progress::begin())).unwrap_err();
    }
}
