//! Are dead letters delivered by a replay, without overwriting newer values?

use std::io::{BufRead as _, BufReader, Write as _};
use std::sync::mpsc;

use datahub_emitter::embedded::{Action, Fault};
use serde_json::{Value, json};

use crate::support::report::adds_up;
use crate::support::sandbox::{Ran, Sandbox, tag, tags};
use crate::support::scripted_gms::{Response, ScriptedGms};
use crate::support::server::Server;
use crate::support::wait::{self, PATIENCE};

const DEAD_LETTERS: &str = "dead.jsonl";

/// Runs `recipe.yml` with a GMS that rejects all of `tags.jsonl`, so that all records end up in
/// [`DEAD_LETTERS`].
fn reject(sandbox: &Sandbox) {
    // A server that accepts nothing at all would count as failing.
    let gms = ScriptedGms::start(|request| match request.proposals().as_slice() {
        [(urn, _)] if urn == "urn:li:tag:first" => Response::ok(),
        _ => Response::Status(422, r#"{"message":"not today"}"#.into()),
    });
    let tags = std::fs::read_to_string(sandbox.path("tags.jsonl")).unwrap();
    sandbox.write("tags.jsonl", &format!("{}\n{tags}", tag("first")));
    let mut ingest = sandbox.command();
    ingest.env("TOKEN", "any").env("DATAHUB_REST_SINK_DEFAULT_MODE", "SYNC");
    ingest.args([
        "ingest",
        "-c",
        "recipe.yml",
        "--server",
        &gms.url(),
        "--dead-letters",
        DEAD_LETTERS,
        "--json",
    ]);
    let report = Ran::of(&mut ingest).ends_with(1).json();
    assert_eq!(report["proposals"]["delivered"], 1, "{report:#}");
    assert_eq!(report["proposals"]["undelivered"], 0, "{report:#}");
}

fn replay(sandbox: &Sandbox, server: &Server, arguments: &[&str]) -> Ran {
    Ran::of(
        sandbox
            .command()
            .env("TOKEN", server.token())
            .args(["replay", DEAD_LETTERS, "-c", "recipe.yml", "--json"])
            .args(arguments),
    )
}

fn replayed(sandbox: &Sandbox, server: &Server, arguments: &[&str], code: i32) -> Value {
    let report = replay(sandbox, server, arguments).ends_with(code).json();
    adds_up(&report);
    report
}

fn described(name: &str, description: &str) -> String {
    tag(name).replace("für Tests", description)
}

fn description(server: &Server, name: &str) -> Option<String> {
    let aspect: Value =
        serde_json::from_str(&server.aspect(&format!("urn:li:tag:{name}"), "tagProperties")?).unwrap();
    aspect["description"].as_str().map(str::to_owned)
}

/// A dead letter as a run writes it.
fn dead_letter(name: &str, at: &str) -> String {
    let mut dead_letter: Value = serde_json::from_str(&tag(name)).unwrap();
    dead_letter["deadLetter"] = json!({"reason": "gms-rejected", "status": 422, "message": "no", "attempts": 1,
        "origin": "mcps.json#4", "runId": "file-1", "at": at});
    dead_letter.to_string()
}

const LONG_AGO: &str = "2020-01-01T00:00:00.000Z";

#[test]
fn rejected_proposals_are_delivered_and_a_second_replay_changes_nothing() {
    let (server, sandbox) = (Server::start(), Sandbox::new());
    sandbox.write("tags.jsonl", &tags(["a", "b"]));
    server.recipe(&sandbox, "tags.jsonl");
    reject(&sandbox);
    let report = replayed(&sandbox, &server, &[], 0);
    assert_eq!(report["outcome"], "delivered");
    assert_eq!((&report["proposals"]["delivered"], &report["proposals"]["filtered"]), (&json!(2), &json!(0)));
    assert_eq!(report["source"]["type"], "dead-letters");
    assert_eq!(description(&server, "b").as_deref(), Some("für Tests"));

    let writes = server.writes().len();
    let again = replay(&sandbox, &server, &[]).ends_with(0);
    let report = again.json();
    assert_eq!((&report["proposals"]["delivered"], &report["proposals"]["filtered"]), (&json!(0), &json!(2)));
    assert!(report["warnings"].to_string().contains("superseded"), "{report:#}");
    assert!(again.stderr.contains("--force") && again.stderr.contains(", 2 filtered"), "{again:#?}");
    assert_eq!(server.writes().len(), writes, "nothing was sent");
}

#[test]
fn a_late_rejection_does_not_overwrite_a_newer_value() {
    let (server, sandbox) = (Server::start(), Sandbox::new());
    // GMS queues the first, and reports in its trace that it did not write it.
    server.gms().fault(Fault {
        path_prefix: "/openapi/v3/entity/tag".into(),
        times: Some(1),
        ..Fault::new(Action::RejectLater { aspect: None, message: "no".into() })
    });
    let sink = format!(
        "{{type: datahub-rest, config: {{server: '{}', token: '{}', endpoint: openapi, mode: ASYNC, emit_mode: \
         ASYNC_WAIT}}}}",
        server.url(),
        server.token()
    );
    sandbox.write("recipe.yml", &format!("source: {{type: file, config: {{path: '-'}}}}\nsink: {sink}\n"));
    let arguments =
        ["ingest", "-c", "recipe.yml", "--dead-letters", DEAD_LETTERS, "--json", "--no-default-report"];
    let mut child = sandbox.start(&arguments);
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all((described("a", "first") + "\n").as_bytes()).unwrap();
    wait::until("the first write", || !server.writes().is_empty());
    stdin.write_all((described("a", "second") + "\n").as_bytes()).unwrap();
    drop(stdin);
    let ran: Ran = child.wait_with_output().unwrap().into();
    let report = ran.ends_with(1).json();
    assert_eq!(
        (&report["proposals"]["delivered"], &report["proposals"]["rejected"]),
        (&json!(1), &json!(1)),
        "{report:#}"
    );
    let report = replayed(&sandbox, &server, &[], 0);
    assert_eq!(report["proposals"]["filtered"], 1, "{report:#}");
    assert_eq!(description(&server, "a").as_deref(), Some("second"));
}

#[test]
fn newer_values_are_kept_without_force() {
    let (server, sandbox) = (Server::start(), Sandbox::new());
    sandbox.write("tags.jsonl", &(described("a", "old") + "\n" + &described("b", "old")));
    server.recipe(&sandbox, "tags.jsonl");
    reject(&sandbox);
    // Another client writes one of the two meanwhile.
    sandbox.write("token", server.token());
    sandbox.write("a.json", r#"{"name": "a", "description": "new"}"#);
    sandbox
        .run(&[
            "put",
            "urn:li:tag:a",
            "--aspect",
            "tagProperties",
            "--data",
            "a.json",
            "--server",
            server.url(),
            "--token-file",
            "token",
        ])
        .ends_with(0);
    let report = replayed(&sandbox, &server, &[], 0);
    assert_eq!((&report["proposals"]["delivered"], &report["proposals"]["filtered"]), (&json!(1), &json!(1)));
    assert_eq!(description(&server, "a").as_deref(), Some("new"));
    assert_eq!(description(&server, "b").as_deref(), Some("old"));
    let report = replayed(&sandbox, &server, &["--force"], 0);
    assert_eq!(report["proposals"]["delivered"], 2);
    assert_eq!(description(&server, "a").as_deref(), Some("old"));
}

#[test]
fn dead_letters_of_one_aspect_keep_their_order_and_do_not_supersede_each_other() {
    let (server, sandbox) = (Server::start(), Sandbox::new());
    // More than are read at a time, so that GMS has stored the first when the last are looked up.
    let versions: Vec<String> = (0..600).map(|n| described("a", &format!("version {n}"))).collect();
    sandbox.write("tags.jsonl", &versions.join("\n"));
    server.recipe(&sandbox, "tags.jsonl");
    reject(&sandbox);
    let report = replayed(&sandbox, &server, &[], 0);
    assert_eq!(report["proposals"]["delivered"], 600, "{report:#}");
    assert_eq!(description(&server, "a").as_deref(), Some("version 599"));
}

#[test]
fn an_interrupted_replay_can_be_repeated() {
    let (server, sandbox) = (Server::start(), Sandbox::new());
    sandbox.write(
        "tags.jsonl",
        &["first try", "second try", "third try"].map(|text| described("a", text)).join("\n"),
    );
    server.recipe(&sandbox, "tags.jsonl");
    reject(&sandbox);
    let all = std::fs::read_to_string(sandbox.path(DEAD_LETTERS)).unwrap();
    // A replay that was killed after the first dead letter leaves this.
    sandbox.write(DEAD_LETTERS, all.lines().next().unwrap());
    assert_eq!(replayed(&sandbox, &server, &[], 0)["proposals"]["delivered"], 1);
    sandbox.write(DEAD_LETTERS, &all);
    let report = replayed(&sandbox, &server, &[], 0);
    assert_eq!((&report["proposals"]["delivered"], &report["proposals"]["filtered"]), (&json!(2), &json!(1)));
    assert_eq!(description(&server, "a").as_deref(), Some("third try"));
    let report = replayed(&sandbox, &server, &[], 0);
    assert_eq!(report["proposals"]["filtered"], 3);
    // A run has sent the same value since.
    sandbox.write("tags.jsonl", &described("a", "third try"));
    sandbox.write("token", server.token());
    let mut ingest = sandbox.command();
    Ran::of(ingest.env("TOKEN", server.token()).args(["ingest", "-c", "recipe.yml"])).ends_with(0);
    let late = dead_letter("a", "2100-01-01T00:00:00Z");
    sandbox.write(DEAD_LETTERS, &format!("{all}{late}\n"));
    assert_eq!(
        replayed(&sandbox, &server, &[], 0)["proposals"]["delivered"],
        1,
        "only the one that is newer than all"
    );
}

#[test]
fn a_killed_replay_has_the_same_result_when_it_is_run_again() {
    const ASPECTS: usize = 40;
    const VERSIONS: usize = 6;
    let (server, sandbox) = (Server::start(), Sandbox::new());
    let mut dead_letters = String::new();
    for version in 0..VERSIONS {
        for aspect in 0..ASPECTS {
            let at = format!("2026-11-20T08:00:0{version}.{aspect:06}Z");
            dead_letters +=
                &dead_letter(&format!("t{aspect}"), &at).replace("für Tests", &format!("version {version}"));
            dead_letters.push('\n');
        }
    }
    sandbox.write(DEAD_LETTERS, &dead_letters);
    let sink = format!(
        "{{type: datahub-rest, config: {{server: '{}', token: '{}', max_per_batch: 7, max_threads: 2}}}}",
        server.url(),
        server.token()
    );
    sandbox.recipe("never-read.jsonl", &sink);
    for kills in 1..=4 {
        let before = server.writes().len();
        let mut child = sandbox.start(&["replay", DEAD_LETTERS, "-c", "recipe.yml"]);
        wait::until_or_end(&mut child, || server.writes().len() >= before + 3 * kills);
        // SIGKILL; the process may have ended already.
        drop(child.kill());
        child.wait().unwrap();
    }
    let report = replayed(&sandbox, &server, &[], 0);
    assert_eq!(report["source"]["records"], ASPECTS * VERSIONS);
    for aspect in 0..ASPECTS {
        let last = format!("version {}", VERSIONS - 1);
        assert_eq!(description(&server, &format!("t{aspect}")), Some(last), "t{aspect}");
    }
}

#[test]
fn intact_lines_of_a_damaged_file_are_replayed() {
    let (server, sandbox) = (Server::start(), Sandbox::new());
    sandbox.write("tags.jsonl", &tags(["a", "b", "c"]));
    server.recipe(&sandbox, "tags.jsonl");
    reject(&sandbox);
    let text = std::fs::read_to_string(sandbox.path(DEAD_LETTERS)).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let (half, _) = lines[1].split_at(100);
    sandbox.write(DEAD_LETTERS, &format!("{}\n{half}\n{}", lines[0], lines[2]));
    let ran = replay(&sandbox, &server, &[]).ends_with(1);
    let report = ran.json();
    adds_up(&report);
    assert_eq!((&report["proposals"]["delivered"], &report["source"]["invalid"]), (&json!(2), &json!(1)));
    assert!(report["failures"][0]["message"].as_str().unwrap().starts_with("line 2 "), "{report:#}");
    assert!(ran.stderr.contains("line 2 "), "{ran:#?}");
    assert!(description(&server, "a").is_some() && description(&server, "c").is_some());
    assert_eq!(report["dead_letters"]["records"], 1, "the truncated line is kept");
}

#[test]
fn an_invalid_record_that_is_valid_now_is_sent() {
    let (server, sandbox) = (Server::start(), Sandbox::new());
    let raw = |text: &str| {
        let dead_letter =
            json!({"reason": "invalid-record", "origin": "mcps.json#7", "at": LONG_AGO, "raw": text});
        json!({ "deadLetter": dead_letter }).to_string()
    };
    sandbox.write(DEAD_LETTERS, &[raw(&tag("a")), raw("no json at all")].join("\n"));
    server.recipe(&sandbox, "never-read.jsonl");
    let report = replayed(&sandbox, &server, &["--dead-letters", "still.jsonl"], 1);
    assert_eq!((&report["proposals"]["delivered"], &report["source"]["invalid"]), (&json!(1), &json!(1)));
    assert!(description(&server, "a").is_some());
    let still: Value = sandbox.json("still.jsonl");
    assert_eq!(still["deadLetter"]["raw"], "no json at all");
    assert_eq!(
        still["deadLetter"]["origin"], "mcps.json#7",
        "the place of the record, not that of its dead letter"
    );
}

#[test]
fn repeated_failures_are_not_written_to_the_file_that_is_read() {
    let sandbox = Sandbox::new();
    let gms = ScriptedGms::start(|_| Response::Status(422, r#"{"message":"not today"}"#.into()));
    sandbox.write("tags.jsonl", &tags(["a"]));
    sandbox.recipe(
        "tags.jsonl",
        &format!("{{type: datahub-rest, config: {{server: '{}'}}}}\npipeline_name: nightly", gms.url()),
    );
    let dead_letters =
        sandbox.ingest(&["--json"]).ends_with(1).json()["dead_letters"]["path"].as_str().unwrap().to_owned();
    let before = std::fs::read(&dead_letters).unwrap();
    let report = sandbox.run(&["replay", &dead_letters, "-c", "recipe.yml", "--json"]).ends_with(1).json();
    let again = report["dead_letters"]["path"].as_str().unwrap().to_owned();
    assert_ne!(again, dead_letters);
    assert!(again.ends_with("nightly/dead-letters-again.jsonl"), "{again}");
    assert_eq!(std::fs::read(&dead_letters).unwrap(), before);
    // From there they go to the dead-letter file of a run, so that names do not grow.
    let report = sandbox.run(&["replay", &again, "-c", "recipe.yml", "--json"]).ends_with(1).json();
    assert_eq!(report["dead_letters"]["path"], dead_letters);

    let ran = sandbox
        .run(&["replay", &dead_letters, "-c", "recipe.yml", "--dead-letters", &dead_letters])
        .ends_with(2);
    assert!(ran.stderr.contains("is being read"), "{ran:#?}");
}

#[test]
fn a_missing_dead_letter_file_is_an_error() {
    let sandbox = Sandbox::new();
    sandbox.recipe("tags.jsonl", "{type: console}");
    for dead_letters in ["not-there.jsonl", "."] {
        let ran = sandbox.run(&["replay", dead_letters, "-c", "recipe.yml"]).ends_with(2);
        assert!(ran.stderr.contains(dead_letters), "{ran:#?}");
    }
}

#[test]
fn a_metadata_file_is_not_accepted_as_dead_letters() {
    let sandbox = Sandbox::new();
    sandbox.write(DEAD_LETTERS, &format!("[\n{}\n]", tag("a")));
    sandbox.recipe("tags.jsonl", "{type: console}");
    let ran = sandbox.run(&["replay", DEAD_LETTERS, "-c", "recipe.yml"]).ends_with(2);
    assert!(ran.stderr.contains("JSON array") && ran.stdout.is_empty(), "{ran:#?}");
}

#[test]
fn another_sink_receives_all_dead_letters() {
    let sandbox = Sandbox::new();
    sandbox.write(DEAD_LETTERS, &dead_letter("a", LONG_AGO));
    sandbox.recipe("tags.jsonl", "{type: console}");
    let ran = sandbox.run(&["replay", DEAD_LETTERS, "-c", "recipe.yml"]).ends_with(0);
    let record: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(record["entityUrn"], "urn:li:tag:a");
}

#[test]
fn a_missing_read_privilege_is_diagnosed_and_can_be_bypassed_with_force() {
    let sandbox = Sandbox::new();
    sandbox.write(DEAD_LETTERS, &dead_letter("a", LONG_AGO));
    let gms = ScriptedGms::start_for_all(|request| match request.path() {
        "/config" => Response::Status(200, r#"{"noCode":"true"}"#.into()),
        _ if request.is_write() => Response::ok(),
        _ => Response::Status(403, r#"{"message":"User is unauthorized to get entity"}"#.into()),
    });
    sandbox.recipe("tags.jsonl", &format!("{{type: datahub-rest, config: {{server: '{}'}}}}", gms.url()));
    let ran = sandbox.run(&["replay", DEAD_LETTERS, "-c", "recipe.yml"]).ends_with(3);
    assert!(ran.stderr.contains("auth.forbidden") && ran.stderr.contains("--force"), "{ran:#?}");
    assert!(gms.writes().is_empty());
    sandbox.run(&["replay", DEAD_LETTERS, "-c", "recipe.yml", "--force"]).ends_with(0);
    assert_eq!(gms.writes().len(), 1);
}

#[cfg(unix)]
#[test]
fn a_signal_ends_a_replay_while_it_waits_for_gms() {
    let sandbox = Sandbox::new();
    sandbox.write(DEAD_LETTERS, &dead_letter("a", LONG_AGO));
    let (asked, requests) = mpsc::channel();
    let gms = ScriptedGms::start_for_all(move |request| {
        if request.path() == "/config" {
            return Response::Status(200, r#"{"noCode":"true"}"#.into());
        }
        asked.send(()).unwrap();
        Response::Never
    });
    sandbox.recipe("tags.jsonl", &format!("{{type: datahub-rest, config: {{server: '{}'}}}}", gms.url()));
    let mut child =
        sandbox.start(&["replay", DEAD_LETTERS, "-c", "recipe.yml", "--report-to", "report.json"]);
    requests.recv_timeout(PATIENCE).unwrap();
    crate::support::sandbox::signal(&child, "TERM");
    assert_eq!(child.wait().unwrap().code(), Some(143));
    let report = sandbox.json("report.json");
    assert_eq!(report["outcome"], "interrupted");
}

#[test]
fn a_run_and_a_replay_of_a_pipeline_exclude_each_other() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "recipe.yml",
        "source: {type: file, config: {path: '-'}}\nsink: {type: console}\npipeline_name: one\n",
    );
    sandbox.write(DEAD_LETTERS, &dead_letter("a", LONG_AGO));
    let mut child = sandbox.start(&["ingest", "-c", "recipe.yml"]);
    child.stdin.as_mut().unwrap().write_all(tags(["x"]).as_bytes()).unwrap();
    // A printed record shows that the run holds the lock.
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut String::new()).unwrap();
    sandbox.run(&["replay", DEAD_LETTERS, "-c", "recipe.yml"]).ends_with(5);
    drop(child.stdin.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    sandbox.run(&["replay", DEAD_LETTERS, "-c", "recipe.yml"]).ends_with(0);
}
