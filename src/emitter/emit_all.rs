//! The result of emitting many proposals at once.

use std::sync::{Mutex, PoisonError};

use super::delivery::Observer;
use super::outcome::{DeliveryError, Outcome};
use crate::metadata::Proposal;

/// The outcomes of the proposals that were passed to [`Emitter::emit_all`](super::Emitter::emit_all).
#[derive(Clone, Debug, PartialEq)]
#[must_use = "some proposals may not have been delivered"]
#[non_exhaustive]
pub struct EmitAllResult {
    /// How many proposals were delivered.
    pub delivered: u64,
    /// The proposals that were not delivered, and why, in the order in which that was known.
    pub failures: Vec<(Proposal, DeliveryError)>,
}

/// Collects the proposals that are not delivered.
#[derive(Default)]
pub(super) struct Collector {
    failures: Mutex<Vec<(Proposal, DeliveryError)>>,
}

impl Collector {
    /// The result, once all of the `emitted` proposals have an outcome.
    pub(super) fn result(&self, emitted: u64) -> EmitAllResult {
        let failures = std::mem::take(&mut *self.failures.lock().unwrap_or_else(PoisonError::into_inner));
        EmitAllResult { delivered: emitted.saturating_sub(failures.len() as u64), failures }
    }
}

impl Observer for Collector {
    fn settled(&self, proposal: Proposal, outcome: Outcome) {
        if let Err(error) = outcome.into_result() {
            self.failures.lock().unwrap_or_else(PoisonError::into_inner).push((proposal, error));
        }
    }
}
