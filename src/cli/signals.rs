//! SIGINT and SIGTERM, which end a run; SIGHUP, which has it read its token again.

use std::convert::Infallible;
use std::sync::OnceLock;

use datahub_emitter::pipeline::RunControl;
use datahub_emitter::{Error, ErrorKind};

use super::exit::Exit;

/// Listens to the signals that ask a process to end, from the moment when it is made.
#[derive(Debug)]
pub(crate) struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    hang_up: tokio::signal::unix::Signal,
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    End(Exit),
    #[cfg_attr(not(unix), expect(dead_code, reason = "there is no SIGHUP"))]
    RereadToken,
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
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }

    #[cfg(not(unix))]
    pub(crate) fn listen() -> Result<Self, Error> {
        Ok(Self {})
    }

    /// What the next signal asks for.
    #[cfg(unix)]
    pub(crate) async fn next(&mut self) -> Wish {
        tokio::select! {
            _ = self.interrupt.recv() => Wish::End(Exit::Interrupted),
            _ = self.terminate.recv() => Wish::End(Exit::Terminated),
            _ = self.hang_up.recv() => Wish::RereadToken,
        }
    }

    #[cfg(not(unix))]
    pub(crate) async fn next(&mut self) -> Wish {
        if tokio::signal::ctrl_c().await.is_err() {
            return std::future::pending().await;
        }
        Wish::End(Exit::Interrupted)
    }

    /// Does with a run what signals ask for: the first that asks it to end stops it, and the second ends the process. The
    /// cell gets the first one's exit code.
    pub(crate) async fn govern(mut self, seen: &OnceLock<Exit>, control: &RunControl) -> Infallible {
        loop {
            match self.next().await {
                // Beside it, so that a source of tokens that does not answer keeps no one from ending the run.
                Wish::RereadToken => {
                    let control = control.clone();
                    drop(tokio::spawn(async move { control.reread_token().await }));
                }
                Wish::End(exit) => {
                    // Whoever asks twice wants it to end at once.
                    if seen.set(exit).is_err() {
                        std::process::exit(i32::from(exit.code()))
                    }
                    control.stop();
                }
            }
        }
    }
}
