//! What a run says of itself, for machines: the report.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::whole_file;
use crate::diagnosis::{RenderedDiagnosis, Renderer};
use crate::sink::{RequestCounts, SinkSummary, TokenSummary};
use crate::{Error, ErrorKind};

/// The name and version of the report's form.
pub const SCHEMA: &str = "datahub-emit/report/1";

/// What messages call the file.
pub(super) const WHAT: &str = "the report";

/// Everything that a run can say of itself. Serialised, it is the JSON report.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// The name and version of this form, [`SCHEMA`].
    pub schema: &'static str,
    /// How the run ended.
    pub outcome: RunOutcome,
    /// The run's name; `None` where the recipe was so wrong that no run began.
    pub run_id: Option<String>,
    /// The pipeline that the run belongs to.
    pub pipeline_name: Option<String>,
    /// When it began, RFC 3339.
    pub started_at: String,
    /// How long it took.
    pub duration_ms: u64,
    /// What was read.
    pub source: SourceReport,
    /// Where it went.
    pub sink: SinkReport,
    /// What became of the proposals.
    pub proposals: ProposalCounts,
    /// HTTP requests that carried proposals.
    pub requests: RequestReport,
    /// The token that was used, without the token.
    pub token: TokenReport,
    /// Why the run was refused, or what could not be reached.
    pub diagnosis: Option<RenderedDiagnosis>,
    /// Proposals and records that were not delivered: the first hundred, each with its reason.
    pub failures: Vec<Failure>,
    /// Where rejected and invalid records are kept.
    pub dead_letters: DeadLetterReport,
    /// Where a later run could go on.
    pub resume: Option<Resume>,
    /// Things that the user should know.
    pub warnings: Vec<String>,
}

/// How a run ended, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum RunOutcome {
    /// Every proposal was delivered.
    Delivered,
    /// The run came to its end, but not every record and proposal was delivered.
    Partial,
    /// GMS refused the caller.
    Refused,
    /// GMS could not be reached, or what answered was no GMS.
    Unreachable,
    /// Someone stopped it.
    Interrupted,
    /// The recipe or its input is wrong; nothing was sent.
    Invalid,
    /// Nothing was to be sent: a dry run or a preview.
    DryRun,
}

/// What was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SourceReport {
    /// The recipe's `source.type`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Records that were read, invalid and ignored ones included.
    pub records: u64,
    /// Bytes that were read, of the files as they lie on the disk.
    pub bytes: u64,
    /// Records that could not be understood.
    pub invalid: u64,
    /// Records that are passed over by design.
    pub ignored: u64,
    /// Whether the source was read to its end.
    pub complete: bool,
}

/// Where the proposals went.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SinkReport {
    /// The recipe's `sink.type`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// The server's address, without credentials.
    pub server: Option<String>,
    /// The server's version.
    pub gms_version: Option<String>,
    /// `restli` or `openapi`.
    pub endpoint: Option<&'static str>,
    /// The sink's mode, for example `ASYNC_BATCH`.
    pub mode: Option<&'static str>,
    /// What a delivery means: `queued`, `stored`, `indexed` or `written`.
    pub delivered_means: Option<&'static str>,
}

impl SinkReport {
    pub(super) fn new(kind: &str, summary: &SinkSummary) -> Self {
        Self {
            kind: Some(kind.to_owned()),
            server: summary.server.clone(),
            gms_version: summary.gms_version.clone(),
            endpoint: summary.endpoint,
            mode: summary.mode,
            delivered_means: Some(summary.delivered_means).filter(|means| !means.is_empty()),
        }
    }
}

/// What became of the proposals. `read` is the sum of the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ProposalCounts {
    /// All that were read.
    pub read: u64,
    /// The sink took them.
    pub delivered: u64,
    /// They were refused for what they are, and are kept in the dead-letter file.
    pub rejected: u64,
    /// They were read and not settled.
    pub undelivered: u64,
    /// They were left out by request.
    pub filtered: u64,
}

impl ProposalCounts {
    /// Whatever was read and has no other end is undelivered, so that nothing can be missing from the sum.
    pub(super) fn new(read: u64, delivered: u64, rejected: u64, filtered: u64) -> Self {
        let undelivered = read.saturating_sub(delivered + rejected + filtered);
        Self {
            read: delivered + rejected + undelivered + filtered,
            delivered,
            rejected,
            undelivered,
            filtered,
        }
    }
}

/// HTTP requests that carried proposals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RequestReport {
    /// Attempts, retries included.
    pub sent: u64,
    /// Attempts after the first.
    pub retried: u64,
    /// Batches taken apart because GMS rejected them.
    pub split: u64,
    /// Bytes of their bodies.
    pub bytes: u64,
}

impl From<RequestCounts> for RequestReport {
    fn from(counts: RequestCounts) -> Self {
        Self { sent: counts.sent, retried: counts.retried, split: counts.split, bytes: counts.bytes }
    }
}

