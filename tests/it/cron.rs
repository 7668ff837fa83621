//! Is a scheduled run safe without supervision?

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Child;

use serde_json::Value;

use crate::support::raw_server::RawServer;
use crate::support::report::adds_up;
use crate::support::sandbox::{Ran, Sandbox, tag, tags};
use crate::support::scripted_gms::{Response, ScriptedGms};
use crate::support::server::Server;

/// Lines that are not records.
fn broken(lines: usize) -> String {
    "no record\n".repeat(lines)
}

/// A sandbox whose recipe reads `source` into the blackhole sink, with these top-level keys.
fn pipeline(source: &str, keys: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("tags.jsonl", source);
    sandbox.recipe("tags.jsonl", &format!("{{type: blackhole}}\n{keys}"));
    sandbox
}

fn first_failure(report: &Value) -> &str {
    report["failures"][0]["message"].as_str().unwrap()
}

/// A run of `recipe.yml` that waits for more on standard input.
fn holding_the_lock(sandbox: &Sandbox) -> Child {
    sandbox.write(
        "recipe.yml",
        "source: {type: file, config: {path: '-'}}\nsink: {type: console}\npipeline_name: one\n",
    );
    let mut run = sandbox.start(&["ingest", "-c", "recipe.yml"]);
    run.stdin.as_mut().unwrap().write_all(tags(["a"]).as_bytes()).unwrap();
    // A printed record shows that the run holds the lock.
    BufReader::new(run.stdout.as_mut().unwrap()).read_line(&mut String::new()).unwrap();
    run
}

#[test]
fn a_run_that_was_killed_leaves_no_lock_behind() {
    let sandbox = Sandbox::new();
    let mut run = holding_the_lock(&sandbox);
    sandbox.ingest(&[]).ends_with(5);
    // SIGKILL.
    run.kill().unwrap();
    run.wait().unwrap();
    sandbox.ingest(&[]).ends_with(0);
}

#[test]
fn a_deadline_ends_a_run_gracefully() {
    let sandbox = Sandbox::new();
    sandbox.write("recipe.yml", "source: {type: file, config: {path: '-'}}\nsink: {type: console}\n");
    // Standard input stays open: only the deadline can end it.
    let mut run =
        sandbox.start(&["ingest", "-c", "recipe.yml", "--deadline", "0.5", "--report-to", "report.json"]);
    let mut stdin = run.stdin.take().unwrap();
    stdin.write_all(tags(["a"]).as_bytes()).unwrap();
    let ran: Ran = run.wait_with_output().unwrap().into();
    drop(stdin);
    let ran = ran.ends_with(1);
    let report = sandbox.json("report.json");
    adds_up(&report);
    assert_eq!((&report["outcome"], &report["source"]["complete"]), (&"partial".into(), &false.into()));
    assert!(first_failure(&report).contains("deadline"), "{report:#}");
    assert!(ran.stderr.contains("error: stopped: the deadline of 500ms is over"), "{ran:#?}");
}

#[test]
fn a_deadline_ends_the_wait_for_a_server() {
    let server = RawServer::start(|_| Response::Never).unwrap();
    let sandbox = pipeline(&tags(["a"]), "");
    let sink = format!("{{type: datahub-rest, config: {{server: '{}'}}}}", server.url());
    sandbox.recipe("tags.jsonl", &sink);
    let report = sandbox.ingest(&["--deadline", "0.2", "--json"]).ends_with(1).json();
    assert_eq!(report["proposals"]["read"], 0);
    assert!(first_failure(&report).contains("deadline"), "{report:#}");
}

#[test]
fn a_deadline_that_is_not_reached_changes_nothing() {
    pipeline(&tags(["a"]), "").ingest(&["--deadline", "1h"]).ends_with(0);
}

#[test]
fn too_many_failures_end_a_run_early() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "recipe.yml",
        "source: {type: file, config: {path: '-'}}\nsink: {type: blackhole}\nmax_failures: 3\n",
    );
    let mut run = sandbox.start(&["ingest", "-c", "recipe.yml", "--json"]);
    let mut stdin = run.stdin.take().unwrap();
    stdin.write_all(broken(10).as_bytes()).unwrap();
    // Standard input stays open: the run ends by itself.
    let ran: Ran = run.wait_with_output().unwrap().into();
    drop(stdin);
    let report = ran.ends_with(1).json();
    adds_up(&report);
    assert_eq!(report["outcome"], "partial");
    assert!(first_failure(&report).contains("more than `max_failures` allows (3)"), "{report:#}");
}

