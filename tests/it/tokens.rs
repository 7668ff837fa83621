//! Where does the token come from, what if it changes during a run, and what if it is malformed?

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};

use datahub_emitter::auth::FileProvider;
use datahub_emitter::diagnosis::Evidence;
use datahub_emitter::emitter::{Batching, Emitter};
use serde_json::json;

use crate::support::emitting::status;
use crate::support::sandbox::{Ran, Running, Sandbox, tags};
use crate::support::scripted_gms::{CONFIG, Request, Response, ScriptedGms};
use crate::support::wait::PATIENCE;

fn authorization(request: &Request) -> String {
    request.headers().get("authorization").cloned().unwrap_or_default()
}

fn config() -> Response {
    Response::Status(200, CONFIG.into())
}

fn unauthorized() -> Response {
    Response::Status(401, json!({"status": 401, "error": "Unauthorized"}).to_string())
}

/// A GMS that accepts only this token, and the tokens that it has seen.
fn taking(token: &'static str) -> (ScriptedGms, Arc<Mutex<Vec<String>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let gms = ScriptedGms::start_for_all({
        let seen = Arc::clone(&seen);
        move |request| {
            seen.lock().unwrap().push(authorization(request));
            match (request.is_write(), authorization(request) == token) {
                (true, false) => unauthorized(),
                (true, true) => Response::ok(),
                _ => config(),
            }
        }
    });
    (gms, seen)
}

/// Runs a recipe with these keys of the sink beside `server`.
fn ingest(gms: &ScriptedGms, sandbox: &Sandbox, keys: &str, environment: &[(&str, &str)]) -> Ran {
    sandbox.write("tags.jsonl", &tags(["a", "b"]));
    sandbox.recipe(
        "tags.jsonl",
        &format!("{{type: datahub-rest, config: {{server: '{}', {keys}}}}}", gms.url()),
    );
    let environment = environment.iter().copied();
    Ran::of(sandbox.command().envs(environment).args(["ingest", "-c", "recipe.yml", "--json"]))
}

fn replace(path: &Path, token: &str) {
    let fresh = path.with_extension("new");
    std::fs::write(&fresh, token).unwrap();
    std::fs::rename(fresh, path).unwrap();
}

#[test]
fn a_token_comes_from_each_of_its_sources() {
    let sandbox = Sandbox::new();
    let file: PathBuf = sandbox.write("token", "good.token\n");
    let file = file.to_str().unwrap();
    for (keys, environment, source) in [
        ("token: good.token", &[][..], "recipe".to_owned()),
        ("token: '${T}'", &[("T", "good.token")], "recipe".to_owned()),
        (&format!("auth: {{type: pat, config: {{token_file: '{file}'}}}}"), &[], format!("file:{file}")),
        (&format!("auth: {{type: k8s_oidc, config: {{token_file: '{file}'}}}}"), &[], format!("file:{file}")),
        (
            &format!("auth: {{type: command, config: {{command: [cat, '{file}']}}}}"),
            &[],
            "command".to_owned(),
        ),
        ("auth: {type: env, config: {name: T}}", &[("T", "good.token")], "env:T".to_owned()),
    ] {
        let (gms, seen) = taking("Bearer good.token");
        let report = ingest(&gms, &sandbox, keys, environment).ends_with(0).json();
        assert_eq!(report["token"]["source"], source, "{keys}");
        assert!(seen.lock().unwrap().iter().all(|token| token == "Bearer good.token"), "{keys}");
    }
}

#[cfg(unix)]
#[test]
fn a_token_file_may_be_a_pipe() {
    use std::io::Write as _;

    let (gms, _) = taking("Bearer good.token");
    let sandbox = Sandbox::new();
    sandbox.write("tags.jsonl", &tags(["a"]));
    sandbox.recipe("tags.jsonl", &format!("{{type: datahub-rest, config: {{server: '{}'}}}}", gms.url()));
    let mut child = sandbox.start(&["ingest", "-c", "recipe.yml", "--token-file", "/dev/stdin"]);
    child.stdin.take().unwrap().write_all(b"good.token\n").unwrap();
    Ran::from(child.wait_with_output().unwrap()).ends_with(0);
}

#[test]
fn the_system_client_is_sent_unchanged() {
    let (gms, _) = taking("Basic __datahub_system:s3:cr3t");
    let environment =
        [("DATAHUB_SYSTEM_CLIENT_ID", "__datahub_system"), ("DATAHUB_SYSTEM_CLIENT_SECRET", "s3:cr3t")];
    let report = ingest(&gms, &Sandbox::new(), "mode: SYNC", &environment).ends_with(0).json();
    assert_eq!(report["token"]["source"], "system-client");
}

