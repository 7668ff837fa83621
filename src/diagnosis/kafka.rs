//! The causes of a failure that lie in a Kafka cluster or its schema registry.

use std::fmt;

/// A refusal of a Kafka cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BrokerRefusal {
    /// There is no TLS connection to it.
    Tls,
    /// It does not accept the SASL credentials, or the mechanism.
    Authentication,
    /// The topic does not exist, and the cluster does not create it.
    TopicMissing(String),
    /// The caller may not write to the topic.
    TopicForbidden(String),
    /// The caller may not use the cluster.
    ClusterForbidden,
    /// Another refusal: librdkafka's name of the error.
    Other(String),
}

/// A failure of a schema registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegistryProblem {
    /// It cannot be reached.
    Unreachable,
    /// 401 or 403: it does not accept the credentials.
    Credentials,
    /// 404: it does not know the subject, or the address is not that of a registry.
    NotFound,
    /// 409 or 422: it does not accept the schema.
    Schema,
    /// 429 or 5xx, also after retries.
    ServerError,
    /// The response is not that of a schema registry.
    NotARegistry,
}

impl fmt::Display for BrokerRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tls => f.write_str("there is no TLS connection to the broker"),
            Self::Authentication => f.write_str("the broker does not accept the SASL credentials"),
            Self::TopicMissing(topic) => write!(f, "the topic {topic} does not exist"),
            Self::TopicForbidden(topic) => {
                write!(f, "the broker does not allow writing to the topic {topic}")
            }
            Self::ClusterForbidden => f.write_str("the broker does not allow the caller to use the cluster"),
            Self::Other(error) => write!(f, "the broker refuses what is sent: {error}"),
        }
    }
}

impl fmt::Display for RegistryProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreachable => "cannot be reached",
            Self::Credentials => "does not accept the credentials",
            Self::NotFound => "does not know the topic's schema, or another server answers at that address",
            Self::Schema => "does not accept the schema of metadata change proposals",
            Self::ServerError => "responds with errors",
            Self::NotARegistry => "is not a schema registry",
        })
    }
}
