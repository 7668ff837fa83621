//! Do dead letters arrive when they are sent again, and undo nothing?

use std::io::{BufRead as _, BufReader, Write as _};
use std::sync::mpsc;

use datahub_emitter::embedded::{Action, Fault};
use serde_json::{Value, json};

use crate::support::report::adds_up;
use crate::support::sandbox::{Ran, Sandbox, tag, tags};
use crate::support::scripted_gms::{Answer, ScriptedGms};
use crate::support::server::Server;

const LETTERS: &str = "letters.jsonl";

/// A run of `recipe.yml` into a GMS that rejects all that `tags.jsonl` has: all of it is in [`LETTERS`] then.
fn reject(sandbox: &Sandbox) {
    // What takes nothing at all would be a server in trouble.
    let gms = ScriptedGms::apart(|request| match request.proposals().as_slice() {
        [(urn, _)] if urn == "urn:li:tag:first" => Answer::ok(),
        _ => Answer::Status(422, r#"{"message":"not today"}"#.into()),
    });
    let tags = std::fs::read_to_string(sandbox.path("tags.jsonl")).unwrap();
    sandbox.write("tags.jsonl", &format!("{}\n{tags}", tag("first")));
    let mut ingest = sandbox.command();
    ingest.env("TOKEN", "any").env("DATAHUB_REST_SINK_DEFAULT_MODE", "SYNC");
    ingest.args(["ingest", "-c", "recipe.yml", "--server", &gms.url(), "--dead-letters", LETTERS, "--json"]);
    let report = Ran::of(&mut ingest).ends_with(1).json();
    assert_eq!(report["proposals"]["delivered"], 1, "{report:#}");
    assert_eq!(report["proposals"]["undelivered"], 0, "{report:#}");
}

fn replay(sandbox: &Sandbox, server: &Server, arguments: &[&str]) -> Ran {
    Ran::of(
        sandbox
            .command()
            .env("TOKEN", server.token())
            .args(["replay", LETTERS, "-c", "recipe.yml", "--json"])
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

/// A letter as a run writes it.
fn letter(name: &str, at: &str) -> String {
    let mut letter: Value = serde_json::from_str(&tag(name)).unwrap();
    letter["deadLetter"] = json!({"reason": "gms-rejected", "status": 422, "message": "no", "attempts": 1,
        "origin": "mcps.json#4", "runId": "file-1", "at": at});
    letter.to_string()
}

const LONG_AGO: &str = "2020-01-01T00:00:00.000Z";

#[test]
fn what_was_rejected_arrives_and_once_more_does_no_harm() {
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
    assert!(again.stderr.contains("--force") && again.stderr.contains(", 2 left out"), "{again:#?}");
    assert_eq!(server.writes().len(), writes, "nothing was sent");
}

#[test]
fn a_refusal_that_is_known_late_does_not_undo_what_was_written_meanwhile() {
    let (server, sandbox) = (Server::start(), Sandbox::new());
    // GMS queues the first, and says only when it is asked that it did not write it.
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
    let arguments = ["ingest", "-c", "recipe.yml", "--dead-letters", LETTERS, "--json"];
    let mut child = sandbox.start(&arguments);
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all((described("a", "first") + "\n").as_bytes()).unwrap();
    while server.writes().is_empty() {
        std::thread::yield_now();
    }
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
fn what_is_newer_stays_unless_it_is_forced_out() {
    let (server, sandbox) = (Server::start(), Sandbox::new());
    sandbox.write("tags.jsonl", &(described("a", "old") + "\n" + &described("b", "old")));
    server.recipe(&sandbox, "tags.jsonl");
    reject(&sandbox);
    // Someone else writes one of the two meanwhile.
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
fn letters_for_one_aspect_keep_their_order_and_do_not_supersede_each_other() {
    let (server, sandbox) = (Server::start(), Sandbox::new());
    // More than are read at a time, so that GMS has the first when the last are asked about.
    let versions: Vec<String> = (0..600).map(|n| described("a", &format!("version {n}"))).collect();
    sandbox.write("tags.jsonl", &versions.join("\n"));
    server.recipe(&sandbox, "tags.jsonl");
    reject(&sandbox);
    let report = replayed(&sandbox, &server, &[], 0);
    assert_eq!(report["proposals"]["delivered"], 600, "{report:#}");
    assert_eq!(description(&server, "a").as_deref(), Some("version 599"));
}

#[test]
fn a_replay_that_was_broken_off_is_gone_on_with() {
    let (server, sandbox) = (Server::start(), Sandbox::new());
    sandbox.write(
        "tags.jsonl",
        &["first try", "second try", "third try"].map(|text| described("a", text)).join("\n"),
    );
    server.recipe(&sandbox, "tags.jsonl");
    reject(&sandbox);
    let all = std::fs::read_to_string(sandbox.path(LETTERS)).unwrap();
    // What a replay leaves behind that was killed after the first letter.
    sandbox.write(LETTERS, all.lines().next().unwrap());
    assert_eq!(replayed(&sandbox, &server, &[], 0)["proposals"]["delivered"], 1);
    sandbox.write(LETTERS, &all);
    let report = replayed(&sandbox, &server, &[], 0);
    assert_eq!((&report["proposals"]["delivered"], &report["proposals"]["filtered"]), (&json!(2), &json!(1)));
    assert_eq!(description(&server, "a").as_deref(), Some("third try"));
    let report = replayed(&sandbox, &server, &[], 0);
    assert_eq!(report["proposals"]["filtered"], 3);
    // A run that finds the same value in its file has seen it since.
    sandbox.write("tags.jsonl", &described("a", "third try"));
    sandbox.write("token", server.token());
    let mut ingest = sandbox.command();
    Ran::of(ingest.env("TOKEN", server.token()).args(["ingest", "-c", "recipe.yml"])).ends_with(0);
    let late = letter("a", "2100-01-01T00:00:00Z");
    sandbox.write(LETTERS, &format!("{all}{late}\n"));
    assert_eq!(
        replayed(&sandbox, &server, &[], 0)["proposals"]["delivered"],
        1,
        "only the one that is newer than all"
    );
}

#[test]
fn a_replay_that_is_killed_and_run_again_ends_where_one_that_was_not_does() {
    const ASPECTS: usize = 40;
    const VERSIONS: usize = 6;
    let (server, sandbox) = (Server::start(), Sandbox::new());
    let mut letters = String::new();
    for version in 0..VERSIONS {
        for aspect in 0..ASPECTS {
            let at = format!("2026-11-20T08:00:0{version}.{aspect:06}Z");
            letters +=
                &letter(&format!("t{aspect}"), &at).replace("für Tests", &format!("version {version}"));
            letters.push('\n');
        }
    }
    sandbox.write(LETTERS, &letters);
    let sink = format!(
        "{{type: datahub-rest, config: {{server: '{}', token: '{}', max_per_batch: 7, max_threads: 2}}}}",
        server.url(),
        server.token()
    );
    sandbox.recipe("never-read.jsonl", &sink);
    for kills in 1..=4 {
        let before = server.writes().len();
        let mut child = sandbox.start(&["replay", LETTERS, "-c", "recipe.yml"]);
        while server.writes().len() < before + 3 * kills && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        // SIGKILL; it may be at its end already.
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
fn a_damaged_file_gives_back_all_that_is_whole() {
    let (server, sandbox) = (Server::start(), Sandbox::new());
    sandbox.write("tags.jsonl", &tags(["a", "b", "c"]));
    server.recipe(&sandbox, "tags.jsonl");
    reject(&sandbox);
    let text = std::fs::read_to_string(sandbox.path(LETTERS)).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let (half, _) = lines[1].split_at(100);
    sandbox.write(LETTERS, &format!("{}\n{half}\n{}", lines[0], lines[2]));
    let ran = replay(&sandbox, &server, &[]).ends_with(1);
    let report = ran.json();
    adds_up(&report);
    assert_eq!((&report["proposals"]["delivered"], &report["source"]["invalid"]), (&json!(2), &json!(1)));
    assert!(report["failures"][0]["message"].as_str().unwrap().starts_with("line 2 "), "{report:#}");
    assert!(ran.stderr.contains("line 2 "), "{ran:#?}");
    assert!(description(&server, "a").is_some() && description(&server, "c").is_some());
    assert_eq!(report["dead_letters"]["records"], 1, "the half is kept for whoever can read it");
}

#[test]
fn a_record_that_is_understood_by_now_is_sent_and_another_stays() {
    let (server, sandbox) = (Server::start(), Sandbox::new());
    let raw = |text: &str| {
        let letter =
            json!({"reason": "invalid-record", "origin": "mcps.json#7", "at": LONG_AGO, "raw": text});
        json!({ "deadLetter": letter }).to_string()
    };
    sandbox.write(LETTERS, &[raw(&tag("a")), raw("no json at all")].join("\n"));
    server.recipe(&sandbox, "never-read.jsonl");
    let report = replayed(&sandbox, &server, &["--dead-letters", "still.jsonl"], 1);
    assert_eq!((&report["proposals"]["delivered"], &report["source"]["invalid"]), (&json!(1), &json!(1)));
    assert!(description(&server, "a").is_some());
    let still: Value = sandbox.json("still.jsonl");
    assert_eq!(still["deadLetter"]["raw"], "no json at all");
    assert_eq!(
        still["deadLetter"]["origin"], "mcps.json#7",
        "the place of the record, not that of its letter"
    );
}

#[test]
fn what_fails_again_is_never_written_into_the_file_that_is_read() {
    let sandbox = Sandbox::new();
    let gms = ScriptedGms::apart(|_| Answer::Status(422, r#"{"message":"not today"}"#.into()));
    sandbox.write("tags.jsonl", &tags(["a"]));
    sandbox.recipe(
        "tags.jsonl",
        &format!("{{type: datahub-rest, config: {{server: '{}'}}}}\npipeline_name: nightly", gms.url()),
    );
    let letters =
        sandbox.ingest(&["--json"]).ends_with(1).json()["dead_letters"]["path"].as_str().unwrap().to_owned();
    let before = std::fs::read(&letters).unwrap();
    let report = sandbox.run(&["replay", &letters, "-c", "recipe.yml", "--json"]).ends_with(1).json();
    let again = report["dead_letters"]["path"].as_str().unwrap().to_owned();
    assert_ne!(again, letters);
    assert!(again.ends_with("nightly/dead-letters-again.jsonl"), "{again}");
    assert_eq!(std::fs::read(&letters).unwrap(), before);
    // From there they go where a run keeps them, so that names do not grow.
    let report = sandbox.run(&["replay", &again, "-c", "recipe.yml", "--json"]).ends_with(1).json();
    assert_eq!(report["dead_letters"]["path"], letters);

    let ran = sandbox.run(&["replay", &letters, "-c", "recipe.yml", "--dead-letters", &letters]).ends_with(2);
    assert!(ran.stderr.contains("is being read"), "{ran:#?}");
}

#[test]
fn letters_that_are_not_there_are_a_mistake() {
    let sandbox = Sandbox::new();
    sandbox.recipe("tags.jsonl", "{type: console}");
    for letters in ["not-there.jsonl", "."] {
        let ran = sandbox.run(&["replay", letters, "-c", "recipe.yml"]).ends_with(2);
        assert!(ran.stderr.contains(letters), "{ran:#?}");
    }
}

#[test]
fn a_metadata_file_is_not_taken_for_dead_letters() {
    let sandbox = Sandbox::new();
    sandbox.write(LETTERS, &format!("[\n{}\n]", tag("a")));
    sandbox.recipe("tags.jsonl", "{type: console}");
    let ran = sandbox.run(&["replay", LETTERS, "-c", "recipe.yml"]).ends_with(2);
    assert!(ran.stderr.contains("JSON array") && ran.stdout.is_empty(), "{ran:#?}");
}

#[test]
fn another_sink_takes_all_letters() {
    let sandbox = Sandbox::new();
    sandbox.write(LETTERS, &letter("a", LONG_AGO));
    sandbox.recipe("tags.jsonl", "{type: console}");
    let ran = sandbox.run(&["replay", LETTERS, "-c", "recipe.yml"]).ends_with(0);
    let record: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(record["entityUrn"], "urn:li:tag:a");
}

#[test]
fn whoever_may_not_read_is_told_and_may_force_it() {
    let sandbox = Sandbox::new();
    sandbox.write(LETTERS, &letter("a", LONG_AGO));
    let gms = ScriptedGms::of_all(|request| match request.path() {
        "/config" => Answer::Status(200, r#"{"noCode":"true"}"#.into()),
        _ if request.is_write() => Answer::ok(),
        _ => Answer::Status(403, r#"{"message":"User is unauthorized to get entity"}"#.into()),
    });
    sandbox.recipe("tags.jsonl", &format!("{{type: datahub-rest, config: {{server: '{}'}}}}", gms.url()));
    let ran = sandbox.run(&["replay", LETTERS, "-c", "recipe.yml"]).ends_with(3);
    assert!(ran.stderr.contains("auth.forbidden") && ran.stderr.contains("--force"), "{ran:#?}");
    assert!(gms.writes().is_empty());
    sandbox.run(&["replay", LETTERS, "-c", "recipe.yml", "--force"]).ends_with(0);
    assert_eq!(gms.writes().len(), 1);
}

#[cfg(unix)]
#[test]
fn a_signal_ends_it_while_gms_is_asked() {
    let sandbox = Sandbox::new();
    sandbox.write(LETTERS, &letter("a", LONG_AGO));
    let (asked, wait) = mpsc::channel();
    let gms = ScriptedGms::of_all(move |request| {
        if request.path() == "/config" {
            return Answer::Status(200, r#"{"noCode":"true"}"#.into());
        }
        asked.send(()).unwrap();
        // Never answered: its sender is kept where nobody uses it.
        let (sender, receiver) = tokio::sync::oneshot::channel();
        std::mem::forget(sender);
        Answer::Later(receiver)
    });
    sandbox.recipe("tags.jsonl", &format!("{{type: datahub-rest, config: {{server: '{}'}}}}", gms.url()));
    let mut child = sandbox.start(&["replay", LETTERS, "-c", "recipe.yml", "--report-to", "report.json"]);
    wait.recv_timeout(std::time::Duration::from_secs(60)).unwrap();
    crate::support::sandbox::signal(&child, "TERM");
    assert_eq!(child.wait().unwrap().code(), Some(143));
    let report = sandbox.json("report.json");
    assert_eq!(report["outcome"], "interrupted");
}

#[test]
fn a_run_of_the_pipeline_and_a_replay_do_not_meet() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "recipe.yml",
        "source: {type: file, config: {path: '-'}}\nsink: {type: console}\npipeline_name: one\n",
    );
    sandbox.write(LETTERS, &letter("a", LONG_AGO));
    let mut child = sandbox.start(&["ingest", "-c", "recipe.yml"]);
    child.stdin.as_mut().unwrap().write_all(tags(["x"]).as_bytes()).unwrap();
    // What was printed was printed under the lock.
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut String::new()).unwrap();
    sandbox.run(&["replay", LETTERS, "-c", "recipe.yml"]).ends_with(5);
    drop(child.stdin.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    sandbox.run(&["replay", LETTERS, "-c", "recipe.yml"]).ends_with(0);
}
