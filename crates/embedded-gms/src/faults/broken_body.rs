//! Response bodies that are cut off or slow.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::Sleep;

/// The number of pieces of a slow body.
const PIECES: usize = 8;

/// A body that ends after its first half, with the connection.
#[derive(Debug)]
pub(super) struct HalfBody {
    half: Option<Bytes>,
    announced: u64,
    flushed: bool,
}

impl HalfBody {
    pub(super) fn new(whole: &Bytes) -> Self {
        let half = whole.slice(..whole.len() / 2);
        // An empty body is announced with one byte, so that something is missing.
        Self { half: Some(half), announced: whole.len().max(1) as u64, flushed: false }
    }
}

impl Body for HalfBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Some(half) = self.half.take() {
            return Poll::Ready(Some(Ok(Frame::data(half))));
        }
        if !self.flushed {
            // The first half must be sent before the connection ends.
            self.flushed = true;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Some(Err(io::Error::other("cut short by a fault"))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.announced)
    }
}

/// A body in pieces, with a pause before each.
#[derive(Debug)]
pub(super) struct SlowBody {
    left: Bytes,
    piece: usize,
    pause: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl SlowBody {
    /// A body that takes `takes` in total.
    pub(super) fn new(whole: Bytes, takes: Duration) -> Self {
        let piece = whole.len().div_ceil(PIECES).max(1);
        let pieces = u32::try_from(whole.len().div_ceil(piece)).unwrap_or(u32::MAX).max(1);
        Self { left: whole, piece, pause: takes / pieces, sleep: None }
    }
}

impl Body for SlowBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.left.is_empty() {
            return Poll::Ready(None);
        }
        let pause = self.pause;
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep(pause)));
        ready!(sleep.as_mut().poll(context));
        self.sleep = None;
        let piece = self.piece.min(self.left.len());
        Poll::Ready(Some(Ok(Frame::data(self.left.split_to(piece)))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left.len() as u64)
    }
}