#[test]
fn a_malformed_token_is_an_error_before_anything_is_sent() {
    let sandbox = Sandbox::new();
    let file = sandbox.write("token", "${DATAHUB_GMS_TOKEN}");
    let in_file = format!("auth: {{type: pat, config: {{token_file: '{}'}}}}", file.display());
    for (keys, code) in [
        ("token: 'Bearer s3cr3t-0123456789'", "auth.token-doubled-bearer"),
        ("token: '\"s3cr3t-0123456789\"'", "auth.token-not-a-header"),
        (in_file.as_str(), "auth.token-unexpanded"),
        ("token: \"s3cr3t-\\n0123456789\"", "auth.token-not-a-header"),
        ("token: 's3cr3t-0123456789-é'", "auth.token-not-a-header"),
    ] {
        let (gms, seen) = taking("none");
        let ran = ingest(&gms, &sandbox, keys, &[]).ends_with(3);
        assert!(ran.stderr.contains(&format!("error[{code}]")), "{keys}: {ran:#?}");
        assert!(!format!("{ran:?}").contains("3cr3t-012"), "{ran:#?}");
        assert_eq!(ran.json()["diagnosis"]["code"], code);
        assert!(seen.lock().unwrap().is_empty(), "{keys}");
    }
}

#[test]
fn a_token_that_expires_soon_is_a_warning() {
    let sandbox = Sandbox::new();
    let (gms, _) = taking("none");
    let sink = |token: &str| {
        format!("{{type: datahub-rest, config: {{server: '{}', token: '{token}'}}}}", gms.url())
    };
    sandbox.recipe("tags.jsonl", &sink(include_str!("../../fixtures/tokens/expired.jwt").trim()));
    let check = |within: &str| sandbox.run(&["check", "recipe.yml", "--expires-within", within]);
    assert!(check("7d").ends_with(1).stderr.contains("expires at"));
    check("soon").ends_with(2);
    let (gms, _) = taking("Bearer opaque");
    let sink = format!("{{type: datahub-rest, config: {{server: '{}', token: opaque}}}}", gms.url());
    sandbox.recipe("tags.jsonl", &sink);
    check("7d").ends_with(0);
}

#[test]
fn a_failing_token_provider_is_named() {
    let (gms, seen) = taking("none");
    for (keys, word) in [
        ("auth: {type: pat, config: {token_file: /no/such/token}}", "/no/such/token"),
        (
            "auth: {type: command, config: {command: [/no/such/program, s3cr3t-0123456789]}}",
            "/no/such/program",
        ),
    ] {
        let ran = ingest(&gms, &Sandbox::new(), keys, &[]).ends_with(3);
        assert!(ran.stderr.contains("error[auth.provider-failed]") && ran.stderr.contains(word), "{ran:#?}");
        assert!(!format!("{ran:?}").contains("3cr3t-012"), "{ran:#?}");
    }
    assert!(seen.lock().unwrap().is_empty());
}

/// A GMS that accepts only the newest of the tokens `token-1`, `token-2` and so on, and writes the next one
/// to `file` after every `writes` accepted writes, up to number `last`.
fn rotating(file: PathBuf, writes: usize, last: usize) -> ScriptedGms {
    let (taken, current) = (AtomicUsize::new(0), AtomicUsize::new(1));
    ScriptedGms::start_for_all(move |request| {
        if !request.is_write() {
            return config();
        }
        if authorization(request) != format!("Bearer token-{}", current.load(SeqCst)) {
            return unauthorized();
        }
        if (taken.fetch_add(1, SeqCst) + 1).is_multiple_of(writes) && current.load(SeqCst) < last {
            // The new token is in the file before the old one is refused, as with `token rotate`.
            replace(&file, &format!("token-{}", current.load(SeqCst) + 1));
            current.fetch_add(1, SeqCst);
        }
        Response::ok()
    })
}

#[test]
fn a_token_that_is_replaced_five_times_loses_nothing() {
    let sandbox = Sandbox::new();
    let file = sandbox.write("token", "token-1");
    let records = 100_000;
    let names: Vec<String> = (0..records).map(|number| format!("t{number}")).collect();
    sandbox.write("tags.jsonl", &tags(names.iter().map(String::as_str)));
    let gms = rotating(file.clone(), 150, 6);
    let keys =
        format!("server: '{}', auth: {{type: pat, config: {{token_file: '{}'}}}}", gms.url(), file.display());
    sandbox.recipe("tags.jsonl", &format!("{{type: datahub-rest, config: {{{keys}}}}}"));
    let report = sandbox.ingest(&["--json"]).ends_with(0).json();
    assert_eq!(report["proposals"]["delivered"], records);
    assert_eq!(std::fs::read_to_string(file).unwrap(), "token-6");
    assert_eq!(report["diagnosis"], serde_json::Value::Null);
}

