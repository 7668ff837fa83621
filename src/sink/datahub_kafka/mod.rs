//! The `datahub-kafka` sink: writes proposals to the topic that DataHub's consumers read.
//!
//! `config` reads the recipe's keys, `connect` and `registry` find out before anything is read whether a run
//! can deliver, `envelope` encodes a proposal, `sender` hands messages to librdkafka (`client`) and
//! settles them by their delivery reports, `resend` sends them again, `state` is what both share, `verdict`
//! judges librdkafka's errors, and `diagnose` explains them.

mod client;
mod config;
mod connect;
mod diagnose;
mod envelope;
mod registry;
mod resend;
mod sender;
mod state;
mod verdict;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;

pub use self::config::DatahubKafkaConfig;

use self::connect::{Cluster, connect};
use self::registry::{RegisteredSchema, register};
use self::sender::{HandOver, Sender};
use super::datahub_rest::DatahubRestSink;
use super::{
    BoxFuture, CheckReport, CheckedSink, DeliveredMeans, GmsSink, RequestCounts, Sink, SinkContext,
    SinkDestination, SinkEndpoint, SinkReport,
};
use crate::Error;
use crate::emitter::{Delivery, Outcome, Rejection, RejectionReason, validate};
use crate::gms::Endpoint;
use crate::metadata::{ChangeType, Proposal, model};
use crate::threads::Worker;

/// Writes proposals to a Kafka topic. A proposal is delivered when the broker has acknowledged it.
pub struct DatahubKafkaSink {
    sender: Arc<Sender>,
    worker: Mutex<Option<Worker>>,
    bootstrap: String,
    cluster: Cluster,
    schema: RegisteredSchema,
    rest_fallback: Option<Arc<DatahubRestSink>>,
}

impl DatahubKafkaSink {
    /// Connects to the cluster, the registry and the GMS of `rest_fallback`, before anything is read.
    ///
    /// # Errors
    /// Of kind [`Unreachable`](crate::ErrorKind::Unreachable) or [`Refused`](crate::ErrorKind::Refused), with
    /// a diagnosis; of kind [`Input`](crate::ErrorKind::Input) when properties contradict each other or a
    /// certificate cannot be read.
    ///
    /// # Cancel safety
    /// Dropping the future abandons the connections. At most the schema was registered by then.
    pub async fn open(config: DatahubKafkaConfig, context: &SinkContext) -> Result<Self, Error> {
        let rest_fallback = match &config.rest_fallback {
            Some(rest) => {
                Some(Arc::new(Box::pin(DatahubRestSink::open((**rest).clone(), None, context)).await?))
            }
            None => None,
        };
        let hand_over = rest_fallback.as_ref().map(|rest| hand_over_to(Arc::clone(rest)));
        let bootstrap = config.bootstrap().to_owned();
        let platform = &context.platform;
        let sender = Arc::new(Sender::new(config.clone(), Arc::clone(&platform.clock), hand_over));
        let worker = sender.start(&*platform.threads)?;
        // From here on, dropping the sink ends the thread.
        let mut opening = Opening { sender: Arc::clone(&sender), is_open: false };
        let (cluster, schema) = tokio::join!(
            connect(&config, &sender, &*platform.threads),
            register(&config.registry, &config.topic, platform.http.clone()),
        );
        let (cluster, schema) = (cluster?, schema?);
        sender.set_schema_id(schema.id);
        opening.is_open = true;
        tracing::info!(%bootstrap, topic = config.topic, schema = schema.id, "connected to Kafka");
        Ok(Self { sender, worker: Mutex::new(Some(worker)), bootstrap, cluster, schema, rest_fallback })
    }
}

/// Ends the thread of a sink that could not be opened.
struct Opening {
    sender: Arc<Sender>,
    is_open: bool,
}

impl Drop for Opening {
    fn drop(&mut self) {
        if !self.is_open {
            self.sender.drop_all();
        }
    }
}

/// Writes what is handed over to a GMS, in order.
fn hand_over_to(rest: Arc<DatahubRestSink>) -> HandOver {
    let (sender, mut receiver) = mpsc::unbounded_channel::<Delivery>();
    tokio::spawn(async move {
        while let Some(delivery) = receiver.recv().await {
            rest.write(delivery).await;
        }
    });
    // Without a receiver, the delivery is dropped, which settles it.
    Box::new(move |delivery| drop(sender.send(delivery)))
}

