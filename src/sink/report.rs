//! The sink's part of a run report.

use serde::Serialize;

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
    /// The server's address, without credentials.
    pub server: Option<String>,
    /// The server's version, as its `/config` says.
    pub gms_version: Option<String>,
    /// `restli` or `openapi`.
    pub endpoint: Option<&'static str>,
    /// The sink's mode, for example `ASYNC_BATCH`.
    pub mode: Option<&'static str>,
    /// The state of a delivered proposal.
    pub delivered_means: Option<DeliveredMeans>,
}

impl SinkDestination {
    /// A file or a stream.
    pub fn written() -> Self {
        Self { delivered_means: Some(DeliveredMeans::Written), ..Self::default() }
    }
}

/// The state of a delivered proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum DeliveredMeans {
    /// GMS has queued it.
    Queued,
    /// GMS has written it to its database.
    Stored,
    /// GMS has written it to its database and to its search index.
    Indexed,
    /// It was written to a file or a stream.
    Written,
}

/// HTTP requests that carried proposals.
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TokenReport {
    /// Where it comes from; `none` if there is none.
    pub source: String,
    /// The URN of its owner, from its claims.
    pub actor: Option<String>,
    /// Its kind, from its claims: `PERSONAL`, `SESSION` or `SERVICE_ACCOUNT`.
    pub kind: Option<String>,
    /// When it expires, RFC 3339.
    pub expires_at: Option<String>,
}

impl Default for TokenReport {
    fn default() -> Self {
        Self { source: "none".into(), actor: None, kind: None, expires_at: None }
    }
}
