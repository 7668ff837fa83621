//! A future that resolves to the outcome of one proposal.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::oneshot;

use super::outcome::{Outcome, Undelivered, UndeliveredReason};

/// Resolves to the [`Outcome`] of an emitted proposal.
///
/// Dropping a receipt does not change what happens to the proposal. Awaiting a receipt is cancel safe: a
/// `&mut Receipt` that lost a `select!` can be awaited again.
#[derive(Debug)]
pub struct Receipt {
    receiver: oneshot::Receiver<Outcome>,
}

impl Receipt {
    pub(super) fn new() -> (oneshot::Sender<Outcome>, Self) {
        let (sender, receiver) = oneshot::channel();
        (sender, Self { receiver })
    }
}

impl Future for Receipt {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Outcome> {
        Pin::new(&mut self.receiver).poll(context).map(|received| {
            received.unwrap_or_else(|_| {
                Outcome::Undelivered(Undelivered::new(
                    UndeliveredReason::Dropped,
                    "the emitter no longer exists",
                ))
            })
        })
    }
}

const _: fn() = || {
    fn assert_send_sync<T: Send + Sync + 'static>() {}
    assert_send_sync::<Receipt>();
};
