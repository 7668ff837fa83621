//! `connection.bootstrap` and `connection.producer_config`: the properties of librdkafka.

use std::fmt;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;

use crate::recipe::{Entry, Fields, Value};
use crate::redact::is_secret_key;

/// The default of `connection.bootstrap`.
const DEFAULT_BOOTSTRAP: &str = "localhost:9092";

/// How long a message waits for its acknowledgement, unless the recipe says otherwise: longer than a broker
/// takes to restart.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(60);

/// The two names of the property, and of others.
const BOOTSTRAP: [&str; 2] = ["bootstrap.servers", "metadata.broker.list"];
const ACKS: [&str; 2] = ["acks", "request.required.acks"];
const MESSAGE_TIMEOUTS: [&str; 2] = ["message.timeout.ms", "delivery.timeout.ms"];
const IN_FLIGHT: [&str; 2] = ["max.in.flight.requests.per.connection", "max.in.flight"];
const RETRIES: [&str; 2] = ["retries", "message.send.max.retries"];
const IDEMPOTENCE: &str = "enable.idempotence";

/// Properties that are functions in Python.
const FUNCTIONS: [&str; 9] = [
    "oauth_cb",
    "error_cb",
    "stats_cb",
    "throttle_cb",
    "on_delivery",
    "logger",
    "key.serializer",
    "value.serializer",
    "dr_cb",
];

/// Secret properties that do not look like ones.
const SECRETS: [&str; 3] =
    ["ssl.key.pem", "sasl.oauthbearer.config", "sasl.oauthbearer.assertion.private.key.pem"];

/// SASL properties that hold no secret.
const NO_SECRETS: [&str; 8] = [
    "sasl.mechanism",
    "sasl.mechanisms",
    "sasl.username",
    "sasl.kerberos.service.name",
    "sasl.kerberos.principal",
    "sasl.oauthbearer.method",
    "sasl.oauthbearer.scope",
    "sasl.oauthbearer.client.id",
];

/// The configuration of a producer.
#[derive(Clone)]
pub(in crate::sink::datahub_kafka) struct ProducerConfig {
    /// The addresses of the brokers.
    pub(in crate::sink::datahub_kafka) bootstrap: String,
    properties: Vec<(String, String)>,
    /// The recipe does not say whether the producer is idempotent, and nothing in it rules that out.
    is_idempotent_by_default: bool,
    message_timeout: Duration,
    secrets: Vec<String>,
}

impl ProducerConfig {
    /// Reads the keys; `None` after a mistake. `block_limit` is the recipe's limit for waiting until the
    /// broker acknowledges something.
    pub(super) fn read(connection: &mut Fields<'_>, block_limit: Option<Duration>) -> Option<Self> {
        let bootstrap = connection.string("bootstrap");
        let is_readable = bootstrap.is_some() || !connection.has("bootstrap");
        let bootstrap = bootstrap.unwrap_or_else(|| DEFAULT_BOOTSTRAP.to_owned());
        if let Some(wrong) = bootstrap.split(',').find_map(address_mistake) {
            connection.mistake("bootstrap", wrong);
            return None;
        }
        let entries = connection.entries("producer_config", "a mapping of librdkafka's properties")?;
        let mut config = Self {
            bootstrap,
            properties: Vec::new(),
            is_idempotent_by_default: true,
            message_timeout: block_limit.map_or(MESSAGE_TIMEOUT, |limit| limit.max(Duration::from_secs(1))),
            secrets: Vec::new(),
        };
        let read = entries.iter().map(|entry| config.read_property(connection, entry));
        // All are read before the first mistake ends it.
        let all_valid = read.collect::<Vec<_>>().into_iter().all(|valid| valid);
        (all_valid && is_readable).then(|| config.finish())
    }

    /// Reads one property. Returns whether it is valid.
    fn read_property(&mut self, connection: &Fields<'_>, entry: &Entry) -> bool {
        let key = entry.key.as_str();
        let is_secret = SECRETS.contains(&key) || (is_secret_key(key) && !NO_SECRETS.contains(&key));
        if is_secret {
            connection.hide(&entry.node);
        }
        if FUNCTIONS.contains(&key) {
            connection.mistake_at_key("producer_config", entry, function_advice(key));
            return false;
        }
        let text = match &entry.node.value {
            Value::Null => return true,
            Value::Bool(value) => value.to_string(),
            Value::Number(text) | Value::String(text) => text.clone(),
            Value::List(_) | Value::Map(_) => {
                let expected = "expected a string, a number or a boolean";
                connection.mistake_at_value("producer_config", entry, expected);
                return false;
            }
            _ => return false,
        };
        let mut single = ClientConfig::new();
        single.set(key, &text);
        if let Err(KafkaError::ClientConfig(_, message, ..)) = single.create_native_config() {
            // An unknown property: the key is the mistake, and its value may be a secret.
            if message.contains("No such configuration property") {
                connection.mistake_at_key("producer_config", entry, message);
            } else {
                connection.mistake_at_value("producer_config", entry, message);
            }
            return false;
        }
        if is_secret {
            self.secrets.push(text.clone());
        }
        self.properties.push((key.to_owned(), text));
        true
    }

