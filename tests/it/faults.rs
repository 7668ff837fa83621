//! Does each script in `fixtures/faults` have its effect on clients of `gms serve`?

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::gms_process::GmsProcess;
use crate::support::raw_client::{RawResponse, exchange};
use crate::support::sandbox::Sandbox;
use crate::support::wait;

/// A server, and a client with all privileges.
struct Client {
    serving: GmsProcess,
    token: String,
}

impl Client {
    fn new(sandbox: &Sandbox) -> Self {
        sandbox.write(
            "seed.yml",
            "users: [{name: jdoe}]\ntokens: [{name: a, actor: datahub, out: token}, {name: b, actor: jdoe, out: other}]\n",
        );
        let serving = GmsProcess::start(sandbox, &["--data", ":memory:", "--seed", "seed.yml"]);
        let token = std::fs::read_to_string(sandbox.path("token")).unwrap().trim().to_owned();
        Self { serving, token }
    }

    fn send(&self, head: &str, body: &str) -> RawResponse {
        self.send_as(&self.token, head, body)
    }

    fn send_as(&self, token: &str, head: &str, body: &str) -> RawResponse {
        let headers = format!("Authorization: Bearer {token}\r\nContent-Type: application/json\r\n");
        exchange(self.serving.gms(), head, &headers, body)
    }

    /// Installs the faults of a script.
    #[track_caller]
    fn play(&self, script: &str) {
        let answer = self.send("PUT /faults", &std::fs::read_to_string(directory().join(script)).unwrap());
        assert_eq!(answer.status(), 200, "{script}: {answer:?}");
    }

    /// Writes the status of one tag.
    fn write(&self, tag: &str) -> RawResponse {
        self.write_as(&self.token, tag)
    }

    fn write_as(&self, token: &str, tag: &str) -> RawResponse {
        let body = json!({"proposal": proposal(tag)}).to_string();
        self.send_as(token, "POST /aspects?action=ingestProposal", &body)
    }

    /// Writes the status of several tags in a batch.
    fn batch(&self, tags: &[&str]) -> RawResponse {
        let proposals: Vec<_> = tags.iter().map(|tag| proposal(tag)).collect();
        self.send("POST /aspects?action=ingestProposalBatch", &json!({"proposals": proposals}).to_string())
    }

    fn is_there(&self, tag: &str) -> bool {
        self.send(&format!("GET /aspects/urn:li:tag:{tag}?aspect=status&version=0"), "").status() == 200
    }

    /// Writes a tag asynchronously; returns the head of the request for its trace.
    fn write_later(&self, tag: &str) -> String {
        let body = json!([{"urn": format!("urn:li:tag:{tag}"), "status": {"value": {"removed": false}}}]);
        let answer = self.send("POST /openapi/v3/entity/tag", &body.to_string());
        assert_eq!(answer.status(), 202, "{answer:?}");
        let trace = answer.header("traceparent").unwrap();
        format!("POST /openapi/v1/trace/write/{trace}?onlyIncludeErrors=false&detailed=true")
    }

    fn trace(&self, head: &str, tag: &str) -> Value {
        let urn = format!("urn:li:tag:{tag}");
        self.send(head, &json!({&urn: ["status"]}).to_string()).json()[&urn]["status"]["primaryStorage"]
            .take()
    }

    /// Checks that the script makes the first write fail, without an effect, and that the second one
    /// succeeds.
    #[track_caller]
    fn refuses_once(&self, tag: &str, status: u16) -> RawResponse {
        let answer = self.write(tag);
        assert_eq!(answer.status(), status, "{answer:?}");
        assert!(!self.is_there(tag));
        assert_eq!(self.write(tag).status(), 200);
        assert!(self.is_there(tag));
        answer
    }
}

fn directory() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/faults"))
}

fn proposal(tag: &str) -> Value {
    json!({
        "entityType": "tag", "entityUrn": format!("urn:li:tag:{tag}"), "changeType": "UPSERT",
        "aspectName": "status", "aspect": {"value": "{\"removed\":false}", "contentType": "application/json"},
    })
}