#[test]
fn failures_up_to_the_maximum_do_not_stop_a_run() {
    let sandbox = pipeline(&(broken(3) + &tags(["a"])), "max_failures: 3");
    let report = sandbox.ingest(&["--json"]).ends_with(1).json();
    assert_eq!((&report["proposals"]["delivered"], &report["source"]["complete"]), (&1.into(), &true.into()));
    assert!(!report.to_string().contains("max_failures"), "{report:#}");
}

#[test]
fn a_maximum_failure_rate_is_checked_early_and_at_the_end() {
    let early = pipeline(&broken(5_000), "max_failure_share: 0.1").ingest(&["--json"]).ends_with(1).json();
    assert!(first_failure(&early).contains("max_failure_share"), "{early:#}");
    let few = pipeline(&(broken(1) + &tags(["a"])), "max_failure_share: 0.1")
        .ingest(&["--json"])
        .ends_with(1)
        .json();
    assert!(first_failure(&few).contains("1 of 2 failed"), "{few:#}");
}

#[test]
fn proposals_that_gms_rejects_count_as_failures() {
    let gms = ScriptedGms::start(|request| {
        if request.proposals().iter().any(|(urn, _)| urn.starts_with("urn:li:tag:bad")) {
            return Response::Status(422, r#"{"message":"no"}"#.into());
        }
        Response::ok()
    });
    let sandbox = Sandbox::new();
    let names: Vec<String> = (0..200).map(|n| format!("bad{n}")).collect();
    sandbox.write("tags.jsonl", &(tags(["good"]) + &tags(names.iter().map(String::as_str))));
    let sink = format!(
        "{{type: datahub-rest, config: {{server: '{}', mode: SYNC, max_pending_requests: 10}}}}\nmax_failures: 5",
        gms.url()
    );
    sandbox.recipe("tags.jsonl", &sink);
    let report = sandbox.ingest(&["--json"]).ends_with(1).json();
    adds_up(&report);
    assert!(report["proposals"]["rejected"].as_u64().unwrap() < 200, "{report:#}");
    assert!(first_failure(&report).contains("max_failures"), "{report:#}");
}

#[test]
fn an_empty_run_is_a_failure_if_the_recipe_says_so() {
    pipeline("[]", "").ingest(&[]).ends_with(0);
    let report = pipeline("[]", "fail_on_empty: true").ingest(&["--json"]).ends_with(1).json();
    assert!(first_failure(&report).contains("fail_on_empty"), "{report:#}");
    pipeline(&tags(["a"]), "fail_on_empty: true").ingest(&[]).ends_with(0);
}

#[test]
fn a_mistake_in_these_keys_is_reported() {
    for (keys, said) in [
        ("max_failure: 3", "did you mean `max_failures`"),
        ("fail_on_emtpy: true", "did you mean `fail_on_empty`"),
        ("max_failure_share: 5", "a share from 0 to 1"),
        ("max_failures: -1", "a number of failures"),
    ] {
        let ran = pipeline(&tags(["a"]), keys).ingest(&[]).ends_with(2);
        assert!(ran.stderr.contains(said), "{keys}: {ran:#?}");
    }
}

#[test]
fn quiet_prints_nothing_on_success_and_the_error_on_failure() {
    let said = |sandbox: &Sandbox, code| {
        let ran = sandbox.ingest(&["-q"]).ends_with(code);
        assert_eq!(ran.stdout, "");
        ran.stderr
    };
    // A warning alone should not cause a mail from cron.
    let warned = pipeline(&tags(["a"]), "datahub_api: {server: 'http://localhost:1'}");
    assert_eq!(said(&warned, 0), "");
    let partial = said(&pipeline(&(broken(1) + &tags(["a"])), ""), 1);
    assert!(partial.contains("partial: ") && partial.contains("expected an object"), "{partial}");
    let empty = said(&pipeline("", "fail_on_empty: true"), 1);
    assert!(empty.contains("fail_on_empty"), "{empty}");
    let strict = warned.ingest(&["-q", "--strict-warnings"]).ends_with(1).stderr;
    assert!(strict.contains("datahub_api"), "{strict}");
    let strange = said(&pipeline(&tags(["a"]), "no_such_key: 1"), 2);
    assert!(strange.contains("no_such_key"), "{strange}");
}

#[test]
fn quiet_prints_nothing_about_a_server_that_was_waited_for() {
    let asked = std::sync::atomic::AtomicUsize::new(0);
    let gms = ScriptedGms::start_for_all(move |request| {
        if request.is_write() {
            return Response::ok();
        }
        match asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
            0 => Response::Status(503, String::new()),
            _ => Response::Status(200, r#"{"noCode":"true"}"#.into()),
        }
    });
    let sandbox = pipeline(&tags(["a"]), "");
    sandbox.recipe("tags.jsonl", &format!("{{type: datahub-rest, config: {{server: '{}'}}}}", gms.url()));
    let ran = sandbox.ingest(&["-q"]).ends_with(0);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("", ""));
}

