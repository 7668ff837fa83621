//! The report of a run, for programs.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;

use super::output_file::{self, OutputFile};
use crate::clock::Clock;
use crate::diagnosis::{RenderedDiagnosis, Renderer};
use crate::platform::Platform;
use crate::sink::{RequestCounts, SinkDestination, TokenReport};
use crate::transform::TransformerCounts;
use crate::{Error, ErrorKind};

/// The name and version of the report's format.
pub const SCHEMA: &str = "datahub-emit/report/1";

/// The report of a run. Serialised, it is the JSON report.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// The name and version of the format, [`SCHEMA`].
    pub schema: &'static str,
    /// How the run ended.
    pub outcome: RunOutcome,
    /// The run's id; `None` if no run started because of mistakes in the recipe.
    pub run_id: Option<String>,
    /// The pipeline that the run belongs to.
    pub pipeline_name: Option<String>,
    /// When the run started, RFC 3339.
    pub started_at: String,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// The source and its counts.
    pub source: SourceReport,
    /// The transformers, in order.
    pub transformers: Vec<TransformerReport>,
    /// Where it went.
    pub sink: ReportedSink,
    /// The outcomes of the proposals.
    pub proposals: ProposalCounts,
    /// HTTP requests that carried proposals.
    pub requests: RequestCounts,
    /// Stateful ingestion.
    pub state: StateReport,
    /// The token that was used, without the token.
    pub token: TokenReport,
    /// Why the run was refused, or what could not be reached.
    pub diagnosis: Option<RenderedDiagnosis>,
    /// Proposals and records that were not delivered: the first 100 rejected and invalid ones, and one
    /// undelivered proposal for each of the first 10 reasons.
    pub failures: Vec<Failure>,
    /// The dead-letter file.
    pub dead_letters: DeadLetterReport,
    /// Where a later run can continue.
    pub resume: Option<Resume>,
    /// Warnings for the user.
    pub warnings: Vec<String>,
}

/// How a run ended, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum RunOutcome {
    /// Every proposal was delivered.
    Delivered,
    /// The run finished, but not every record and proposal was delivered.
    Partial,
    /// GMS refused the caller.
    Refused,
    /// GMS could not be reached, or what answered is not a GMS.
    Unreachable,
    /// The run was stopped.
    Interrupted,
    /// The recipe or its input is wrong; nothing was sent.
    Invalid,
    /// A dry run or a preview.
    DryRun,
}

/// The source of a run and its counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SourceReport {
    /// The recipe's `source.type`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Records that were read, invalid and ignored ones included.
    pub records: u64,
    /// Bytes that were read, compressed ones as they are on the disk.
    pub bytes: u64,
    /// Records that could not be understood.
    pub invalid: u64,
    /// Records that the source ignores by design.
    pub ignored: u64,
    /// Whether the source was read to its end.
    pub complete: bool,
    /// Where the source runs.
    pub runs_in: RunsIn,
    /// The source's own report; `None` for a source of this crate.
    pub report: Option<serde_json::Value>,
}

/// Where a source runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum RunsIn {
    /// In this process.
    #[default]
    Native,
    /// In a child process that runs DataHub's Python client.
    Python,
}

/// A transformer of a run, and what it has done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TransformerReport {
    /// The `type` in the recipe.
    #[serde(rename = "type")]
    pub kind: String,
    /// Where it ran: `native` or `python`.
    pub runs_in: &'static str,
    /// Proposals that it changed or omitted.
    pub changed: u64,
    /// Proposals that it added.
    pub added: u64,
}

impl TransformerReport {
    /// A transformer in a child process, which does not report what it has changed.
    pub(super) fn python(kind: &str) -> Self {
        Self { kind: kind.to_owned(), runs_in: "python", changed: 0, added: 0 }
    }

    pub(super) fn native(counts: &TransformerCounts) -> Self {
        Self { kind: counts.kind.clone(), runs_in: "native", changed: counts.changed, added: counts.added }
    }
}

/// Where the proposals went.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ReportedSink {
    /// The recipe's `sink.type`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// The sink's own information about where it wrote.
    #[serde(flatten)]
    pub destination: SinkDestination,
}

/// The outcomes of a run's proposals. `read` is the sum of the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ProposalCounts {
    /// All that were read.
    pub read: u64,
    /// Delivered by the sink.
    pub delivered: u64,
    /// Rejected, and written to the dead-letter file.
    pub rejected: u64,
    /// Read, but without a final outcome.
    pub undelivered: u64,
    /// Omitted on request.
    pub filtered: u64,
}

impl ProposalCounts {
    /// Every proposal that was read and has no other outcome is undelivered, so the counts always add up.
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

/// The outcome of stateful ingestion.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct StateReport {
    /// Whether the state checkpoint was written.
    pub state_checkpoint: StateCheckpoint,
    /// The entities of this run's source that belong to the state.
    pub entities: u64,
    /// Entities that were marked as removed; in a dry run, those that would be.
    pub removed: u64,
    /// Why the state checkpoint was not written, or nothing was removed.
    pub reason: Option<String>,
}

