//! What a run says of itself, for people: a few lines that are read in two seconds.

mod words;

use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};

use self::words::{bytes, delivery_words, grouped, proposals, records, seconds};
use super::report::{Failure, FailureKind, Report, RunOutcome};
use crate::Error;
use crate::diagnosis::{RenderedDiagnosis, Renderer};
use crate::metadata::Urn;
use crate::shell;

/// Failures that a summary shows; the report lists more.
const SHOWN_FAILURES: usize = 3;

/// Warnings that a summary shows; the report lists all.
const SHOWN_WARNINGS: usize = 5;

/// The longest message of a failure that is shown, in characters.
const SHOWN_MESSAGE: usize = 300;

/// A run that came to its end, good or bad.
#[derive(Debug)]
#[non_exhaustive]
pub struct Finished {
    /// What it says of itself.
    pub report: Report,
    /// What ended it, if that was not the end of the source.
    pub failure: Option<Error>,
    /// How to look at what was delivered, where it went into the embedded GMS.
    pub look: Option<Look>,
    /// Bytes that the source has, where that is known.
    pub source_bytes: Option<u64>,
    /// What the user may want to know, and need not mend.
    pub notes: Vec<String>,
    /// The dead letters that were sent again, where the run was a [replay](super::Pipeline::replay).
    pub replayed: Option<PathBuf>,
    /// Nothing was done because another run of the pipeline was under way, and that was to be no failure.
    pub skipped: bool,
}

/// How to look at what was delivered into the embedded GMS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// An entity that was delivered.
    pub urn: Option<Urn>,
    /// The embedded GMS's file, where it is not the default one.
    pub data: Option<PathBuf>,
}

/// The text of a [`Finished`] run; made by [`Finished::summary`].
#[derive(Debug)]
pub struct Summary<'a> {
    finished: &'a Finished,
    recipe: &'a Path,
    program: &'a str,
    color: bool,
    renderer: &'a dyn Renderer,
}

impl Finished {
    /// The lines that a person reads at the end. `recipe` is the recipe's path as it was given; `color` allows terminal
    /// colours, which never carry a meaning of their own.
    pub fn summary<'a>(&'a self, recipe: &'a Path, color: bool, renderer: &'a dyn Renderer) -> Summary<'a> {
        Summary { finished: self, recipe, program: "datahub-emit", color, renderer }
    }
}

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let report = &self.finished.report;
        if self.finished.skipped {
            return headline(
                f,
                "skipped",
                Tone::Good,
                "another run of this pipeline is under way",
                self.color,
            );
        }
        if let Some(failure) = &self.finished.failure {
            write_error(f, failure, self.renderer, self.color)?;
        }
        if self.finished.failure.is_none() || report.proposals.read > 0 || report.source.records > 0 {
            self.write_counts(f)?;
        } else if let Some(resume) = report.resume.as_ref().filter(|resume| resume.from_record > 0) {
            line(f, "kept", &format!("{} are finished: {}", records(resume.from_record), resume.command))?;
        }
        for note in &self.finished.notes {
            line(f, "note", note)?;
        }
        self.write_failures(f)?;
        if let Some(path) = &report.dead_letters.path {
            line(
                f,
                "letters",
                &format!("{} kept in {}", records(report.dead_letters.records), path.display()),
            )?;
        }
        self.write_warnings(f)?;
        if let Some(look) = &self.finished.look {
            write_look(f, look, &shell::word(self.program))?;
        }
        Ok(())
    }
}

impl<'a> Summary<'a> {
    /// How the program is called in the commands that it suggests, by default `datahub-emit`: they work when they are
    /// typed, also where the program is not on the path.
    #[must_use]
    pub fn called(mut self, program: &'a str) -> Self {
        self.program = program;
        self
    }

