//! The summary of a run: a few lines on the terminal.

mod words;

use std::fmt::{self, Write as _};
use std::path::Path;

use datahub_emitter::pipeline::{
    Failure, FailureKind, FinishedRun, InspectHint, RunOutcome, StateCheckpoint,
};

use self::words::{bytes, delivery_words, grouped, proposals, records, seconds};
use super::diagnosis_text::{Tone, detail, error_text, headline};
use super::shell;

/// Failures in a summary; the report lists more.
const MAX_FAILURES: usize = 3;

/// Warnings in a summary; the report lists all.
const MAX_WARNINGS: usize = 5;

/// Characters of a failure's message in a summary.
const MAX_MESSAGE_CHARACTERS: usize = 300;

/// The summary of a run.
#[derive(Debug)]
pub(super) struct Summary<'a> {
    finished: &'a FinishedRun,
    recipe: Option<&'a Path>,
    program: &'a str,
    color: bool,
}

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let report = &self.finished.report;
        if self.finished.skipped {
            return write_headline(
                f,
                "skipped",
                Tone::Good,
                "another run of this pipeline is in progress",
                self.color,
            );
        }
        if let Some(failure) = &self.finished.failure {
            f.write_str(&error_text(failure, self.color))?;
        }
        if self.finished.failure.is_none() || report.proposals.read > 0 || report.source.records > 0 {
            self.write_counts(f)?;
        } else if let Some(resume) = report.resume.as_ref().filter(|resume| resume.from_record > 0) {
            write_detail(
                f,
                "resume",
                &format!("{} are finished; to continue: {}", records(resume.from_record), resume.command),
            )?;
        }
        self.write_state(f)?;
        for note in &self.finished.notes {
            write_detail(f, "note", note)?;
        }
        self.write_failures(f)?;
        if let Some(path) = &report.dead_letters.path {
            write_detail(
                f,
                "dead letters",
                &format!("{} in {}", grouped(report.dead_letters.records), path.display()),
            )?;
            if report.dead_letters.records > 0 {
                let program = shell::word(self.program);
                let path = shell::word(&path.to_string_lossy());
                let command = match self.recipe {
                    Some(recipe) => format!("replay {path} -c {}", shell::word(&recipe.to_string_lossy())),
                    // Dead letters are a metadata file.
                    None => format!("ingest mcps {path}"),
                };
                write_detail(f, "replay", &format!("to send them again: {program} {command}"))?;
            }
        }
        self.write_warnings(f)?;
        if let Some(hint) = &self.finished.inspect_hint {
            write_inspect_hint(f, hint, &shell::word(self.program))?;
        }
        Ok(())
    }
}

impl<'a> Summary<'a> {
    /// `recipe` is the recipe's path as it was given, if there is one, and `program` the name of this
    /// program, for the commands that the summary suggests.
    pub(super) fn new(
        finished: &'a FinishedRun,
        recipe: Option<&'a Path>,
        program: &'a str,
        color: bool,
    ) -> Self {
        Self { finished, recipe, program, color }
    }