/// The samples of a metrics file, by name and labels.
fn metrics(sandbox: &Sandbox) -> std::collections::BTreeMap<String, f64> {
    let text = std::fs::read_to_string(sandbox.path("emit.prom")).unwrap();
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').unwrap();
            (name.to_owned(), value.parse().unwrap())
        })
        .collect()
}

const METRICS: [&str; 2] = ["--metrics-file", "emit.prom"];
const LAST_SUCCESS: &str = r#"datahub_emit_last_success_timestamp_seconds{pipeline="nightly"}"#;
const EXIT_CODE: &str = r#"datahub_emit_run_exit_code{pipeline="nightly"}"#;

#[test]
fn a_metrics_file_has_the_last_run_and_the_last_success() {
    let sandbox = pipeline(&tags(["a", "b"]), "pipeline_name: nightly");
    sandbox.ingest(&METRICS).ends_with(0);
    let good = metrics(&sandbox);
    assert_eq!(good[r#"datahub_emit_run_success{pipeline="nightly"}"#].to_bits(), 1.0_f64.to_bits());
    assert_eq!(
        good[r#"datahub_emit_proposals{pipeline="nightly",outcome="delivered"}"#].to_bits(),
        2.0_f64.to_bits()
    );
    sandbox.write("tags.jsonl", &broken(1));
    sandbox.ingest(&METRICS).ends_with(1);
    let bad = metrics(&sandbox);
    assert_eq!(bad[EXIT_CODE].to_bits(), 1.0_f64.to_bits());
    assert_eq!(bad[LAST_SUCCESS].to_bits(), good[LAST_SUCCESS].to_bits());
    assert!(bad[LAST_SUCCESS] > 1.0e9);
    // Neither a dry run nor an invalid recipe is a success.
    sandbox.write("tags.jsonl", &tags(["a"]));
    sandbox.ingest(&[&METRICS[..], &["--dry-run"]].concat()).ends_with(0);
    assert_eq!(metrics(&sandbox)[EXIT_CODE].to_bits(), 1.0_f64.to_bits(), "a dry run says nothing");
    sandbox.recipe("tags.jsonl", "{type: blackhol}");
    sandbox.ingest(&[&METRICS[..], &["--dry-run"]].concat()).ends_with(2);
    assert_eq!(metrics(&sandbox)[EXIT_CODE].to_bits(), 1.0_f64.to_bits(), "a dry run writes no metrics");
    sandbox.ingest(&METRICS).ends_with(2);
    assert!(
        std::fs::read_to_string(sandbox.path("emit.prom")).unwrap().contains("datahub_emit_run_exit_code 2")
    );
}

#[test]
fn the_metrics_include_the_expiry_of_the_token() {
    let (server, sandbox) = (Server::start(), Sandbox::new());
    sandbox.write("tags.jsonl", &tags(["a"]));
    server.recipe(&sandbox, "tags.jsonl");
    let mut command = sandbox.command();
    command.env("TOKEN", server.token()).args(["ingest", "-c", "recipe.yml", "--json"]).args(METRICS);
    let report = Ran::of(&mut command).ends_with(0).json();
    let expires_at =
        report["token"]["expires_at"].as_str().map(|time| time.parse::<jiff::Timestamp>().unwrap());
    let told = metrics(&sandbox).get("datahub_emit_token_expiry_timestamp_seconds").copied();
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 fit")]
    let expected = expires_at.map(|time| time.as_second() as f64);
    assert_eq!(told.map(f64::to_bits), expected.map(f64::to_bits));
}

#[test]
fn a_metrics_file_that_cannot_be_written_is_an_error_before_anything_is_sent() {
    let gms = ScriptedGms::start(|_| Response::ok());
    let sandbox = pipeline(&tag("a"), "");
    sandbox.recipe("tags.jsonl", &format!("{{type: datahub-rest, config: {{server: '{}'}}}}", gms.url()));
    let ran = sandbox.ingest(&["--metrics-file", "no/emit.prom"]).ends_with(6);
    assert_eq!(ran.stderr.matches("no/emit.prom").count(), 1, "it is reported once: {ran:#?}");
    assert!(gms.writes().is_empty());
}

#[test]
fn a_run_that_finds_the_lock_held_does_not_write_metrics() {
    let sandbox = Sandbox::new();
    let mut run = holding_the_lock(&sandbox);
    sandbox.ingest(&METRICS).ends_with(5);
    sandbox.ingest(&[&METRICS[..], &["--if-running", "skip", "-q"]].concat()).ends_with(0);
    assert!(!sandbox.path("emit.prom").exists());
    drop(run.stdin.take());
    assert_eq!(run.wait().unwrap().code(), Some(0));
}
