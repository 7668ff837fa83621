//! Do the failures of DataHub's Python client happen here? The comment of each test says what acryl-datahub
//! 1.7.0.17 does.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Stdio;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::CLOSED_PORT_URL;
use crate::support::report::adds_up;
use crate::support::sandbox::{Ran, Sandbox, numbered_tags, tag, tags};
use crate::support::scripted_gms::{Request, Response, ScriptedGms};
use crate::support::wait;

/// A token without parts that occur elsewhere in the output.
const TOKEN: &str = "Q7zKWm0x-Yb3VtLr9-pHs2NdGf";

/// A server that responds to every write with this status and body.
fn always(status: u16, body: &'static str) -> ScriptedGms {
    ScriptedGms::start(move |_| Response::Status(status, body.into()))
}

/// Sends `records` to `gms`, with more keys of the sink.
fn run(gms: &ScriptedGms, records: &str, keys: &str, arguments: &[&str]) -> (Ran, Value) {
    let sandbox = Sandbox::new();
    sandbox.write("tags.jsonl", records);
    sandbox
        .recipe("tags.jsonl", &format!("{{type: datahub-rest, config: {{server: '{}'{keys}}}}}", gms.url()));
    sandbox.ingest_with_report(arguments)
}

fn is_about(request: &Request, beginning: &str) -> bool {
    request.proposals().iter().any(|(urn, _)| urn.starts_with(beginning))
}

/// Checks that the output is short and free of stack traces.
fn assert_readable(ran: &Ran) {
    for word in ["Traceback", "panicked", "backtrace"] {
        assert!(!ran.stderr.contains(word), "{ran:#?}");
    }
    assert!(ran.stderr.lines().count() <= 15, "{ran:#?}");
}

