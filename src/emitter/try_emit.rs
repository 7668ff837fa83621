//! The error of emitting without waiting.

use crate::metadata::Proposal;

/// There is no capacity for a proposal at the moment. Contains the proposal.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("the emitter has no capacity for another proposal at the moment")]
pub struct TryEmitError {
    proposal: Box<Proposal>,
}

impl TryEmitError {
    pub(super) fn new(proposal: Proposal) -> Self {
        Self { proposal: Box::new(proposal) }
    }

    /// The proposal that was not emitted.
    pub fn into_proposal(self) -> Proposal {
        *self.proposal
    }
}
