//! A request's body that tells how far it has gone out.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, sleep_until};

use super::RequestBody;

/// The most that is handed over at a time: more could take long on a slow line.
const MOST_AT_ONCE: usize = 256 * 1024;

/// Its receiver would take the rest of it, or of the next request, for something else.
pub(super) const WRONG_LENGTH: &str =
    "a request has another length than it said; this is a fault of datahub-emitter";

/// A body of known length.
#[derive(Debug)]
pub(super) struct Upload {
    /// The bytes of `body` that were not handed over yet.
    left: usize,
    stretch: Bytes,
    body: RequestBody,
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
    pub(super) fn new(body: RequestBody, progress: Progress) -> Self {
        let left = body.len();
        if left == 0 {
            progress.end();
        }
        Self { left, stretch: Bytes::new(), body, progress }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = &mut *self;
        if this.stretch.is_empty() {
            match this.body.next() {
                Some(stretch) if stretch.len() <= this.left => this.stretch = stretch,
                None if this.left == 0 => return Poll::Ready(None),
                _ => return Poll::Ready(Some(Err(io::Error::other(WRONG_LENGTH)))),
            }
        }
        let length = this.stretch.len().min(MOST_AT_ONCE);
        let stretch = this.stretch.split_to(length);
        this.left -= length;
        this.progress.moved(this.left == 0);
        Poll::Ready(Some(Ok(Frame::data(stretch))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left as u64)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gms::{EmitMode, Endpoint, OutgoingProposal, RequestEncoder};
    use crate::metadata::{Proposal, Urn};
    use std::task::Waker;

    /// A list of `count` proposals, each of which is `wrong` bytes longer than it says.
    fn list(count: usize, wrong: usize) -> RequestBody {
        let wire = RequestEncoder {
            endpoint: Endpoint::Restli,
            emit_mode: EmitMode::Async,
            batches: true,
            respect_sync_marker: false,
        };
        let text = format!(r#"{{"description":"{}"}}"#, "x".repeat(30_000));
        let urn = Urn::parse("urn:li:tag:t").unwrap();
        let proposal = Arc::new(Proposal::upsert(urn, "tagProperties", text).unwrap());
        let encoded_len = wire.encoded_len(&proposal, 7, &mut Vec::new()) - wrong;
        let write = wire.write(wire.route(&proposal, true), std::iter::once(&*proposal)).unwrap();
        wire.body(&write, std::iter::repeat_n(OutgoingProposal { proposal, now: 7, encoded_len }, count))
            .unwrap()
    }

    fn handed_over(upload: &mut Upload) -> io::Result<Vec<u8>> {
        let mut taken = Vec::new();
        let mut context = Context::from_waker(Waker::noop());
        while let Poll::Ready(Some(frame)) = Pin::new(&mut *upload).poll_frame(&mut context) {
            taken.extend_from_slice(&frame?.into_data().unwrap());
        }
        Ok(taken)
    }

    #[tokio::test]
    async fn a_body_is_as_long_as_it_says() {
        for count in [1, 7] {
            let mut upload = Upload::new(list(count, 0), Progress::begin());
            let told = upload.size_hint().exact().unwrap();
            assert!(!upload.is_end_stream());
            assert_eq!(handed_over(&mut upload).unwrap().len() as u64, told);
            assert!(upload.is_end_stream() && upload.progress.with(|state| state.ended));
        }
    }

    #[tokio::test]
    async fn a_body_of_another_length_is_not_sent_to_its_end() {
        let mut upload = Upload::new(list(7, 1), Progress::begin());
        let error = handed_over(&mut upload).unwrap_err();
        assert!(error.to_string().contains("another length"), "{error}");
        assert!(!upload.is_end_stream());
    }
}
