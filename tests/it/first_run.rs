//! Does it work on a new machine, without any setup?

use std::process::Command;

use crate::support::sandbox::{Ran, Sandbox, tags};

const EMBEDDED: &str = "{type: datahub-rest, config: {server: embedded}}";

#[test]
fn everything_arrives_and_the_suggested_command_shows_it() {
    let sandbox = Sandbox::new();
    sandbox.write("tags.jsonl", &tags(["a", "b", "c"]));
    sandbox.recipe("tags.jsonl", EMBEDDED);
    let ran = sandbox.ingest(&["--report-to", "report.json"]).ends_with(0);
    assert!(ran.stderr.contains("3 proposals accepted"), "{ran:#?}");
    assert_eq!(ran.stdout, "");
    let report = sandbox.json("report.json");
    assert_eq!(report["outcome"], "delivered");
    assert_eq!(report["proposals"]["delivered"], 3);
    assert_eq!(report["token"]["source"], "embedded");

    // The command is run exactly as printed.
    let line = ran.stderr.lines().find_map(|line| line.trim_start().strip_prefix("look")).unwrap();
    let binary = sandbox.command();
    let mut shell = Command::new("sh");
    shell.args(["-c", line.trim()]).env_clear();
    for (name, value) in binary.get_envs() {
        shell.env(name, value.unwrap_or_default());
    }
    let found = Ran::of(&mut shell).ends_with(0).json();
    assert_eq!(found["tagProperties"]["description"], "für Tests");
}

#[test]
fn a_second_run_finds_the_same_gms() {
    let sandbox = Sandbox::new();
    sandbox.write("tags.jsonl", &tags(["a"]));
    sandbox.recipe("tags.jsonl", EMBEDDED);
    sandbox.ingest(&[]).ends_with(0);
    sandbox.write("tags.jsonl", &tags(["b"]));
    sandbox.ingest(&[]).ends_with(0);
    for name in ["a", "b"] {
        let urn = format!("urn:li:tag:{name}");
        let found = sandbox.run(&["get", &urn, "--server", "embedded"]).ends_with(0).json();
        assert_eq!(found["tagProperties"]["name"], name);
    }
}

#[test]
fn get_before_the_first_run_says_what_is_missing() {
    let ran = Sandbox::new().run(&["get", "urn:li:tag:a", "--server", "embedded"]).ends_with(1);
    assert!(ran.stderr.contains("server: embedded"), "{ran:#?}");
}
