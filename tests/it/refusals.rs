//! Is a refusal by GMS diagnosed, and is no metadata lost?

use std::collections::HashSet;
use std::io::Write as _;
use std::process::Child;
use std::time::{Duration, SystemTime};

use datahub_emitter::embedded::{Action, Fault};
use serde_json::Value;

use crate::support::CLOSED_PORT_URL;
use crate::support::report::adds_up;
use crate::support::sandbox::{Ran, Sandbox, numbered_tags, tags};
use crate::support::scripted_gms::{Response, ScriptedGms};
use crate::support::server::Server;
use crate::support::wait;

/// More than fit into all requests that may be in flight at once.
const RECORDS: usize = 3_000;

/// The default number of requests in flight, each of which may be refused.
const MAX_THREADS: usize = 15;

const EXPIRED: &str = include_str!("../../fixtures/tokens/expired.jwt");
const FOREIGN: &str = include_str!("../../fixtures/tokens/foreign.jwt");
const NOT_YET_VALID: &str = include_str!("../../fixtures/tokens/not-yet-valid.jwt");
const OPAQUE: &str = include_str!("../../fixtures/tokens/opaque.txt");

/// Kills the process when the test ends early.
struct Running(Option<Child>);

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

/// Runs a recipe with many records for `server`, with this token or without the key.
fn run(server: &str, token: Option<&str>) -> (Ran, Value) {
    let sandbox = Sandbox::new();
    sandbox.write("tags.jsonl", &numbered_tags(RECORDS));
    let key = if token.is_some() { ", token: '${TOKEN}'" } else { "" };
    let sink = format!("{{type: datahub-rest, config: {{server: '{server}', wait_for_server: 0s{key}}}}}");
    sandbox.recipe("tags.jsonl", &sink);
    let ran = Ran::of(sandbox.command().env("TOKEN", token.unwrap_or_default()).args([
        "ingest",
        "-c",
        "recipe.yml",
        "--report-to",
        "report.json",
    ]));
    let report = sandbox.json("report.json");
    adds_up(&report);
    assert_eq!(report["dead_letters"]["records"], 0, "a refusal of the caller rejects no record");
    (ran, report)
}

/// Checks the parts that all refusals have in common.
#[track_caller]
fn assert_refused(ran: &Ran, report: &Value, code: &str) {
    assert_eq!(ran.code, Some(3), "{ran:#?}");
    assert_eq!(report["outcome"], "refused", "{report:#}");
    assert_diagnosed(ran, report, code);
}

#[track_caller]
fn assert_diagnosed(ran: &Ran, report: &Value, code: &str) {
    assert!(ran.stderr.contains(&format!("error[{code}]: ")), "{ran:#?}");
    assert_eq!(ran.stdout, "");
    let diagnosis = &report["diagnosis"];
    assert_eq!(diagnosis["code"], code);
    for part in ["evidence", "fixes"] {
        let lines = diagnosis[part].as_array().unwrap();
        assert!(!lines.is_empty(), "{report:#}");
        for line in lines {
            assert!(ran.stderr.contains(line.as_str().unwrap()), "{line}: {ran:#?}");
        }
    }
}

/// Checks that the line about resuming agrees with the report.
#[track_caller]
fn assert_resumable(ran: &Ran, report: &Value) {
    let outcome = ran.stderr.lines().find(|line| line.starts_with("  outcome ")).unwrap();
    let outcome = outcome.replace(',', "");
    let counts = &report["proposals"];
    assert!(counts["undelivered"].as_u64().unwrap() > 0, "{report:#}");
    for count in ["delivered", "undelivered"] {
        assert!(outcome.contains(&format!("{} {count}", counts[count])), "{outcome}\n{report:#}");
    }
    assert!(outcome.contains("datahub-emit ingest -c recipe.yml"), "{outcome}");
}

/// Checks that the server refuses the token before anything is written.
#[track_caller]
fn is_refused_by_the_preflight(server: &Server, token: &str, code: &str) {
    let before = server.requests();
    let (ran, report) = run(server.url(), Some(token));
    assert_refused(&ran, &report, code);
    assert_eq!(report["proposals"]["read"], 0);
    assert_eq!(server.requests() - before, 2, "the configuration, and a check of the token");
}

/// Checks that the first writes are refused: without a token the preflight has nothing to check.
#[track_caller]
fn is_refused_at_the_first_write(server: &Server, token: Option<&str>, code: &str) {
    let before = server.writes().len();
    let (ran, report) = run(server.url(), token);
    assert_refused(&ran, &report, code);
    assert_resumable(&ran, &report);
    assert_eq!(report["proposals"]["delivered"], 0);
    let writes = server.writes().split_off(before);
    assert!((1..=MAX_THREADS).contains(&writes.len()), "{writes:?}");
    assert!(writes.iter().all(|status| *status == Some(401)), "{writes:?}");
    assert_eq!(report["requests"]["retried"], 0, "{report:#}");
}

