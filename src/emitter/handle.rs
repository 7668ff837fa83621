//! The emitter's public handle.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;

use super::counts::Counts;
use super::delivery::{Delivery, WaitingDelivery};
use super::driver::{self, EndGuard};
use super::emit_all::{Collector, EmitAllResult};
use super::lifecycle::Phase;
use super::open_traces::OpenTrace;
use super::outcome::Outcome;
use super::receipt::Receipt;
use super::shared::{NotAdmitted, Shared};
use super::status::Status;
use super::try_emit::TryEmitError;
use crate::Error;
use crate::gms::{Client, ServerConfig};
use crate::metadata::Proposal;

/// Delivers proposals to one GMS: batches them, keeps the order of each URN, retries, and reports an outcome
/// for each.
///
/// Cloning is cheap, and all clones share one queue. When the last clone is dropped without
/// [`close`](Self::close), the emitted proposals are still delivered as long as the tokio runtime runs.
///
/// # Runtime
/// Requests are sent by tasks of the tokio runtime in which the emitter was built. On a current-thread
/// runtime they run only while `block_on` runs: call [`close`](Self::close) or [`flush`](Self::flush) in it.
/// If the runtime is shut down first, proposals without an outcome are undelivered with the reason
/// [`RuntimeGone`](super::UndeliveredReason::RuntimeGone).
///
/// # Cancel safety
/// Every method that waits can be used in `tokio::select!` and with a timeout. Proposals that were queued
/// keep being delivered whatever future is dropped; each method says what else dropping its future means.
///
/// ```no_run
/// use datahub_emitter::emitter::Emitter;
/// use datahub_emitter::metadata::{Proposal, Urn};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let emitter = Emitter::builder("http://localhost:8080").token(std::env::var("DATAHUB_GMS_TOKEN")?).build()?;
/// let urn = Urn::parse("urn:li:dataset:(urn:li:dataPlatform:hive,shop.orders,PROD)")?;
/// emitter.send(Proposal::upsert(urn, "status", r#"{"removed":false}"#)?).await.into_result()?;
/// emitter.close(None).await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Emitter {
    handle: Arc<Handle>,
}

#[derive(Debug)]
struct Handle {
    shared: Arc<Shared>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.start_closing();
    }
}

impl Emitter {
    pub(super) fn start(
        shared: Shared,
        opened: UnboundedReceiver<OpenTrace>,
        runtime: &tokio::runtime::Handle,
    ) -> Self {
        let shared = Arc::new(shared);
        let end = EndGuard::new(Arc::clone(&shared));
        runtime.spawn(driver::drive(Arc::clone(&shared), opened, end));
        Self { handle: Arc::new(Handle { shared }) }
    }

    /// Emits `proposal` and waits for its outcome.
    ///
    /// To deliver many proposals, use [`emit`](Self::emit) or [`emit_all`](Self::emit_all): waiting for each
    /// outcome before the next proposal makes batches of one.
    ///
    /// # Cancel safety
    /// If the future is dropped while it waits for capacity, the proposal is dropped and nothing is counted.
    /// If it is dropped later, the proposal is still delivered, and its outcome is only counted.
    pub async fn send(&self, proposal: Proposal) -> Outcome {
        self.emit(proposal).await.await
    }

    /// Waits for capacity and queues `proposal`. Returns a [`Receipt`] that resolves to the outcome.
    ///
    /// A proposal that cannot be sent, because it is invalid or because the emitter is closed or has stopped,
    /// gets its outcome at once.
    ///
    /// # Cancel safety
    /// If the future is dropped before it returns, the proposal is dropped and nothing is counted.
    pub async fn emit(&self, proposal: Proposal) -> Receipt {
        let admission = self.shared().admit(&proposal).await;
        let (delivery, receipt) = Delivery::with_receipt(proposal);
        self.shared().enqueue(delivery, admission);
        receipt
    }

    /// Queues `proposal` if there is capacity for it now.
    ///
    /// # Errors
    /// When there is no capacity; the error returns the proposal.
    pub fn try_emit(&self, proposal: Proposal) -> Result<Receipt, TryEmitError> {
        let admission = match self.shared().try_admit(&proposal) {
            Ok(permit) => Ok(permit),
            Err(NotAdmitted::Settled(outcome)) => Err(outcome),
            Err(NotAdmitted::Full) => return Err(TryEmitError::new(proposal)),
        };
        let (delivery, receipt) = Delivery::with_receipt(proposal);
        self.shared().enqueue(delivery, admission);
        Ok(receipt)
    }