/// Whether the state checkpoint was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum StateCheckpoint {
    /// It was written.
    Committed,
    /// It was not written: the earlier one stays.
    Skipped,
    /// The recipe keeps no state.
    #[default]
    Off,
}

/// A proposal or a record that was not delivered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Failure {
    /// File and number of the record, as in `mcps.json#12`.
    pub origin: Option<String>,
    /// The entity; `None` for a record that was not understood.
    pub urn: Option<String>,
    /// The aspect; `None` for a record that was not understood.
    pub aspect: Option<String>,
    /// The HTTP status, if a server rejected it.
    pub status: Option<u16>,
    /// The reason.
    pub message: String,
    /// The kind of failure. Not part of the JSON, where the other members show it.
    #[serde(skip)]
    pub kind: FailureKind,
}

/// The kind of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FailureKind {
    /// The run as a whole.
    Run,
    /// A record that could not be understood.
    Invalid,
    /// A rejected proposal.
    Rejected,
    /// An undelivered proposal.
    Undelivered,
}

impl Failure {
    /// A failure of a record or a proposal that is not named.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { origin: None, urn: None, aspect: None, status: None, message: message.into(), kind }
    }

    /// A failure that ended the run as a whole.
    pub(super) fn of_run(error: &Error, renderer: &dyn Renderer) -> Self {
        let message = error
            .diagnosis()
            .map_or_else(|| error.full_message(), |diagnosis| renderer.summary(&diagnosis.summary));
        Self::new(FailureKind::Run, message)
    }
}

/// The dead-letter file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DeadLetterReport {
    /// The file; `None` if nothing was written.
    pub path: Option<PathBuf>,
    /// Dead letters that this run wrote.
    pub records: u64,
}

/// Where a later run can continue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Resume {
    /// The number of the first unfinished record.
    pub from_record: u64,
    /// Finished records behind it, which are skipped.
    pub skipped_records: u64,
    /// The path of the checkpoint.
    pub checkpoint: PathBuf,
    /// The command to type.
    pub command: String,
}

impl Report {
    /// The report of a run that could not start because of `error`, and ends now.
    pub fn without_run(
        error: &Error,
        started_at: Timestamp,
        clock: &dyn Clock,
        renderer: &dyn Renderer,
    ) -> Self {
        Self {
            schema: SCHEMA,
            outcome: RunOutcome::of_failure(error.kind()),
            run_id: None,
            pipeline_name: None,
            started_at: started_at.to_string(),
            duration_ms: elapsed_ms(started_at, clock.now()),
            source: SourceReport::default(),
            transformers: Vec::new(),
            sink: ReportedSink::default(),
            proposals: ProposalCounts::default(),
            requests: RequestCounts::default(),
            state: StateReport::default(),
            token: TokenReport::default(),
            diagnosis: error.diagnosis().map(|diagnosis| diagnosis.render(renderer)),
            failures: vec![Failure::of_run(error, renderer)],
            dead_letters: DeadLetterReport::default(),
            resume: None,
            warnings: Vec::new(),
        }
    }

    /// The report as JSON text that ends with a line end.
    ///
    /// # Errors
    /// Never in practice, because every member can be serialised. The error is of kind
    /// [`ErrorKind::Internal`].
    pub fn to_json(&self) -> Result<Vec<u8>, Error> {
        let mut text = serde_json::to_vec_pretty(self).map_err(|error| {
            Error::new(ErrorKind::Internal, "the report cannot be serialised").with_source(error)
        })?;
        text.push(b'\n');
        Ok(text)
    }

    /// Writes the report to `path`, which is replaced as a whole.
    ///
    /// # Errors
    /// Of kind [`ErrorKind::Disk`] when it cannot be written.
    pub fn write_to(&self, path: &Path, platform: &Platform) -> Result<(), Error> {
        output_file::write(platform, path, OutputFile::Report, &self.to_json()?)
    }
}

impl RunOutcome {
    /// The outcome of a run that failed, or could not start, with an error of `kind`.
    pub(super) fn of_failure(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Input | ErrorKind::Locked => Self::Invalid,
            ErrorKind::Refused => Self::Refused,
            ErrorKind::Unreachable => Self::Unreachable,
            ErrorKind::OutputClosed => Self::Interrupted,
            _ => Self::Partial,
        }
    }

    /// The name in the report.
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

/// Milliseconds from `start` to `now`; 0 if the clock was set back.
pub(super) fn elapsed_ms(start: Timestamp, now: Timestamp) -> u64 {
    let elapsed = now.duration_since(start);
    u64::try_from(elapsed.as_millis()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
