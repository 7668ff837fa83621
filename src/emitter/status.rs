//! What a service can ask its emitter at any time: does it deliver, and how far is it behind?

use std::time::Duration;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::counts::Counts;
use super::lifecycle::{Phase, StopCause};
use super::outcome::UndeliveredReason;
use super::shared::Shared;
use crate::diagnosis::Diagnosis;

/// The state of an [`Emitter`](super::Emitter) at one moment. It contains no secret, and serialises as an
/// object with the key `state`, for a health endpoint:
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use datahub_emitter::emitter::{Emitter, Health};
///
/// let emitter = Emitter::builder("http://localhost:8080").keep_trying().build()?;
/// let status = emitter.status();
/// assert_eq!(status.health, Health::Healthy);
/// assert_eq!(serde_json::to_value(&status)?["state"], "healthy");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Status {
    /// Whether it delivers.
    #[serde(flatten)]
    pub health: Health,
    /// Proposals that wait in the queue. Those in flight are not among them.
    pub queued: usize,
    /// Proposals without an outcome: queued, in flight, and followed by their trace.
    pub pending: u64,
    /// How long the oldest of them has been waiting; `None` if there is none. Serialised in seconds, as
    /// `oldest_pending_seconds`.
    #[serde(rename = "oldest_pending_seconds", serialize_with = "seconds")]
    pub oldest_pending: Option<Duration>,
    /// When GMS last accepted a request with proposals; `None` if it never did. Serialised as RFC 3339.
    #[serde(serialize_with = "rfc_3339")]
    pub last_success: Option<Timestamp>,
    /// How many proposals were emitted, and how they ended.
    pub counts: Counts,
}

/// Whether an emitter delivers.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Health {
    /// The latest request was accepted or rejected by GMS, or none was sent yet.
    Healthy,
    /// The latest requests failed. The emitter tries again.
    Degraded {
        /// When the first of these requests failed. Serialised as RFC 3339.
        #[serde(serialize_with = "rfc_3339_always")]
        since: Timestamp,
        /// The cause of the latest failure.
        cause: Problem,
    },
    /// Sending has stopped for good; see [`Emitter::stop_reason`](super::Emitter::stop_reason).
    Stopped {
        /// Why it stopped.
        cause: Problem,
    },
    /// The tokio runtime that the emitter was built in was shut down, or the emitter's task in it ended.
    /// Nothing is sent any more.
    RuntimeGone,
    /// The emitter is closing or closed.
    Closed,
}

/// Why an emitter does not deliver.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Problem {
    /// The cause in one sentence.
    pub message: String,
    /// The cause as data, if it is known.
    pub diagnosis: Option<Diagnosis>,
}

impl From<&StopCause> for Problem {
    fn from(cause: &StopCause) -> Self {
        match cause {
            StopCause::Diagnosis(diagnosis) => {
                Self { message: diagnosis.summary.to_string(), diagnosis: Some(Diagnosis::clone(diagnosis)) }
            }
            StopCause::Message(_, message) => Self { message: message.clone(), diagnosis: None },
        }
    }
}

impl Status {
    pub(super) fn of(shared: &Shared) -> Self {
        let counts = shared.counts();
        let (queued, oldest_queued) = shared.queued();
        let pending = counts.emitted.saturating_sub(counts.delivered + counts.rejected + counts.undelivered);
        // A batch may still be on the books right after its last outcome.
        let oldest = oldest_queued.into_iter().chain(shared.ages.oldest()).min().filter(|_| pending > 0);
        Self {
            health: health(shared),
            queued,
            pending,
            oldest_pending: oldest.map(|queued_at| queued_at.elapsed()),
            last_success: shared.health.last_success(),
            counts,
        }
    }
}

fn health(shared: &Shared) -> Health {
    match shared.lifecycle.stop_reason() {
        Some(stop) if stop.reason == UndeliveredReason::RuntimeGone => return Health::RuntimeGone,
        Some(stop) => return Health::Stopped { cause: (&stop.cause).into() },
        None => {}
    }
    if shared.lifecycle.phase() >= Phase::Closing {
        return Health::Closed;
    }
    match shared.health.failure() {
        Some(failure) => Health::Degraded { since: failure.since, cause: (&failure.cause).into() },
        None => Health::Healthy,
    }
}

#[expect(clippy::ref_option, reason = "the signature is serde's")]
fn seconds<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    duration.map(|duration| duration.as_secs_f64()).serialize(serializer)
}

#[expect(clippy::ref_option, reason = "the signature is serde's")]
fn rfc_3339<S: Serializer>(time: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    time.map(|time| time.to_string()).serialize(serializer)
}

fn rfc_3339_always<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}