    fn finish(mut self) -> Self {
        if let Some(bootstrap) = self.get(&BOOTSTRAP) {
            self.bootstrap = bootstrap.to_owned();
        }
        let rules_out = |names: &[&str], is_fine: fn(&str) -> bool| {
            self.get(names).is_some_and(|value| !is_fine(value.trim()))
        };
        self.is_idempotent_by_default = self.get(&[IDEMPOTENCE]).is_none()
            && !rules_out(&ACKS, |acks| acks.eq_ignore_ascii_case("all") || acks == "-1")
            && !rules_out(&IN_FLIGHT, |count| count.parse().is_ok_and(|count: u32| count <= 5))
            && !rules_out(&RETRIES, |count| count != "0")
            && !rules_out(&["queuing.strategy"], |strategy| strategy == "fifo");
        let timeout = self.get(&MESSAGE_TIMEOUTS).and_then(|millis| millis.trim().parse().ok());
        self.message_timeout = timeout.map_or(self.message_timeout, Duration::from_millis);
        self
    }

    /// The properties of the client. Without idempotence, order needs one request in flight per connection.
    pub(in crate::sink::datahub_kafka) fn client(&self, idempotence: Idempotence) -> ClientConfig {
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", &self.bootstrap);
        client.set("message.timeout.ms", self.message_timeout.as_millis().to_string());
        // The sink bounds what is pending itself.
        client.set("queue.buffering.max.messages", "0");
        client.set("queue.buffering.max.kbytes", "2097151");
        for (key, value) in &self.properties {
            client.set(key, value);
        }
        match idempotence {
            Idempotence::On => {
                client.set(IDEMPOTENCE, "true");
            }
            Idempotence::Recipe if self.get(&[IDEMPOTENCE]).is_some_and(is_true) => {}
            Idempotence::Recipe | Idempotence::Refused => {
                if self.get(&IN_FLIGHT).is_none() {
                    client.set("max.in.flight.requests.per.connection", "1");
                }
            }
        }
        client.set_log_level(RDKafkaLogLevel::Debug);
        client
    }

    /// How idempotence starts.
    pub(in crate::sink::datahub_kafka) fn idempotence(&self) -> Idempotence {
        if self.is_idempotent_by_default { Idempotence::On } else { Idempotence::Recipe }
    }

    /// A warning if the broker does not acknowledge what it has stored safely.
    pub(in crate::sink::datahub_kafka) fn acks_warning(&self) -> Option<String> {
        let acks = self.get(&ACKS).map(str::trim)?;
        let means = match acks {
            "0" => "a proposal counts as delivered when it is sent, whether a broker has it or not",
            "1" => "a proposal counts as delivered when one broker has it, and is lost if that broker fails",
            _ => return None,
        };
        Some(format!("`sink.config.connection.producer_config.acks` is {acks}: {means}"))
    }

    /// User and password of SASL, which a registry may take as well.
    pub(super) fn sasl(&self) -> Option<(&str, &str)> {
        Some((self.get(&["sasl.username"])?, self.get(&["sasl.password"])?))
    }

    /// The secrets among the properties.
    pub(in crate::sink::datahub_kafka) fn secrets(&self) -> impl Iterator<Item = &str> {
        self.secrets.iter().map(String::as_str)
    }

    /// The last value of a property, which has one of these names.
    fn get(&self, names: &[&str]) -> Option<&str> {
        let mut properties = self.properties.iter().rev();
        properties.find(|(key, _)| names.contains(&key.as_str())).map(|(_, value)| value.as_str())
    }
}

/// The part that decides whether a producer is idempotent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sink::datahub_kafka) enum Idempotence {
    /// It is, by default.
    On,
    /// The recipe.
    Recipe,
    /// The broker has refused it.
    Refused,
}

fn is_true(text: &str) -> bool {
    matches!(text.trim().to_ascii_lowercase().as_str(), "true" | "t" | "1")
}

fn function_advice(key: &str) -> &'static str {
    if key == "oauth_cb" {
        "a Python function, which this program does not run: set `sasl.oauthbearer.method=oidc` with \
         `sasl.oauthbearer.client.id`, `sasl.oauthbearer.client.secret` and `sasl.oauthbearer.token.endpoint.url`"
    } else {
        "a Python function, which this program does not run: remove it"
    }
}

/// The mistake in the address of a broker.
fn address_mistake(address: &str) -> Option<String> {
    let address = address.trim();
    // librdkafka takes a security protocol before the host.
    let (scheme, rest) = address.split_once("://").unwrap_or(("", address));
    let is_scheme = ["", "plaintext", "ssl", "sasl_plaintext", "sasl_ssl"]
        .iter()
        .any(|known| known.eq_ignore_ascii_case(scheme));
    let port = match rest.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() => port.parse::<u16>().is_ok_and(|port| port > 0),
        Some(_) => false,
        None => !rest.is_empty(),
    };
    // An IPv6 address without a port has colons too.
    let is_address = port || (rest.starts_with('[') && rest.ends_with(']'));
    let is_legal = rest.chars().all(|character| {
        character.is_alphanumeric() || matches!(character, '.' | '-' | '_' | ':' | '[' | ']' | '%')
    });
    (!is_scheme || !is_address || !is_legal)
        .then(|| "expected the addresses of Kafka brokers, `host:port`, separated by commas".to_owned())
}

/// Values are left out: they may be secrets.
impl fmt::Debug for ProducerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<&str> = self.properties.iter().map(|(key, _)| key.as_str()).collect();
        f.debug_struct("ProducerConfig")
            .field("bootstrap", &self.bootstrap)
            .field("properties", &keys)
            .finish_non_exhaustive()
    }
}