/// The token that was used, without the token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TokenReport {
    /// Where it came from; `none` if there was none.
    pub source: String,
    /// Whose it is, from its claims.
    pub actor: Option<String>,
    /// Its kind, from its claims.
    pub kind: Option<String>,
    /// When it expires, RFC 3339.
    pub expires_at: Option<String>,
}

impl Default for TokenReport {
    fn default() -> Self {
        Self::from(TokenSummary::default())
    }
}

impl From<TokenSummary> for TokenReport {
    fn from(summary: TokenSummary) -> Self {
        let source = if summary.source.is_empty() { "none".to_owned() } else { summary.source };
        Self { source, actor: summary.actor, kind: summary.kind, expires_at: summary.expires_at }
    }
}

/// A proposal or a record that was not delivered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// File and number of the record, as in `mcps.json#12`.
    pub origin: Option<String>,
    /// The entity; `None` for a record that was not understood.
    pub urn: Option<String>,
    /// The aspect; `None` for a record that was not understood.
    pub aspect: Option<String>,
    /// The HTTP status, where a server said no.
    pub status: Option<u16>,
    /// The reason.
    pub message: String,
    /// What it is a failure of. Machines see it in the members that are there.
    #[serde(skip)]
    pub kind: FailureKind,
}

/// What a [`Failure`] is a failure of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FailureKind {
    /// It ended the run as a whole.
    Run,
    /// A record was not understood.
    Invalid,
    /// A proposal was refused for what it is.
    Rejected,
    /// A proposal was read and not settled.
    Undelivered,
}

impl Failure {
    /// What ended the run as a whole.
    pub(super) fn of_run(error: &Error, renderer: &dyn Renderer) -> Self {
        let message = error
            .diagnosis()
            .map_or_else(|| error.full_message(), |diagnosis| renderer.summary(&diagnosis.summary));
        Self { origin: None, urn: None, aspect: None, status: None, message, kind: FailureKind::Run }
    }
}

/// Where rejected and invalid records are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DeadLetterReport {
    /// The file; `None` if nothing was written.
    pub path: Option<PathBuf>,
    /// Letters that this run wrote.
    pub records: u64,
}

/// Where a later run could go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Resume {
    /// The first record that is read.
    pub from_record: u64,
    /// Records that are passed over.
    pub skipped_records: u64,
    /// The checkpoint's file.
    pub checkpoint: PathBuf,
    /// What to type.
    pub command: String,
}

impl Report {
    /// The report of a run that did not begin because `error` came first.
    pub fn without_run(error: &Error, started_at: jiff::Timestamp, renderer: &dyn Renderer) -> Self {
        Self {
            schema: SCHEMA,
            outcome: RunOutcome::of_failure(error.kind()),
            run_id: None,
            pipeline_name: None,
            started_at: started_at.to_string(),
            duration_ms: elapsed_ms(started_at),
            source: SourceReport::default(),
            sink: SinkReport::default(),
            proposals: ProposalCounts::default(),
            requests: RequestReport::default(),
            token: TokenReport::default(),
            diagnosis: error.diagnosis().map(|diagnosis| diagnosis.render(renderer)),
            failures: vec![Failure::of_run(error, renderer)],
            dead_letters: DeadLetterReport::default(),
            resume: None,
            warnings: Vec::new(),
        }
    }

    /// The report as JSON text with a line end.
    ///
    /// # Errors
    /// Never in practice: every member has a JSON form. The error is of kind [`ErrorKind::Internal`].
    pub fn to_json(&self) -> Result<Vec<u8>, Error> {
        let mut text = serde_json::to_vec_pretty(self).map_err(|error| {
            Error::new(ErrorKind::Internal, "the report has no JSON form").with_source(error)
        })?;
        text.push(b'\n');
        Ok(text)
    }

    /// Writes the report to `path`, whole or not at all where `path` is or becomes a regular file.
    ///
    /// # Errors
    /// Of kind [`ErrorKind::Disk`] when it cannot be written.
    pub fn write_to(&self, path: &Path) -> Result<(), Error> {
        whole_file::write(path, WHAT, &self.to_json()?)
    }
}

impl RunOutcome {
    /// The word for a run that ended, or did not begin, with a failure of `kind`.
    pub(super) fn of_failure(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Input | ErrorKind::Locked => Self::Invalid,
            ErrorKind::Refused => Self::Refused,
            ErrorKind::Unreachable => Self::Unreachable,
            ErrorKind::OutputClosed => Self::Interrupted,
            _ => Self::Partial,
        }
    }

    /// The word, as the report spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Partial => "partial",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::Interrupted => "interrupted",
            Self::Invalid => "invalid",
            Self::DryRun => "dry-run",
        }
    }
}

/// Milliseconds since `start`; 0 if the clock was set back.
pub(super) fn elapsed_ms(start: jiff::Timestamp) -> u64 {
    let elapsed = jiff::Timestamp::now().duration_since(start);
    u64::try_from(elapsed.as_millis()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
