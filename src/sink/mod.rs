//! Where proposals go. A sink is a plugin: a [`Sink`], opened by a constructor that the registry finds by the
//! recipe's `sink.type`.

pub mod blackhole;
pub mod console;
#[cfg(feature = "kafka")]
pub mod datahub_kafka;
pub mod datahub_rest;
pub mod file;
mod gms_sink;
mod registry;
mod report;
mod stream;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use gms_sink::{CheckReport, CheckStep, CheckedSink, GmsSink};
pub use registry::{OnWait, OpenSink, OpenedSink, SinkContext, SinkRegistry};
pub use report::{DeliveredMeans, RequestCounts, SinkDestination, SinkEndpoint, SinkReport, TokenReport};

use crate::Error;
use crate::box_future::BoxFuture;
use crate::emitter::Delivery;

/// The `type` of the sink for Kafka.
pub(crate) const DATAHUB_KAFKA: &str = "datahub-kafka";

/// Takes proposals, and settles each of them with an [`Outcome`](crate::emitter::Outcome).
pub trait Sink: Send + Sync {
    /// Takes one proposal. Resolves when there is capacity for it, so that a slow sink slows its source down;
    /// the proposal may be settled much later. A sink that has stopped settles it as undelivered.
    ///
    /// Dropping the future settles a proposal that was not taken yet as undelivered.
    fn write(&self, delivery: Delivery) -> BoxFuture<'_, ()>;

    /// Sends what waits in the sink for more, and resolves when that was sent. By default nothing waits.
    fn flush(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    /// Why the sink has stopped for good, if it has: nothing more needs to be read then.
    fn stopped(&self) -> Option<Error>;

    /// Settles everything that was written, and puts the sink's output in its final place. A second call with
    /// a deadline may be made while the first one is in progress: both then end by the deadline.
    ///
    /// # Errors
    /// The error that stopped the sink, for example one of kind [`Disk`](crate::ErrorKind::Disk).
    fn close(&self, deadline: Option<Duration>) -> BoxFuture<'_, Result<(), Error>>;

    /// The sink's part of the run report.
    fn report(&self) -> SinkReport;

    /// Whether a delivered proposal stays delivered if the process ends at any moment, so that a later run
    /// can continue behind it. The default is `false`, for a sink whose output is only complete at the end:
    /// its runs keep no checkpoint.
    fn is_resumable(&self) -> bool {
        false
    }
}
