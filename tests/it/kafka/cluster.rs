//! A Kafka cluster inside the test process, and a schema registry whose responses a test sets.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::Message as _;
use rdkafka::metadata::MetadataPartition;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use serde_json::Value;

use super::avro::Schema;
use crate::support::raw_server::{RawServer, Request, Response};

/// The topic that is written to by default.
pub(super) const TOPIC: &str = "MetadataChangeProposal_v1";

/// The schema that every message has.
const SCHEMA: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/sink/datahub_kafka/MetadataChangeProposal.avsc"));

/// A cluster, and the registry beside it.
pub(super) struct Cluster {
    pub(super) mock: MockCluster<'static, DefaultProducerContext>,
    registry: RawServer,
    requests: Arc<Mutex<Vec<Request>>>,
}

/// A message of a topic.
#[derive(Clone, Debug)]
pub(super) struct Received {
    pub(super) partition: i32,
    pub(super) key: String,
    pub(super) schema_id: u32,
    pub(super) record: Value,
}

impl Cluster {
    /// One broker, and a registry that has the schema as `1`.
    pub(super) fn start() -> Self {
        Self::with(1, 3, |_| Response::Status(200, r#"{"id": 1}"#.into()))
    }

    /// `brokers` brokers, `partitions` partitions of the topic, and a registry with these responses.
    pub(super) fn with(
        brokers: i32,
        partitions: i32,
        respond: impl Fn(&Request) -> Response + Send + Sync + 'static,
    ) -> Self {
        let mock = MockCluster::new(brokers).unwrap();
        mock.create_topic(TOPIC, partitions, 1).unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let registry = RawServer::start(move |request| {
            seen.lock().unwrap().push(request.clone());
            respond(request)
        });
        Self { mock, registry: registry.unwrap(), requests }
    }

    pub(super) fn registry_url(&self) -> String {
        self.registry.url()
    }

    /// `connection`, with more of its keys.
    pub(super) fn connection(&self, more: &str) -> String {
        let (bootstrap, registry) = (self.mock.bootstrap_servers(), self.registry.url());
        format!("{{bootstrap: '{bootstrap}', schema_registry_url: '{registry}'{more}}}")
    }

    /// The sink of a recipe, with more keys of its configuration.
    pub(super) fn sink(&self, more: &str) -> String {
        format!("{{type: datahub-kafka, config: {{connection: {}{more}}}}}", self.connection(""))
    }

    /// The requests that the registry got.
    pub(super) fn registry_requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// All messages of the topic, by partition and in order.
    pub(super) fn messages(&self) -> Vec<Received> {
        self.messages_of(TOPIC)
    }

    /// All messages of a topic, by partition and in order.
    pub(super) fn messages_of(&self, topic: &str) -> Vec<Received> {
        let schema = Schema::parse(SCHEMA);
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", self.mock.bootstrap_servers())
            .set("group.id", "tests")
            .set("enable.partition.eof", "true")
            .create()
            .unwrap();
        let metadata = consumer.fetch_metadata(Some(topic), Duration::from_secs(30)).unwrap();
        let partitions: Vec<i32> =
            metadata.topics()[0].partitions().iter().map(MetadataPartition::id).collect();
        let mut list = TopicPartitionList::new();
        for partition in &partitions {
            list.add_partition_offset(topic, *partition, Offset::Beginning).unwrap();
        }
        consumer.assign(&list).unwrap();
        let (mut received, mut ended) = (Vec::new(), 0);
        while ended < partitions.len() {
            match consumer.poll(Duration::from_secs(30)).expect("the end of a partition") {
                Ok(message) => {
                    let (schema_id, record) = schema.message(message.payload().unwrap());
                    let key = String::from_utf8(message.key().unwrap().to_vec()).unwrap();
                    received.push(Received { partition: message.partition(), key, schema_id, record });
                }
                Err(rdkafka::error::KafkaError::PartitionEOF(_)) => ended += 1,
                Err(error) => panic!("{error}"),
            }
        }
        received.sort_by_key(|message| message.partition);
        received
    }
}
