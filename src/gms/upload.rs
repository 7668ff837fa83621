//! A request's body that tells how far it has gone out.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, sleep_until};

/// What is handed over at a time. Less would cost more, and a stretch of more could take long on a slow line.
const STRETCH: usize = 256 * 1024;

/// A body of known length.
#[derive(Debug)]
pub(super) struct Upload {
    rest: Bytes,
    progress: Progress,
}

/// How far a request has gone out.
#[derive(Clone, Debug)]
pub(super) struct Progress {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    /// When the last stretch was taken, or all began.
    moved_at: Instant,
    /// The connection stands, so that the body is being taken.
    begun: bool,
    /// All of it was taken.
    ended: bool,
}

impl Upload {
    pub(super) fn new(body: Bytes, progress: Progress) -> Self {
        if body.is_empty() {
            progress.end();
        }
        Self { rest: body, progress }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let length = self.rest.len().min(STRETCH);
        let stretch = self.rest.split_to(length);
        self.progress.moved(self.rest.is_empty());
        Poll::Ready(Some(Ok(Frame::data(stretch))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}

impl Progress {
    pub(super) fn begin() -> Self {
        let state = State { moved_at: Instant::now(), begun: false, ended: false };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// There is nothing to send but the head.
    pub(super) fn end(&self) {
        self.with(|state| state.ended = true);
    }

    fn moved(&self, ended: bool) {
        self.with(|state| *state = State { moved_at: Instant::now(), begun: true, ended });
    }

    /// Returns when nothing has moved for `limit`, and whether all was sent by then. Making the connection is not watched
    /// here; a request without a body gets its time on top, since it does not tell when it is sent.
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
            // A time beyond the clock's end never comes.
            match if watched { until } else { now.checked_add(limit) } {
                Some(until) => sleep_until(until).await,
                None => std::future::pending().await,
            }
        }
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
