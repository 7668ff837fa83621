//! Answers of servers.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use datahub_emitter::http::{HttpClient, HttpConfig, HttpService as _, Request, TransportErrorKind};
use reqwest::Method;
use reqwest::header::HeaderMap;

use crate::support::sandbox::{Sandbox, tags};
use crate::support::scripted_gms::{Response, ScriptedGms};

/// More than the read limit of the response to a small write.
const OVER_THE_LIMIT: usize = 1_500_000;

const TYPES: [&str; 7] = [
    "Content-Type: text/html; charset=utf-8\r\n",
    "Content-Type: Text/HTML\r\n",
    "Content-Type: application/xhtml+xml\r\n",
    "Content-Type: text/plain\r\n",
    "Content-Type: application/octet-stream\r\n",
    "Content-Type: APPLICATION/JSON\r\n",
    "X-Content-Type: none\r\n",
];

/// Bodies that are not from GMS; each is filled up with `x` to the size of the case.
const BODIES: [&str; 5] = ["<html>Welcome", "<!DOCTYPE html>", "\"success", "OK", "{ welcome"];

/// Delivers two records to a server that answers each write in this way; false if the run counts a record as
/// delivered.
fn is_refused(endpoint: &str, body: &str, headers: &'static str) -> bool {
    let body = body.to_owned();
    let gms = ScriptedGms::start(move |_| Response::WithHeaders(200, body.clone(), headers));
    let sandbox = Sandbox::new();
    sandbox.write("tags.jsonl", &tags(["a", "b"]));
    sandbox.recipe(
        "tags.jsonl",
        &format!(
            "{{type: datahub-rest, config: {{server: '{}', endpoint: {endpoint}, retry_max_times: 0}}}}",
            gms.url()
        ),
    );
    let (ran, report) = sandbox.ingest_with_report(&[]);
    assert!(!gms.writes().is_empty(), "{ran:#?}");
    ran.code == Some(4) && report["proposals"]["delivered"] == 0 && report["proposals"]["undelivered"] == 2
}

#[test]
fn a_200_that_is_not_from_gms_delivers_nothing_at_any_size_and_with_any_content_type() {
    let mut wrong = Vec::new();
    for endpoint in ["restli", "openapi"] {
        for headers in TYPES {
            for body in BODIES {
                for size in [17, OVER_THE_LIMIT] {
                    let filled = format!("{body}{}", "x".repeat(size - body.len()));
                    if !is_refused(endpoint, &filled, headers) {
                        wrong.push((endpoint, headers, body, size));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn json_over_the_read_limit_still_confirms_a_write() {
    for (endpoint, begin) in [("restli", "{\"value\": \""), ("openapi", "[{\"urn\": \"")] {
        let long = format!("{begin}{}", "x".repeat(OVER_THE_LIMIT));
        assert!(!is_refused(endpoint, &long, TYPES[5]), "{endpoint}");
    }
}

/// A server that answers each request with this head, and then sends a byte whenever the client waits for
/// one, without an end.
fn dripping(head: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(move || {
                let mut request = [0; 4096];
                let mut sent = stream.read(&mut request).and_then(|_| stream.write_all(head.as_bytes()));
                while sent.is_ok() {
                    thread::sleep(Duration::from_millis(20));
                    sent = stream.write_all(b" ");
                }
            });
        }
    });
    url
}

#[test]
fn an_answer_that_never_ends_is_limited_in_total() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for head in [
        "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n",
        "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
        "HTTP/1.1 401 Unauthorized\r\nContent-Length: 1000000000\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX-Never-Ends: ",
        "HTTP/1.1 ",
    ] {
        let url = dripping(head);
        let config = HttpConfig::default().no_proxy().response_timeout(Duration::from_millis(500));
        let error = runtime.block_on(async {
            let request = Request {
                method: Method::GET,
                url,
                headers: HeaderMap::new(),
                body: None,
                max_response_bytes: 1_000_000,
            };
            HttpClient::new(config).unwrap().send(request).await.unwrap_err()
        });
        assert_eq!(error.kind, TransportErrorKind::ResponseTimeout, "{head:?}: {error}");
        assert!(error.message.contains("response_timeout_sec"), "{head:?}: {error}");
    }
}

#[test]
fn a_recipe_limits_the_total_time_of_an_answer() {
    let server = dripping("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n");
    let sandbox = Sandbox::new();
    sandbox.write("tags.jsonl", &tags(["a"]));
    sandbox.recipe(
        "tags.jsonl",
        &format!(
            "{{type: datahub-rest, config: {{server: '{server}', retry_max_times: 0, response_timeout_sec: 0.5}}}}"
        ),
    );
    let (ran, report) = sandbox.ingest_with_report(&[]);
    assert_eq!(ran.code, Some(4), "{ran:#?}");
    assert_eq!(report["diagnosis"]["code"], "endpoint.timeout", "{report}");
    assert!(ran.stderr.contains("response_timeout_sec"), "{ran:#?}");
}
