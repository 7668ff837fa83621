//! Connects to the cluster and the registry before anything is read, so that what cannot work is reported at
//! once, and nothing waits for each record.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::MetadataTopic;
use rdkafka::producer::Producer as _;

use super::config::DatahubKafkaConfig;
use super::diagnose;
use super::sender::Sender;
use super::verdict::{ConnectionProblem, refusal, refuses_idempotence};
use crate::diagnosis::{BrokerRefusal, Diagnosis};
use crate::threads::{Threads, run_blocking};
use crate::{Error, ErrorKind};

/// How long the cluster may take to answer.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// How long a cluster may take to create a topic, or to elect leaders for one.
const TOPIC_LIMIT: Duration = Duration::from_secs(3);

/// The time limit of one request for metadata. Errors of the connection are looked at in between.
const REQUEST_LIMIT: Duration = Duration::from_millis(500);

/// The pause between two requests for the metadata of a topic that is not ready.
const TOPIC_DELAY: Duration = Duration::from_millis(100);

/// The cluster and its topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cluster {
    pub(super) brokers: usize,
    pub(super) partitions: usize,
    /// The broker that answered.
    pub(super) broker: String,
}

/// Asks the cluster for the topic.
///
/// # Errors
/// `kafka.unreachable` or `kafka.refused`.
pub(super) async fn connect(
    config: &DatahubKafkaConfig,
    sender: &Arc<Sender>,
    threads: &dyn Threads,
) -> Result<Cluster, Error> {
    let (config, sender) = (config.clone(), Arc::clone(sender));
    run_blocking(threads, "kafka-connect", move || ask(&config, &sender))
        .await
        .map_err(|error| Error::new(ErrorKind::Internal, "cannot ask the cluster").with_source(error))?
        .map_err(|diagnosis| Error::from(*diagnosis))
}

fn ask(config: &DatahubKafkaConfig, sender: &Sender) -> Result<Cluster, Box<Diagnosis>> {
    let start = Instant::now();
    let mut topic_since: Option<Instant> = None;
    loop {
        let unreachable =
            |problem: Option<&ConnectionProblem>| Box::new(diagnose::of_connection(config, problem));
        let Some(client) = sender.current_client() else { return Err(unreachable(None)) };
        let error = match client.client().fetch_metadata(Some(&config.topic), REQUEST_LIMIT) {
            Ok(metadata) => {
                let topic = metadata.topics().first();
                let code = topic.and_then(MetadataTopic::error).map(RDKafkaErrorCode::from);
                let partitions = topic.map_or(0, |topic| topic.partitions().len());
                if code.is_none() && partitions > 0 {
                    return Ok(Cluster {
                        brokers: metadata.brokers().len(),
                        partitions,
                        broker: metadata.orig_broker_name().to_owned(),
                    });
                }
                let code = code.unwrap_or(RDKafkaErrorCode::LeaderNotAvailable);
                let since = topic_since.get_or_insert_with(Instant::now);
                let is_final = matches!(
                    code,
                    RDKafkaErrorCode::TopicAuthorizationFailed | RDKafkaErrorCode::InvalidTopic
                );
                if is_final || since.elapsed() >= TOPIC_LIMIT {
                    let problem = ConnectionProblem { code, reason: code.to_string() };
                    let refusal = refusal(code, &config.topic)
                        .unwrap_or_else(|| BrokerRefusal::Other(code.to_string()));
                    return Err(Box::new(diagnose::refused(refusal, Some(&problem))));
                }
                drop(client);
                std::thread::sleep(TOPIC_DELAY);
                continue;
            }
            Err(error) => error,
        };
        drop(client);
        let problem = sender.problem();
        // A refusal does not pass; a broker that is away may come back. A refusal of idempotence is none.
        let is_refused = problem.as_ref().is_some_and(|problem| {
            refusal(problem.code, &config.topic).is_some() && !refuses_idempotence(problem.code)
        });
        if is_refused || start.elapsed() >= CONNECT_LIMIT {
            let problem = problem.or_else(|| problem_of(&error));
            return Err(unreachable(problem.as_ref()));
        }
    }
}

fn problem_of(error: &KafkaError) -> Option<ConnectionProblem> {
    let code = error.rdkafka_error_code()?;
    Some(ConnectionProblem { code, reason: code.to_string() })
}