#[track_caller]
fn content_type(answer: &RawResponse, expected: &str) {
    assert!(answer.header("Content-Type").is_some_and(|kind| kind.starts_with(expected)), "{answer:?}");
}

/// Checks the effect of a script, with a tag of its own.
type Check = fn(&Client, &str);

const CHECKS: &[(&str, Check)] = &[
    ("server-error.yml", |client, tag| {
        assert_eq!(client.write(tag).status(), 500);
        let answer = client.refuses_once(tag, 500).json();
        assert_eq!(answer["message"], "INTERNAL SERVER ERROR");
        assert_eq!(answer["status"], 500);
        assert!(answer["stackTrace"].is_string());
    }),
    ("server-error-without-a-word.yml", |client, tag| {
        assert_eq!(client.refuses_once(tag, 500).body(), "");
    }),
    ("bad-gateway.yml", |client, tag| {
        let answer = client.refuses_once(tag, 502);
        content_type(&answer, "text/html");
        assert!(answer.body().contains("502 Bad Gateway"));
    }),
    ("gateway-timeout.yml", |client, tag| {
        let answer = client.refuses_once(tag, 504);
        content_type(&answer, "text/plain");
        assert_eq!(answer.body(), "Proxy request timed out.");
    }),
    ("spring-page.yml", |client, tag| {
        let answer = client.refuses_once(tag, 503).json();
        assert_eq!(answer["error"], "Service Unavailable");
        assert_eq!(answer["path"], "/aspects");
    }),
    ("spring-page-for-browsers.yml", |client, tag| {
        let answer = client.refuses_once(tag, 503);
        content_type(&answer, "text/html");
        assert!(answer.body().contains("(type=Service Unavailable, status=503)"));
    }),
    ("jetty-page.yml", |client, tag| {
        let answer = client.refuses_once(tag, 500);
        content_type(&answer, "text/html");
        assert!(answer.body().contains("HTTP ERROR 500 java.lang.OutOfMemoryError"));
    }),
    ("jetty-json.yml", |client, tag| {
        let answer = client.refuses_once(tag, 500).json();
        assert_eq!(
            (&answer["status"], &answer["message"]),
            (&json!("500"), &json!("java.lang.OutOfMemoryError"))
        );
    }),
    ("own-status.yml", |client, tag| {
        let answer = client.refuses_once(tag, 418);
        assert_eq!((answer.header("X-Kind"), answer.body()), (Some("teapot"), "short and stout"));
        content_type(&answer, "text/plain");
    }),
    ("throttled.yml", |client, tag| {
        let answer = client.refuses_once(tag, 429);
        assert_eq!(answer.header("Retry-After"), Some("1"));
        assert_eq!(answer.header("X-DataHub-RateLimit-Type"), Some("ingest"));
        assert!(answer.json()["message"].as_str().unwrap().starts_with("Throttled due to"));
    }),
    ("throttled-until-a-date.yml", |client, tag| {
        let answer = client.refuses_once(tag, 429);
        assert!(answer.header("Retry-After").is_some_and(|date| date.ends_with(" GMT")), "{answer:?}");
    }),
    ("throttled-without-a-time.yml", |client, tag| {
        assert_eq!(client.refuses_once(tag, 429).header("Retry-After"), None);
    }),
    ("slow-head.yml", |client, tag| slow(client, tag)),
    ("slow-body.yml", |client, tag| slow(client, tag)),
    ("slow-server.yml", |client, tag| slow(client, tag)),
    ("half-body.yml", |client, tag| {
        half(&client.write(tag));
        assert!(!client.is_there(tag));
    }),
    ("half-body-after-commit.yml", |client, tag| {
        half(&client.write(tag));
        assert!(client.is_there(tag));
    }),
    ("reset.yml", |client, tag| {
        let answer = client.write(tag);
        assert!(answer.reset && answer.text.is_empty(), "{answer:?}");
        assert!(!client.is_there(tag));
    }),
    ("reset-after-commit.yml", |client, tag| {
        let answer = client.write(tag);
        assert!(answer.reset && answer.text.is_empty(), "{answer:?}");
        assert!(client.is_there(tag));
    }),
    ("too-large.yml", |client, tag| {
        assert_eq!(client.write(tag).status(), 200);
        let answer = client.batch(&[tag; 20]);
        assert_eq!(answer.status(), 413);
        content_type(&answer, "text/html");
    }),
    ("unauthorized-from-the-third.yml", |client, tag| {
        let statuses = [(); 4].map(|()| client.write(tag).status());
        assert_eq!(statuses, [200, 200, 401, 401]);
        assert_eq!(client.send("GET /entities/urn:li:corpuser:datahub", "").status(), 200);
    }),
    ("token-expiry.yml", |client, tag| {
        // The token stays expired, so the test creates one of its own.
        let body = json!({"query": "mutation { createAccessToken(input: {type: PERSONAL, \
            actorUrn: \"urn:li:corpuser:datahub\", duration: ONE_HOUR, name: \"x\"}) { accessToken } }"});
        let made = client.send("POST /api/graphql", &body.to_string()).json();
        let token = made["data"]["createAccessToken"]["accessToken"].as_str().unwrap();
        let statuses = [(); 3].map(|()| client.write_as(token, tag).status());
        assert_eq!(statuses, [200, 401, 401]);
        assert_eq!(client.write(tag).status(), 200);
    }),
    ("redirect.yml", |client, tag| {
        let answer = client.refuses_once(tag, 302);
        assert_eq!(answer.header("Location"), Some("https://login.example.com/start"));
    }),
    ("login-page.yml", |client, tag| {
        let answer = client.refuses_once(tag, 200);
        content_type(&answer, "text/html");
        assert!(answer.body().contains("password"));
    }),
    ("partial-apply.yml", |client, tag| {
        let tags = [1, 2, 3, 4, 5].map(|number| format!("{tag}{number}"));
        let tags = tags.each_ref().map(String::as_str);
        assert_eq!(client.batch(&tags).status(), 500);
        assert_eq!(tags.map(|tag| client.is_there(tag)), [true, true, false, false, false]);
        assert_eq!(client.batch(&tags).status(), 200);
        assert!(tags.iter().all(|tag| client.is_there(tag)));
    }),
    ("silent-drop.yml", |client, _| {
        let answer = client.batch(&["a", "b"]);
        assert_eq!((answer.status(), answer.json()), (200, json!({"value": "success"})));
        assert_eq!(["a", "b"].map(|tag| client.is_there(tag)), [true, false]);
    }),
    ("server-timeout.yml", |client, tag| {
        let answer = client.write(tag);
        assert_eq!(answer.status(), 500);
        content_type(&answer, "text/plain");
        assert!(answer.body().contains("Server timeout after 60 seconds"));
        assert!(client.is_there(tag));
    }),
    ("transaction-conflict.yml", |client, tag| {
        let answer = client.refuses_once(tag, 503);
        assert_eq!(answer.header("Retry-After"), Some("1"));
        assert_eq!(
            answer.json()["errorDetails"],
            json!({"code": "DATABASE_TRANSACTION_CONFLICT", "retryable": true})
        );
    }),
    ("no-batches.yml", |client, tag| {
        let answer = client.batch(&[tag]);
        assert_eq!(answer.status(), 400);
        let message = answer.json()["message"].as_str().unwrap().to_owned();
        assert!(message.contains("ingestProposalBatch not supported on resource"), "{message}");
        assert_eq!(client.write(tag).status(), 200);
    }),
    ("rejected-later.yml", |client, tag| {
        let trace = client.write_later(tag);
        let found = client.trace(&trace, tag);
        assert_eq!(found["writeStatus"], "ERROR");
        assert_eq!(found["writeExceptions"], json!([{"message": "no such tag"}]));
        assert!(!client.is_there(tag));
    }),
    ("pending-for-a-while.yml", |client, tag| {
        let trace = client.write_later(tag);
        let states = [(); 3].map(|()| client.trace(&trace, tag)["writeStatus"].take());
        assert_eq!(states, ["PENDING", "PENDING", "ACTIVE_STATE"]);
    }),
    ("one-entity.yml", |client, tag| {
        assert_eq!(client.batch(&[tag, "b"]).status(), 500);
        assert_eq!(client.batch(&[tag]).status(), 200);
    }),
    ("away-for-a-while.yml", |client, tag| {
        // A process that is paused for two seconds misses the outage. The script is then repeated.
        let mut writes = 0;
        wait::until("the server goes away", || {
            writes += 1;
            if writes % 3_000 == 0 {
                client.play("away-for-a-while.yml");
            }
            client.write(tag).reset
        });
        wait::until("the server comes back", || !client.write(tag).reset);
    }),
];