/// Whether DataHub's consumer does not accept the proposal from Kafka (`MCPItem.CHANGE_TYPES`).
fn needs_rest(proposal: &Proposal) -> bool {
    match proposal.change_type() {
        ChangeType::Delete | ChangeType::Restate => true,
        ChangeType::Upsert => false,
        _ => model::is_timeseries(proposal.aspect_name()),
    }
}

impl Sink for DatahubKafkaSink {
    fn write(&self, delivery: Delivery) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let proposal = delivery.proposal();
            if !needs_rest(proposal) {
                return match validate(proposal, Endpoint::Restli) {
                    Ok(()) => self.sender.write(delivery).await,
                    Err(rejection) => delivery.settle(Outcome::Rejected(rejection)),
                };
            }
            if self.rest_fallback.is_some() {
                return self.sender.write_elsewhere(delivery).await;
            }
            let message = format!(
                "DataHub does not accept {} of {} over Kafka: set `rest_fallback` in the sink's configuration to send such \
                 proposals to GMS",
                proposal.change_type(),
                proposal.aspect_name()
            );
            let rejection = Rejection::new(RejectionReason::ChangeTypeNotSupported, message);
            delivery.settle(Outcome::Rejected(rejection));
        })
    }

    fn is_resumable(&self) -> bool {
        true
    }

    fn flush(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let rest = async {
                if let Some(rest) = &self.rest_fallback {
                    rest.flush().await;
                }
            };
            // A proposal is handed over only when Kafka has acknowledged those before it.
            tokio::join!(self.sender.flush(), rest);
        })
    }

    fn stopped(&self) -> Option<Error> {
        self.sender.stopped().or_else(|| self.rest_fallback.as_ref().and_then(|rest| rest.stopped()))
    }

    fn close(&self, deadline: Option<Duration>) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            self.sender.close(deadline).await;
            if let Some(rest) = &self.rest_fallback {
                // Its failure is the reason why this sink has stopped, too.
                drop(rest.close(deadline.map(|_| Duration::ZERO)).await);
            }
            let worker = self.worker.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(mut worker) = worker {
                worker.ended().await;
            }
            self.stopped().map_or(Ok(()), Err)
        })
    }

    fn report(&self) -> SinkReport {
        let counts = self.sender.counts();
        let mut warnings = self.sender.warnings();
        let rest = self.rest_fallback.as_ref().map(|rest| rest.report()).unwrap_or_default();
        warnings.extend(rest.warnings);
        SinkReport {
            destination: SinkDestination {
                server: Some(self.bootstrap.clone()),
                gms_version: None,
                endpoint: Some(SinkEndpoint::Kafka),
                mode: None,
                delivered_means: Some(DeliveredMeans::Queued),
            },
            requests: RequestCounts {
                sent: counts.sent + rest.requests.sent,
                retried: counts.resent + rest.requests.retried,
                split: counts.split + rest.requests.split,
                bytes: counts.bytes + rest.requests.bytes,
            },
            token: rest.token,
            warnings,
        }
    }
}

impl CheckedSink for DatahubKafkaSink {
    fn check(&self, write: bool) -> BoxFuture<'_, CheckReport> {
        Box::pin(async move {
            let mut report = CheckReport::default();
            let Cluster { brokers, partitions, broker } = &self.cluster;
            report.step("broker", format!("{broker} answers; the cluster has {brokers} brokers"));
            report.step("topic", format!("{} has {partitions} partitions", self.sender.topic()));
            let RegisteredSchema { id, url } = &self.schema;
            report.step("registry", format!("{url} has registered the schema as {id}"));
            if write {
                let observed = "not tried: a message cannot be taken back from a topic";
                report.step("write", observed);
            }
            if let Some(rest) = &self.rest_fallback {
                let fallback = rest.check(false).await;
                report.steps.extend(fallback.steps);
                report.notes.extend(fallback.notes);
                report.failure = fallback.failure;
            }
            report
        })
    }

    fn gms(&self) -> Option<&dyn GmsSink> {
        self.rest_fallback.as_deref().map(|rest| rest as &dyn GmsSink)
    }
}

impl Drop for DatahubKafkaSink {
    fn drop(&mut self) {
        self.sender.drop_all();
    }
}

impl fmt::Debug for DatahubKafkaSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatahubKafkaSink").field("sender", &self.sender).finish_non_exhaustive()
    }
}
