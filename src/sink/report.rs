//! The sink's part of a run report.

use serde::{Serialize, Serializer};

use super::datahub_rest::SinkMode;
use crate::diagnosis::TokenSource;
use crate::gms::Endpoint;

/// The sink's part of a run report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SinkReport {
    /// Where the proposals went.
    pub destination: SinkDestination,
    /// HTTP requests that carried proposals.
    pub requests: RequestCounts,
    /// The token that was used.
    pub token: TokenReport,
    /// Warnings for the user.
    pub warnings: Vec<String>,
}

impl SinkReport {
    /// A sink that sends no requests and uses no token.
    pub fn of_destination(destination: SinkDestination) -> Self {
        Self { destination, ..Self::default() }
    }
}

/// Where the proposals of a run went.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SinkDestination {
    /// The server's address, without credentials; for Kafka, the addresses of the brokers.
    pub server: Option<String>,
    /// The server's version, as its `/config` says.
    pub gms_version: Option<String>,
    /// The interface that the proposals went through.
    pub endpoint: Option<SinkEndpoint>,
    /// The sink's mode.
    pub mode: Option<SinkMode>,
    /// The state of a delivered proposal.
    pub delivered_means: Option<DeliveredMeans>,
}

impl SinkDestination {
    /// A file or a stream.
    pub fn written() -> Self {
        Self { delivered_means: Some(DeliveredMeans::Written), ..Self::default() }
    }
}

/// The interface that the proposals of a run went through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum SinkEndpoint {
    /// GMS's Rest.li interface.
    Restli,
    /// GMS's OpenAPI interface.
    Openapi,
    /// The Kafka topic that DataHub's consumers read.
    Kafka,
}

impl From<Endpoint> for SinkEndpoint {
    fn from(endpoint: Endpoint) -> Self {
        match endpoint {
            Endpoint::Restli => Self::Restli,
            Endpoint::Openapi => Self::Openapi,
        }
    }
}

/// The state of a delivered proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum DeliveredMeans {
    /// GMS or a Kafka broker has queued it.
    Queued,
    /// GMS has written it to its database.
    Stored,
    /// GMS has written it to its database and to its search index.
    Indexed,
    /// It was written to a file or a stream.
    Written,
}

/// HTTP requests that carried proposals; for Kafka, its messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RequestCounts {
    /// Attempts, retries included.
    pub sent: u64,
    /// Attempts after the first one of a request.
    pub retried: u64,
    /// Batches that were bisected because GMS rejected them.
    pub split: u64,
    /// Bytes of the request bodies.
    pub bytes: u64,
}

/// The token that was used, without the token itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TokenReport {
    /// Where it comes from; `None`, serialised as `none`, if there is no token.
    #[serde(serialize_with = "source_or_none")]
    pub source: Option<TokenSource>,
    /// The URN of its owner, from its claims.
    pub actor: Option<String>,
    /// Its kind, from its claims: `PERSONAL`, `SESSION` or `SERVICE_ACCOUNT`.
    pub kind: Option<String>,
    /// When it expires, RFC 3339.
    pub expires_at: Option<String>,
}

#[expect(clippy::ref_option, reason = "the signature that `serialize_with` requires")]
fn source_or_none<S: Serializer>(source: &Option<TokenSource>, serializer: S) -> Result<S::Ok, S::Error> {
    match source {
        Some(source) => serializer.collect_str(source),
        None => serializer.serialize_str("none"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_json_has_the_names_of_recipes_and_reports() {
        let mut destination = SinkDestination::default();
        for (endpoint, mode, expected) in [
            (Endpoint::Restli, SinkMode::AsyncBatch, ("restli", "ASYNC_BATCH")),
            (Endpoint::Openapi, SinkMode::Async, ("openapi", "ASYNC")),
            (Endpoint::Openapi, SinkMode::Sync, ("openapi", "SYNC")),
        ] {
            (destination.endpoint, destination.mode) = (Some(endpoint.into()), Some(mode));
            let json = serde_json::to_value(&destination).unwrap();
            assert_eq!((&json["endpoint"], &json["mode"]), (&expected.0.into(), &expected.1.into()));
        }
        let source = |source| {
            let token = TokenReport { source, ..TokenReport::default() };
            serde_json::to_value(token).unwrap()["source"].clone()
        };
        assert_eq!(source(None), "none");
        assert_eq!(source(Some(TokenSource::Recipe)), "recipe");
        assert_eq!(source(Some(TokenSource::Environment("NAME".into()))), "env:NAME");
        assert_eq!(source(Some(TokenSource::File("/run/token".into()))), "file:/run/token");
    }
}
