//! How a proposal ends: delivered, rejected or undelivered, with the reason.

use std::fmt;
use std::sync::Arc;

use crate::diagnosis::Diagnosis;

/// How a proposal ended. Every proposal ends in exactly one of these ways.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a proposal may have been rejected or left undelivered"]
#[non_exhaustive]
pub enum Outcome {
    /// The sink accepted it. The meaning (queued, stored, …) depends on the sink.
    Delivered,
    /// It was refused because of its content. Sending it again would be refused again.
    Rejected(Rejection),
    /// It has no final outcome, because sending ended before. Nothing is known to be wrong with it.
    Undelivered(Undelivered),
}

impl Outcome {
    /// `Ok` if the proposal was delivered, else the reason as an error, for use with `?`.
    ///
    /// ```
    /// use datahub_emitter::emitter::{Outcome, Undelivered, UndeliveredReason};
    ///
    /// assert!(Outcome::Delivered.into_result().is_ok());
    /// let undelivered = Undelivered::new(UndeliveredReason::Closed, "the emitter was closed");
    /// let error = Outcome::Undelivered(undelivered).into_result().unwrap_err();
    /// assert_eq!(error.to_string(), "undelivered (closed): the emitter was closed");
    /// ```
    ///
    /// # Errors
    /// When the proposal was rejected or is undelivered.
    pub fn into_result(self) -> Result<(), DeliveryError> {
        match self {
            Self::Delivered => Ok(()),
            Self::Rejected(rejection) => Err(DeliveryError::Rejected(rejection)),
            Self::Undelivered(undelivered) => Err(DeliveryError::Undelivered(undelivered)),
        }
    }

    /// Whether the proposal was delivered.
    pub fn is_delivered(&self) -> bool {
        matches!(self, Self::Delivered)
    }
}

/// Why a proposal was not delivered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeliveryError {
    /// It was refused because of its content.
    #[error("{0}")]
    Rejected(Rejection),
    /// It has no final outcome.
    #[error("{0}")]
    Undelivered(Undelivered),
}

/// Why a proposal was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rejection {
    /// The kind of refusal.
    pub reason: RejectionReason,
    /// The HTTP status, where a server refused it.
    pub status: Option<u16>,
    /// The server's message, or this crate's. Its length is limited, and it contains no secret.
    pub message: String,
    /// How many times it was sent.
    pub attempts: u32,
}

impl Rejection {
    /// A rejection without an HTTP status, of a proposal that was never sent.
    pub fn new(reason: RejectionReason, message: impl Into<String>) -> Self {
        Self { reason, status: None, message: message.into(), attempts: 0 }
    }

    /// Adds the HTTP status of the response, and the number of attempts.
    #[must_use]
    pub fn with_response(self, status: u16, attempts: u32) -> Self {
        Self { status: Some(status), attempts, ..self }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rejected ({}", self.reason)?;
        if let Some(status) = self.status {
            write!(f, ", status {status}")?;
        }
        write!(f, "): {}", self.message)
    }
}

/// The kind of refusal. Dead letters and reports contain its [name](Self::as_str).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RejectionReason {
    /// GMS would respond with success and write nothing, because of the URN.
    UrnDroppedByGms,
    /// GMS would respond with success and write nothing, because of the content type.
    ContentTypeDroppedByGms,
    /// GMS responded with success, but its response lacks the aspect.
    AspectDroppedByGms,
    /// The aspect's or the entity type's name is not a name.
    NotAName,
    /// The aspect does not support the change type.
    ChangeTypeNotSupported,
    /// The change type needs an aspect.
    NoAspect,
    /// GMS forbids this change (403).
    Forbidden,
    /// GMS refused the proposal.
    GmsRejected,
    /// GMS queued the proposal, and failed to write it later.
    RejectedAfterQueueing,
    /// A reason of a sink outside this crate: a short name in kebab case.
    Other(&'static str),
}

impl RejectionReason {
    /// The name in dead letters and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UrnDroppedByGms => "urn-dropped-by-gms",
            Self::ContentTypeDroppedByGms => "content-type-dropped-by-gms",
            Self::AspectDroppedByGms => "aspect-dropped-by-gms",
            Self::NotAName => "not-a-name",
            Self::ChangeTypeNotSupported => "change-type-not-supported",
            Self::NoAspect => "no-aspect",
            Self::Forbidden => "forbidden",
            Self::GmsRejected => "gms-rejected",
            Self::RejectedAfterQueueing => "rejected-after-queueing",
            Self::Other(name) => name,
        }
    }
}

impl fmt::Display for RejectionReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a proposal has no final outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Undelivered {
    /// The event that ended sending.
    pub reason: UndeliveredReason,
    /// The last failure, or a sentence about the reason. With a [`diagnosis`](Self::diagnosis), its summary.
    pub message: String,
    diagnosis: Option<Arc<Diagnosis>>,
}

impl Undelivered {
    /// An undelivered proposal's reason and message.
    pub fn new(reason: UndeliveredReason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), diagnosis: None }
    }

    /// An undelivered proposal whose cause is known. Many proposals may share the diagnosis.
    pub fn diagnosed(reason: UndeliveredReason, diagnosis: Arc<Diagnosis>) -> Self {
        Self { reason, message: diagnosis.summary.to_string(), diagnosis: Some(diagnosis) }
    }

    /// The cause, if it is known: for a front end that [renders](crate::diagnosis::Renderer) it in its own
    /// words.
    pub fn diagnosis(&self) -> Option<&Diagnosis> {
        self.diagnosis.as_deref()
    }
}

impl fmt::Display for Undelivered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "undelivered ({}): {}", self.reason, self.message)
    }
}

/// The event that ended sending before a proposal had a final outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UndeliveredReason {
    /// GMS refused the caller, so sending stopped.
    Refused,
    /// GMS could not be reached, or failed, until the retries were used up.
    Unreachable,
    /// GMS queued the proposal, and did not say in time whether it was written.
    TraceUnsettled,
    /// The server does not support what the sink was configured for.
    Unsupported,
    /// GMS rejected every proposal, so that no single record is at fault.
    AllRejected,
    /// The sink was closed, or its deadline passed.
    Closed,
    /// The caller stopped waiting for capacity: it dropped the future of
    /// [`Emitter::deliver`](super::Emitter::deliver).
    Cancelled,
    /// The tokio runtime that the emitter was built in was shut down.
    RuntimeGone,
    /// The sink could not write to a local file or stream.
    Disk,
    /// A transformer could not make the proposal that it adds, for example because a lookup failed.
    NotTransformed,
    /// The proposal was dropped without an outcome. This is an error in the crate or in a sink.
    Dropped,
}

impl UndeliveredReason {
    /// The name in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::TraceUnsettled => "trace-unsettled",
            Self::Unsupported => "unsupported",
            Self::AllRejected => "all-rejected",
            Self::Closed => "closed",
            Self::Cancelled => "cancelled",
            Self::RuntimeGone => "runtime-gone",
            Self::Disk => "disk",
            Self::NotTransformed => "not-transformed",
            Self::Dropped => "dropped",
        }
    }
}

impl fmt::Display for UndeliveredReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
