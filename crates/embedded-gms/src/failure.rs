//! The failure of a request. Rest.li and OpenAPI use different messages and status codes for the same cause,
//! so a failure has a cause, and each interface renders it.

use axum::http::StatusCode;

/// A request that failed or was refused.
#[derive(Debug)]
pub(super) struct Failure {
    cause: Cause,
    message: Option<String>,
}

/// The cause, as far as it decides the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// The request is malformed (`IllegalArgumentException`).
    Request,
    /// A URN or another part of a proposal is invalid (`IllegalArgumentException` while the batch is built).
    /// On Rest.li GMS drops such a proposal silently; here it is refused.
    Proposal,
    /// A rule of the model refuses it (`ValidationException`).
    Validation,
    /// A precondition does not hold (`ValidationException` of sub-type PRECONDITION).
    Precondition,
    /// Invalid JSON: an aspect that cannot be read or a patch that cannot be applied.
    Json,
    /// The entity or aspect does not exist.
    Absent,
    /// GMS answers 500, in some cases although the caller is at fault.
    Internal,
    /// Any other cause, with its status.
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

    /// For an aspect that does not exist; GMS gives no message.
    pub(super) fn absent() -> Self {
        Self { cause: Cause::Absent, message: None }
    }

    /// The server is stopping and the store is closed.
    pub(super) fn stopped() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "the embedded GMS is stopping")
    }

    pub(super) fn cause(&self) -> Cause {
        self.cause
    }

    /// The message, if there is one.
    pub(super) fn text(&self) -> Option<&str> {
        self.message.as_deref()
    }

    /// The message, for callers within the process.
    pub(super) fn message(&self) -> &str {
        self.message.as_deref().unwrap_or("not found")
    }
}

impl From<&rusqlite::Error> for Failure {
    fn from(error: &rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked};
        match error.sqlite_error_code() {
            // GMS's message for a transaction conflict, by which clients recognize that a retry helps.
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