#[test]
fn each_cause_of_a_401_is_named() {
    let server = Server::start();
    let until = |time| server.block_on(server.gms().create_token_until("loader", Some(time))).unwrap();
    let an_hour = Duration::from_secs(3_600);
    let just_expired = until(SystemTime::now() - an_hour);
    let revoked = until(SystemTime::now() + an_hour);
    assert!(server.block_on(server.gms().revoke(&revoked)).unwrap());
    for (token, code) in
        [(None, "auth.token-missing"), (Some(""), "auth.token-empty"), (Some(" \n"), "auth.token-empty")]
    {
        is_refused_at_the_first_write(&server, token, code);
    }
    for (token, code) in [
        (EXPIRED, "auth.token-expired"),
        (&just_expired, "auth.token-expired"),
        (NOT_YET_VALID, "auth.token-not-yet-valid"),
        (FOREIGN, "auth.token-unknown"),
        (&revoked, "auth.token-unknown"),
        (OPAQUE, "auth.token-opaque-refused"),
    ] {
        is_refused_by_the_preflight(&server, token, code);
    }
}

#[test]
fn a_token_that_does_not_fit_in_a_header_is_an_error_before_anything_is_sent() {
    let server = Server::start();
    for token in ["first line\nsecond line", "with a bell \u{7}"] {
        let (ran, report) = run(server.url(), Some(token));
        assert_refused(&ran, &report, "auth.token-not-a-header");
        assert_eq!(report["proposals"]["read"], 0);
    }
    assert_eq!(server.requests(), 0);
}

#[test]
fn a_403_names_the_actor_and_the_missing_privilege() {
    let gms = ScriptedGms::start(|request| {
        let urns: Vec<String> =
            request.proposals().into_iter().map(|(urn, _)| format!("HttpStatus: 403 Urn: {urn}")).collect();
        let message =
            format!("User urn:li:corpuser:loader is unauthorized to modify entity: {}", urns.join(", "));
        Response::Status(403, serde_json::json!({"status": 403, "message": message}).to_string())
    });
    let (ran, report) = run(&gms.url(), Some(FOREIGN));
    assert_refused(&ran, &report, "auth.forbidden");
    assert_resumable(&ran, &report);
    assert!(ran.stderr.contains("Edit Entity on tag"), "{ran:#?}");
    assert!((1..=MAX_THREADS).contains(&gms.writes().len()));
    assert_eq!(report["requests"]["retried"], 0);
    assert_eq!(report["proposals"]["rejected"], 0, "no record is rejected");
}

#[test]
fn if_the_server_is_down_nothing_is_read() {
    let (ran, report) = run(CLOSED_PORT_URL, Some(FOREIGN));
    assert_eq!(ran.code, Some(4), "{ran:#?}");
    assert_eq!(report["outcome"], "unreachable");
    assert_diagnosed(&ran, &report, "endpoint.unreachable");
    assert_eq!(report["proposals"]["read"], 0);
}

