//! A connection that faults can reset or slow down.

use std::future::Future as _;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

use crate::sync::lock;

/// The number of pieces of a slow head.
const PIECES: usize = 8;

/// A TCP stream that ends with a reset after [`ConnectionControl::reset`], like a connection whose peer or
/// proxy crashes, and that sends its next bytes in pieces after [`ConnectionControl::slow_head`].
#[derive(Debug)]
pub(super) struct Socket {
    stream: TcpStream,
    control: ConnectionControl,
    slow: Option<SlowSend>,
}

/// Controls a [`Socket`].
#[derive(Clone, Debug, Default)]
pub(super) struct ConnectionControl(Arc<ControlFlags>);

#[derive(Debug, Default)]
struct ControlFlags {
    reset: AtomicBool,
    slow_head: Mutex<Option<Duration>>,
}

/// A head that is being sent slowly.
#[derive(Debug)]
struct SlowSend {
    left: usize,
    piece: usize,
    pause: Duration,
    sleep: Pin<Box<Sleep>>,
}

impl ConnectionControl {
    /// Ends the connection with a reset when the socket is dropped.
    pub(super) fn reset(&self) {
        self.0.reset.store(true, Ordering::Release);
    }

    /// Sends the head of the next response during this time.
    pub(super) fn slow_head(&self, takes: Duration) {
        *lock(&self.0.slow_head) = Some(takes);
    }

    fn is_reset(&self) -> bool {
        self.0.reset.load(Ordering::Acquire)
    }

    fn take_slow_head(&self) -> Option<Duration> {
        lock(&self.0.slow_head).take()
    }
}

impl SlowSend {
    fn new(takes: Duration, bytes: &[u8]) -> Self {
        let left = memchr::memmem::find(bytes, b"\r\n\r\n").map_or(bytes.len(), |end| end + 4);
        let pause = takes / u32::try_from(PIECES).unwrap_or(1);
        Self { left, piece: left.div_ceil(PIECES), pause, sleep: Box::pin(tokio::time::sleep(pause)) }
    }
}

impl Socket {
    pub(super) fn new(stream: TcpStream, control: ConnectionControl) -> Self {
        Self { stream, control, slow: None }
    }

    /// Whether the next bytes are sent slowly.
    fn is_slow(&mut self, bytes: &[u8]) -> bool {
        if self.slow.is_none() && !bytes.is_empty() {
            self.slow = self.control.take_slow_head().map(|takes| SlowSend::new(takes, bytes));
        }
        self.slow.is_some()
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.control.is_reset()
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
        if self.control.is_reset() {
            // A shutdown would reach the client before the reset.
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
