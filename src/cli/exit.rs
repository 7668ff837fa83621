//! Exit codes.

use std::process::ExitCode;

use datahub_emitter::pipeline::{FinishedRun, RunOutcome};
use datahub_emitter::{Error, ErrorKind};

/// The exit codes; docs/reference/exit-codes.md has the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Success.
    Done,
    /// Something was not delivered or not found.
    Failed,
    /// The command line, the recipe or its input is wrong.
    Input,
    /// GMS refused the caller.
    Refused,
    /// GMS cannot be reached, or the server is not a GMS.
    Unreachable,
    /// Another run holds the lock.
    Locked,
    /// A local file cannot be written.
    Disk,
    /// SIGINT.
    Interrupted,
    /// SIGTERM.
    Terminated,
    /// The process that read standard output has closed it.
    OutputClosed,
}

impl Exit {
    pub(crate) fn of(error: &Error) -> Self {
        match error.kind() {
            ErrorKind::Input => Self::Input,
            ErrorKind::Refused => Self::Refused,
            ErrorKind::Unreachable => Self::Unreachable,
            ErrorKind::Locked => Self::Locked,
            ErrorKind::Disk => Self::Disk,
            ErrorKind::OutputClosed => Self::OutputClosed,
            _ => Self::Failed,
        }
    }

    /// `interrupted` is the exit code for a run that was interrupted.
    pub(crate) fn of_run(finished: &FinishedRun, interrupted: Self) -> Self {
        let report = &finished.report;
        match (report.outcome, &finished.failure) {
            (_, Some(error)) if error.kind() == ErrorKind::OutputClosed => Self::OutputClosed,
            (RunOutcome::Interrupted, _) => interrupted,
            (RunOutcome::Delivered, None) => Self::Done,
            (RunOutcome::DryRun, None) if report.source.invalid == 0 => Self::Done,
            (_, None) => Self::Failed,
            // Code 2 promises that nothing was sent, so it is not for a source that failed half way.
            (RunOutcome::Partial, Some(error)) if error.kind() == ErrorKind::Input => Self::Failed,
            (_, Some(error)) => Self::of(error),
        }
    }

    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Input => 2,
            Self::Refused => 3,
            Self::Unreachable => 4,
            Self::Locked => 5,
            Self::Disk => 6,
            Self::Interrupted => 130,
            Self::Terminated => 143,
            // The code of a shell for a program that SIGPIPE ended.
            Self::OutputClosed => 141,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_error_has_the_exit_code_of_the_contract() {
        for (kind, code) in [
            (ErrorKind::Limit, 1),
            (ErrorKind::Source, 1),
            (ErrorKind::NotFound, 1),
            (ErrorKind::Rejected, 1),
            (ErrorKind::Internal, 1),
            (ErrorKind::Input, 2),
            (ErrorKind::Refused, 3),
            (ErrorKind::Unreachable, 4),
            (ErrorKind::Locked, 5),
            (ErrorKind::Disk, 6),
            (ErrorKind::OutputClosed, 141),
        ] {
            assert_eq!(Exit::of(&Error::new(kind, "x")).code(), code, "{kind:?}");
        }
    }
}
