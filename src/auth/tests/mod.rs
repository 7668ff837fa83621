//! Every observation of the table has its code, its evidence and its fixes, in both dialects.
//!
//! `tests/it/diagnoses` makes the causes happen with a server, before the first write and after it.

mod observed;
/// The command line's renderer belongs to the binary. It is compiled here again to show the table in its
/// words.
#[path = "../../cli/renderer.rs"]
mod renderer;
#[path = "../../cli/shell.rs"]
mod shell;
mod table;

use std::fmt::Write as _;

use crate::diagnosis::{Code, Diagnosis, RenderedDiagnosis};

use renderer::CommandLine;
use table::{Row, rows};

/// The text on a terminal.
fn shown(diagnosis: &RenderedDiagnosis) -> String {
    let label = if diagnosis.code.kind().is_some() { "error" } else { "note" };
    let mut text = format!("{label}[{}]: {}\n", diagnosis.code, diagnosis.summary);
    for evidence in &diagnosis.evidence {
        writeln!(text, "  observed  {evidence}").unwrap();
    }
    for fix in &diagnosis.fixes {
        writeln!(text, "  fix       {fix}").unwrap();
    }
    text
}

#[test]
fn every_row_has_its_code_its_evidence_and_its_fix() {
    let rows = rows();
    assert!(rows.len() >= 60, "{}", rows.len());
    let mut problems = Vec::new();
    for Row { name, diagnosis, code, kind, evidence, fix } in &rows {
        let rendered = diagnosis.render(&CommandLine);
        let text = shown(&rendered);
        if (diagnosis.code.as_str(), diagnosis.code.kind()) != (code, *kind) {
            problems.push(format!("{name}: {code} was expected, of the kind {kind:?}\n{text}\n"));
        }
        if !rendered.evidence.join("\n").contains(evidence)
            || !rendered.fixes.iter().any(|line| line.contains(fix))
        {
            problems.push(format!("{name}: {evidence:?} and {fix:?} were expected\n{text}\n"));
        }
        if text.to_lowercase().contains("check your configuration") || diagnosis.fixes.is_empty() {
            problems.push(format!("{name}: the user learns nothing from it\n{text}\n"));
        }
        for line in rendered.evidence.iter().chain(&rendered.fixes) {
            if line.contains(['\n', '\r']) {
                problems.push(format!("{name}: more than a line\n{text}\n"));
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn every_code_has_a_row() {
    let rows = rows();
    // No response of a GMS has the codes of sources and of Kafka as its cause.
    let is_of_gms =
        |code: &Code| !code.as_str().starts_with("source.") && !code.as_str().starts_with("kafka.");
    for code in Code::ALL.into_iter().filter(is_of_gms) {
        assert!(rows.iter().any(|row| row.code == code.as_str()), "{code}");
    }
}

fn all_rows(text_of: impl Fn(&Diagnosis) -> String) -> String {
    let texts: Vec<String> =
        rows().iter().map(|row| format!("# {}\n{}", row.name, text_of(&row.diagnosis))).collect();
    texts.join("\n")
}

#[test]
fn the_command_line_names_commands_and_lines_of_the_recipe() {
    insta::assert_snapshot!("command_line", all_rows(|diagnosis| shown(&diagnosis.render(&CommandLine))));
}

#[test]
fn the_library_names_its_builders() {
    for row in rows() {
        let text = row.diagnosis.to_string();
        for word in ["datahub-emit ", "sink.config", "--", "in the recipe"] {
            assert!(!text.contains(word), "{word}: {text}");
        }
    }
    insta::assert_snapshot!("library", all_rows(|diagnosis| format!("{diagnosis}\n")));
}
