//! Each cause is made to happen before the first write, over real sockets.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::{Duration, SystemTime};

use datahub_emitter::embedded::{Action, Fault, Gms, GmsBuilder, RefusalForm};
use serde_json::Value;

use crate::support::report::adds_up;
use crate::support::sandbox::{Ran, Sandbox, tags};
use crate::support::scripted_gms::{Response, ScriptedGms};
use crate::support::server::Server;

const FOREIGN: &str = include_str!("../../../fixtures/tokens/foreign.jwt");

fn status(code: u16, headers: &[(&str, &str)], body: &str) -> Fault {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Fault::new(Action::Status { code, headers, body: body.to_owned() })
}

/// A run over three records with these keys under `sink.config`.
fn run(keys: &str) -> (Ran, Value) {
    let sandbox = Sandbox::new();
    sandbox.write("tags.jsonl", &tags(["a", "b", "c"]));
    sandbox.recipe("tags.jsonl", &format!("{{type: datahub-rest, config: {{{keys}}}}}"));
    let ran = sandbox.ingest(&["--report-to", "report.json"]);
    let report = sandbox.json("report.json");
    adds_up(&report);
    (ran, report)
}

#[track_caller]
fn named(keys: &str, code: &str, exit: i32) -> Ran {
    let (ran, report) = run(keys);
    let ran = ran.ends_with(exit);
    assert_eq!(report["diagnosis"]["code"], code, "{ran:#?}");
    assert!(ran.stderr.contains(&format!("error[{code}]: ")), "{ran:#?}");
    assert_eq!(report["proposals"]["delivered"], 0);
    assert_eq!(report["proposals"]["rejected"], 0, "no record is at fault");
    ran
}

/// A GMS with a frontend.
fn with_frontend(build: impl FnOnce(GmsBuilder) -> GmsBuilder) -> Server {
    Server::of(build(Gms::builder().frontend(([127, 0, 0, 1], 0).into())))
}

/// The line of the first fix that names a server.
fn proposed(ran: &Ran) -> &str {
    let line = ran.stderr.lines().find_map(|line| line.split_once("under sink.config:  server: "));
    line.unwrap_or_else(|| panic!("{ran:#?}")).1
}

#[test]
fn the_frontend_in_place_of_gms_is_named_and_its_way_to_gms_proposed() {
    let server = with_frontend(|builder| builder);
    let frontend = server.gms().frontend_url().unwrap().to_owned();
    let ran = named(&format!("server: '{frontend}', token: '{}'", server.token()), "endpoint.frontend", 4);
    assert_eq!(proposed(&ran), format!("{frontend}/api/gms"));
    // The fix works when it is followed.
    let (ran, report) = run(&format!("server: '{}', token: '{}'", proposed(&ran), server.token()));
    ran.ends_with(0);
    assert_eq!(report["proposals"]["delivered"], 3);
}

#[test]
fn a_frontend_that_lets_only_sessions_through_is_told_from_gms() {
    let server = with_frontend(|builder| builder.frontend_authentication(false));
    let url = format!("{}/api/gms", server.gms().frontend_url().unwrap());
    named(&format!("server: '{url}', token: '{}'", server.token()), "auth.proxy-session", 3);
    // GMS's own refusal through a frontend whose switch is on is another.
    let server = with_frontend(|builder| builder);
    let url = format!("{}/api/gms", server.gms().frontend_url().unwrap());
    named(&format!("server: '{url}', token: '{}'", FOREIGN.trim()), "auth.token-unknown", 3);
}

#[test]
fn no_form_of_the_401_changes_the_cause() {
    use RefusalForm::{Empty, JettyHtml, JettyJson, SpringHtml, SpringJson};
    for form in [SpringJson, SpringHtml, JettyJson, JettyHtml, Empty] {
        let server = Server::of(Gms::builder().refusals(form));
        named(&format!("server: '{}'", server.url()), "auth.token-missing", 3);
        // The first question is refused by status as well.
        server.gms().fault(Fault { path_prefix: "/config?verbose".into(), ..status(401, &[], "") });
        named(&format!("server: '{}', token: '{}'", server.url(), FOREIGN.trim()), "auth.token-unknown", 3);
    }
}

