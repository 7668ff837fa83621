//! A future that resolves to the outcome of one proposal.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::oneshot;

use super::outcome::{Outcome, Undelivered, UndeliveredReason};

/// Resolves to the [`Outcome`] of an emitted proposal.
///
/// Dropping a receipt does not change what happens to the proposal. Awaiting a receipt is cancel safe: a
/// `&mut Receipt` that lost a `select!` can be awaited again, and one that has resolved resolves again to the
/// same outcome.
#[derive(Debug)]
pub struct Receipt {
    receiver: oneshot::Receiver<Outcome>,
    /// The outcome, once the receiver has returned it: a oneshot receiver must not be polled again.
    outcome: Option<Outcome>,
}

impl Receipt {
    pub(super) fn new() -> (oneshot::Sender<Outcome>, Self) {
        let (sender, receiver) = oneshot::channel();
        (sender, Self { receiver, outcome: None })
    }
}

impl Future for Receipt {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Outcome> {
        if let Some(outcome) = &self.outcome {
            return Poll::Ready(outcome.clone());
        }
        let received = std::task::ready!(Pin::new(&mut self.receiver).poll(context));
        let outcome = received.unwrap_or_else(|_| {
            Outcome::Undelivered(Undelivered::new(UndeliveredReason::Dropped, "the emitter no longer exists"))
        });
        self.outcome = Some(outcome.clone());
        Poll::Ready(outcome)
    }
}

const _: fn() = || {
    fn assert_send_sync<T: Send + Sync + 'static>() {}
    assert_send_sync::<Receipt>();
};
