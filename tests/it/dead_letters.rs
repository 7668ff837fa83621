//! Where do rejected proposals and invalid records go?

use crate::support::sandbox::{Ran, Sandbox, tag, tags};
use crate::support::server::Server;

/// A name that is too long for a URN: GMS would drop the proposal silently, so the emitter rejects it.
fn too_long() -> String {
    "x".repeat(600)
}

fn ingest(sandbox: &Sandbox, server: &Server, arguments: &[&str]) -> Ran {
    Ran::of(
        sandbox
            .command()
            .env("TOKEN", server.token())
            .args(["ingest", "-c", "recipe.yml", "--json"])
            .args(arguments),
    )
}

#[test]
fn rejected_and_invalid_records_are_written_and_the_rest_is_delivered() {
    let server = Server::start();
    let sandbox = Sandbox::new();
    sandbox.write(
        "tags.jsonl",
        &format!("{}{}\nno json at all\n{}", tags(["a"]), tag(&too_long()), tags(["b"])),
    );
    server.recipe(&sandbox, "tags.jsonl");
    let ran = ingest(&sandbox, &server, &["--dead-letters", "dead.jsonl"]).ends_with(1);
    let report = ran.json();
    assert_eq!(report["outcome"], "partial");
    assert_eq!(report["proposals"]["delivered"], 2);
    assert_eq!(report["proposals"]["rejected"], 1);
    assert_eq!(report["source"]["invalid"], 1);
    assert_eq!(report["dead_letters"]["records"], 2);
    assert!(ran.stderr.contains("dead.jsonl"), "{ran:#?}");
    assert!(server.aspect("urn:li:tag:b", "tagProperties").is_some());

    let text = std::fs::read_to_string(sandbox.path("dead.jsonl")).unwrap();
    let dead_letters: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (invalid, rejected): (Vec<_>, Vec<_>) =
        dead_letters.iter().partition(|line| line.get("entityUrn").is_none());
    assert_eq!(invalid[0]["deadLetter"]["raw"], "no json at all");
    assert_eq!(rejected[0]["aspect"]["contentType"], "application/json");
    assert!(rejected[0]["deadLetter"]["origin"].as_str().unwrap().ends_with("#1"), "{rejected:?}");
    assert_eq!(rejected[0]["deadLetter"]["runId"], report["run_id"]);
}

#[test]
fn the_dead_letter_file_can_be_read_as_a_source() {
    let server = Server::start();
    let sandbox = Sandbox::new();
    sandbox.write("tags.jsonl", &tag(&too_long()));
    server.recipe(&sandbox, "tags.jsonl");
    ingest(&sandbox, &server, &["--dead-letters", "dead.jsonl"]).ends_with(1);
    sandbox.recipe("dead.jsonl", "{type: console}");
    let ran = sandbox.ingest(&[]).ends_with(0);
    let record: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(record["entityUrn"], format!("urn:li:tag:{}", too_long()));
    assert_eq!(record["aspect"]["json"]["description"], "für Tests");
}

#[test]
fn by_default_dead_letters_are_in_the_state_directory() {
    let sandbox = Sandbox::new();
    sandbox.write("tags.jsonl", "{\n");
    sandbox.recipe("tags.jsonl", "{type: blackhole}\npipeline_name: nightly");
    let report = sandbox.ingest(&["--json", "--state-dir", "elsewhere"]).ends_with(1).json();
    let path = report["dead_letters"]["path"].as_str().unwrap();
    assert!(path.ends_with("elsewhere/nightly/dead-letters.jsonl"), "{path}");
    assert!(sandbox.path(path).exists());
}

#[test]
fn the_recipes_failure_log_is_the_dead_letter_file() {
    let sandbox = Sandbox::new();
    sandbox.write("tags.jsonl", "{\n");
    sandbox.recipe(
        "tags.jsonl",
        "{type: blackhole}\nfailure_log: {enabled: true, log_config: {filename: failed.jsonl}}",
    );
    sandbox.ingest(&[]).ends_with(1);
    assert!(sandbox.path("failed.jsonl").exists());
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_ends_the_run_and_the_counts_stay_correct() {
    let server = Server::start();
    let sandbox = Sandbox::new();
    sandbox.write("tags.jsonl", &tag(&too_long()));
    server.recipe(&sandbox, "tags.jsonl");
    let report = ingest(&sandbox, &server, &["--dead-letters", "/dev/full"]).ends_with(6).json();
    assert_eq!(report["dead_letters"]["records"], 0);
    assert_eq!(report["proposals"]["read"], 1);
    assert_eq!(
        report["proposals"]["undelivered"], 1,
        "a record that could not be written stays for a later run"
    );
}