#[test]
fn a_user_who_is_gone_is_among_what_it_may_be_and_one_without_rights_is_not() {
    let server = Server::start();
    let token = server.block_on(server.gms().create_token("nobody")).unwrap();
    let keys = format!("server: '{}', token: '{token}'", server.url());
    let ran = named(&keys, "auth.forbidden", 3);
    assert!(ran.stderr.contains("give urn:li:corpuser:nobody a metadata policy"), "{ran:#?}");
    assert!(ran.stderr.contains("Edit Entity on tag"), "{ran:#?}");
    assert!(server.block_on(server.gms().remove_user("nobody")).unwrap());
    let ran = named(&keys, "auth.token-unknown", 3);
    assert!(ran.stderr.contains("urn:li:corpuser:nobody is there, and is not suspended"), "{ran:#?}");
}

#[test]
fn what_stands_in_front_is_told_from_gms() {
    let moved = [("Location", "https://elsewhere.example.com/gms/config")];
    let log_in = [("Location", "https://login.example.com/authorize?client_id=1&state=x9Kq2Lw8Zz0Trq")];
    for (fault, code, exit) in [
        (status(301, &moved, ""), "auth.redirected", 3),
        (status(302, &log_in, ""), "endpoint.login-page", 4),
        (Fault::new(Action::Html), "endpoint.login-page", 4),
        (status(407, &[], ""), "endpoint.proxy-authentication", 4),
        (status(404, &[], "{}"), "endpoint.not-gms", 4),
        (status(503, &[], ""), "endpoint.not-ready", 4),
        (status(500, &[], "{}"), "endpoint.server-error", 4),
        (status(429, &[("Retry-After", "0")], ""), "endpoint.throttled", 4),
        (Fault::new(Action::Reset), "endpoint.unreachable", 4),
    ] {
        let server = Server::start();
        server.gms().fault(fault.clone());
        let keys = format!("server: '{}', token: '{}', wait_for_server: 0s", server.url(), server.token());
        let ran = named(&keys, code, exit);
        assert!(!ran.stderr.contains("x9Kq2Lw8"), "{ran:#?}");
        if code == "auth.redirected" {
            assert_eq!(proposed(&ran), "https://elsewhere.example.com/gms");
        }
        // Or at the second question alone.
        if exit == 3 || matches!(fault.action, Action::Html) {
            server.gms().clear_faults();
            server.gms().fault(Fault { path_prefix: "/config?verbose".into(), ..fault });
            named(&keys, code, exit);
        }
    }
}

#[test]
fn an_answer_that_says_nothing_of_the_token_stops_nothing() {
    for fault in [status(404, &[], "{}"), status(500, &[], "{}"), status(200, &[], r#"{"noCode":"true"}"#)] {
        let server = Server::start();
        server.gms().fault(Fault { path_prefix: "/config?verbose".into(), ..fault });
        let (ran, report) =
            run(&format!("server: '{}', token: '{}', retry_max_times: 0", server.url(), server.token()));
        ran.ends_with(0);
        assert_eq!(report["proposals"]["delivered"], 3);
    }
}

#[test]
fn clocks_that_differ_are_named() {
    let gms = ScriptedGms::start_for_all(|request| match request.path() {
        "/config" => Response::Status(200, r#"{"noCode":"true"}"#.into()),
        _ => Response::WithHeaders(401, String::new(), "Date: Fri, 01 Jan 2100 00:00:00 GMT\r\n"),
    });
    // Good until 2100 by the clock here.
    let keys = format!("server: '{}', token: '{}'", gms.url(), FOREIGN.trim());
    let ran = named(&keys, "auth.clock-skew", 3);
    assert!(ran.stderr.contains("the server's clock is"), "{ran:#?}");
}

#[test]
fn the_wrong_scheme_is_named_in_both_directions() {
    let server = Server::start();
    let plain = server.url().replace("http://", "https://");
    let ran = named(&format!("server: '{plain}', token: '{}'", server.token()), "endpoint.tls", 4);
    assert_eq!(proposed(&ran), server.url());
    // A port for TLS, which answers what it cannot read with an alert, and says no more.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // The client connects twice: the second time it begins a TLS handshake, to be certain.
    let answering = std::thread::spawn(move || {
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 16];
            stream.read_exact(&mut request).unwrap();
            stream.write_all(b"\x15\x03\x01\x00\x02\x02\x46").unwrap();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            // Until the client has gone.
            let mut rest = Vec::new();
            drop(stream.read_to_end(&mut rest));
        }
    });
    let ran = named(&format!("server: 'http://{address}', retry_max_times: 0"), "endpoint.tls", 4);
    assert_eq!(proposed(&ran), format!("https://{address}"));
    answering.join().unwrap();
}

