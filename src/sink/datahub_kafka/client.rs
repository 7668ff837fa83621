//! librdkafka's client, and what it reports.

use std::sync::Arc;

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, ProducerContext};
use rdkafka::statistics::Statistics;

use crate::emitter::{CapacityPermit, Delivery};

/// librdkafka's client, which reports to a [`ReportReceiver`].
pub(super) type Client = BaseProducer<Reports>;

/// A message on its way. It is the opaque pointer that librdkafka returns with the delivery report.
pub(super) struct Message {
    pub(super) delivery: Delivery,
    pub(super) capacity: CapacityPermit,
    /// It was sent with nothing else in flight.
    pub(super) is_alone: bool,
    pub(super) bytes: usize,
}

/// Receives what librdkafka reports, on the thread that polls its client.
pub(super) trait ReportReceiver: Send + Sync {
    /// Settles a message. `error` is `None` if a broker has acknowledged it.
    fn report(self: Arc<Self>, error: Option<RDKafkaErrorCode>, message: Box<Message>);

    /// Notes an error of a connection.
    fn note_problem(&self, code: RDKafkaErrorCode, reason: &str);

    /// Logs a line of librdkafka's log.
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str);
}

/// The callbacks of librdkafka's client.
pub(super) struct Reports {
    receiver: Arc<dyn ReportReceiver>,
}

impl Reports {
    pub(super) fn to(receiver: Arc<dyn ReportReceiver>) -> Self {
        Self { receiver }
    }
}

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.receiver.log(level, facility, message);
    }

    fn stats(&self, _statistics: Statistics) {}

    fn stats_raw(&self, _statistics: &[u8]) {}

    fn error(&self, error: KafkaError, reason: &str) {
        self.receiver.note_problem(error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail), reason);
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = Box<Message>;

    fn delivery(&self, result: &DeliveryResult<'_>, message: Box<Message>) {
        let error = match result {
            Ok(_) => None,
            Err((error, _)) => Some(error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail)),
        };
        Arc::clone(&self.receiver).report(error, message);
    }
}
