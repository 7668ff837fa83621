//! A connection that can be reset, or that sends the head of an answer slowly.

use std::future::Future as _;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

/// In how many pieces a slow head comes.
const PIECES: usize = 8;

/// A TCP stream that, once [`Grip::reset`] was called, ends with a reset instead of an orderly close, as a connection
/// does whose peer or proxy dies; and whose next bytes, once [`Grip::slow_head`] was called, come in pieces.
#[derive(Debug)]
pub(super) struct Socket {
    stream: TcpStream,
    grip: Grip,
    slow: Option<Slow>,
}

/// Has hold of a [`Socket`].
#[derive(Clone, Debug, Default)]
pub(super) struct Grip(Arc<Orders>);

#[derive(Debug, Default)]
struct Orders {
    reset: AtomicBool,
    slow_head: Mutex<Option<Duration>>,
}

/// A head that is being sent.
#[derive(Debug)]
struct Slow {
    left: usize,
    piece: usize,
    pause: Duration,
    sleep: Pin<Box<Sleep>>,
}

impl Grip {
    /// Ends the connection with a reset when the socket is dropped.
    pub(super) fn reset(&self) {
        self.0.reset.store(true, Ordering::Release);
    }

    /// Takes so long for the head of the next answer.
    pub(super) fn slow_head(&self, takes: Duration) {
        *self.0.slow_head.lock().unwrap_or_else(PoisonError::into_inner) = Some(takes);
    }

    fn is_reset(&self) -> bool {
        self.0.reset.load(Ordering::Acquire)
    }

    fn take_slow_head(&self) -> Option<Duration> {
        self.0.slow_head.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Slow {
    fn new(takes: Duration, bytes: &[u8]) -> Self {
        let left = memchr::memmem::find(bytes, b"\r\n\r\n").map_or(bytes.len(), |end| end + 4);
        let pause = takes / u32::try_from(PIECES).unwrap_or(1);
        Self { left, piece: left.div_ceil(PIECES), pause, sleep: Box::pin(tokio::time::sleep(pause)) }
    }
}

impl Socket {
    pub(super) fn new(stream: TcpStream, grip: Grip) -> Self {
        Self { stream, grip, slow: None }
    }

    /// Whether the next bytes are to be sent slowly.
    fn is_slow(&mut self, bytes: &[u8]) -> bool {
        if self.slow.is_none() && !bytes.is_empty() {
            self.slow = self.grip.take_slow_head().map(|takes| Slow::new(takes, bytes));
        }
        self.slow.is_some()
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.grip.is_reset()
            && let Err(error) = self.stream.set_zero_linger()
        {
            tracing::debug!(%error, "the connection is closed in good order instead of being reset");
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.is_slow(bytes);
        let Self { stream, slow, .. } = &mut *self;
        let Some(head) = slow else { return Pin::new(stream).poll_write(context, bytes) };
        ready!(head.sleep.as_mut().poll(context));
        let piece = bytes.get(..head.piece.min(head.left)).unwrap_or(bytes);
        let written = ready!(Pin::new(stream).poll_write(context, piece))?;
        head.left = head.left.saturating_sub(written);
        head.sleep = Box::pin(tokio::time::sleep(head.pause));
        if head.left == 0 {
            *slow = None;
        }
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let first = slices.iter().find(|slice| !slice.is_empty()).map_or(&[][..], |slice| slice);
        if self.is_slow(first) {
            return self.poll_write(context, first);
        }
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.grip.is_reset() {
            // An orderly end would come before the reset.
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
