//! A proposal that must get an outcome: the drop guard that keeps proposals from getting lost.

use std::fmt;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::outcome::{Outcome, Undelivered, UndeliveredReason};
use super::receipt::Receipt;
use crate::metadata::Proposal;

/// The message for proposals whose runtime was shut down.
pub(super) const RUNTIME_GONE: &str =
    "the tokio runtime that the emitter was built in was shut down first; close the emitter before";

/// Receives each proposal together with its outcome.
///
/// It is called from the sink's tasks and must not block for long.
pub trait Observer: Send + Sync {
    /// `proposal` ended with `outcome`. Called exactly once for each [`Delivery`].
    fn settled(&self, proposal: Proposal, outcome: Outcome);
}

/// A proposal that a sink has accepted responsibility for. The owner must [`settle`](Self::settle) it. If it
/// is dropped without that, it counts as undelivered with the reason [`Dropped`](UndeliveredReason::Dropped),
/// so that no proposal can get lost.
pub struct Delivery {
    inner: Option<(Arc<Proposal>, Recipient)>,
    /// A task of the emitter's runtime holds it, and drops it when the runtime is shut down.
    is_in_runtime: bool,
}

/// The receiver of the outcome.
enum Recipient {
    Receipt(oneshot::Sender<Outcome>),
    Observer(Arc<dyn Observer>),
}

impl Delivery {
    /// A delivery that reports its outcome to `observer`.
    pub fn observed(proposal: Proposal, observer: Arc<dyn Observer>) -> Self {
        Self { inner: Some((Arc::new(proposal), Recipient::Observer(observer))), is_in_runtime: false }
    }

    /// A delivery, and the [`Receipt`] that resolves to its outcome.
    pub fn with_receipt(proposal: Proposal) -> (Self, Receipt) {
        let (sender, receipt) = Receipt::new();
        let inner = Some((Arc::new(proposal), Recipient::Receipt(sender)));
        (Self { inner, is_in_runtime: false }, receipt)
    }

    /// The proposal.
    pub fn proposal(&self) -> &Proposal {
        match &self.inner {
            Some((proposal, _)) => proposal,
            None => unreachable!("a delivery loses its proposal only when it is consumed"),
        }
    }

    /// A handle on the proposal, for a request body that is encoded while it is sent.
    pub(super) fn share(&self) -> Arc<Proposal> {
        match &self.inner {
            Some((proposal, _)) => Arc::clone(proposal),
            None => unreachable!("a delivery loses its proposal only when it is consumed"),
        }
    }

    /// Sets `lastObserved` in the proposal's system metadata, if there is system metadata without it, to the
    /// time that the request will contain. A dead letter then holds the proposal as it was sent.
    pub(super) fn set_last_observed(&mut self, millis: i64) {
        if let Some((proposal, _)) = &mut self.inner
            && let Some(metadata) = proposal.system_metadata()
            && metadata.last_observed.is_none_or(|observed| observed == 0)
        {
            Arc::make_mut(proposal).system_metadata_mut().last_observed = Some(millis);
        }
    }

    /// From now on a task of the emitter's runtime holds it.
    pub(super) fn enter_runtime(&mut self) {
        self.is_in_runtime = true;
    }

    /// Reports the outcome.
    pub fn settle(mut self, outcome: Outcome) {
        self.report(outcome);
    }

    fn report(&mut self, outcome: Outcome) {
        match self.inner.take() {
            // The receiver may be gone: callers may drop their receipts.
            Some((_, Recipient::Receipt(sender))) => drop(sender.send(outcome)),
            Some((proposal, Recipient::Observer(observer))) => {
                // The body of an abandoned request may still share the proposal.
                observer.settled(Arc::unwrap_or_clone(proposal), outcome);
            }
            None => {}
        }
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        // A runtime that is shut down drops its tasks. A task that panics drops what it holds as well.
        let undelivered = if self.is_in_runtime && !std::thread::panicking() {
            Undelivered::new(UndeliveredReason::RuntimeGone, RUNTIME_GONE)
        } else {
            Undelivered::new(
                UndeliveredReason::Dropped,
                "the proposal was dropped without an outcome; this is a bug in datahub-emitter",
            )
        };
        self.report(Outcome::Undelivered(undelivered));
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Delivery").field(&self.inner.as_ref().map(|(proposal, _)| proposal.urn())).finish()
    }
}

/// A delivery that waits for capacity. If the waiting future is dropped, the caller has cancelled it: the
/// sink has not failed.
pub(super) struct WaitingDelivery(Option<Delivery>);

impl WaitingDelivery {
    pub(super) fn new(delivery: Delivery) -> Self {
        Self(Some(delivery))
    }

    pub(super) fn proposal(&self) -> &Proposal {
        match &self.0 {
            Some(delivery) => delivery.proposal(),
            None => unreachable!("a delivery stops waiting only when it is consumed"),
        }
    }

    pub(super) fn into_delivery(mut self) -> Delivery {
        match self.0.take() {
            Some(delivery) => delivery,
            None => unreachable!("a delivery stops waiting only when it is consumed"),
        }
    }
}

impl Drop for WaitingDelivery {
    fn drop(&mut self) {
        if let Some(delivery) = self.0.take() {
            delivery.settle(Outcome::Undelivered(Undelivered::new(
                UndeliveredReason::Cancelled,
                "the caller stopped waiting for capacity",
            )));
        }
    }
}
