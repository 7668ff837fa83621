//! Where does my token come from, what if it changes while a run goes on, and what if it is no token?

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use datahub_emitter::auth::FileProvider;
use datahub_emitter::emitter::{Batching, Emitter};
use datahub_emitter::metadata::{Proposal, Urn};
use serde_json::json;

use crate::support::sandbox::{Ran, Sandbox, tags};
use crate::support::scripted_gms::{Answer, Apart, Request, ScriptedGms};

fn status(number: usize) -> Proposal {
    Proposal::upsert(Urn::parse(&format!("urn:li:tag:t{number}")).unwrap(), "status", "{}").unwrap()
}

fn authorization(request: &Request) -> String {
    request.headers().get("authorization").cloned().unwrap_or_default()
}

fn config() -> Answer {
    Answer::Status(
        200,
        json!({"noCode": "true", "versions": {"acryldata/datahub": {"version": "v1.3.0"}}}).to_string(),
    )
}

fn unauthorized() -> Answer {
    Answer::Status(401, json!({"status": 401, "error": "Unauthorized"}).to_string())
}

/// A GMS that takes this token alone, and remembers the tokens that it saw.
fn taking(token: &'static str) -> (Apart, Arc<Mutex<Vec<String>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let gms = ScriptedGms::of_all({
        let seen = Arc::clone(&seen);
        move |request| {
            seen.lock().unwrap().push(authorization(request));
            match (request.is_write(), authorization(request) == token) {
                (true, false) => unauthorized(),
                (true, true) => Answer::ok(),
                _ => config(),
            }
        }
    });
    (gms, seen)
}

/// Runs a recipe with these keys beside `server`.
fn ingest(gms: &Apart, sandbox: &Sandbox, keys: &str, environment: &[(&str, &str)]) -> Ran {
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
fn the_system_client_goes_as_it_is() {
    let (gms, _) = taking("Basic __datahub_system:s3:cr3t");
    let environment =
        [("DATAHUB_SYSTEM_CLIENT_ID", "__datahub_system"), ("DATAHUB_SYSTEM_CLIENT_SECRET", "s3:cr3t")];
    let report = ingest(&gms, &Sandbox::new(), "mode: SYNC", &environment).ends_with(0).json();
    assert_eq!(report["token"]["source"], "system-client");
}

#[test]
fn what_is_no_token_is_told_before_anything_is_sent() {
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
fn a_token_that_is_about_to_expire_is_told_before_it_breaks() {
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
fn a_source_of_tokens_that_fails_is_named() {
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

/// A GMS that takes only the newest of the tokens `token-1`, `token-2`, …, and puts the next one into `file` whenever
/// `writes` were taken, up to number `last`.
fn rotating(file: PathBuf, writes: usize, last: usize) -> Apart {
    let (taken, current) = (AtomicUsize::new(0), AtomicUsize::new(1));
    ScriptedGms::of_all(move |request| {
        if !request.is_write() {
            return config();
        }
        if authorization(request) != format!("Bearer token-{}", current.load(SeqCst)) {
            return unauthorized();
        }
        if (taken.fetch_add(1, SeqCst) + 1).is_multiple_of(writes) && current.load(SeqCst) < last {
            // The new one is there before the old one is refused, as `token rotate` does it.
            replace(&file, &format!("token-{}", current.load(SeqCst) + 1));
            current.fetch_add(1, SeqCst);
        }
        Answer::ok()
    })
}

#[test]
fn a_token_that_is_replaced_five_times_costs_nothing() {
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

#[test]
fn tokens_that_live_for_a_moment_are_renewed_before_they_end() {
    let issued: Arc<Mutex<Vec<Instant>>> = Arc::default();
    let life = Duration::from_secs(1);
    let gms = ScriptedGms::of_all({
        let issued = Arc::clone(&issued);
        move |request| {
            let mut issued = issued.lock().unwrap();
            if request.path().starts_with("/token") {
                let form = String::from_utf8(request.body.clone()).unwrap();
                assert!(
                    form.contains("grant_type=client_credentials&client_id=loader&client_secret=s3%26cr3t"),
                    "{form}"
                );
                issued.push(Instant::now());
                let token = format!("token-{}", issued.len());
                return Answer::Status(
                    200,
                    json!({"access_token": token, "expires_in": life.as_secs_f64()}).to_string(),
                );
            }
            let number =
                authorization(request).strip_prefix("Bearer token-").and_then(|text| text.parse().ok());
            let alive =
                number.and_then(|number: usize| issued.get(number - 1)).is_some_and(|at| at.elapsed() < life);
            match (alive, request.is_write()) {
                (false, true) => unauthorized(),
                (true, true) => {
                    drop(issued);
                    std::thread::sleep(Duration::from_millis(40));
                    Answer::ok()
                }
                _ => config(),
            }
        }
    });
    let sandbox = Sandbox::new();
    let names: Vec<String> = (0..100).map(|number| format!("t{number}")).collect();
    sandbox.write("tags.jsonl", &tags(names.iter().map(String::as_str)));
    let auth = format!(
        "{{type: oidc_client_credentials, config: {{token_endpoint: '{}/token', client_id: loader, client_secret: s3&cr3t}}}}",
        gms.url()
    );
    sandbox.recipe(
        "tags.jsonl",
        &format!("{{type: datahub-rest, config: {{server: '{}', mode: SYNC, auth: {auth}}}}}", gms.url()),
    );
    let report = sandbox.ingest(&["--json"]).ends_with(0).json();
    assert_eq!(report["proposals"]["delivered"], 100);
    assert_eq!(report["token"]["source"], "oidc");
    assert!(issued.lock().unwrap().len() >= 4, "{} tokens in 4 s", issued.lock().unwrap().len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_was_good_gets_one_more_try() {
    let writes = AtomicUsize::new(0);
    let gms = ScriptedGms::start(move |_| match writes.fetch_add(1, SeqCst) {
        2 => unauthorized(),
        _ => Answer::ok(),
    })
    .await;
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
async fn two_tokens_that_are_refused_in_a_row_end_the_run() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    std::fs::write(&file, "token-1").unwrap();
    let asked = Arc::new(AtomicU64::new(0));
    let gms = ScriptedGms::start({
        let (file, asked) = (file.clone(), Arc::clone(&asked));
        move |_| {
            // Whatever is tried, there is always another one, and it is no better.
            replace(&file, &format!("token-{}", asked.fetch_add(1, SeqCst) + 2));
            unauthorized()
        }
    })
    .await;
    let emitter = Emitter::builder(gms.url()).no_proxy().token_provider(FileProvider::new(&file));
    let emitter = emitter.batching(Batching::Sequential).build().unwrap();
    for number in 0..50 {
        drop(emitter.emit(status(number)).await);
    }
    assert_eq!(emitter.close(None).await.undelivered, 50);
    assert_eq!(asked.load(SeqCst), 2, "one request for each of the two");
    let error = emitter.stop_reason().unwrap();
    let evidence = error.diagnosis().unwrap().evidence.join("\n");
    assert!(evidence.contains("the token before this one was refused as well"), "{evidence}");
}