    /// Emits all `proposals`, and waits until each of them has an outcome.
    ///
    /// Memory stays bounded: only proposals that were not delivered are kept, for the result. Once the
    /// emitter has stopped or is closed, no more proposals are taken from the iterator; pass
    /// [`by_ref`](Iterator::by_ref) to keep the rest.
    ///
    /// # Cancel safety
    /// If the future is dropped, proposals that were queued are still delivered, and their outcomes are only
    /// counted.
    pub async fn emit_all(&self, proposals: impl IntoIterator<Item = Proposal>) -> EmitAllResult {
        let collector = Arc::new(Collector::default());
        let mut emitted = 0;
        for proposal in proposals {
            self.deliver(Delivery::observed(proposal, Arc::clone(&collector) as _)).await;
            emitted += 1;
            if self.shared().lifecycle.phase() != Phase::Open {
                break;
            }
        }
        self.flush().await;
        collector.result(emitted)
    }

    /// Like [`emit`](Self::emit), for a [`Delivery`] that reports its outcome to an
    /// [`Observer`](super::Observer).
    ///
    /// # Cancel safety
    /// If the future is dropped while it waits for capacity, the delivery is settled as undelivered with the
    /// reason [`Cancelled`](super::UndeliveredReason::Cancelled), and the emitter does not count it.
    pub async fn deliver(&self, delivery: Delivery) {
        let waiting = WaitingDelivery::new(delivery);
        let admission = self.shared().admit(waiting.proposal()).await;
        self.shared().enqueue(waiting.into_delivery(), admission);
    }

    /// Waits until every proposal that was emitted before has an outcome. Meanwhile batches leave at once,
    /// full or not.
    ///
    /// # Cancel safety
    /// Dropping the future only ends the waiting: batches again leave when they are full.
    pub async fn flush(&self) {
        self.shared().flush().await;
    }

    /// Delivers the emitted proposals and returns the counts. Nothing can be emitted afterwards. After
    /// `deadline`, requests in flight are abandoned, and proposals without an outcome are undelivered; `None`
    /// waits without limit, that is until everything is delivered or the retries of
    /// [`RetryPolicy`](crate::gms::RetryPolicy) are used up.
    ///
    /// It may be called several times, also from several clones: the first deadline to pass counts.
    ///
    /// # Cancel safety
    /// The emitter is closing from the first poll on. Dropping the future ends the waiting and drops its
    /// deadline; the proposals are still delivered. Call it again to wait for that.
    pub async fn close(&self, deadline: Option<Duration>) -> Counts {
        self.shared().close(deadline).await;
        self.counts()
    }

    /// How many proposals were emitted so far, and how they ended.
    pub fn counts(&self) -> Counts {
        self.shared().counts()
    }

    /// Whether it delivers, how many proposals wait, and since when: for health endpoints and metrics.
    pub fn status(&self) -> Status {
        Status::of(self.shared())
    }

    /// Why sending stopped, if it did: a refused token, a server that cannot be reached, or a tokio runtime
    /// that was shut down. It does not start again; with
    /// [`keep_trying`](super::EmitterBuilder::keep_trying), the first two do not stop it.
    pub fn stop_reason(&self) -> Option<Error> {
        self.shared().lifecycle.stop_reason().map(|stop| stop.cause.to_error())
    }

    /// Asks the server for its configuration and checks that it supports the emitter's settings. Asks only
    /// once.
    ///
    /// Calling this before emitting is optional. It finds a wrong address early.
    ///
    /// # Errors
    /// Returns [`Unreachable`](crate::ErrorKind::Unreachable) when nothing responds, or something that is not
    /// a GMS, and [`Input`](crate::ErrorKind::Input) when an older GMS lacks OpenAPI v3, which
    /// [`Endpoint::Openapi`](crate::gms::Endpoint) needs, or tracing, which
    /// [`EmitMode::AsyncWait`](crate::gms::EmitMode) needs.
    ///
    /// # Cancel safety
    /// Dropping the future abandons the request; it can be called again.
    pub async fn server_config(&self) -> Result<ServerConfig, Error> {
        self.shared().server_config().await
    }

    /// GMS turned out not to support batches, so that proposals are sent one by one.
    #[cfg(feature = "pipeline")]
    pub(crate) fn lacks_batches(&self) -> bool {
        self.shared().lacks_batches()
    }

    /// The client that requests are sent through.
    pub fn client(&self) -> &Client {
        &self.shared().client
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.handle.shared
    }
}

const _: fn() = || {
    fn assert_send_sync<T: Send + Sync + 'static>() {}
    fn assert_send<T: Send>(_: T) {}
    fn futures(emitter: &Emitter, proposal: Proposal) {
        assert_send((
            emitter.emit(proposal.clone()),
            emitter.send(proposal.clone()),
            emitter.emit_all([proposal]),
        ));
        assert_send((emitter.flush(), emitter.close(None), emitter.server_config()));
    }
    assert_send_sync::<Emitter>();
    assert_send_sync::<Delivery>();
    let _: fn(&Emitter, Proposal) = futures;
};
