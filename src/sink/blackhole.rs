//! The `blackhole` sink: discards all proposals. It measures what reading and transforming cost.

use std::time::Duration;

use super::{BoxFuture, Sink, SinkDestination, SinkReport};
use crate::Error;
use crate::emitter::{Delivery, Outcome};

/// Settles every proposal as delivered, and drops it.
#[derive(Clone, Copy, Debug, Default)]
pub struct BlackholeSink;

impl Sink for BlackholeSink {
    fn write(&self, delivery: Delivery) -> BoxFuture<'_, ()> {
        delivery.settle(Outcome::Delivered);
        Box::pin(std::future::ready(()))
    }

    fn stopped(&self) -> Option<Error> {
        None
    }

    fn close(&self, _deadline: Option<Duration>) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn report(&self) -> SinkReport {
        SinkReport::of_destination(SinkDestination::written())
    }

    fn is_resumable(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::tests::proposal;

    #[tokio::test]
    async fn everything_is_delivered_and_it_never_stops() {
        let sink = BlackholeSink;
        for number in 0..3 {
            let (delivery, receipt) = Delivery::with_receipt(proposal(number));
            sink.write(delivery).await;
            assert_eq!(receipt.await, Outcome::Delivered);
        }
        assert!(sink.stopped().is_none());
        sink.close(None).await.unwrap();
    }
}
