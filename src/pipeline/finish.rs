//! Finishes a run: leaves the checkpoint, and writes the report.

use std::path::PathBuf;
use std::sync::Arc;

use super::checkpoint::CheckpointWriter;
use super::dead_letter::DeadLetterWriter;
use super::forward::RunResult;
use super::limits;
use super::lock::RunLock;
use super::outcome_counter::OutcomeCounter;
use super::report::{
    self, Failure, ProposalCounts, Report, ReportedSink, Resume, RunOutcome, SCHEMA, SourceReport,
    StateReport, TransformerReport,
};
use super::settings::RunSettings;
use crate::metadata::Urn;
use crate::sink::SinkReport;
use crate::source::RecordFeedback;
use crate::{Error, ErrorKind};

/// A run that has ended, successful or not, and whose report is written.
#[derive(Debug)]
#[non_exhaustive]
pub struct FinishedRun {
    /// The report.
    pub report: Report,
    /// The error that ended the run before the end of its source.
    pub failure: Option<Error>,
    /// How to inspect what was delivered to the embedded GMS; `None` if the run did not write to it.
    pub inspect_hint: Option<InspectHint>,
    /// Bytes of the source that the run had to read, where that is known.
    pub source_bytes: Option<u64>,
    /// Remarks for the user that need no action.
    pub notes: Vec<String>,
    /// The dead letters that were sent again, if the run was a [replay](super::Pipeline::replay).
    pub replayed: Option<PathBuf>,
    /// The run did nothing because another run of the pipeline was in progress
    /// ([`IfRunning::Skip`](super::IfRunning::Skip)).
    pub skipped: bool,
}

/// A suggestion what to inspect in the embedded GMS after a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct InspectHint {
    /// An entity that was delivered.
    pub urn: Option<Urn>,
    /// The embedded GMS's data file, if it is not the default one.
    pub data: Option<PathBuf>,
}

impl FinishedRun {
    /// A run with this report, and without the other members.
    pub fn new(report: Report, failure: Option<Error>) -> Self {
        Self {
            report,
            failure,
            inspect_hint: None,
            source_bytes: None,
            notes: Vec::new(),
            replayed: None,
            skipped: false,
        }
    }
}

/// The state of a run at its end, before its report is written.
#[derive(Default)]
pub(super) struct EndedRun {
    pub(super) result: RunResult,
    /// `None` if it ended before its source was opened.
    pub(super) counter: Option<Arc<OutcomeCounter>>,
    pub(super) sink: SinkReport,
    pub(super) state: StateReport,
    pub(super) transformers: Vec<TransformerReport>,
    pub(super) source_bytes: Option<u64>,
    /// The source's bytes that an earlier run has read.
    pub(super) start_byte: u64,
    pub(super) checkpoint: Option<CheckpointWriter>,
    /// The source learns when nothing of it is left to deliver.
    pub(super) feedback: Option<Arc<dyn RecordFeedback>>,
    pub(super) notes: Vec<String>,
    pub(super) warnings: Vec<String>,
    pub(super) is_skipped: bool,
    #[expect(dead_code, reason = "held until the checkpoint and the reports are written")]
    pub(super) lock: Option<RunLock>,
}

impl EndedRun {
    pub(super) fn failed(error: Error) -> Self {
        Self { result: RunResult::failed(error), ..Self::default() }
    }

    pub(super) fn interrupted() -> Self {
        Self { result: RunResult::interrupted(), ..Self::default() }
    }

    pub(super) fn skipped() -> Self {
        Self { is_skipped: true, ..Self::default() }
    }