#[test]
fn nothing_is_sent_to_a_server_that_is_not_a_gms() {
    const PAGE: &str = "<!DOCTYPE html><html><head><title>DataHub</title></head></html>";
    for (status, body, headers, told, code) in [
        (200, PAGE, "Content-Type: text/html; charset=utf-8\r\n", "/api/gms", "endpoint.frontend"),
        (200, r#"{"appVersion": "v1.3.0", "name": "datahub-frontend"}"#, "", "/api/gms", "endpoint.frontend"),
        (404, r#"{"status": 404}"#, "", "404 from GET", "endpoint.not-gms"),
        (
            302,
            "",
            "Location: https://login.example.org/authorize?state=x9Kq2Lw8Zz0Trq\r\n",
            "https://login.example.org/authorize",
            "endpoint.login-page",
        ),
    ] {
        let gms =
            ScriptedGms::start_for_all(move |_| Response::WithHeaders(status, body.to_owned(), headers));
        let (ran, report) = run(&gms.url(), Some(FOREIGN));
        assert_eq!(ran.code, Some(4), "{ran:#?}");
        assert_eq!(report["outcome"], "unreachable");
        assert_diagnosed(&ran, &report, code);
        assert!(ran.stderr.contains(told), "{told}: {ran:#?}");
        assert!(!ran.stderr.contains("x9Kq2Lw8"), "the query of a redirect may be secret: {ran:#?}");
        assert_eq!(report["proposals"]["read"], 0);
        assert_eq!(gms.writes().len(), 0);
    }
}

#[test]
fn a_refusal_during_a_run_loses_nothing() {
    let server = Server::start();
    server.gms().fault(Fault {
        path_prefix: "/aspects".into(),
        after: 4,
        ..Fault::new(Action::Status { code: 401, headers: Vec::new(), body: String::new() })
    });
    let (ran, report) = run(server.url(), Some(server.token()));
    assert_refused(&ran, &report, "auth.token-unknown");
    assert_resumable(&ran, &report);
    assert_stored(&server, &report);
    let refused = server.writes().into_iter().filter(|status| *status == Some(401)).count();
    // Requests in flight, and one more attempt with a token that had delivered.
    assert!((1..=MAX_THREADS + 1).contains(&refused), "{refused}");
}

#[test]
fn a_token_that_expires_during_a_run_loses_nothing() {
    let server = Server::start();
    let sandbox = Sandbox::new();
    sandbox.write(
        "recipe.yml",
        &format!(
            "source: {{type: file, config: {{path: '-'}}}}\n\
             sink: {{type: datahub-rest, config: {{server: '{}', token: '{}'}}}}\n",
            server.url(),
            server.token()
        ),
    );
    let child = sandbox.start(&["ingest", "-c", "recipe.yml", "--report-to", "report.json"]);
    let mut running = Running(Some(child));
    let mut stdin = running.0.as_mut().unwrap().stdin.take().unwrap();
    let all = numbered_tags(RECORDS);
    let (first, second) = all.split_at(all.len() / 2);
    stdin.write_all(first.as_bytes()).unwrap();
    stdin.flush().unwrap();
    wait::until("a delivery while more is to come", || server.writes().contains(&Some(200)));
    server.gms().expire_token(server.token());
    // The run may end before it has read everything.
    drop(stdin.write_all(second.as_bytes()));
    drop(stdin);
    let ran = Ran::from(running.0.take().unwrap().wait_with_output().unwrap());
    let report = sandbox.json("report.json");
    adds_up(&report);
    assert_refused(&ran, &report, "auth.token-unknown");
    assert_resumable(&ran, &report);
    assert_stored(&server, &report);
}

/// Checks that the server stored exactly the proposals that the report counts as delivered.
#[track_caller]
fn assert_stored(server: &Server, report: &Value) {
    let delivered = report["proposals"]["delivered"].as_u64().unwrap();
    let stored = (0..RECORDS)
        .filter(|number| server.aspect(&format!("urn:li:tag:t{number}"), "tagProperties").is_some())
        .collect::<HashSet<_>>();
    assert!(delivered > 0, "{report:#}");
    assert_eq!(stored.len() as u64, delivered, "{report:#}");
}

#[test]
fn a_failure_names_the_place_of_the_token_in_the_recipe() {
    let gms = ScriptedGms::start(|_| Response::Status(401, String::new()));
    for (key, summary) in [
        ("token: '${TOKEN}'", "GMS wants a token, and the one from the recipe's sink.config.token is empty"),
        (
            "extra_headers: {Authorization: abcdefghijklmnop}",
            "the recipe's sink.config.extra_headers.Authorization does not begin with `Bearer `",
        ),
        (
            r#"extra_headers: {Authorization: 'Bearer "abcdefghijklmnop"'}"#,
            "the recipe's sink.config.extra_headers.Authorization has white space or quotes around the token",
        ),
    ] {
        let sandbox = Sandbox::new();
        sandbox.write("tags.jsonl", &tags(["a"]));
        let server = gms.url();
        let sink =
            format!("{{type: datahub-rest, config: {{server: '{server}', wait_for_server: 0s, {key}}}}}");
        sandbox.recipe("tags.jsonl", &sink);
        let arguments = ["ingest", "-c", "recipe.yml", "--report-to", "report.json"];
        Ran::of(sandbox.command().env("TOKEN", "").args(arguments)).ends_with(3);
        let report = sandbox.json("report.json");
        assert_eq!(report["diagnosis"]["summary"], summary);
        let failures: Vec<_> = report["failures"].as_array().unwrap().iter().collect();
        assert_eq!(failures.len(), 1, "{report:#}");
        assert_eq!(failures[0]["message"], format!("not delivered (refused): {summary}"));
    }
}

#[test]
fn an_expired_token_reads_like_this() {
    let server = Server::start();
    let sandbox = Sandbox::new();
    sandbox.write("tags.jsonl", &tags(["a", "b"]));
    server.recipe(&sandbox, "tags.jsonl");
    let ran = Ran::of(sandbox.command().env("TOKEN", EXPIRED.trim()).args(["ingest", "-c", "recipe.yml"]))
        .ends_with(3);
    let filters = vec![
        (r"127\.0\.0\.1:\d+", "127.0.0.1:PORT"),
        (r"\d+ days ago", "N days ago"),
        (r"clock reads \S+", "clock reads TIME"),
    ];
    insta::with_settings!({filters => filters}, {
        insta::assert_snapshot!(ran.stderr, @r#"
        error[auth.token-expired]: GMS refused the token: it expired N days ago
          observed      200 from GET http://127.0.0.1:PORT/config?verbose=true with userType "anonymous": GMS does not take the token
          observed      the token is from the recipe's sink.config.token, sha256 21705aed, a personal access token of urn:li:corpuser:loader
          observed      its exp claim is 2024-01-01T00:00:00Z; the server's clock reads TIME
          fix           export DATAHUB_GMS_TOKEN=$(datahub-emit token create --name loader --user loader --frontend http://127.0.0.1:PORT)
          fix           in the recipe, under sink.config:  token: ${DATAHUB_GMS_TOKEN}
          fix           or make one by hand at http://127.0.0.1:PORT/settings/tokens
        "#);
    });
}
