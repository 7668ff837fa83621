//! The keys of `sink.config`.

mod producer;
mod registry;

use std::time::Duration;

use crate::environment::Environment;
use crate::recipe::{Fields, Reported};
use crate::sink::datahub_rest::{DatahubRestConfig, Overrides};

pub(super) use self::producer::{Idempotence, ProducerConfig};
pub(super) use self::registry::RegistryConfig;

/// The topic that DataHub's consumer of metadata change proposals reads.
const DEFAULT_TOPIC: &str = "MetadataChangeProposal_v1";

/// The route of metadata change proposals.
const PROPOSAL_ROUTE: &str = "MetadataChangeProposal";

/// The route of metadata change events. Nothing is written there, as in DataHub's Python client: events are
/// unpacked into proposals.
const EVENT_ROUTE: &str = "MetadataChangeEvent";

/// A year.
const LONGEST_SECONDS: f64 = 366.0 * 86_400.0;

/// The keys of the `datahub-kafka` sink, with the names and defaults of DataHub's Python client
/// (`datahub_kafka.py`, `configuration/kafka.py`).
#[derive(Clone, Debug)]
pub struct DatahubKafkaConfig {
    pub(super) producer: ProducerConfig,
    pub(super) registry: RegistryConfig,
    /// The topic of metadata change proposals.
    pub(super) topic: String,
    /// The GMS for what Kafka cannot carry.
    pub(super) rest_fallback: Option<Box<DatahubRestConfig>>,
    pub(super) max_pending_proposals: usize,
    pub(super) max_pending_bytes: u32,
}

impl DatahubKafkaConfig {
    /// Reads the keys. The environment and then the defaults apply to keys that are not set.
    ///
    /// # Errors
    /// After a mistake in them, which was reported to `fields`.
    pub fn read(fields: &mut Fields<'_>, environment: &Environment) -> Result<Self, Reported> {
        let topic = read_topic(fields);
        let block_limit = fields
            .number("max_queue_full_block_seconds", 0.0..=LONGEST_SECONDS, "a number of seconds, 0 or more")
            .and_then(|seconds: f64| Duration::try_from_secs_f64(seconds).ok());
        let max_pending_proposals =
            fields.number("max_pending_requests", 1..=10_000_000, "a number of proposals, at least 1");
        let max_pending_bytes =
            fields.number("max_pending_bytes", 1..=u32::MAX, "a number of bytes up to 4294967295");
        let mut connection = fields.block("connection");
        let producer = ProducerConfig::read(&mut connection, block_limit);
        let registry = RegistryConfig::read(
            &mut connection,
            environment,
            producer.as_ref().and_then(ProducerConfig::sasl),
        );
        connection.number("client_timeout_seconds", 1..=86_400_u32, "a number of seconds, at least 1");
        connection.finish();
        let rest_fallback = read_rest_fallback(fields, environment)?;
        Ok(Self {
            max_pending_proposals: max_pending_proposals
                .unwrap_or(crate::emitter::defaults::MAX_PENDING_PROPOSALS),
            max_pending_bytes: max_pending_bytes
                .or_else(|| u32::try_from(crate::emitter::defaults::MAX_PENDING_BYTES).ok())
                .unwrap_or(u32::MAX),
            topic: topic.ok_or_else(|| fields.reported())?,
            producer: producer.ok_or_else(|| fields.reported())?,
            registry: registry.ok_or_else(|| fields.reported())?,
            rest_fallback,
        })
    }

    /// The addresses of the brokers, as the recipe has them.
    pub fn bootstrap(&self) -> &str {
        &self.producer.bootstrap
    }
}

/// The topic of metadata change proposals; `None` after a mistake.
fn read_topic(fields: &mut Fields<'_>) -> Option<String> {
    fields.ignored(
        "topic",
        "everything is written to the topic of metadata change proposals; see `topic_routes`",
    );
    if !fields.has("topic_routes") {
        return Some(DEFAULT_TOPIC.to_owned());
    }
    let mut routes = fields.block("topic_routes");
    routes.string(EVENT_ROUTE);
    routes.missing(PROPOSAL_ROUTE, "the topic of metadata change proposals");
    let topic = routes.string(PROPOSAL_ROUTE);
    if topic.as_deref().is_some_and(|topic| !is_topic(topic)) {
        routes.mistake(
            PROPOSAL_ROUTE,
            "the name of a topic has up to 249 ASCII letters, digits, `.`, `_` and `-`",
        );
    }
    routes.finish();
    topic.filter(|topic| is_topic(topic))
}

/// Whether Kafka accepts the name (`Topic.java`).
fn is_topic(name: &str) -> bool {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    !name.is_empty() && name.len() <= 249 && name != "." && name != ".." && name.bytes().all(is_legal)
}

/// `rest_fallback`: its keys are those of the sink `datahub-rest`.
fn read_rest_fallback(
    fields: &mut Fields<'_>,
    environment: &Environment,
) -> Result<Option<Box<DatahubRestConfig>>, Reported> {
    if !fields.has("rest_fallback") {
        return Ok(None);
    }
    let mut block = fields.block("rest_fallback");
    let config = DatahubRestConfig::read(&mut block, &Overrides::default(), environment);
    block.finish();
    Ok(Some(Box::new(config?.answered_after_the_write())))
}