    /// Leaves the checkpoint and writes the report files. `warnings` are those about the recipe.
    pub(super) async fn finish(mut self, settings: RunSettings, mut warnings: Vec<String>) -> FinishedRun {
        warnings.append(&mut self.warnings);
        warnings.append(&mut settings.control.take_source_warnings());
        warnings.append(&mut self.sink.warnings);
        let proposals = self.counter.as_deref().map(OutcomeCounter::counts).unwrap_or_default();
        if self.result.failure.is_none() && !self.is_skipped {
            self.result.failure = self.exceeded_limit(&settings);
        }
        let resume = self.leave_checkpoint(&settings, &proposals).await;
        if self.is_skipped {
            warnings.push("skipped: another run of this pipeline is in progress".into());
        }
        let counter = self.counter.as_deref();
        if counter.is_some_and(OutcomeCounter::has_dropped) {
            warnings.push("a proposal was lost, and counts as undelivered; please report this".into());
        }
        let mut report = self.report(&settings, self.result.failure.as_ref());
        report.source.report = settings.control.source_report();
        report.resume = resume;
        report.warnings = warnings;
        for path in &settings.report_paths {
            if let Err(error) = report.write_to(path, &settings.platform) {
                report.warnings.push(error.full_message());
                // An error that ended the run before matters more than a missing report.
                self.result.failure.get_or_insert(error);
            }
        }
        let inspect_hint = settings.embedded.filter(|_| settings.sends).map(|embedded| InspectHint {
            urn: counter.and_then(OutcomeCounter::example).cloned(),
            data: embedded.data,
        });
        FinishedRun {
            inspect_hint,
            source_bytes: self.source_bytes.map(|bytes| bytes.saturating_sub(self.start_byte)),
            notes: self.notes,
            replayed: settings.replay.map(|replay| replay.path().to_owned()),
            report,
            failure: self.result.failure,
            skipped: self.is_skipped,
        }
    }

    /// The report of the run as it is now, for a reader that gets it before the run is at its end.
    pub(super) fn preliminary_report(&self, settings: &RunSettings) -> Report {
        let exceeded = if self.result.failure.is_none() { self.exceeded_limit(settings) } else { None };
        let mut report = self.report(settings, self.result.failure.as_ref().or(exceeded.as_ref()));
        report.source.report = settings.control.source_report();
        report.warnings.extend(self.warnings.iter().chain(&self.sink.warnings).cloned());
        report
    }

    /// The report, without the source's own report, warnings, and where a later run continues.
    fn report(&self, settings: &RunSettings, failure: Option<&Error>) -> Report {
        let counter = self.counter.as_deref();
        let mut failures = counter.map(OutcomeCounter::listed_failures).unwrap_or_default();
        if let Some(failure) = failure.filter(|failure| failure.diagnosis().is_none()) {
            failures.insert(0, Failure::of_run(failure, &*settings.renderer));
        }
        let proposals = counter.map(OutcomeCounter::counts).unwrap_or_default();
        let invalid = counter.map(OutcomeCounter::invalid_records).unwrap_or_default();
        let progress = settings.control.progress();
        Report {
            schema: SCHEMA,
            outcome: outcome(&self.result, failure, &proposals, invalid, settings.sends),
            run_id: Some(settings.run_id.clone()),
            pipeline_name: settings.pipeline_name.clone(),
            started_at: settings.started_at.to_string(),
            duration_ms: report::elapsed_ms(settings.started_at, settings.platform.clock.now()),
            source: SourceReport {
                kind: Some(settings.source_type.clone()),
                records: progress.records,
                bytes: progress.source.bytes.saturating_sub(self.start_byte),
                invalid,
                ignored: self.result.ignored,
                complete: self.result.is_complete,
                runs_in: settings.source_runs_in,
                report: None,
            },
            transformers: self.transformers.clone(),
            sink: ReportedSink {
                kind: Some(settings.sink_type.clone()),
                destination: self.sink.destination.clone(),
            },
            proposals,
            requests: self.sink.requests,
            state: self.state.clone(),
            token: self.sink.token.clone(),
            diagnosis: failure
                .and_then(Error::diagnosis)
                .map(|diagnosis| diagnosis.render(&*settings.renderer)),
            failures,
            dead_letters: counter
                .and_then(OutcomeCounter::dead_letters)
                .map(DeadLetterWriter::report)
                .unwrap_or_default(),
            resume: None,
            warnings: Vec::new(),
        }
    }

