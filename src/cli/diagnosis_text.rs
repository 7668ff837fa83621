//! Errors and diagnoses as text for a terminal.

use std::error::Error as _;
use std::fmt::Write as _;

use console::Style;
use datahub_emitter::Error;
use datahub_emitter::diagnosis::RenderedDiagnosis;
use datahub_emitter::recipe::RecipeError;

use super::renderer::CommandLine;
use super::terminal_text::{indented_lines, one_line};

/// Whether a headline is about a success or a failure. The colour carries no meaning that the text does not
/// have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Good,
    Bad,
}

/// The text of an error: its diagnosis with evidence and fixes, or its message and causes. Ends with a line
/// end.
pub(crate) fn error_text(error: &Error, color: bool) -> String {
    match error.diagnosis() {
        Some(diagnosis) => diagnosis_text("error", Tone::Bad, &diagnosis.render(&CommandLine), color),
        // The mistakes in a recipe are a text of several lines, each of which is safe.
        None if error.source().is_some_and(<dyn std::error::Error>::is::<RecipeError>) => {
            labelled("error", Tone::Bad, &error.full_message(), color)
        }
        None => headline("error", Tone::Bad, &error.full_message(), color),
    }
}

/// The text of a diagnosis that does not end the run: a note, or why a run waits.
pub(crate) fn note_text(diagnosis: &RenderedDiagnosis, color: bool) -> String {
    let label = if diagnosis.code.kind().is_some() { "waiting" } else { "note" };
    diagnosis_text(label, Tone::Good, diagnosis, color)
}

fn diagnosis_text(label: &str, tone: Tone, diagnosis: &RenderedDiagnosis, color: bool) -> String {
    let mut text = headline(&format!("{label}[{}]", diagnosis.code), tone, &diagnosis.summary, color);
    for evidence in &diagnosis.evidence {
        text += &detail("observed", evidence);
    }
    for fix in &diagnosis.fixes {
        text += &detail("fix", fix);
    }
    text
}

/// The first line of a text.
pub(super) fn headline(label: &str, tone: Tone, text: &str, color: bool) -> String {
    labelled(label, tone, &indented_lines(text), color)
}

fn labelled(label: &str, tone: Tone, text: &str, color: bool) -> String {
    let style = match tone {
        Tone::Good => Style::new().green().bold(),
        Tone::Bad => Style::new().red().bold(),
    };
    format!("{}: {text}\n", style.force_styling(color).apply_to(label))
}

/// A line below the headline.
pub(super) fn detail(label: &str, text: &str) -> String {
    let mut line = String::new();
    writeln!(line, "  {label:<12}  {}", one_line(text)).unwrap_or_default();
    line
}