    fn write_counts(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let report = &self.finished.report;
        let counts = &report.proposals;
        if self.finished.failure.is_some() || report.outcome == RunOutcome::Interrupted {
            if self.finished.failure.is_none() {
                headline(f, "interrupted", Tone::Bad, "stopped before the end of the source", self.color)?;
            }
            return line(f, "kept", &self.kept());
        }
        let seconds = seconds(report.duration_ms);
        let from = format!(
            "{} ({}) in {seconds}{}",
            records(report.source.records),
            bytes(report.source.bytes),
            match report.source.ignored {
                0 => String::new(),
                ignored => format!("; {} usage records passed over", grouped(ignored)),
            }
        );
        if report.outcome == RunOutcome::DryRun {
            let text = format!("{} read, nothing sent", proposals(counts.read));
            headline(
                f,
                "dry run",
                if report.source.invalid == 0 { Tone::Good } else { Tone::Bad },
                &text,
                self.color,
            )?;
            return line(f, "from", &from);
        }
        let done = delivery_words(report.sink.delivered_means);
        if report.outcome == RunOutcome::Delivered {
            let mut text = format!("{} {done}", proposals(counts.delivered));
            if counts.filtered > 0 {
                write!(text, ", {} left out", grouped(counts.filtered)).unwrap_or_default();
            }
            headline(f, "done", Tone::Good, &text, self.color)?;
        } else {
            let text = format!("{} of {} {done}", grouped(counts.delivered), proposals(counts.read));
            headline(f, "partial", Tone::Bad, &text, self.color)?;
        }
        line(f, "from", &from)?;
        if let Some(resume) = &report.resume {
            line(f, "kept", &format!("the rest from record {} on: {}", resume.from_record, resume.command))?;
        }
        if let Some(server) = &report.sink.server {
            let version = report.sink.gms_version.as_deref().map(|version| format!(" (GMS {version})"));
            let requests = match report.requests.sent {
                1 => "1 request".to_owned(),
                sent => format!("{} requests", grouped(sent)),
            };
            match &self.finished.look {
                // Its address is gone with it.
                Some(_) => line(
                    f,
                    "to",
                    &format!("the embedded GMS, which is for first runs and tests; {requests}"),
                )?,
                None => line(f, "to", &format!("{server}{}; {requests}", version.unwrap_or_default()))?,
            }
        }
        Ok(())
    }

    /// What the run leaves behind when it could not come to its end.
    fn kept(&self) -> String {
        let report = &self.finished.report;
        let counts = &report.proposals;
        let mut text = format!("{} delivered", grouped(counts.delivered));
        if counts.rejected > 0 {
            write!(text, ", {} rejected", grouped(counts.rejected)).unwrap_or_default();
        }
        write!(text, ", {} read and not sent", grouped(counts.undelivered)).unwrap_or_default();
        if let (Some(total), false) = (self.finished.source_bytes, report.source.complete) {
            // In whole percent, and never "0% unread" of a file that was not read to its end.
            let unread = total.saturating_sub(report.source.bytes).saturating_mul(100);
            if let Some(percent) = unread.checked_div(total) {
                write!(text, ", {}% of the input unread", percent.clamp(1, 100)).unwrap_or_default();
            }
        }
        if let Some(resume) = &report.resume {
            write!(text, ": {}", resume.command).unwrap_or_default();
            return text;
        }
        let program = shell::word(self.program);
        let recipe = shell::word(&self.recipe.to_string_lossy());
        match &self.finished.replayed {
            None => write!(text, "; to send everything again: {program} ingest -c {recipe}"),
            Some(letters) => {
                let letters = shell::word(&letters.to_string_lossy());
                write!(text, "; to go on: {program} replay {letters} -c {recipe}")
            }
        }
        .unwrap_or_default();
        text
    }

    fn write_failures(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let report = &self.finished.report;
        // A run that was refused as a whole has said why; its proposals would only say it again.
        let diagnosed = report.diagnosis.is_some();
        let failures = || {
            report.failures.iter().filter(move |failure| match failure.kind {
                // What ended the run as a whole is told first, and not among the failures of records.
                FailureKind::Run => false,
                FailureKind::Undelivered => !diagnosed,
                FailureKind::Invalid | FailureKind::Rejected => true,
            })
        };
        for failure in failures().take(SHOWN_FAILURES) {
            line(f, failure.kind.label(), &failure.to_string())?;
        }
        let all = report.proposals.rejected
            + report.source.invalid
            + if diagnosed { 0 } else { report.proposals.undelivered };
        let shown = failures().take(SHOWN_FAILURES).count() as u64;
        if shown > 0 && all > shown {
            line(f, "", &format!("and {} more like these; --report-to lists them", grouped(all - shown)))?;
        }
        Ok(())
    }

    fn write_warnings(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let warnings = &self.finished.report.warnings;
        for warning in warnings.iter().take(SHOWN_WARNINGS) {
            line(f, "warning", warning)?;
        }
        match warnings.len().saturating_sub(SHOWN_WARNINGS) {
            0 => Ok(()),
            more => line(f, "", &format!("and {more} more warnings; --report-to lists them")),
        }
    }
}

