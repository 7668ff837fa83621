//! The phases of an emitter, and why it stopped sending.

use std::sync::{Arc, OnceLock};

use tokio::sync::watch;

use super::outcome::{Undelivered, UndeliveredReason};
use crate::diagnosis::Diagnosis;
use crate::{Error, ErrorKind};

/// The phase of an emitter. It only ever advances.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// Admits proposals.
    Open,
    /// Admits no more proposals, and delivers those it has.
    Closing,
    /// Sends no further request; requests in flight may finish.
    Stopped,
    /// Waits for nothing: requests in flight are abandoned.
    Abandoned,
    /// Every proposal has an outcome.
    Ended,
}

/// Why the emitter stopped sending before it had delivered everything.
#[derive(Clone, Debug)]
pub(super) struct Stop {
    pub(super) reason: UndeliveredReason,
    pub(super) cause: StopCause,
}

/// The content of an [`Error`], in a form that can be cloned.
#[derive(Clone, Debug)]
pub(super) enum StopCause {
    Diagnosis(Arc<Diagnosis>),
    Message(ErrorKind, String),
}

impl From<Diagnosis> for StopCause {
    fn from(diagnosis: Diagnosis) -> Self {
        Self::Diagnosis(Arc::new(diagnosis))
    }
}

impl From<&Error> for StopCause {
    fn from(error: &Error) -> Self {
        match error.diagnosis() {
            Some(diagnosis) => diagnosis.clone().into(),
            None => Self::Message(error.kind(), error.full_message()),
        }
    }
}

impl StopCause {
    pub(super) fn to_error(&self) -> Error {
        match self {
            Self::Diagnosis(diagnosis) => Diagnosis::clone(diagnosis).into(),
            Self::Message(kind, message) => Error::new(*kind, message.clone()),
        }
    }

    fn kind(&self) -> ErrorKind {
        match self {
            Self::Diagnosis(diagnosis) => diagnosis.kind(),
            Self::Message(kind, _) => *kind,
        }
    }

    /// The reason that the remaining proposals are undelivered.
    pub(super) fn reason(&self) -> UndeliveredReason {
        match self.kind() {
            ErrorKind::Refused => UndeliveredReason::Refused,
            ErrorKind::Input => UndeliveredReason::Unsupported,
            ErrorKind::Rejected => UndeliveredReason::AllRejected,
            _ => UndeliveredReason::Unreachable,
        }
    }
}

/// The current phase, and the reason if sending has stopped.
#[derive(Debug)]
pub(super) struct Lifecycle {
    phase: watch::Sender<Phase>,
    stop: OnceLock<Stop>,
}

impl Lifecycle {
    pub(super) fn new() -> Self {
        Self { phase: watch::Sender::new(Phase::Open), stop: OnceLock::new() }
    }

    pub(super) fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// Advances to a later phase; does nothing if it has been reached already.
    pub(super) fn advance(&self, to: Phase) {
        self.phase.send_if_modified(|phase| {
            let advances = to > *phase;
            if advances {
                tracing::debug!(phase = ?to, "the emitter advances");
                *phase = to;
            }
            advances
        });
    }

    /// Returns once `phase`, or a later one, is reached.
    pub(super) async fn reached(&self, phase: Phase) {
        // The sender lives as long as `self`, so waiting cannot fail.
        drop(self.phase.subscribe().wait_for(|current| *current >= phase).await);
    }

    /// No further request is sent, either because of [`stop`](Self::stop) or because a deadline passed.
    pub(super) fn is_stopped(&self) -> bool {
        self.phase() >= Phase::Stopped
    }

    /// Stops sending. The first cause is kept.
    pub(super) fn stop(&self, reason: UndeliveredReason, cause: StopCause) {
        if self.stop.set(Stop { reason, cause }).is_ok() {
            self.advance(Phase::Stopped);
        }
    }

    /// Why sending stopped, if it did.
    pub(super) fn stop_reason(&self) -> Option<&Stop> {
        self.stop.get()
    }

    /// The outcome of a proposal that is not sent any more.
    pub(super) fn undelivered(&self) -> Undelivered {
        match self.stop.get() {
            Some(Stop { reason, cause: StopCause::Diagnosis(diagnosis) }) => {
                Undelivered::diagnosed(*reason, Arc::clone(diagnosis))
            }
            Some(Stop { reason, cause: StopCause::Message(_, message) }) => {
                Undelivered::new(*reason, message)
            }
            None => Undelivered::new(UndeliveredReason::Closed, "the emitter was closed first"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn phases_only_advance_and_the_first_cause_is_kept() {
        let lifecycle = Lifecycle::new();
        let cause = |message: &str| StopCause::Message(ErrorKind::Rejected, message.into());
        lifecycle.stop(UndeliveredReason::AllRejected, cause("first"));
        lifecycle.stop(UndeliveredReason::Refused, cause("second"));
        lifecycle.advance(Phase::Closing);
        assert_eq!(lifecycle.phase(), Phase::Stopped);
        lifecycle.reached(Phase::Closing).await;
        let undelivered = lifecycle.undelivered();
        assert_eq!((undelivered.reason, &*undelivered.message), (UndeliveredReason::AllRejected, "first"));
    }
}
