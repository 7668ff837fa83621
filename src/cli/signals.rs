//! SIGINT and SIGTERM.

use std::convert::Infallible;
use std::sync::OnceLock;

use datahub_emitter::{Error, ErrorKind};

use super::exit::Exit;

/// Listens to the signals that ask a process to end, from the moment when it is made.
#[derive(Debug)]
pub(crate) struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    /// Begins to listen; the signals no longer end the process by themselves.
    ///
    /// # Errors
    /// When the process cannot listen to signals.
    #[cfg(unix)]
    pub(crate) fn listen() -> Result<Self, Error> {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind| {
            signal(kind).map_err(|error| {
                Error::new(ErrorKind::Internal, "cannot listen to signals").with_source(error)
            })
        };
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    #[cfg(not(unix))]
    pub(crate) fn listen() -> Result<Self, Error> {
        Ok(Self {})
    }

    /// The exit code of the next signal.
    #[cfg(unix)]
    pub(crate) async fn next(&mut self) -> Exit {
        tokio::select! {
            _ = self.interrupt.recv() => Exit::Interrupted,
            _ = self.terminate.recv() => Exit::Terminated,
        }
    }

    #[cfg(not(unix))]
    pub(crate) async fn next(&mut self) -> Exit {
        if tokio::signal::ctrl_c().await.is_err() {
            return std::future::pending().await;
        }
        Exit::Interrupted
    }

    /// Calls `stop` at the first signal, and ends the process at the second. The cell gets the first one's exit code.
    pub(crate) async fn stop_at_first(mut self, seen: &OnceLock<Exit>, stop: impl FnOnce()) -> Infallible {
        let first = self.next().await;
        seen.get_or_init(|| first);
        stop();
        let second = self.next().await;
        // Whoever asks twice wants it to end at once.
        std::process::exit(i32::from(second.code()))
    }
}
