//! Which cause is named for what was observed, with which evidence and remedy, and how does the command end?
//!
//! The table is about the pure function alone. `door` and `underway` make each cause happen, before the first write and after
//! it; `commands` types what a diagnosis says to type.

mod commands;
mod door;
mod observed;
mod table;
mod underway;

use datahub_emitter::ErrorKind;
use datahub_emitter::diagnosis::{Code, Diagnosis};

use table::{Row, rows};

/// What a person sees of it.
fn shown(diagnosis: &Diagnosis) -> String {
    let label = if diagnosis.code.kind().is_some() { "error" } else { "note" };
    let mut text = format!("{label}[{}]: {}\n", diagnosis.code, diagnosis.summary);
    for evidence in &diagnosis.evidence {
        text += &format!("  observed  {evidence}\n");
    }
    for fix in &diagnosis.fixes {
        text += &format!("  fix       {fix}\n");
    }
    text
}

/// The exit code of a command that fails with this code; 0 for a note.
fn exit_code(code: Code) -> u8 {
    match code.kind() {
        None => 0,
        Some(ErrorKind::Input) => 2,
        Some(ErrorKind::Refused) => 3,
        Some(ErrorKind::Unreachable) => 4,
        Some(other) => panic!("{code} is {other:?}"),
    }
}

#[test]
fn every_row_has_its_code_its_evidence_and_its_fix() {
    let rows = rows();
    assert!(rows.len() >= 60, "{}", rows.len());
    let mut faults = Vec::new();
    for Row { name, diagnosis, code, exit, evidence, fix } in &rows {
        let text = shown(diagnosis);
        let observed = diagnosis.evidence.join("\n");
        if (diagnosis.code.as_str(), exit_code(diagnosis.code)) != (code, *exit) {
            faults.push(format!("{name}: {code} was expected, exit code {exit}\n{text}\n"));
        }
        if !observed.contains(evidence) || !diagnosis.fixes.iter().any(|line| line.contains(fix)) {
            faults.push(format!("{name}: {evidence:?} and {fix:?} were expected\n{text}\n"));
        }
        if text.to_lowercase().contains("check your configuration") || diagnosis.fixes.is_empty() {
            faults.push(format!("{name}: that helps nobody\n{text}\n"));
        }
        for line in diagnosis.evidence.iter().chain(&diagnosis.fixes) {
            if line.contains(['\n', '\r']) {
                faults.push(format!("{name}: more than a line\n{text}\n"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_code_has_a_row() {
    let rows = rows();
    for code in Code::ALL {
        assert!(rows.iter().any(|row| row.code == code.as_str()), "{code}");
    }
}

#[test]
fn a_person_reads_this() {
    let texts: Vec<String> =
        rows().iter().map(|row| format!("# {}\n{}", row.name, shown(&row.diagnosis))).collect();
    insta::assert_snapshot!("texts", texts.join("\n"));
}

/// docs/reference/diagnostics.md lists each code, and no other.
#[test]
fn the_reference_lists_every_code() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reference/diagnostics.md");
    let reference = std::fs::read_to_string(path).unwrap();
    let listed: Vec<(&str, &str)> = reference
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .map(|line| {
            let (code, rest) = line.split_once('`').unwrap();
            (code, rest.trim_matches([' ', '|']).split('|').next().unwrap().trim())
        })
        .collect();
    let known: Vec<(&str, String)> = Code::ALL
        .iter()
        .map(|code| (code.as_str(), code.kind().map_or("a note".into(), |_| exit_code(*code).to_string())))
        .collect();
    let known: Vec<(&str, &str)> = known.iter().map(|(code, exit)| (*code, exit.as_str())).collect();
    assert_eq!(listed, known, "in the order of the enum, with the exit code in the second column");
}
