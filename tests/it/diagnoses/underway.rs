//! Each cause happens in the middle of a run and at its last request: the delivered and the undelivered
//! proposals add up, and once the cause is fixed, a resumed run delivers the rest.

use std::time::Duration;

use datahub_emitter::embedded::{Action, Fault};
use serde_json::Value;

use crate::support::report::adds_up;
use crate::support::sandbox::{Ran, Sandbox, tags};
use crate::support::server::Server;

/// Each is a request of its own, one after another, so that it is known which of them meets with what.
const RECORDS: u64 = 40;

fn status(code: u16, headers: &[(&str, &str)], body: &str) -> Action {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Action::Status { code, headers, body: body.to_owned() }
}

fn ingest(sandbox: &Sandbox, more: &[&str]) -> (Ran, Value) {
    let ran = sandbox.ingest(&[&["--report-to", "report.json"], more].concat());
    let report = sandbox.json("report.json");
    adds_up(&report);
    (ran, report)
}

fn stored(server: &Server) -> u64 {
    (0..RECORDS)
        .filter(|number| server.aspect(&format!("urn:li:tag:t{number}"), "tagProperties").is_some())
        .count() as u64
}

#[track_caller]
fn happens(action: &Action, code: &str, exit: i32) {
    for after in [RECORDS / 2, RECORDS - 1] {
        let server = Server::start();
        let sandbox = Sandbox::new();
        let names: Vec<String> = (0..RECORDS).map(|number| format!("t{number}")).collect();
        sandbox.write("tags.jsonl", &tags(names.iter().map(String::as_str)));
        let keys = format!(
            "server: '{}', token: '{}', mode: ASYNC, max_threads: 1, retry_max_times: 0, timeout_sec: 5",
            server.url(),
            server.token()
        );
        sandbox.recipe("tags.jsonl", &format!("{{type: datahub-rest, config: {{{keys}}}}}"));
        server.gms().fault(Fault { path_prefix: "/aspects".into(), after, ..Fault::new(action.clone()) });
        let (ran, report) = ingest(&sandbox, &[]);
        let ran = ran.ends_with(exit);
        assert_eq!(report["diagnosis"]["code"], code, "{ran:#?}");
        assert!(ran.stderr.contains(&format!("error[{code}]: ")), "{ran:#?}");
        let counts = &report["proposals"];
        assert_eq!(counts["delivered"], after, "{report:#}");
        assert_eq!(counts["rejected"], 0, "no record is at fault");
        let undelivered = counts["undelivered"].as_u64().unwrap();
        assert_eq!(counts["read"], after + undelivered);
        assert!(undelivered >= 1, "{report:#}");
        assert_eq!(stored(&server), after);
        // Without the cause, the rest is sent.
        server.gms().clear_faults();
        let (ran, report) = ingest(&sandbox, &["--resume"]);
        ran.ends_with(0);
        assert_eq!(report["proposals"]["delivered"], RECORDS - after, "{report:#}");
        assert_eq!(stored(&server), RECORDS);
    }
}

#[test]
fn a_token_that_is_refused() {
    happens(&status(401, &[], r#"{"status":401,"error":"Unauthorized"}"#), "auth.token-unknown", 3);
}

#[test]
fn a_right_that_is_taken_away() {
    let body = r#"{"status":403,"message":"User urn:li:corpuser:datahub is unauthorized to edit entities."}"#;
    happens(&status(403, &[], body), "auth.forbidden", 3);
}

#[test]
fn a_user_who_is_suspended_on_an_older_gms() {
    happens(&status(403, &[], r#"{"status":403,"message":"Actor is not active"}"#), "auth.actor-inactive", 3);
}

#[test]
fn a_page_to_log_in_at() {
    happens(&Action::Html, "endpoint.login-page", 4);
}

#[test]
fn a_redirect_to_another_host() {
    let away = [("Location", "https://elsewhere.example.com/aspects?action=ingestProposalBatch")];
    happens(&status(307, &away, ""), "auth.redirected", 3);
}

#[test]
fn a_redirect_to_log_in_at() {
    happens(&status(302, &[("Location", "https://sso.example.com/login")], ""), "endpoint.login-page", 4);
}

#[test]
fn a_server_that_fails() {
    happens(
        &status(500, &[], r#"{"status":500,"message":"INTERNAL SERVER ERROR"}"#),
        "endpoint.server-error",
        4,
    );
    happens(&status(503, &[], ""), "endpoint.server-error", 4);
}

#[test]
fn a_server_that_wants_to_be_left_alone() {
    happens(&status(429, &[("Retry-After", "1")], ""), "endpoint.throttled", 4);
}

#[test]
fn a_proxy_that_wants_credentials() {
    happens(&status(407, &[], ""), "endpoint.proxy-authentication", 4);
}

#[test]
fn a_connection_that_breaks() {
    happens(&Action::Reset, "endpoint.unreachable", 4);
}

#[test]
#[ignore = "waits out a time limit of seconds, twice"]
fn an_answer_that_does_not_come() {
    happens(&Action::Delay(Duration::from_secs(120)), "endpoint.timeout", 4);
}
