//! Why sending stopped.

use super::UndeliveredReason;
use crate::diagnosis::Diagnosis;
use crate::{Error, ErrorKind};

/// Why sending stopped for good.
#[derive(Clone, Debug)]
pub(super) struct Stop {
    pub(super) reason: UndeliveredReason,
    pub(super) cause: Cause,
}

/// What an [`Error`] says, in a form that can be given out more than once.
#[derive(Clone, Debug)]
pub(super) enum Cause {
    Diagnosis(Diagnosis),
    Message(ErrorKind, String),
}

impl From<Diagnosis> for Cause {
    fn from(diagnosis: Diagnosis) -> Self {
        Self::Diagnosis(diagnosis)
    }
}

impl From<&Error> for Cause {
    fn from(error: &Error) -> Self {
        match error.diagnosis() {
            Some(diagnosis) => Self::Diagnosis(diagnosis.clone()),
            None => Self::Message(error.kind(), error.full_message()),
        }
    }
}

impl Cause {
    pub(super) fn to_error(&self) -> Error {
        match self {
            Self::Diagnosis(diagnosis) => diagnosis.clone().into(),
            Self::Message(kind, message) => Error::new(*kind, message.clone()),
        }
    }

    fn kind(&self) -> ErrorKind {
        match self {
            Self::Diagnosis(diagnosis) => diagnosis.kind(),
            Self::Message(kind, _) => *kind,
        }
    }

    /// Why proposals are undelivered that it keeps from being sent.
    pub(super) fn reason(&self) -> UndeliveredReason {
        match self.kind() {
            ErrorKind::Refused => UndeliveredReason::Refused,
            ErrorKind::Input => UndeliveredReason::Unsupported,
            ErrorKind::Rejected => UndeliveredReason::AllRejected,
            _ => UndeliveredReason::Unreachable,
        }
    }

    pub(super) fn summary(&self) -> &str {
        match self {
            Self::Diagnosis(diagnosis) => &diagnosis.summary,
            Self::Message(_, message) => message,
        }
    }
}
