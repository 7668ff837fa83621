//! Reads the body of a request, of which neither length nor pace is believed.

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::StatusCode;
use tokio::time::{Instant, timeout};

use crate::failure::Failure;

/// The longest body of a request that wants none, in bytes.
pub(crate) const MAX_UNWANTED: u64 = 64 * 1024;

/// How many times the longest body is still read of one that is longer, so that its sender comes to read the answer.
const DRAINED: u64 = 4;

/// The least that has to arrive, in bytes a second, from a sender who takes longer than the first pause: one byte
/// before each time limit would hold a connection for ever.
const LEAST_RATE: u64 = 64 * 1024;

/// How a body is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Receiving {
    /// Whether it is kept; otherwise it is counted and thrown away.
    pub(crate) keep: bool,
    /// How many bytes it may have.
    pub(crate) longest: u64,
    /// How long its sender may take between two pieces, and for all of it, to which a second for each 64 KiB that
    /// arrived is added.
    pub(crate) patience: Duration,
}

/// The body of a request, as far as it came.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) bytes: u64,
    pub(crate) content: Result<Bytes, Unreceived>,
}

/// Why a body is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unreceived {
    Late,
    BrokenOff,
    /// It has more than this many bytes.
    TooLong(u64),
}

impl Receiving {
    /// Reads to the end, or until it is in vain.
    pub(crate) async fn all_of(self, mut body: Body) -> Received {
        let start = Instant::now();
        let mut bytes = 0_u64;
        let mut content = Vec::new();
        let ended = loop {
            let frame = poll_fn(|context| Pin::new(&mut body).poll_frame(context));
            match timeout(self.patience_after(bytes, start.elapsed()), frame).await {
                Err(_) => break Err(Unreceived::Late),
                Ok(Some(Err(_))) => break Err(Unreceived::BrokenOff),
                Ok(Some(Ok(frame))) => {
                    let Ok(data) = frame.into_data() else { continue };
                    bytes = bytes.saturating_add(data.len() as u64);
                    if bytes > self.longest.saturating_mul(DRAINED) {
                        break Ok(());
                    }
                    if bytes > self.longest {
                        content = Vec::new();
                    } else if self.keep {
                        content.extend_from_slice(&data);
                    }
                }
                Ok(None) => break Ok(()),
            }
        };
        let too_long = if bytes > self.longest { Err(Unreceived::TooLong(self.longest)) } else { Ok(()) };
        Received { bytes, content: ended.and(too_long).map(|()| content.into()) }
    }

    /// How long the next piece may take.
    fn patience_after(self, bytes: u64, elapsed: Duration) -> Duration {
        let earned = Duration::from_millis(bytes.saturating_mul(1000) / LEAST_RATE);
        self.patience.saturating_add(earned).saturating_sub(elapsed).min(self.patience)
    }
}

impl Unreceived {
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::Late => StatusCode::REQUEST_TIMEOUT,
            Self::BrokenOff => StatusCode::BAD_REQUEST,
            Self::TooLong(_) => StatusCode::PAYLOAD_TOO_LARGE,
        }
    }
}

impl From<Unreceived> for Failure {
    fn from(cause: Unreceived) -> Self {
        let message = match cause {
            Unreceived::Late => "the request's body does not come, or too slowly".to_owned(),
            Unreceived::BrokenOff => "the request's body broke off".to_owned(),
            Unreceived::TooLong(longest) => format!("the request's body is longer than {longest} bytes"),
        };
        Self::new(cause.status(), message)
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll};

    use hyper::body::Frame;
    use tokio::time::{Sleep, sleep};

    use super::*;

    /// A body of equal pieces with a pause before each.
    struct Dripping {
        pieces: usize,
        piece: Bytes,
        pause: Duration,
        sleep: Pin<Box<Sleep>>,
    }

    impl HttpBody for Dripping {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            std::task::ready!(self.sleep.as_mut().poll(context));
            let Some(left) = self.pieces.checked_sub(1) else { return Poll::Ready(None) };
            self.pieces = left;
            self.sleep = Box::pin(sleep(self.pause));
            Poll::Ready(Some(Ok(Frame::data(self.piece.clone()))))
        }
    }

    fn dripping(pieces: usize, piece: usize, pause: Duration) -> Body {
        let piece = vec![b' '; piece].into();
        Body::new(Dripping { pieces, piece, pause, sleep: Box::pin(sleep(pause)) })
    }

    const MIB: u64 = 1024 * 1024;
    const KEPT: Receiving = Receiving { keep: true, longest: MIB, patience: Duration::from_secs(30) };

    #[tokio::test(start_paused = true)]
    async fn a_byte_before_each_time_limit_is_not_enough() {
        let start = Instant::now();
        let received = KEPT.all_of(dripping(1000, 1, Duration::from_secs(29))).await;
        assert_eq!(received.content, Err(Unreceived::Late));
        assert_eq!(received.bytes, 1);
        assert!(start.elapsed() < Duration::from_secs(31), "{:?}", start.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_at_the_least_rate_is_waited_for() {
        let received = KEPT.all_of(dripping(16, 64 * 1024, Duration::from_secs(1))).await;
        assert_eq!(received.content.map(|content| content.len() as u64), Ok(MIB));
        // Slower than that, but within the first 30 seconds.
        let received = KEPT.all_of(dripping(29, 1, Duration::from_secs(1))).await;
        assert_eq!(received.content.map(|content| content.len()), Ok(29));
        // Half the rate, for longer than that.
        let received = KEPT.all_of(dripping(32, 32 * 1024, Duration::from_secs(2))).await;
        assert_eq!(received.content, Err(Unreceived::Late));
        // What came earns no longer pause.
        let start = Instant::now();
        let pause = Duration::from_secs(31);
        assert_eq!(KEPT.all_of(dripping(2, 512 * 1024, pause)).await.content, Err(Unreceived::Late));
        assert!(start.elapsed() < pause);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_too_long_or_unwanted_is_not_kept() {
        let pieces = |number| dripping(number, 512 * 1024, Duration::ZERO);
        let received = KEPT.all_of(pieces(3)).await;
        assert_eq!((received.bytes, received.content), (3 * MIB / 2, Err(Unreceived::TooLong(MIB))));
        // No more is read than a sender needs who stops when he is answered.
        assert_eq!(KEPT.all_of(pieces(100)).await.bytes, 4 * MIB + MIB / 2);
        let received = Receiving { keep: false, ..KEPT }.all_of(pieces(2)).await;
        assert_eq!((received.bytes, received.content), (MIB, Ok(Bytes::new())));
    }
}
