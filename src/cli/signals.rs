//! Signals: SIGINT and SIGTERM end a run, SIGHUP makes it read its token again.

use std::convert::Infallible;
use std::sync::OnceLock;

use datahub_emitter::pipeline::RunControl;
use datahub_emitter::{Error, ErrorKind};

use super::exit::Exit;
use super::progress::Screen;

/// Listens for the signals from the moment of its creation.
#[derive(Debug)]
pub(crate) struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    hang_up: tokio::signal::unix::Signal,
}

/// The request that a signal stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SignalRequest {
    End(Exit),
    #[cfg_attr(not(unix), expect(dead_code, reason = "there is no SIGHUP"))]
    RereadToken,
}

impl Signals {
    /// Starts listening. From then on the signals do not end the process by themselves.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] if signal handlers cannot be installed.
    #[cfg(unix)]
    pub(crate) fn listen() -> Result<Self, Error> {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind| {
            signal(kind).map_err(|error| {
                Error::new(ErrorKind::Internal, "cannot listen for signals").with_source(error)
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

    /// Waits for the next signal.
    #[cfg(unix)]
    pub(crate) async fn next(&mut self) -> SignalRequest {
        tokio::select! {
            _ = self.interrupt.recv() => SignalRequest::End(Exit::Interrupted),
            _ = self.terminate.recv() => SignalRequest::End(Exit::Terminated),
            _ = self.hang_up.recv() => SignalRequest::RereadToken,
        }
    }

    #[cfg(not(unix))]
    pub(crate) async fn next(&mut self) -> SignalRequest {
        if tokio::signal::ctrl_c().await.is_err() {
            return std::future::pending().await;
        }
        SignalRequest::End(Exit::Interrupted)
    }

    /// Applies signals to a run: the first one that asks it to end stops it, the second one ends the process
    /// at once. The exit code of the first one is stored in `seen`.
    pub(crate) async fn govern(
        mut self,
        seen: &OnceLock<Exit>,
        control: &RunControl,
        screen: &Screen,
    ) -> Infallible {
        loop {
            match self.next().await {
                // In a task of its own, so that a slow token provider does not delay the handling of other
                // signals.
                SignalRequest::RereadToken => {
                    let control = control.clone();
                    drop(tokio::spawn(async move { control.reread_token().await }));
                }
                SignalRequest::End(exit) => {
                    if seen.set(exit).is_err() {
                        screen
                            .say("interrupted: stopped at once; --resume continues at the last checkpoint\n");
                        std::process::exit(i32::from(exit.code()))
                    }
                    if !screen.quiet() {
                        screen.say("stopping: requests in flight are settled; press again to stop now\n");
                    }
                    control.stop();
                }
            }
        }
    }
}
