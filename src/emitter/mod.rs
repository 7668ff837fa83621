//! Delivery: from a proposal to its outcome.
//!
//! ```no_run
//! use datahub_emitter::emitter::{Emitter, Outcome};
//! use datahub_emitter::metadata::{Proposal, Urn};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let emitter = Emitter::builder("http://localhost:8080").token(std::env::var("DATAHUB_GMS_TOKEN")?).build()?;
//! let urn = Urn::parse("urn:li:dataset:(urn:li:dataPlatform:hive,shop.orders,PROD)")?;
//! let receipt = emitter.emit(Proposal::upsert(urn, "status", r#"{"removed":false}"#)?).await;
//! match receipt.await {
//!     Outcome::Delivered => println!("GMS has it"),
//!     other => println!("GMS has it not: {other:?}"),
//! }
//! let counts = emitter.close(None).await;
//! assert_eq!(counts.emitted, counts.delivered + counts.rejected + counts.undelivered);
//! # Ok(())
//! # }
//! ```

mod builder;
mod counts;
mod course;
mod deliver;
mod doubt;
mod driver;
mod fault;
mod gate;
mod limit;
mod pieces;
mod queue;
mod receipt;
mod room;
mod state;
mod stop;
mod traces;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;

use crate::Error;
use crate::gms::{Client, ServerConfig};
use crate::metadata::Proposal;
use state::State;
use traces::OpenTrace;

#[cfg(feature = "pipeline")]
pub(crate) use builder::{ASYNC_WAIT_OVER_RESTLI, MAX_BATCH};
pub use builder::{EmitterBuilder, SinkMode};
pub use counts::Counts;
pub use receipt::{Delivery, Observer, Outcome, Receipt, Rejection, Undelivered, UndeliveredReason};

/// Delivers proposals to one GMS: batches them, keeps the order of each URN, retries what may be retried, and tells
/// what became of each.
///
/// Cloning is cheap, and all clones share one queue. When the last clone is dropped without
/// [`close`](Self::close), what was emitted is still delivered as long as the runtime lives.
#[derive(Clone, Debug)]
pub struct Emitter {
    handle: Arc<Handle>,
}

#[derive(Debug)]
struct Handle {
    state: Arc<State>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.state.begin_close();
    }
}

impl Emitter {
    /// Begins to set up an emitter for the GMS at `server`, for example `http://localhost:8080`.
    pub fn builder(server: impl Into<String>) -> EmitterBuilder {
        EmitterBuilder::new(server.into())
    }

    fn start(
        state: Arc<State>,
        opened: UnboundedReceiver<OpenTrace>,
        runtime: &tokio::runtime::Handle,
    ) -> Self {
        runtime.spawn(driver::drive(Arc::clone(&state), opened));
        Self { handle: Arc::new(Handle { state }) }
    }

    /// Queues `proposal`, and returns as soon as there is room for it. What became of it, its [`Receipt`] tells.
    pub async fn emit(&self, proposal: Proposal) -> Receipt {
        let (delivery, receipt) = Delivery::with_receipt(proposal);
        self.deliver(delivery).await;
        receipt
    }

    /// Like [`emit`](Self::emit), for a caller who has an [`Observer`] instead of receipts.
    pub async fn deliver(&self, delivery: Delivery) {
        self.handle.state.admit(delivery).await;
    }

    /// Waits until everything that was emitted before is settled. Batches leave at once meanwhile, full or not.
    pub async fn flush(&self) {
        self.handle.state.flush().await;
    }

    /// Delivers what was emitted, and returns how it all ended. After `deadline` what is not settled is undelivered;
    /// without one it takes as long as it takes. Nothing can be emitted afterwards.
    pub async fn close(&self, deadline: Option<Duration>) -> Counts {
        self.handle.state.close(deadline).await;
        self.counts()
    }

    /// How many proposals were emitted so far, and what became of them.
    pub fn counts(&self) -> Counts {
        self.handle.state.counts()
    }

    /// Why sending has stopped for good, if it has: a refused token, a server that is gone.
    pub fn stopped(&self) -> Option<Error> {
        self.handle.state.stopped().map(|stop| stop.cause.to_error())
    }

    /// Asks the server what it is, once, and makes sure that it can do what this emitter was set up for. Nothing needs this
    /// before emitting, but it finds a wrong address early.
    ///
    /// # Errors
    /// When nothing answers, or something that is no GMS; of kind [`Input`](crate::ErrorKind::Input) when it is an older
    /// GMS that lacks [`Endpoint::Openapi`](crate::gms::Endpoint) or the tracing that
    /// [`EmitMode::AsyncWait`](crate::gms::EmitMode) takes.
    pub async fn server_config(&self) -> Result<ServerConfig, Error> {
        self.handle.state.server_config().await
    }

    /// GMS turned out not to know batches, so that proposals go one by one.
    #[cfg(feature = "pipeline")]
    pub(crate) fn is_single_only(&self) -> bool {
        self.handle.state.is_single_only()
    }

    /// The client that requests go through.
    pub fn client(&self) -> &Client {
        &self.handle.state.client
    }
}