#[track_caller]
fn slow(client: &Client, tag: &str) {
    let start = Instant::now();
    assert_eq!(client.write(tag).json(), json!({"value": "success"}));
    // A lower bound: on a busy machine it only takes longer.
    assert!(start.elapsed() >= Duration::from_millis(200), "{:?}", start.elapsed());
    assert!(client.is_there(tag));
}

#[track_caller]
fn half(answer: &RawResponse) {
    assert_eq!((answer.status(), answer.reset), (200, false), "{answer:?}");
    assert_eq!(answer.header("Content-Length"), Some("19"));
    assert_eq!(answer.body(), "{\"value\":");
}

#[test]
fn each_script_has_its_effect() {
    let written: BTreeSet<_> = std::fs::read_dir(directory())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let checked: BTreeSet<_> = CHECKS.iter().map(|(script, _)| (*script).to_owned()).collect();
    assert_eq!(written, checked);
    let sandbox = Sandbox::new();
    let client = Client::new(&sandbox);
    for (number, (script, check)) in CHECKS.iter().enumerate() {
        println!("{script}");
        client.play(script);
        check(&client, &format!("tag{number}"));
    }
    assert_eq!(client.send("DELETE /faults", "").json(), json!({"faults": []}));
}

#[test]
fn faults_are_for_administrators_and_count_their_actions() {
    let sandbox = Sandbox::new();
    let client = Client::new(&sandbox);
    let everything =
        r#"{"faults": [{"action": "reset", "urn": "urn:li:tag:x"}, {"action": "unauthorized"}]}"#;
    assert_eq!(client.send("PUT /faults", everything).status(), 200);
    // Administrators still reach `/faults`.
    assert!(client.write("x").reset);
    assert_eq!(client.write("y").status(), 401);
    assert_eq!(client.send("GET /requests", "").json().as_array().unwrap().len(), 2);
    assert_eq!(
        client.send("GET /faults", "").json()["faults"],
        json!([
            {"action": "reset", "path": "", "urn": "urn:li:tag:x", "matched": 1, "acted": 1},
            {"action": "unauthorized", "path": "", "urn": null, "matched": 1, "acted": 1},
        ])
    );
    for (document, part) in [
        ("faults: [{action: explode}]", "explode"),
        ("faults:\n- {action: reset}\n- {paht: /, action: reset}", "line 3"),
        ("faults: [{action: reset, code: 1}]", "faults[0]: the action has no `code`"),
        ("\t", ""),
    ] {
        let answer = client.send("PUT /faults", document);
        assert_eq!(answer.status(), 400, "{answer:?}");
        assert!(answer.json()["message"].as_str().unwrap().contains(part), "{answer:?}");
    }
    // An invalid document changes nothing.
    assert_eq!(client.write("y").status(), 401);
    let other = std::fs::read_to_string(sandbox.path("other")).unwrap();
    for method in ["GET", "PUT", "DELETE"] {
        let head = format!("{method} /faults");
        assert_eq!(client.send_as(other.trim(), &head, "faults: []").status(), 403, "{method}");
        assert_eq!(client.send_as("x", &head, "faults: []").status(), 401, "{method}");
    }
    assert_eq!(client.send("DELETE /faults", "").status(), 200);
    assert_eq!(client.write("y").status(), 200);
}