    fn write_counts(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let report = &self.finished.report;
        let counts = &report.proposals;
        if self.finished.failure.is_some() || report.outcome == RunOutcome::Interrupted {
            if self.finished.failure.is_none() {
                write_headline(
                    f,
                    "interrupted",
                    Tone::Bad,
                    "stopped before the end of the source",
                    self.color,
                )?;
            }
            return write_detail(f, "outcome", &self.unfinished_outcome());
        }
        let seconds = seconds(report.duration_ms);
        let from = format!(
            "{} ({}) in {seconds}{}",
            records(report.source.records),
            bytes(report.source.bytes),
            match report.source.ignored {
                0 => String::new(),
                ignored => format!("; {} usage records ignored", grouped(ignored)),
            }
        );
        if report.outcome == RunOutcome::DryRun {
            let text = format!("{} read, nothing sent", proposals(counts.read));
            write_headline(
                f,
                "dry run",
                if report.source.invalid == 0 { Tone::Good } else { Tone::Bad },
                &text,
                self.color,
            )?;
            write_detail(f, "from", &from)?;
            return self.write_transformers(f);
        }
        let done = delivery_words(&report.sink.destination);
        if report.outcome == RunOutcome::Delivered {
            let mut text = format!("{} {done}", proposals(counts.delivered));
            if counts.filtered > 0 {
                write!(text, ", {} filtered", grouped(counts.filtered)).unwrap_or_default();
            }
            write_headline(f, "done", Tone::Good, &text, self.color)?;
        } else {
            let text = format!("{} of {} {done}", grouped(counts.delivered), proposals(counts.read));
            write_headline(f, "partial", Tone::Bad, &text, self.color)?;
        }
        write_detail(f, "from", &from)?;
        self.write_transformers(f)?;
        if let Some(resume) = &report.resume {
            write_detail(
                f,
                "resume",
                &format!("to continue at record {}: {}", resume.from_record, resume.command),
            )?;
        }
        if let Some(server) = &report.sink.destination.server {
            let version =
                report.sink.destination.gms_version.as_deref().map(|version| format!(" (GMS {version})"));
            let requests = match report.requests.sent {
                1 => "1 request".to_owned(),
                sent => format!("{} requests", grouped(sent)),
            };
            match &self.finished.inspect_hint {
                // The embedded GMS has stopped: nothing listens at its address any more.
                Some(_) => write_detail(
                    f,
                    "to",
                    &format!("the embedded GMS, which is for first runs and tests; {requests}"),
                )?,
                None => {
                    write_detail(f, "to", &format!("{server}{}; {requests}", version.unwrap_or_default()))?;
                }
            }
        }
        Ok(())
    }

    fn write_transformers(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, transformer) in self.finished.report.transformers.iter().enumerate() {
            let label = if index == 0 { "transformers" } else { "" };
            let text = if transformer.runs_in == "python" {
                format!("{} in Python", transformer.kind)
            } else {
                format!(
                    "{}: {} changed, {} added",
                    transformer.kind,
                    grouped(transformer.changed),
                    grouped(transformer.added)
                )
            };
            write_detail(f, label, &text)?;
        }
        Ok(())
    }

    fn write_state(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let report = &self.finished.report;
        let state = &report.state;
        if state.state_checkpoint == StateCheckpoint::Off {
            return Ok(());
        }
        let removed = if report.outcome == RunOutcome::DryRun { "would be removed" } else { "removed" };
        let mut text = format!("{} entities, {} {removed}", grouped(state.entities), grouped(state.removed));
        if let Some(reason) = state.reason.as_ref().filter(|_| self.finished.failure.is_none()) {
            write!(text, "; {reason}").unwrap_or_default();
        }
        write_detail(f, "state", &text)
    }

    /// The outcomes of the proposals of a run that did not finish, and how to send the others.
    fn unfinished_outcome(&self) -> String {
        let report = &self.finished.report;
        let counts = &report.proposals;
        let mut text = format!("{} delivered", grouped(counts.delivered));
        if counts.rejected > 0 {
            write!(text, ", {} rejected", grouped(counts.rejected)).unwrap_or_default();
        }
        write!(text, ", {} undelivered", grouped(counts.undelivered)).unwrap_or_default();
        if let (Some(total), false) = (self.finished.source_bytes, report.source.complete) {
            // In whole percent, and never "0% unread" of a file that was not read to its end.
            let unread = total.saturating_sub(report.source.bytes).saturating_mul(100);
            if let Some(percent) = unread.checked_div(total) {
                write!(text, ", {}% of the input unread", percent.clamp(1, 100)).unwrap_or_default();
            }
        }
        if let Some(resume) = &report.resume {
            write!(text, "; to continue: {}", resume.command).unwrap_or_default();
            return text;
        }
        let program = shell::word(self.program);
        let Some(recipe) = self.recipe else {
            text.push_str("; to send everything again, repeat the command");
            return text;
        };
        let recipe = shell::word(&recipe.to_string_lossy());
        match &self.finished.replayed {
            None => write!(text, "; to send everything again: {program} ingest -c {recipe}"),
            Some(dead_letters) => {
                let dead_letters = shell::word(&dead_letters.to_string_lossy());
                write!(text, "; to continue: {program} replay {dead_letters} -c {recipe}")
            }
        }
        .unwrap_or_default();
        text
    }

    fn write_failures(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let report = &self.finished.report;
        // The diagnosis of a refused run says more than its undelivered proposals.
        let diagnosed = report.diagnosis.is_some();
        let failures = || {
            report.failures.iter().filter(move |failure| match failure.kind {
                // Printed first, and not among the failures of records.
                FailureKind::Run => false,
                FailureKind::Undelivered => !diagnosed,
                _ => true,
            })
        };
        for failure in failures().take(MAX_FAILURES) {
            write_detail(f, label(failure.kind), &failure_text(failure))?;
        }
        let all = report.proposals.rejected
            + report.source.invalid
            + if diagnosed { 0 } else { report.proposals.undelivered };
        let shown = failures().take(MAX_FAILURES).count() as u64;
        if shown > 0 && all > shown {
            write_detail(
                f,
                "",
                &format!("and {} more like these; --report-to lists them", grouped(all - shown)),
            )?;
        }
        Ok(())
    }

    fn write_warnings(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let warnings = &self.finished.report.warnings;
        for warning in warnings.iter().take(MAX_WARNINGS) {
            write_detail(f, "warning", warning)?;
        }
        match warnings.len().saturating_sub(MAX_WARNINGS) {
            0 => Ok(()),
            more => write_detail(f, "", &format!("and {more} more warnings; --report-to lists them")),
        }
    }
}