#[cfg(unix)]
#[test]
fn tokens_are_renewed_before_they_expire() {
    // The server says that its tokens live for a second, and never refuses one: so each new token was a
    // renewal in time.
    let issued = Arc::new(AtomicUsize::new(0));
    let (arrived, arrivals) = mpsc::channel();
    let gms = ScriptedGms::start_for_all({
        let issued = Arc::clone(&issued);
        move |request| {
            if request.path().starts_with("/token") {
                let form = String::from_utf8(request.body.clone()).unwrap();
                assert!(
                    form.contains("grant_type=client_credentials&client_id=loader&client_secret=s3%26cr3t"),
                    "{form}"
                );
                let token = format!("token-{}", issued.fetch_add(1, SeqCst) + 1);
                return Response::Status(200, json!({"access_token": token, "expires_in": 1}).to_string());
            }
            if request.is_write() {
                arrived.send(authorization(request)).unwrap();
                return Response::ok();
            }
            config()
        }
    });
    let sandbox = Sandbox::new();
    let auth = format!(
        "{{type: oidc_client_credentials, config: {{token_endpoint: '{}/token', client_id: loader, client_secret: s3&cr3t}}}}",
        gms.url()
    );
    sandbox.write(
        "recipe.yml",
        &format!(
            "source: {{type: file, config: {{path: '-'}}}}\nsink: {{type: datahub-rest, config: {{server: '{}', mode: SYNC, \
             auth: {auth}}}}}\n",
            gms.url()
        ),
    );
    let mut run = Running(sandbox.start(&["ingest", "-c", "recipe.yml", "--report-to", "report.json"]));
    let mut stdin = run.0.stdin.take().unwrap();
    let mut tokens = Vec::new();
    // Writes one record after the other until the run has sent with four tokens.
    while tokens.iter().collect::<BTreeSet<_>>().len() < 4 {
        stdin.write_all(tags([format!("t{}", tokens.len()).as_str()]).as_bytes()).unwrap();
        tokens.push(arrivals.recv_timeout(PATIENCE).unwrap());
    }
    drop(stdin);
    assert_eq!(run.0.wait().unwrap().code(), Some(0));
    let report = sandbox.json("report.json");
    assert_eq!(report["proposals"]["delivered"], tokens.len());
    assert_eq!(report["requests"]["retried"], 0);
    assert_eq!(report["token"]["source"], "oidc");
    let number = |token: &String| token.strip_prefix("Bearer token-").unwrap().parse::<usize>().unwrap();
    assert!(tokens.iter().map(number).is_sorted(), "{tokens:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_token_that_has_delivered_is_tried_once_more() {
    let writes = AtomicUsize::new(0);
    let gms = ScriptedGms::start(move |_| match writes.fetch_add(1, SeqCst) {
        2 => unauthorized(),
        _ => Response::ok(),
    });
    let emitter =
        Emitter::builder(gms.url()).no_proxy().token("abc").batching(Batching::Sequential).build().unwrap();
    for number in 0..5 {
        drop(emitter.emit(status(number)).await);
    }
    let counts = emitter.close(None).await;
    assert_eq!((counts.delivered, counts.undelivered), (5, 0));
    assert_eq!(gms.writes().len(), 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_refused_tokens_in_a_row_end_the_run() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    std::fs::write(&file, "token-1").unwrap();
    let asked = Arc::new(AtomicU64::new(0));
    let gms = ScriptedGms::start({
        let (file, asked) = (file.clone(), Arc::clone(&asked));
        move |_| {
            // The provider always has another token, and all of them are refused.
            replace(&file, &format!("token-{}", asked.fetch_add(1, SeqCst) + 2));
            unauthorized()
        }
    });
    let emitter = Emitter::builder(gms.url()).no_proxy().token_provider(FileProvider::new(&file));
    let emitter = emitter.batching(Batching::Sequential).build().unwrap();
    for number in 0..50 {
        drop(emitter.emit(status(number)).await);
    }
    assert_eq!(emitter.close(None).await.undelivered, 50);
    assert_eq!(asked.load(SeqCst), 2, "one request for each of the two");
    let error = emitter.stop_reason().unwrap();
    let evidence = &error.diagnosis().unwrap().evidence;
    assert!(evidence.contains(&Evidence::PreviousTokenRefused), "{evidence:?}");
}
