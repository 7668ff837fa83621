//! Which cause does a run report when a server refuses it, and do the commands work that it suggests?
//!
//! `door` and `underway` make each cause happen, before the first write and after it; `commands` runs the
//! commands that the fixes contain. The table of observations and causes is a unit test of the module `auth`.

mod commands;
mod door;
/// The renderer of the command line, which belongs to the binary.
#[path = "../../../src/cli/renderer.rs"]
mod renderer;
#[path = "../../../src/cli/shell.rs"]
mod shell;
mod underway;

use datahub_emitter::ErrorKind;
use datahub_emitter::diagnosis::Code;

/// The exit code of a command that fails with this code; 0 for a note.
fn exit_code(code: Code) -> u8 {
    match code.kind() {
        None => 0,
        Some(ErrorKind::Source) => 1,
        Some(ErrorKind::Input) => 2,
        Some(ErrorKind::Refused) => 3,
        Some(ErrorKind::Unreachable) => 4,
        Some(other) => panic!("{code} is {other:?}"),
    }
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
