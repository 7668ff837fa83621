//! Are requests as GMS expects them, byte for byte where it matters?
//!
//! Each file of `fixtures/gms/wire` holds a recipe's sink, records, and the requests for them. The command
//! runs as a process against a server that responds as GMS does and records the requests.

mod capture;
mod case;
mod exact;
mod gms;
mod large;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use capture::Captured;
use case::Case;

/// The prefixes of the file names, one for each subject.
const KINDS: [&str; 6] = ["endpoint", "metadata", "restli", "openapi", "server", "snapshot"];

fn files() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/gms/wire");
    let mut files: Vec<PathBuf> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|file| file.extension().is_some_and(|extension| extension == "json"))
        .collect();
    files.sort();
    files
}

fn kind(file: &Path) -> &str {
    file.file_name().unwrap().to_str().unwrap().split('-').next().unwrap()
}

/// Runs every case of a kind, and lists those that failed.
fn check(of: &str) {
    let mut failures = String::new();
    let mut count = 0;
    for file in files().iter().filter(|file| kind(file) == of) {
        let case = Case::read(file);
        let (ran, captured) = capture::run(&case);
        let mut faults = compare(&case, captured);
        if ran.code != Some(case.exit_code) {
            faults.push(format!("exit code {:?}, expected {}", ran.code, case.exit_code));
        }
        for words in case.says.iter().map(|words| words.replace("{version}", env!("CARGO_PKG_VERSION"))) {
            if !ran.stderr.contains(&words) {
                faults.push(format!("it does not say {words:?}"));
            }
        }
        if !faults.is_empty() {
            writeln!(failures, "\n--- {}\n{}\n{}", case.name, faults.join("\n"), ran.stderr).unwrap();
        }
        count += 1;
    }
    assert!(count > 0, "there is no case of this kind");
    assert!(failures.is_empty(), "{failures}");
}

fn compare(case: &Case, captured: Vec<Captured>) -> Vec<String> {
    let mut faults: Vec<String> = captured.iter().flat_map(|captured| captured.faults.clone()).collect();
    let headers = case.headers();
    for captured in captured.iter().filter(|captured| captured.headers != headers) {
        faults.push(format!("{}: headers {:#?}, expected {headers:#?}", captured.request, captured.headers));
    }
    let expected = case.requests();
    let found: Vec<_> = captured.into_iter().map(|captured| (captured.request, captured.body)).collect();
    let missing = without(&expected, &found);
    let surplus = without(&found, &expected);
    faults.extend(missing.iter().map(|request| format!("missing: {}", shown(request))));
    faults.extend(surplus.iter().map(|request| format!("too much: {}", shown(request))));
    if !faults.is_empty() {
        return faults;
    }
    // Requests in flight at the same time may overtake each other, but not those of one URN.
    if case.in_order() && found != expected {
        faults.push(format!("not in this order, but:\n{}", all_shown(&found)));
    }
    for urn in case.urns() {
        let of_urn = |requests: &[Request]| -> Vec<Request> {
            requests.iter().filter(|request| names(request, &urn)).cloned().collect()
        };
        if of_urn(&found) != of_urn(&expected) {
            faults.push(format!("for {urn} not in this order, but:\n{}", all_shown(&of_urn(&found))));
        }
    }
    // Nothing is written before `GET /config`.
    if expected.first().is_some_and(|(request, _)| request.starts_with("GET "))
        && found.first() != expected.first()
    {
        faults.push(format!("not first: {}", expected[0].0));
    }
    faults
}

type Request = (String, Option<Value>);

/// The multiset difference of `all` and `others`.
fn without(all: &[Request], others: &[Request]) -> Vec<Request> {
    let mut others = others.to_vec();
    let mut left = Vec::new();
    for item in all {
        match others.iter().position(|other| other == item) {
            Some(at) => {
                others.swap_remove(at);
            }
            None => left.push(item.clone()),
        }
    }
    left
}

/// Whether a request writes that entity. (Aspects name other entities, too.)
fn names((request, body): &Request, urn: &str) -> bool {
    fn is_about(value: &Value, urn: &str) -> bool {
        match value {
            Value::Array(items) => items.iter().any(|item| is_about(item, urn)),
            Value::Object(members) => members.iter().any(|(name, member)| match name.as_str() {
                "urn" | "entityUrn" => member == urn,
                "proposal" | "proposals" => is_about(member, urn),
                // A query for a trace.
                name => name == urn,
            }),
            _ => false,
        }
    }
    let in_path: String = urn
        .bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect();
    request.contains(&in_path) || body.as_ref().is_some_and(|body| is_about(body, urn))
}

fn shown((request, body): &Request) -> String {
    body.as_ref().map_or_else(|| request.clone(), |body| format!("{request}\n{body:#}"))
}

fn all_shown(requests: &[Request]) -> String {
    requests.iter().map(shown).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_case_is_of_a_kind() {
    for file in files() {
        assert!(KINDS.contains(&kind(&file)), "{}: of no kind that is run", file.display());
    }
}

#[test]
fn server_and_headers() {
    check("server");
}

#[test]
fn endpoint_and_emit_mode() {
    check("endpoint");
}

#[test]
fn over_restli() {
    check("restli");
}

#[test]
fn over_openapi() {
    check("openapi");
}

#[test]
fn snapshots() {
    check("snapshot");
}

#[test]
fn system_metadata() {
    check("metadata");
}
