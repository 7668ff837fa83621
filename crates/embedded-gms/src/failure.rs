//! Why a request is refused. Rest.li and OpenAPI word and number the same causes differently, so a failure knows its
//! cause, and each of them renders it.

use axum::http::StatusCode;

/// A request that cannot be done, or that is refused.
#[derive(Debug)]
pub(super) struct Failure {
    cause: Cause,
    message: Option<String>,
}

/// What is wrong, as far as it decides the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// The request is not what the call wants (`IllegalArgumentException`).
    Request,
    /// A URN, or another part of a proposal, from which GMS cannot build it (`IllegalArgumentException` while the batch
    /// is built): on Rest.li GMS drops such a proposal without a word, here it is refused.
    Proposal,
    /// Understood, and refused by a rule of the model (`ValidationException`).
    Validation,
    /// What was to be as the caller knows it is not (`ValidationException` of sub-type PRECONDITION).
    Precondition,
    /// JSON that is not what it should be: an aspect that cannot be read, a patch that cannot be applied.
    Json,
    /// It is not there.
    Absent,
    /// GMS fails, also at some faults of the caller.
    Internal,
    /// Everything else, with its status.
    Other(StatusCode),
}

impl Failure {
    fn of(cause: Cause, message: impl Into<String>) -> Self {
        Self { cause, message: Some(message.into()) }
    }

    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self::of(Cause::Other(status), message)
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::of(Cause::Request, message)
    }

    pub(super) fn bad_proposal(message: impl Into<String>) -> Self {
        Self::of(Cause::Proposal, message)
    }

    pub(super) fn unprocessable(message: impl Into<String>) -> Self {
        Self::of(Cause::Validation, message)
    }

    pub(super) fn precondition(message: impl Into<String>) -> Self {
        Self::of(Cause::Precondition, message)
    }

    pub(super) fn json(message: impl Into<String>) -> Self {
        Self::of(Cause::Json, message)
    }

    pub(super) fn internal(message: impl Into<String>) -> Self {
        Self::of(Cause::Internal, message)
    }

    /// For an aspect that is not there: GMS gives no message.
    pub(super) fn absent() -> Self {
        Self { cause: Cause::Absent, message: None }
    }

    /// The server is stopping, so the store is closed.
    pub(super) fn stopped() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "the embedded GMS is stopping")
    }

    pub(super) fn cause(&self) -> Cause {
        self.cause
    }

    /// What went wrong, if there is something to say.
    pub(super) fn text(&self) -> Option<&str> {
        self.message.as_deref()
    }

    /// What went wrong, for callers within the process.
    pub(super) fn message(&self) -> &str {
        self.message.as_deref().unwrap_or("not found")
    }
}

impl From<&rusqlite::Error> for Failure {
    fn from(error: &rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked};
        match error.sqlite_error_code() {
            // The words of GMS for a conflict of two transactions, by which clients know that trying again helps.
            Some(DatabaseBusy | DatabaseLocked) => Self::internal(format!(
                "jakarta.persistence.PersistenceException: Error when batch flush on sql: {error}"
            )),
            _ => Self::internal(format!("java.lang.RuntimeException: the data file failed: {error}")),
        }
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::from(&error)
    }
}