impl FailureKind {
    fn label(self) -> &'static str {
        match self {
            Self::Run => "error",
            Self::Invalid => "invalid",
            Self::Rejected => "rejected",
            Self::Undelivered => "left",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(urn) = &self.urn {
            write!(f, "{urn} ")?;
        }
        if let Some(aspect) = &self.aspect {
            write!(f, "{aspect} ")?;
        }
        if let Some(origin) = &self.origin {
            write!(f, "({origin}) ")?;
        }
        if let Some(status) = self.status {
            write!(f, "{status} ")?;
        }
        let mut characters = self.message.chars();
        let mut message: String = characters.by_ref().take(SHOWN_MESSAGE).collect();
        if characters.next().is_some() {
            message.push('…');
        }
        // One line each, whatever the server said.
        f.write_str(&message.replace(['\n', '\r'], " "))
    }
}

/// A command as it is typed.
pub(super) fn command(words: &[String]) -> String {
    let words: Vec<String> = words.iter().map(|word| shell::word(word)).collect();
    words.join(" ")
}

/// The text of an error as a terminal shows it: its message and causes, or where the cause is known the diagnosis with
/// what was observed and what mends it. Ends with a line end.
pub fn explain(error: &Error, renderer: &dyn Renderer, color: bool) -> String {
    struct Explained<'a>(&'a Error, &'a dyn Renderer, bool);
    impl fmt::Display for Explained<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write_error(f, self.0, self.1, self.2)
        }
    }
    Explained(error, renderer, color).to_string()
}

/// The text of a diagnosis that ends nothing, as a terminal shows it: a note, or why something is waited for.
pub fn explain_note(diagnosis: &RenderedDiagnosis, color: bool) -> String {
    struct Note<'a>(&'a RenderedDiagnosis, bool);
    impl fmt::Display for Note<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            let head = if self.0.code.kind().is_some() { "waiting" } else { "note" };
            write_diagnosis(f, head, Tone::Good, self.0, self.1)
        }
    }
    Note(diagnosis, color).to_string()
}

fn write_error(
    f: &mut fmt::Formatter<'_>,
    error: &Error,
    renderer: &dyn Renderer,
    color: bool,
) -> fmt::Result {
    let Some(diagnosis) = error.diagnosis() else {
        return headline(f, "error", Tone::Bad, &error.full_message(), color);
    };
    write_diagnosis(f, "error", Tone::Bad, &diagnosis.render(renderer), color)
}

fn write_diagnosis(
    f: &mut fmt::Formatter<'_>,
    head: &str,
    tone: Tone,
    diagnosis: &RenderedDiagnosis,
    color: bool,
) -> fmt::Result {
    headline(f, &format!("{head}[{}]", diagnosis.code), tone, &diagnosis.summary, color)?;
    for observed in &diagnosis.evidence {
        line(f, "observed", observed)?;
    }
    for fix in &diagnosis.fixes {
        line(f, "fix", fix)?;
    }
    Ok(())
}

fn write_look(f: &mut fmt::Formatter<'_>, look: &Look, program: &str) -> fmt::Result {
    match &look.data {
        None => {
            if let Some(urn) = &look.urn {
                line(f, "look", &format!("{program} get {} --server embedded", shell::word(urn.as_str())))?;
            }
            line(f, "serve", &format!("{program} gms serve"))
        }
        Some(data) => {
            let data = data.to_string_lossy();
            line(f, "serve", &format!("{program} gms serve --data {}", shell::word(&data)))
        }
    }
}

#[derive(Clone, Copy)]
enum Tone {
    Good,
    Bad,
}

fn headline(f: &mut fmt::Formatter<'_>, head: &str, tone: Tone, text: &str, color: bool) -> fmt::Result {
    let (start, end) = match (color, tone) {
        (false, _) => ("", ""),
        (true, Tone::Good) => ("\x1b[1;32m", "\x1b[0m"),
        (true, Tone::Bad) => ("\x1b[1;31m", "\x1b[0m"),
    };
    writeln!(f, "{start}{head}{end}: {text}")
}

fn line(f: &mut fmt::Formatter<'_>, label: &str, text: &str) -> fmt::Result {
    writeln!(f, "  {label:<8}  {text}")
}

#[cfg(test)]
mod tests;