    /// The limit that the run has reached, if nothing else has ended it.
    fn exceeded_limit(&self, settings: &RunSettings) -> Option<Error> {
        let proposals = self.counter.as_deref().map(OutcomeCounter::counts).unwrap_or_default();
        let invalid = self.counter.as_deref().map(OutcomeCounter::invalid_records).unwrap_or_default();
        let all_delivered = proposals.rejected + proposals.undelivered + invalid == 0;
        if let Some(limit) = settings.control.limit() {
            // A deadline has no effect once everything is delivered.
            return (!(self.result.is_complete && all_delivered)).then(|| limits::error(limit));
        }
        let counter =
            self.counter.as_ref().filter(|_| self.result.is_complete && !self.result.is_interrupted)?;
        let (failed, settled) = counter.failed();
        settings.limits.exceeded_at_end(failed, settled, counter.counts().read).map(limits::error)
    }

    fn source_is_done(&self) {
        if let Some(feedback) = &self.feedback {
            feedback.completed();
        }
    }

    /// Leaves a checkpoint if anything is unfinished, and returns where a later run continues.
    async fn leave_checkpoint(
        &mut self,
        settings: &RunSettings,
        proposals: &ProposalCounts,
    ) -> Option<Resume> {
        let Some(checkpoint) = self.checkpoint.take() else {
            // No later run can continue this one.
            self.source_is_done();
            return None;
        };
        let dead_letters_synced = self.counter.as_ref().is_none_or(|counter| counter.sync_dead_letters());
        // The user has to correct the recipe or the input first: a run that has not started leaves nothing.
        let failure_kind = self.result.failure.as_ref().map(Error::kind);
        if failure_kind == Some(ErrorKind::Input) && proposals.read == 0 {
            self.source_is_done();
            return None;
        }
        // Additions of transformers have no record: a run that did not deliver all of them is not complete.
        // All that a failed source has emitted is here.
        let is_at_end = self.result.is_complete || failure_kind == Some(ErrorKind::Source);
        let is_complete = is_at_end && proposals.undelivered == 0;
        let failed = self.counter.as_ref().map(|counter| counter.failed().0).unwrap_or_default();
        let (point, error) = checkpoint.finish(is_complete, failed, dead_letters_synced).await;
        if let Some(error) = error {
            self.result.failure.get_or_insert(error);
        }
        let Some(point) = point else {
            self.source_is_done();
            return None;
        };
        Some(Resume {
            from_record: point.from_record,
            skipped_records: point.skipped,
            checkpoint: point.checkpoint,
            command: settings.resume_command.clone(),
        })
    }
}

fn outcome(
    result: &RunResult,
    failure: Option<&Error>,
    proposals: &ProposalCounts,
    invalid: u64,
    sends: bool,
) -> RunOutcome {
    let all_delivered = proposals.rejected + proposals.undelivered + invalid == 0;
    match failure {
        Some(error)
            if matches!(
                error.kind(),
                ErrorKind::Refused | ErrorKind::Disk | ErrorKind::Limit | ErrorKind::OutputClosed
            ) =>
        {
            RunOutcome::of_failure(error.kind())
        }
        _ if result.is_interrupted && !(result.is_complete && all_delivered) => RunOutcome::Interrupted,
        // `invalid` promises that nothing was sent.
        Some(error) if error.kind() == ErrorKind::Input && proposals.read > 0 => RunOutcome::Partial,
        Some(error) => RunOutcome::of_failure(error.kind()),
        None if !sends => RunOutcome::DryRun,
        None if all_delivered => RunOutcome::Delivered,
        None => RunOutcome::Partial,
    }
}
