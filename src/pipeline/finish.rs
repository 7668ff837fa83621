//! What a run leaves behind: the checkpoint, the report, and what the summary is made of.

use super::dead_letter::DeadLetters;
use super::run::Course;
use super::{
    Failure, Finished, Look, Pipeline, ProposalCounts, Report, Resume, Run, RunOutcome, SCHEMA, SinkReport,
    SourceReport, limits, report, summary,
};
use crate::{Error, ErrorKind};

impl Pipeline {
    /// Which bound the run has come up against, if nothing else has ended it.
    fn bound(&self, run: &Run, settled: bool) -> Option<Error> {
        if let Some(bound) = self.control.bound() {
            // A deadline that comes when all is done is none.
            return (!(run.course.complete && settled)).then(|| limits::error(bound));
        }
        let tally = run.tally.as_ref().filter(|_| run.course.complete && !run.course.interrupted)?;
        let (failed, all) = tally.failed();
        self.config.limits.exceeded_at_end(failed, all, tally.counts().read).map(limits::error)
    }

    /// Leaves a checkpoint where there is something left, and says where a later run goes on.
    fn leave_checkpoint(&self, run: &mut Run, has_read: bool) -> Option<Resume> {
        let keeper = run.keeper.take()?;
        let mut letters_kept = true;
        if let Some(tally) = &run.tally {
            letters_kept = tally.sync_letters();
        }
        // What the user has to mend first is the recipe or the input: a run that has not begun leaves nothing.
        let invalid = run.course.failure.as_ref().is_some_and(|failure| failure.kind() == ErrorKind::Input);
        if invalid && !has_read {
            return None;
        }
        let (rest, error) = keeper.finish(run.course.complete, letters_kept);
        if let Some(error) = error {
            run.course.failure.get_or_insert(error);
        }
        let rest = rest?;
        Some(Resume {
            from_record: rest.from_record,
            skipped_records: rest.skipped,
            checkpoint: rest.checkpoint,
            command: summary::command(&self.options.resume_command),
        })
    }

    pub(super) fn finish(mut self, mut run: Run, sends: bool) -> Finished {
        let mut warnings = std::mem::take(&mut self.config.warnings);
        warnings.append(&mut self.control.take_source_warnings());
        warnings.append(&mut run.sink.warnings);
        let (mut failures, mut proposals, mut dead_letters) = Default::default();
        let (mut invalid, mut example) = (0, None);
        if let Some(tally) = &run.tally {
            let dropped;
            (failures, dropped) = tally.take_failures();
            if dropped {
                warnings.push(
                    "a proposal was lost sight of, and counts as undelivered; please report this".into(),
                );
            }
            proposals = tally.counts();
            invalid = tally.invalid_records();
            example = tally.example().cloned();
            dead_letters = tally.letters().map(DeadLetters::report).unwrap_or_default();
        }
        let settled = proposals.rejected + proposals.undelivered + invalid == 0;
        if run.course.failure.is_none() && !run.skipped {
            run.course.failure = self.bound(&run, settled);
        }
        let resume = self.leave_checkpoint(&mut run, proposals.read > 0);
        if run.skipped {
            warnings.push("skipped: another run of this pipeline is under way".into());
        }
        if let Some(failure) = run.course.failure.as_ref().filter(|failure| failure.diagnosis().is_none()) {
            failures.insert(0, Failure::of_run(failure, &*self.options.renderer));
        }
        let progress = self.control.progress();
        let mut report = Report {
            schema: SCHEMA,
            outcome: outcome(&run.course, &proposals, invalid, sends),
            run_id: Some(std::mem::take(&mut self.run_id)),
            pipeline_name: self.config.pipeline_name.take(),
            started_at: self.started_at.to_string(),
            duration_ms: report::elapsed_ms(self.started_at),
            source: SourceReport {
                kind: Some(std::mem::take(&mut self.config.source_type)),
                records: progress.records,
                bytes: progress.source.bytes.saturating_sub(run.begun_at_byte),
                invalid,
                ignored: run.course.ignored,
                complete: run.course.complete,
            },
            sink: SinkReport::new(&self.config.sink_type, &run.sink),
            proposals,
            requests: run.sink.requests.into(),
            token: run.sink.token.into(),
            diagnosis: run
                .course
                .failure
                .as_ref()
                .and_then(Error::diagnosis)
                .map(|diagnosis| diagnosis.render(&*self.options.renderer)),
            failures,
            dead_letters,
            resume,
            warnings,
        };
        for path in self.report_paths() {
            if let Err(error) = report.write_to(path) {
                // The first failure is what ended the run; that there is no report comes on top.
                report.warnings.push(error.full_message());
                run.course.failure.get_or_insert(error);
            }
        }
        Finished {
            look: self
                .config
                .embedded
                .take()
                .map(|embedded| Look { urn: example, data: embedded.data })
                .filter(|_| sends),
            source_bytes: run.source_bytes.map(|bytes| bytes.saturating_sub(run.begun_at_byte)),
            notes: run.notes,
            replayed: self.replay.take().map(|replay| replay.letters),
            report,
            failure: run.course.failure,
            skipped: run.skipped,
        }
    }
}

fn outcome(course: &Course, proposals: &ProposalCounts, invalid: u64, sends: bool) -> RunOutcome {
    let settled = proposals.rejected + proposals.undelivered + invalid == 0;
    match &course.failure {
        Some(error)
            if matches!(
                error.kind(),
                ErrorKind::Refused | ErrorKind::Disk | ErrorKind::Limit | ErrorKind::OutputClosed
            ) =>
        {
            RunOutcome::of_failure(error.kind())
        }
        _ if course.interrupted && !(course.complete && settled) => RunOutcome::Interrupted,
        // `invalid` promises that nothing was sent.
        Some(error) if error.kind() == ErrorKind::Input && proposals.read > 0 => RunOutcome::Partial,
        Some(error) => RunOutcome::of_failure(error.kind()),
        None if !sends => RunOutcome::DryRun,
        None if settled => RunOutcome::Delivered,
        None => RunOutcome::Partial,
    }
}
