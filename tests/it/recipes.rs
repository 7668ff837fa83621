//! Do the recipes in `recipes/` do what their comments say?

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::sandbox::{Ran, Sandbox};
use crate::support::server::Server;

/// Proposals in `fixtures/metadata/warehouse`, which every recipe reads.
const PROPOSALS: u64 = 467;

/// A command in the checkout, where the paths in the recipes exist. Its output goes to the sandbox.
fn in_checkout(sandbox: &Sandbox, arguments: &[&str]) -> Command {
    let mut command = sandbox.command();
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(arguments).stdin(Stdio::null());
    command
}

#[test]
fn quickstart_delivers_every_proposal() {
    let sandbox = Sandbox::new();
    let report = sandbox.path("report.json");
    let report = report.to_str().unwrap();
    Ran::of(&mut in_checkout(&sandbox, &["ingest", "-c", "recipes/quickstart.yml", "--report-to", report]))
        .ends_with(0);
    let report = sandbox.json("report.json");
    assert_eq!(report["outcome"], "delivered");
    assert_eq!(report["proposals"]["read"], PROPOSALS);
    assert_eq!(report["proposals"]["delivered"], PROPOSALS);
    assert_eq!(report["warnings"], serde_json::json!([]));
}

#[test]
fn to_gms_delivers_with_a_token_from_the_environment() {
    let (sandbox, server) = (Sandbox::new(), Server::start());
    let mut command = in_checkout(&sandbox, &["ingest", "-c", "recipes/to-gms.yml", "--json"]);
    command.env("DATAHUB_GMS_URL", server.url()).env("DATAHUB_GMS_TOKEN", server.token());
    let report = Ran::of(&mut command).ends_with(0).json();
    assert_eq!(report["proposals"]["delivered"], PROPOSALS);
    assert_eq!(report["pipeline_name"], "files-to-gms");
}

#[test]
fn file_to_file_writes_what_it_reads() {
    let sandbox = Sandbox::new();
    let mut command = in_checkout(&sandbox, &["ingest", "-c", "recipes/file-to-file.yml"]);
    command.env("OUTPUT", sandbox.path("out.jsonl"));
    Ran::of(&mut command).ends_with(0);
    let written = std::fs::read_to_string(sandbox.path("out.jsonl")).unwrap();
    assert_eq!(written.lines().count() as u64, PROPOSALS);
}

#[test]
fn to_console_prints_owners_only() {
    let sandbox = Sandbox::new();
    let ran = Ran::of(&mut in_checkout(&sandbox, &["ingest", "-c", "recipes/console.yml"])).ends_with(0);
    assert!(ran.stdout.lines().count() > 10);
    for line in ran.stdout.lines() {
        let record: Value = serde_json::from_str(line).unwrap();
        assert_eq!(record["aspectName"], "ownership");
    }
}

#[test]
fn check_accepts_every_recipe() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes");
    let names: BTreeSet<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| Path::new(name).extension().is_some_and(|extension| extension == "yml"))
        .collect();
    assert!(names.len() >= 6, "{names:?}");
    for name in names {
        let sandbox = Sandbox::new();
        let path = format!("recipes/{name}");
        let mut command = in_checkout(&sandbox, &["check", &path, "--offline"]);
        command.env("DATAHUB_GMS_TOKEN", "a-token-of-no-server");
        Ran::of(&mut command).ends_with(0);
    }
}