fn label(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::Invalid => "invalid",
        FailureKind::Rejected => "rejected",
        FailureKind::Undelivered => "undelivered",
        _ => "error",
    }
}

/// A failure in one line, whatever the server's message contains.
fn failure_text(failure: &Failure) -> String {
    let mut text = String::new();
    for part in [&failure.urn, &failure.aspect] {
        text.extend(part.iter().flat_map(|part| [part.as_str(), " "]));
    }
    if let Some(origin) = &failure.origin {
        write!(text, "({origin}) ").unwrap_or_default();
    }
    if let Some(status) = failure.status {
        write!(text, "{status} ").unwrap_or_default();
    }
    let mut characters = failure.message.chars();
    text.extend(characters.by_ref().take(MAX_MESSAGE_CHARACTERS));
    if characters.next().is_some() {
        text.push('…');
    }
    text.replace(['\n', '\r'], " ")
}

fn write_inspect_hint(f: &mut fmt::Formatter<'_>, hint: &InspectHint, program: &str) -> fmt::Result {
    match &hint.data {
        None => {
            if let Some(urn) = &hint.urn {
                write_detail(
                    f,
                    "look",
                    &format!("{program} get {} --server embedded", shell::word(urn.as_str())),
                )?;
            }
            write_detail(f, "serve", &format!("{program} gms serve"))
        }
        Some(data) => {
            let data = data.to_string_lossy();
            write_detail(f, "serve", &format!("{program} gms serve --data {}", shell::word(&data)))
        }
    }
}

fn write_headline(
    f: &mut fmt::Formatter<'_>,
    label: &str,
    tone: Tone,
    text: &str,
    color: bool,
) -> fmt::Result {
    f.write_str(&headline(label, tone, text, color))
}

fn write_detail(f: &mut fmt::Formatter<'_>, label: &str, text: &str) -> fmt::Result {
    f.write_str(&detail(label, text))
}

#[cfg(test)]
mod tests;