#[test]
fn what_time_does_not_mend_is_not_waited_for() {
    let ran = named("server: 'http://gms.invalid:8080', wait_for_server: 10m", "endpoint.name-unknown", 4);
    assert!(ran.stderr.contains("getent hosts gms.invalid"), "{ran:#?}");
    let keys =
        "server: 'http://127.0.0.1:9', auth: {type: pat, config: {token_file: none}}, wait_for_server: 10m";
    named(keys, "auth.provider-failed", 3);
    let sandbox = Sandbox::new();
    sandbox.write("tags.jsonl", &tags(["a"]));
    let sink =
        "{type: datahub-rest, config: {server: 'http://gms.example.com', token: abc, require_https: true}}";
    sandbox.recipe("tags.jsonl", sink);
    let ran = sandbox.ingest(&[]).ends_with(2);
    assert!(ran.stderr.contains("auth.insecure-transport"), "{ran:#?}");
    assert!(ran.stderr.contains("server: https://gms.example.com"), "{ran:#?}");
}

#[test]
fn a_server_that_answers_too_late_is_named() {
    let server = Server::start();
    server.gms().fault(Fault::new(Action::Delay(Duration::from_secs(60))));
    named(
        &format!("server: '{}', timeout_sec: 0.2, wait_for_server: 0s", server.url()),
        "endpoint.timeout",
        4,
    );
}

#[test]
fn a_server_that_is_starting_is_waited_for_and_told_at_once() {
    let server = Server::start();
    server.gms().fault(Fault { times: Some(2), ..status(503, &[], "") });
    let (ran, report) =
        run(&format!("server: '{}', token: '{}', wait_for_server: 2m", server.url(), server.token()));
    let ran = ran.ends_with(0);
    assert_eq!(report["proposals"]["delivered"], 3);
    let told = ran.stderr.matches("waiting[endpoint.not-ready]: ").count();
    assert_eq!(told, 1, "at the first failure, and once: {ran:#?}");
    assert!(ran.stderr.contains("waiting   for up to 120 s (wait_for_server)"), "{ran:#?}");
}

#[test]
fn waiting_ends_when_its_time_is_over() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let begun = SystemTime::now();
    let ran = named(&format!("server: 'http://{address}', wait_for_server: 1s"), "endpoint.unreachable", 4);
    assert!(begun.elapsed().unwrap() >= Duration::from_secs(1));
    assert!(ran.stderr.contains("waiting[endpoint.unreachable]: "), "{ran:#?}");
    // This machine says that nobody is there, and nobody asked for patience.
    let ran = named(&format!("server: 'http://{address}'"), "endpoint.unreachable", 4);
    assert!(!ran.stderr.contains("waiting["), "{ran:#?}");
}

/// The number of requests that carried a token.
fn requests_with_token(gms: &ScriptedGms) -> usize {
    gms.all().iter().filter(|request| request.headers().contains_key("authorization")).count()
}

#[test]
fn a_server_that_refuses_everything_is_asked_little() {
    const THREADS: usize = 15;
    let names: Vec<String> = (0..500).map(|number| format!("t{number}")).collect();
    for (old, threads) in [(true, THREADS), (false, THREADS), (true, 1)] {
        // An old GMS tells nothing of the token, and has the first write tell.
        let gms = ScriptedGms::start_for_all(move |request| match request.path() {
            "/config" => Response::Status(200, r#"{"noCode":"true"}"#.into()),
            path if old && path.starts_with("/config") => {
                Response::Status(200, r#"{"noCode":"true"}"#.into())
            }
            _ => Response::Status(401, String::new()),
        });
        let sandbox = Sandbox::new();
        sandbox.write("tags.jsonl", &tags(names.iter().map(String::as_str)));
        let keys = format!(
            "server: '{}', token: '{}', max_per_batch: 1, max_threads: {threads}",
            gms.url(),
            FOREIGN.trim()
        );
        sandbox.recipe("tags.jsonl", &format!("{{type: datahub-rest, config: {{{keys}}}}}"));
        let ran = sandbox.ingest(&["--report-to", "report.json"]).ends_with(3);
        let report = sandbox.json("report.json");
        adds_up(&report);
        assert_eq!(report["diagnosis"]["code"], "auth.token-unknown");
        let asked = requests_with_token(&gms);
        assert!((2..=threads + 2).contains(&asked), "{asked} requests: {ran:#?}");
        if !old {
            assert_eq!(asked, 2);
        }
    }
}