/// SYNC mode, every write refused: exit 0, "finished successfully", no failure in the report.
#[test]
fn a_run_that_delivers_nothing_is_no_success() {
    for (status, codes) in [(401, &[3][..]), (403, &[3]), (422, &[1]), (503, &[4])] {
        let gms = always(status, r#"{"message":"no"}"#);
        let (ran, report) = run(&gms, &numbered_tags(3), ", mode: SYNC, retry_max_times: 0", &[]);
        assert!(codes.contains(&ran.code.unwrap()), "{status}: {ran:#?}");
        assert_ne!(report["outcome"], "delivered");
        assert_eq!(report["proposals"]["delivered"], 0);
        assert!(report["diagnosis"].is_object() || !report["failures"].as_array().unwrap().is_empty());
    }
}

/// Many failed records, or all of a small file, are missing in the dead-letter file.
#[test]
fn every_rejected_record_is_in_the_dead_letters() {
    for (mode, records) in [("ASYNC", 200), ("ASYNC_BATCH", 200), ("SYNC", 200), ("ASYNC_BATCH", 5)] {
        let gms = ScriptedGms::start(|request| {
            let bad = is_about(request, "urn:li:tag:t");
            if bad { Response::Status(422, r#"{"message":"no"}"#.into()) } else { Response::ok() }
        });
        // Every other record is accepted: a server that accepts nothing is another case.
        let names: Vec<String> = (0..records).flat_map(|n| [format!("good{n}"), format!("t{n}")]).collect();
        let mixed = tags(names.iter().map(String::as_str));
        let (ran, report) = run(&gms, &mixed, &format!(", mode: {mode}"), &["--dead-letters", "dead.jsonl"]);
        assert_eq!(ran.code, Some(1));
        assert_eq!(report["proposals"]["delivered"], records, "{mode}");
        assert_eq!(report["dead_letters"]["records"], records, "{mode}");
    }
}

/// After SIGTERM the queued records are lost without a message.
#[cfg(unix)]
#[test]
fn an_interrupted_run_accounts_for_every_record() {
    let gms = ScriptedGms::start(|_| Response::ok());
    let sandbox = Sandbox::new();
    let sink = format!("{{type: datahub-rest, config: {{server: '{}', mode: ASYNC}}}}", gms.url());
    sandbox.write("recipe.yml", &format!("source: {{type: file, config: {{path: '-'}}}}\nsink: {sink}\n"));
    let mut child = sandbox.start(&["ingest", "-c", "recipe.yml", "--report-to", "report.json"]);
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(numbered_tags(500).as_bytes()).unwrap();
    wait::until("the first write", || !gms.writes().is_empty());
    crate::support::sandbox::signal(&child, "TERM");
    assert_eq!(child.wait().unwrap().code(), Some(143));
    drop(stdin);
    let report = sandbox.json("report.json");
    adds_up(&report);
    let arrived: usize = gms.writes().iter().map(|write| write.proposals().len()).sum();
    assert_eq!(report["proposals"]["delivered"], arrived, "{report:#}");
}

/// 500 records with a refused token cause 503 requests.
#[test]
fn a_refused_token_is_not_tried_for_every_record() {
    let gms = always(401, "");
    let (ran, report) = run(&gms, &numbered_tags(500), ", mode: ASYNC, token: refused", &[]);
    assert_eq!(ran.code, Some(3));
    // As many as were in flight at once, and not one more.
    assert!(gms.writes().len() <= 16, "{}", gms.writes().len());
    assert_eq!(report["proposals"]["undelivered"], report["proposals"]["read"]);
}

/// A 401 for /config prints a traceback of fifty lines that does not mention "401" or "authentication".
#[test]
fn a_refusal_of_the_first_request_is_diagnosed() {
    let gms = ScriptedGms::start_for_all(|_| Response::Status(401, String::new()));
    let (ran, report) = run(&gms, &numbered_tags(1), ", token: refused", &[]);
    assert_eq!(ran.code, Some(3), "{ran:#?}");
    assert!(ran.stderr.contains("401") && ran.stderr.contains("error[auth."), "{ran:#?}");
    assert_readable(&ran);
    assert!(report["diagnosis"]["code"].as_str().unwrap().starts_with("auth."));
}

/// If the server is down, a run gives up after 29 seconds, and so does a dry run.
#[test]
fn a_server_that_is_down_is_diagnosed_and_not_needed_for_a_dry_run() {
    let sandbox = Sandbox::new();
    sandbox.write("tags.jsonl", &numbered_tags(1));
    sandbox.recipe("tags.jsonl", &format!("{{type: datahub-rest, config: {{server: '{CLOSED_PORT_URL}'}}}}"));
    let report = sandbox.ingest(&["--json"]).ends_with(4).json();
    assert_eq!(report["diagnosis"]["code"], "endpoint.unreachable");
    sandbox.ingest(&["--dry-run"]).ends_with(0);
}

/// `tokn: abc` in the sink is accepted, and records are sent without a token.
#[test]
fn an_unknown_key_of_the_sink_is_an_error() {
    let gms = always(200, "{}");
    let (ran, _) = run(&gms, &numbered_tags(1), ", tokn: abc", &[]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("did you mean `token`"), "{ran:#?}");
    assert!(gms.writes().is_empty());
}

/// A newline at the end of the token, as in a file, is reported as "Failed to connect".
#[test]
fn a_newline_after_the_token_is_removed_with_a_warning() {
    let gms = ScriptedGms::start(|_| Response::ok());
    let (ran, report) = run(&gms, &numbered_tags(1), &format!(", token: \"{TOKEN}\\n\""), &[]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert_eq!(gms.writes()[0].headers()["authorization"], format!("Bearer {TOKEN}"));
    assert!(!report["warnings"].as_array().unwrap().is_empty(), "there is a warning");
}

/// `token: "Bearer abc"` is sent as `Bearer Bearer abc`.
#[test]
fn a_doubled_bearer_is_not_sent() {
    let gms = ScriptedGms::start(|_| Response::ok());
    let (ran, _) = run(&gms, &numbered_tags(1), &format!(", token: 'Bearer {TOKEN}'"), &[]);
    assert_ne!(ran.code, Some(0));
    assert!(ran.stderr.contains("auth.token-doubled-bearer"), "{ran:#?}");
    assert!(gms.writes().is_empty());
}

/// If a batch of 7 fails, all 7 entries in the report name the last record.
#[test]
fn each_failure_has_its_own_urn() {
    let gms = ScriptedGms::start(|request| {
        let bad = is_about(request, "urn:li:tag:t");
        if bad { Response::Status(422, r#"{"message":"no"}"#.into()) } else { Response::ok() }
    });
    let sandbox = Sandbox::new();
    let sink = format!("{{type: datahub-rest, config: {{server: '{}'}}}}", gms.url());
    sandbox.write("recipe.yml", &format!("source: {{type: file, config: {{path: '-'}}}}\nsink: {sink}\n"));
    let mut child = sandbox.start(&["ingest", "-c", "recipe.yml", "--report-to", "report.json"]);
    let mut stdin = child.stdin.take().unwrap();
    // The first record is accepted: a server that accepts nothing is another case.
    stdin.write_all(tags(["good"]).as_bytes()).unwrap();
    wait::until("the first write", || !gms.writes().is_empty());
    stdin.write_all(numbered_tags(7).as_bytes()).unwrap();
    drop(stdin);
    assert_eq!(child.wait().unwrap().code(), Some(1));
    let report = sandbox.json("report.json");
    let mut urns: Vec<&str> = report["failures"]
        .as_array()
        .unwrap()
        .iter()
        .map(|failure| failure["urn"].as_str().unwrap())
        .collect();
    urns.sort_unstable();
    urns.dedup();
    assert_eq!(urns.len(), 7, "{report:#}");
}

/// The body of a 401 with plain text is dropped.
#[test]
fn the_body_of_a_refusal_is_shown() {
    let gms = always(401, "the gateway wants a badge");
    let (ran, _) = run(&gms, &numbered_tags(1), ", token: refused", &[]);
    assert!(ran.stderr.contains("the gateway wants a badge"), "{ran:#?}");
    assert_readable(&ran);
}

/// A 429 with `Retry-After: 1` is honoured; so it is here.
#[test]
fn retry_after_is_honoured() {
    let refusal: Mutex<Option<Instant>> = Mutex::default();
    // A request that comes too early is refused again.
    let gms = ScriptedGms::start(move |_| {
        let mut refusal = refusal.lock().unwrap();
        match *refusal {
            Some(time) if time.elapsed() >= Duration::from_secs(1) => return Response::ok(),
            Some(_) => {}
            None => *refusal = Some(Instant::now()),
        }
        Response::WithHeaders(429, String::new(), "Retry-After: 1\r\n")
    });
    let (ran, report) = run(&gms, &numbered_tags(1), "", &[]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert_eq!(report["requests"]["sent"], 2);
}

/// The last one of duplicate keys in a recipe is used silently.
#[test]
fn a_duplicate_key_in_a_recipe_is_an_error() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "recipe.yml",
        "source: {type: file, config: {path: a}}\nsource: {type: file, config: {path: b}}\nsink: {type: blackhole}\n",
    );
    let ran = sandbox.ingest(&[]).ends_with(2);
    assert!(ran.stderr.contains("recipe.yml:2:1") && ran.stderr.contains("source"), "{ran:#?}");
}

/// The first four and the last four characters of the token are logged.
#[test]
fn no_part_of_a_token_is_logged() {
    let gms = ScriptedGms::start(|_| Response::ok());
    let (ran, report) = run(&gms, &numbered_tags(1), &format!(", token: {TOKEN}"), &["-vvv", "--json"]);
    assert_eq!(ran.code, Some(0));
    let said = format!("{}{}{report}", ran.stdout, ran.stderr);
    for part in [TOKEN.split_at(4).0, TOKEN.split_at(TOKEN.len() - 4).1] {
        assert!(!said.contains(part), "{part} is in {said}");
    }
}

/// A truncated source file causes a traceback, suppressed "for security".
#[test]
fn a_truncated_file_is_reported_with_the_position() {
    let whole = format!("[{},\n{}]", tag("a"), tag("b"));
    let (half, _) = whole.split_at(whole.find("urn:li:tag:b").unwrap());
    let gms = ScriptedGms::start(|_| Response::ok());
    let (ran, report) = run(&gms, half, "", &[]);
    assert_eq!(ran.code, Some(1));
    assert_eq!(report["proposals"]["delivered"], 1, "the record before it is delivered");
    assert!(ran.stderr.contains("tags.jsonl#1") && ran.stderr.contains("byte"), "{ran:#?}");
    assert_readable(&ran);
}

/// The exit code is 0, or 1 for everything else.
#[test]
fn exit_codes_distinguish_what_went_wrong() {
    let good = || ScriptedGms::start(|_| Response::ok());
    assert_eq!(run(&good(), &numbered_tags(1), "", &[]).0.code, Some(0));
    assert_eq!(run(&good(), &(numbered_tags(1) + "no record"), "", &[]).0.code, Some(1));
    assert_eq!(run(&good(), &numbered_tags(1), ", no_such_key: 1", &[]).0.code, Some(2));
    assert_eq!(run(&always(401, ""), &numbered_tags(1), "", &[]).0.code, Some(3));
    assert_eq!(run(&always(503, ""), &numbered_tags(1), ", retry_max_times: 0", &[]).0.code, Some(4));
}

/// `pth: 1` in the file source is accepted silently.
#[test]
fn an_unknown_key_of_the_source_is_an_error() {
    let sandbox = Sandbox::new();
    sandbox.write("recipe.yml", "source: {type: file, config: {pth: 1}}\nsink: {type: blackhole}\n");
    let ran = sandbox.ingest(&[]).ends_with(2);
    assert!(ran.stderr.contains("did you mean `path`"), "{ran:#?}");
}

/// Five records take 1.3 to 2.4 seconds.
#[test]
#[ignore = "measures time: needs a machine that does nothing else"]
fn five_records_take_less_than_a_second() {
    let gms = ScriptedGms::start(|_| Response::ok());
    let quick = (0..10).any(|_| {
        let start = Instant::now();
        assert_eq!(run(&gms, &numbered_tags(5), "", &[]).0.code, Some(0));
        start.elapsed() < Duration::from_secs(1)
    });
    assert!(quick, "each of ten runs took longer");
}

/// Five records take 122 MB.
#[cfg(target_os = "linux")]
#[test]
fn five_records_take_little_memory() {
    let sandbox = Sandbox::new();
    sandbox.write("recipe.yml", "source: {type: file, config: {path: '-'}}\nsink: {type: console}\n");
    let mut command = sandbox.command();
    command
        .args(["ingest", "-c", "recipe.yml"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    child.stdin.as_mut().unwrap().write_all(numbered_tags(5).as_bytes()).unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for _ in 0..5 {
        lines.next().unwrap().unwrap();
    }
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kilobytes: u64 = peak.trim().strip_suffix(" kB").unwrap().trim().parse().unwrap();
    drop(lines);
    drop(child.stdin.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(kilobytes < 122 * 1024 / 2, "{kilobytes} kB");
}

/// A transformer that raises on one of five records: the exit code is 0, and the record is lost.
///
/// An unknown transformer is a mistake in the recipe, reported before anything is read.
#[test]
fn a_transformer_in_python_needs_python() {
    let gms = ScriptedGms::start(|_| Response::ok());
    let sandbox = Sandbox::new();
    sandbox.write("tags.jsonl", &numbered_tags(5));
    sandbox.recipe(
        "tags.jsonl",
        &format!(
            "{{type: datahub-rest, config: {{server: '{}'}}}}\ntransformers: [{{type: 'my.module:RaisesOnTheThird'}}]",
            gms.url()
        ),
    );
    let ran = sandbox.ingest(&[]).ends_with(2);
    assert!(ran.stderr.contains("error[source.python-missing]: a transformer of the recipe"), "{ran:#?}");
    assert!(gms.writes().is_empty());
}
