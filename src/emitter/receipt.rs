//! What becomes of a proposal, and who is told.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::sync::oneshot;

use crate::metadata::Proposal;

/// How a proposal ended. Each ends in exactly one of these.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The sink took it. What that means (queued, stored, …) is the sink's to say.
    Delivered,
    /// It was refused for what it is; sending it again would be refused again.
    Rejected(Rejection),
    /// It was not settled: the run ended first. Nothing is wrong with it.
    Undelivered(Undelivered),
}

/// Why a proposal was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// A short name of the reason, for example `gms-rejected` or `urn-dropped-by-gms`.
    pub reason: &'static str,
    /// The HTTP status, where a server said no.
    pub status: Option<u16>,
    /// The server's words, or ours; capped, and free of secrets.
    pub message: String,
    /// How often it was sent.
    pub attempts: u32,
}

/// Why a proposal was not settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undelivered {
    /// The reason.
    pub reason: UndeliveredReason,
    /// The last thing that went wrong, if anything did.
    pub message: String,
}

/// What ended the run before a proposal was settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UndeliveredReason {
    /// GMS refused the caller, so sending stopped.
    Refused,
    /// GMS could not be reached, or kept failing, until trying ended.
    Unreachable,
    /// GMS queued it, and had not said by the end whether it was written.
    TraceUnsettled,
    /// The server lacks what the sink was set up for.
    Unsupported,
    /// GMS rejected whatever it was sent, so that no record alone was at fault.
    AllRejected,
    /// The sink was closed, or its deadline was over.
    Closed,
    /// A sink of our own could not write.
    Disk,
    /// Code forgot it. This is a fault of the crate, and it is counted all the same.
    Dropped,
}

impl UndeliveredReason {
    /// The reason's name in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::TraceUnsettled => "trace-unsettled",
            Self::Unsupported => "unsupported",
            Self::AllRejected => "all-rejected",
            Self::Closed => "closed",
            Self::Disk => "disk",
            Self::Dropped => "dropped",
        }
    }
}

/// Is told of every proposal's end, with the proposal.
///
/// It is called from the sink's own tasks: it must not block for long.
pub trait Observer: Send + Sync {
    /// `proposal` ended as `outcome`. Called exactly once for each [`Delivery`].
    fn settled(&self, proposal: Proposal, outcome: Outcome);
}

/// A proposal on its way through a sink. Whoever holds it must [`settle`](Self::settle) it; if code forgets to,
/// dropping it settles it as undelivered, so that no proposal can get lost.
pub struct Delivery {
    inner: Option<(Arc<Proposal>, Completion)>,
}

enum Completion {
    Receipt(oneshot::Sender<Outcome>),
    Observer(Arc<dyn Observer>),
}

impl Delivery {
    /// A delivery whose end `observer` is told.
    pub fn observed(proposal: Proposal, observer: Arc<dyn Observer>) -> Self {
        Self { inner: Some((Arc::new(proposal), Completion::Observer(observer))) }
    }

    /// A delivery whose end a [`Receipt`] resolves to.
    pub fn with_receipt(proposal: Proposal) -> (Self, Receipt) {
        let (sender, receiver) = oneshot::channel();
        (Self { inner: Some((Arc::new(proposal), Completion::Receipt(sender))) }, Receipt { receiver })
    }

    /// The proposal.
    pub fn proposal(&self) -> &Proposal {
        match &self.inner {
            Some((proposal, _)) => proposal,
            None => unreachable!("a delivery loses its proposal only when it is consumed"),
        }
    }

    /// The proposal, for a request that is made of it while it is sent.
    pub(super) fn share(&self) -> Arc<Proposal> {
        match &self.inner {
            Some((proposal, _)) => Arc::clone(proposal),
            None => unreachable!("a delivery loses its proposal only when it is consumed"),
        }
    }

    /// Notes in the proposal's system metadata, if it has any, the time that it is sent with as `lastObserved`: who keeps
    /// a proposal that was refused keeps it as it was sent.
    pub(super) fn note_observed(&mut self, time: i64) {
        if let Some((proposal, _)) = &mut self.inner
            && let Some(metadata) = proposal.system_metadata()
            && metadata.last_observed.is_none_or(|observed| observed == 0)
        {
            Arc::make_mut(proposal).system_metadata_mut().last_observed = Some(time);
        }
    }

    /// Says how it ended.
    pub fn settle(mut self, outcome: Outcome) {
        self.finish(outcome);
    }

    fn finish(&mut self, outcome: Outcome) {
        match self.inner.take() {
            // The receiver may be gone: not everyone waits for a receipt.
            Some((_, Completion::Receipt(sender))) => drop(sender.send(outcome)),
            Some((proposal, Completion::Observer(observer))) => {
                // A request that was given up may still hold it, or one that was answered before it was read.
                observer.settled(Arc::unwrap_or_clone(proposal), outcome);
            }
            None => {}
        }
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        self.finish(Outcome::Undelivered(Undelivered {
            reason: UndeliveredReason::Dropped,
            message: "the proposal was dropped on its way; this is a fault of datahub-emitter".into(),
        }));
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Delivery").field(&self.inner.as_ref().map(|(proposal, _)| proposal.urn())).finish()
    }
}

/// Resolves to the [`Outcome`] of an emitted proposal. Dropping it changes nothing for the proposal.
#[derive(Debug)]
pub struct Receipt {
    receiver: oneshot::Receiver<Outcome>,
}

impl Future for Receipt {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Outcome> {
        Pin::new(&mut self.receiver).poll(context).map(|received| {
            received.unwrap_or_else(|_| {
                Outcome::Undelivered(Undelivered {
                    reason: UndeliveredReason::Dropped,
                    message: "the emitter is gone".into(),
                })
            })
        })
    }
}
