//! Reads the body of a request, with limits on its length and on the time between its pieces.

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use crate::failure::Failure;
use axum::body::{Body, Bytes, HttpBody};
use axum::http::StatusCode;
use tokio::time::{Instant, timeout};

/// The longest body of a request that needs none, in bytes.
pub(crate) const MAX_UNUSED_BODY: u64 = 64 * 1024;

/// A body that is too long is read up to this multiple of the limit, so that its sender reads the response.
const DRAIN_FACTOR: u64 = 4;

/// The minimum rate in bytes per second after the first timeout: otherwise one byte before each timeout would
/// hold a connection indefinitely.
const MIN_BYTES_PER_SECOND: u64 = 64 * 1024;

/// The limits for reading a body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BodyReader {
    /// Whether the body is kept; otherwise it is only counted.
    pub(crate) keep: bool,
    /// The longest accepted body, in bytes.
    pub(crate) max_bytes: u64,
    /// The longest pause between two pieces. The whole body may take this time plus one second for each 64
    /// KiB received.
    pub(crate) timeout: Duration,
}

/// The received body of a request.
#[derive(Clone, Debug)]
pub(crate) struct ReceivedBody {
    pub(crate) bytes: u64,
    pub(crate) content: Result<Bytes, BodyError>,
}

/// Why a body was not received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyError {
    Late,
    BrokenOff,
    /// The body is longer than this many bytes.
    TooLong(u64),
}

impl BodyReader {
    /// Reads to the end, or until a limit is exceeded.
    pub(crate) async fn read(self, mut body: Body) -> ReceivedBody {
        let start = Instant::now();
        let mut bytes = 0_u64;
        let mut content = Vec::new();
        let ended = loop {
            let frame = poll_fn(|context| Pin::new(&mut body).poll_frame(context));
            match timeout(self.timeout_after(bytes, start.elapsed()), frame).await {
                Err(_) => break Err(BodyError::Late),
                Ok(Some(Err(_))) => break Err(BodyError::BrokenOff),
                Ok(Some(Ok(frame))) => {
                    let Ok(data) = frame.into_data() else { continue };
                    bytes = bytes.saturating_add(data.len() as u64);
                    if bytes > self.max_bytes.saturating_mul(DRAIN_FACTOR) {
                        break Ok(());
                    }
                    if bytes > self.max_bytes {
                        content = Vec::new();
                    } else if self.keep {
                        content.extend_from_slice(&data);
                    }
                }
                Ok(None) => break Ok(()),
            }
        };
        let too_long = if bytes > self.max_bytes { Err(BodyError::TooLong(self.max_bytes)) } else { Ok(()) };
        ReceivedBody { bytes, content: ended.and(too_long).map(|()| content.into()) }
    }

    /// The timeout of the next piece.
    fn timeout_after(self, bytes: u64, elapsed: Duration) -> Duration {
        let earned = Duration::from_millis(bytes.saturating_mul(1000) / MIN_BYTES_PER_SECOND);
        self.timeout.saturating_add(earned).saturating_sub(elapsed).min(self.timeout)
    }
}

impl BodyError {
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::Late => StatusCode::REQUEST_TIMEOUT,
            Self::BrokenOff => StatusCode::BAD_REQUEST,
            Self::TooLong(_) => StatusCode::PAYLOAD_TOO_LARGE,
        }
    }
}

impl From<BodyError> for Failure {
    fn from(cause: BodyError) -> Self {
        let message = match cause {
            BodyError::Late => "the request's body does not come, or too slowly".to_owned(),
            BodyError::BrokenOff => "the request's body broke off".to_owned(),
            BodyError::TooLong(longest) => format!("the request's body is longer than {longest} bytes"),
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
    const KEPT: BodyReader = BodyReader { keep: true, max_bytes: MIB, timeout: Duration::from_secs(30) };

    #[tokio::test(start_paused = true)]
    async fn a_byte_before_each_time_limit_is_not_enough() {
        let start = Instant::now();
        let received = KEPT.read(dripping(1000, 1, Duration::from_secs(29))).await;
        assert_eq!(received.content, Err(BodyError::Late));
        assert_eq!(received.bytes, 1);
        assert!(start.elapsed() < Duration::from_secs(31), "{:?}", start.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_at_the_minimum_rate_is_accepted() {
        let received = KEPT.read(dripping(16, 64 * 1024, Duration::from_secs(1))).await;
        assert_eq!(received.content.map(|content| content.len() as u64), Ok(MIB));
        // Slower, but within the first 30 seconds.
        let received = KEPT.read(dripping(29, 1, Duration::from_secs(1))).await;
        assert_eq!(received.content.map(|content| content.len()), Ok(29));
        // At half the rate, for longer than 30 seconds.
        let received = KEPT.read(dripping(32, 32 * 1024, Duration::from_secs(2))).await;
        assert_eq!(received.content, Err(BodyError::Late));
        // Received bytes do not allow a longer pause.
        let start = Instant::now();
        let pause = Duration::from_secs(31);
        assert_eq!(KEPT.read(dripping(2, 512 * 1024, pause)).await.content, Err(BodyError::Late));
        assert!(start.elapsed() < pause);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_is_too_long_or_not_needed_is_not_kept() {
        let pieces = |number| dripping(number, 512 * 1024, Duration::ZERO);
        let received = KEPT.read(pieces(3)).await;
        assert_eq!((received.bytes, received.content), (3 * MIB / 2, Err(BodyError::TooLong(MIB))));
        // Reading stops soon after the limit.
        assert_eq!(KEPT.read(pieces(100)).await.bytes, 4 * MIB + MIB / 2);
        let received = BodyReader { keep: false, ..KEPT }.read(pieces(2)).await;
        assert_eq!((received.bytes, received.content), (MIB, Ok(Bytes::new())));
    }
}
