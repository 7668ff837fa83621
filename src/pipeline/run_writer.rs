//! Writes the proposals of the run itself: the state checkpoint and the run report. They are not records, and
//! do not count as proposals of the run.

use std::fmt;

use super::graph::ClientGraph;
use crate::emitter::{Batching, DeliveryError, EmitterBuilder};
use crate::gms::EmitMode;
use crate::metadata::Proposal;
use crate::{Error, ErrorKind};

/// Writes proposals of the run itself, apart from its records.
pub(super) struct RunWriter {
    emitter: crate::emitter::Emitter,
}

impl RunWriter {
    /// # Errors
    /// Of kind [`ErrorKind::Input`] when there is no tokio runtime.
    pub(super) fn new(graph: &ClientGraph) -> Result<Self, Error> {
        // Stored when GMS responds: a later run reads the state at once.
        let emitter = EmitterBuilder::with_client(graph.client().clone())
            .batching(Batching::Batched)
            .emit_mode(EmitMode::SyncPrimary)
            .retry(graph.retry().clone())
            .build()?;
        Ok(Self { emitter })
    }

    /// Writes `proposals`, and waits until GMS has stored them.
    ///
    /// # Errors
    /// Of kind [`ErrorKind::Refused`] or [`ErrorKind::Unreachable`] when nothing can be written now; of kind
    /// [`ErrorKind::Rejected`] when GMS rejects one of them.
    pub(super) async fn write(&self, proposals: Vec<Proposal>) -> Result<(), Error> {
        let result = self.emitter.emit_all(proposals).await;
        if let Some(error) = self.emitter.stop_reason() {
            return Err(error);
        }
        let Some((proposal, error)) = result.failures.into_iter().next() else { return Ok(()) };
        let message = match error {
            DeliveryError::Rejected(rejection) => rejection.message,
            undelivered => undelivered.to_string(),
        };
        let aspect = proposal.aspect_name();
        Err(Error::new(ErrorKind::Rejected, format!("GMS rejects the aspect {aspect}: {message}")))
    }
}

impl fmt::Debug for RunWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunWriter").field("emitter", &self.emitter).finish()
    }
}
