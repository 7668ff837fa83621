//! What becomes of records that GMS rejects, and of those that no one understands?

use crate::support::sandbox::{Ran, Sandbox, tag, tags};
use crate::support::server::Server;

/// GMS would drop such a URN without a word, so it is rejected here.
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
fn they_are_kept_and_the_rest_goes_on() {
    let server = Server::start();
    let sandbox = Sandbox::new();
    sandbox.write(
        "tags.jsonl",
        &format!("{}{}\nno json at all\n{}", tags(["a"]), tag(&too_long()), tags(["b"])),
    );
    server.recipe(&sandbox, "tags.jsonl");
    let ran = ingest(&sandbox, &server, &["--dead-letters", "letters.jsonl"]).ends_with(1);
    let report = ran.json();
    assert_eq!(report["outcome"], "partial");
    assert_eq!(report["proposals"]["delivered"], 2);
    assert_eq!(report["proposals"]["rejected"], 1);
    assert_eq!(report["source"]["invalid"], 1);
    assert_eq!(report["dead_letters"]["records"], 2);
    assert!(ran.stderr.contains("letters.jsonl"), "{ran:#?}");
    assert!(server.aspect("urn:li:tag:b", "tagProperties").is_some());

    let text = std::fs::read_to_string(sandbox.path("letters.jsonl")).unwrap();
    let letters: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (invalid, rejected): (Vec<_>, Vec<_>) =
        letters.iter().partition(|letter| letter.get("entityUrn").is_none());
    assert_eq!(invalid[0]["deadLetter"]["raw"], "no json at all");
    assert_eq!(rejected[0]["aspect"]["contentType"], "application/json");
    assert!(rejected[0]["deadLetter"]["origin"].as_str().unwrap().ends_with("#1"), "{rejected:?}");
    assert_eq!(rejected[0]["deadLetter"]["runId"], report["run_id"]);
}

#[test]
fn the_file_is_a_source_again() {
    let server = Server::start();
    let sandbox = Sandbox::new();
    sandbox.write("tags.jsonl", &tag(&too_long()));
    server.recipe(&sandbox, "tags.jsonl");
    ingest(&sandbox, &server, &["--dead-letters", "letters.jsonl"]).ends_with(1);
    sandbox.recipe("letters.jsonl", "{type: console}");
    let ran = sandbox.ingest(&[]).ends_with(0);
    let record: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(record["entityUrn"], format!("urn:li:tag:{}", too_long()));
    assert_eq!(record["aspect"]["json"]["description"], "für Tests");
}

#[test]
fn without_the_option_they_are_in_the_state_directory() {
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
fn a_full_disk_ends_the_run_and_the_counts_stay_true() {
    let server = Server::start();
    let sandbox = Sandbox::new();
    sandbox.write("tags.jsonl", &tag(&too_long()));
    server.recipe(&sandbox, "tags.jsonl");
    let report = ingest(&sandbox, &server, &["--dead-letters", "/dev/full"]).ends_with(6).json();
    assert_eq!(report["dead_letters"]["records"], 0);
    assert_eq!(report["proposals"]["read"], 1);
    assert_eq!(report["proposals"]["undelivered"], 1, "what could not be kept is left for a later run");
}
