//! Is the state of stateful ingestion that of DataHub's Python client, and never ahead of delivery?

use std::io::Read as _;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::support::sandbox::{Ran, Sandbox, tags};
use crate::support::scripted_gms::{Request, Response, ScriptedGms};
use crate::support::server::Server;

const JOB: &str = "urn:li:dataJob:(urn:li:dataFlow:(datahub,nightly,prod),default_stale_entity_removal)";

/// A case; the README in the folder explains the members.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    #[serde(rename = "case")]
    name: String,
    stateful: Value,
    old: Option<Vec<String>>,
    payload: Option<String>,
    records: Vec<Value>,
    rejects: Option<String>,
    status: Vec<String>,
    removed: Vec<String>,
    state: Option<Vec<String>>,
    #[serde(default)]
    exit: i32,
    says: Option<String>,
}

fn urn(short: &str) -> String {
    match short.strip_prefix("d:") {
        Some(name) => format!("urn:li:dataset:(urn:li:dataPlatform:mysql,shop.{name},PROD)"),
        None => format!("urn:li:{short}"),
    }
}

fn urns(short: &[String]) -> Vec<String> {
    short.iter().map(|short| urn(short)).collect()
}

/// A line of a metadata file.
fn line(record: &Value) -> String {
    let Some([short, aspect]) = record.as_array().map(Vec::as_slice) else {
        return "{\"no\": 1}\n".to_owned();
    };
    let urn = urn(short.as_str().unwrap());
    let value = if aspect == "status" { json!({"removed": true}) } else { json!({"description": "x"}) };
    let record = json!({"entityType": urn.split(':').nth(2), "entityUrn": urn, "changeType": "UPSERT",
        "aspectName": aspect, "aspect": {"json": value}});
    format!("{record}\n")
}

/// A proposal that a GMS received.
#[derive(Debug)]
struct Received {
    urn: String,
    aspect: String,
    change: String,
    value: Value,
    is_async: bool,
}

fn received(request: &Request) -> Vec<Received> {
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    let proposals = body["proposals"].as_array().cloned().unwrap_or_default();
    let is_async = body["async"] == "true";
    proposals
        .iter()
        .map(|proposal| Received {
            urn: proposal["entityUrn"].as_str().unwrap().to_owned(),
            aspect: proposal["aspectName"].as_str().unwrap().to_owned(),
            change: proposal["changeType"].as_str().unwrap().to_owned(),
            value: serde_json::from_str(proposal["aspect"]["value"].as_str().unwrap()).unwrap(),
            is_async,
        })
        .collect()
}

fn is_question(request: &Request) -> bool {
    request.target().contains("getTimeseriesAspectValues")
}

/// A GMS whose state checkpoint has this payload, and which rejects the proposals of one URN.
fn gms(old: Option<(String, &'static str)>, rejects: Option<String>) -> ScriptedGms {
    ScriptedGms::start(move |request| {
        if is_question(request) {
            let question: Value = serde_json::from_slice(&request.body).unwrap();
            assert_eq!(question["urn"], JOB);
            assert_eq!(question["filter"]["or"][0]["and"][0]["values"], json!(["nightly"]));
            let value = |(payload, serde): &(String, &str)| {
                let state = json!({"formatVersion": "1.0", "serde": serde, "payload": payload});
                let checkpoint = json!({"state": state, "runId": "earlier"}).to_string();
                json!({"aspect": {"value": checkpoint, "contentType": "application/json"}})
            };
            let values: Vec<Value> = old.iter().map(value).collect();
            return Response::Status(200, json!({"value": {"values": values}}).to_string());
        }
        let is_rejected = |(urn, _): &(String, String)| rejects.as_ref() == Some(urn);
        if request.proposals().iter().any(is_rejected) {
            return Response::Status(422, r#"{"message":"not today"}"#.to_owned());
        }
        Response::ok()
    })
}

fn old_state(urns: &[String]) -> (String, &'static str) {
    (json!({"urns": urns}).to_string(), "utf-8")
}

fn recipe(sandbox: &Sandbox, gms: &str, stateful: &Value) {
    let mut stateful = stateful.clone();
    stateful["enabled"] = json!(true);
    let recipe = json!({
        "pipeline_name": "nightly",
        "source": {"type": "file", "config": {"path": "in.jsonl", "file_extension": "*", "stateful_ingestion": stateful}},
        "sink": {"type": "datahub-rest", "config": {"server": gms}},
    });
    sandbox.write("recipe.yml", &recipe.to_string());
}

/// The entities of a payload, decoded independently of the program.
fn entities(payload: &str) -> Vec<String> {
    const ALPHABET: &str =
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~";
    let mut bytes = Vec::new();
    let characters: Vec<char> = payload.chars().collect();
    for group in characters.chunks(5) {
        let padded = group.iter().copied().chain(std::iter::repeat('~')).take(5);
        let number =
            padded.fold(0_u64, |number, character| number * 85 + ALPHABET.find(character).unwrap() as u64);
        let decoded = u32::try_from(number).unwrap().to_be_bytes();
        bytes.extend_from_slice(&decoded[..group.len() - 1]);
    }
    let mut text = String::new();
    bzip2::read::BzDecoder::new(bytes.as_slice()).read_to_string(&mut text).unwrap();
    let state: Value = serde_json::from_str(&text).unwrap();
    state["urns"].as_array().unwrap().iter().map(|urn| urn.as_str().unwrap().to_owned()).collect()
}

fn differs(case: &Case) -> Result<(), String> {
    let sandbox = Sandbox::new();
    sandbox.write("in.jsonl", &case.records.iter().map(line).collect::<String>());
    let payload = case.payload.clone().map(|payload| (payload, "base85-bz2-json"));
    let old = payload.or_else(|| case.old.as_ref().map(|old| old_state(&urns(old))));
    let gms = gms(old, case.rejects.as_deref().map(urn));
    recipe(&sandbox, &gms.url(), &case.stateful);
    let (ran, report) = sandbox.ingest_with_report(&[]);
    let mut wrong = Vec::new();
    if ran.code != Some(case.exit) {
        wrong.push(format!("the exit code is {:?}", ran.code));
    }
    if case.says.as_ref().is_some_and(|text| !ran.stderr.contains(text)) {
        wrong.push("it says something else".to_owned());
    }
    let writes: Vec<Received> =
        gms.writes().iter().filter(|request| !is_question(request)).flat_map(received).collect();
    let of_status = |removed: bool| -> Vec<String> {
        let is_own = |write: &&Received| {
            case.records.iter().any(|record| line(record).contains(&write.urn) && record[1] == "status")
        };
        let of = writes.iter().filter(|write| write.aspect == "status" && write.urn != JOB && !is_own(write));
        let mut urns: Vec<String> =
            of.filter(|write| write.value["removed"] == removed).map(|write| write.urn.clone()).collect();
        // A rejected proposal is sent again alone.
        let mut seen = std::collections::HashSet::new();
        urns.retain(|urn| seen.insert(urn.clone()));
        urns
    };
    for (what, found, expected) in
        [("status", of_status(false), urns(&case.status)), ("removed", of_status(true), urns(&case.removed))]
    {
        if found != expected {
            wrong.push(format!("{what}: {found:?}"));
        }
    }
    let checkpoint = writes.iter().find(|write| write.aspect == "datahubIngestionCheckpoint");
    let state = checkpoint.map(|write| entities(write.value["state"]["payload"].as_str().unwrap()));
    if state != case.state.as_deref().map(urns) {
        wrong.push(format!("state: {state:?}"));
    }
    let reported = report["state"]["state_checkpoint"].as_str().unwrap();
    let expected = match (&case.state, case.stateful["remove_stale_metadata"] == false) {
        (_, true) => "off",
        (Some(_), false) => "committed",
        (None, false) => "skipped",
    };
    if reported != expected {
        wrong.push(format!("the report says {reported}"));
    }
    if wrong.is_empty() { Ok(()) } else { Err(format!("{}\n  {}\n{ran:#?}", case.name, wrong.join("\n  "))) }
}

#[test]
fn every_case_is_as_its_file_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/state/cases.yml");
    let cases: Vec<Case> = serde_yaml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert!(cases.len() > 15);
    let wrong: Vec<String> = cases.iter().filter_map(|case| differs(case).err()).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

fn datasets(names: &[&str]) -> String {
    names.iter().map(|name| line(&json!([format!("d:{name}"), "datasetProperties"]))).collect()
}

#[test]
fn records_removals_state_and_result_are_written_in_this_order() {
    let sandbox = Sandbox::new();
    sandbox.write("in.jsonl", &datasets(&["a"]));
    let gms = gms(Some(old_state(&[urn("d:a"), urn("d:b")])), None);
    recipe(&sandbox, &gms.url(), &json!({}));
    sandbox.ingest(&[]).ends_with(0);
    let mut order = Vec::new();
    for request in gms.writes() {
        if is_question(&request) {
            order.push("question".to_owned());
        }
        for write in received(&request) {
            let is_own = write.urn.contains("dataHub") || write.urn == JOB;
            assert_eq!(write.is_async, !is_own, "{write:?}");
            assert_eq!(write.change, "UPSERT", "{write:?}");
            order.push(format!(
                "{} {}",
                write.aspect,
                if write.aspect == "status" { &write.value["removed"] } else { &Value::Null }
            ));
        }
    }
    assert_eq!(
        order,
        [
            "dataHubIngestionSourceInfo null",
            "dataHubExecutionRequestInput null",
            "datasetProperties null",
            "status false",
            "question",
            "status true",
            "status true",
            "datahubIngestionCheckpoint null",
            "dataHubExecutionRequestResult null",
        ]
    );
}

#[test]
fn two_runs_leave_what_the_second_one_has() {
    let (server, sandbox) = (Server::start(), Sandbox::new());
    sandbox.write("recipe.yml", &server_recipe(&server, "enabled: true"));
    let removed = |name: &str| {
        let status: Value =
            serde_json::from_str(&server.aspect(&urn(&format!("d:{name}")), "status")?).ok()?;
        status["removed"].as_bool()
    };
    for (names, expected) in [
        (&["a", "b", "c"][..], [Some(false), Some(false), Some(false)]),
        (&["a", "b"], [Some(false), Some(false), Some(true)]),
        (&["a", "c"], [Some(false), Some(true), Some(false)]),
    ] {
        sandbox.write("in.jsonl", &datasets(names));
        ingest(&sandbox, &server, &[]).ends_with(0);
        assert_eq!(["a", "b", "c"].map(removed), expected, "{names:?}");
    }
}

fn server_recipe(server: &Server, stateful: &str) -> String {
    format!(
        "pipeline_name: nightly\nsource: {{type: file, config: {{path: in.jsonl, stateful_ingestion: {{{stateful}}}}}}}\n\
         sink: {{type: datahub-rest, config: {{server: '{}', token: '${{TOKEN}}'}}}}\n",
        server.url()
    )
}

fn ingest(sandbox: &Sandbox, server: &Server, arguments: &[&str]) -> Ran {
    let mut command = sandbox.command();
    command.env("TOKEN", server.token()).args(["ingest", "-c", "recipe.yml"]).args(arguments);
    Ran::of(&mut command)
}

#[test]
fn a_dry_run_lists_what_would_be_removed_and_removes_nothing() {
    let (server, sandbox) = (Server::start(), Sandbox::new());
    sandbox.write("recipe.yml", &server_recipe(&server, "enabled: true"));
    sandbox.write("in.jsonl", &datasets(&["a", "b"]));
    ingest(&sandbox, &server, &[]).ends_with(0);
    sandbox.write("in.jsonl", &datasets(&["a"]));
    let writes = server.writes().len();
    let ran = ingest(&sandbox, &server, &["--dry-run", "--json"]).ends_with(0);
    assert!(ran.stderr.contains(&format!("would be marked as removed: {}", urn("d:b"))), "{ran:#?}");
    let report = ran.json();
    assert_eq!(report["state"]["removed"], 1, "{report:#}");
    assert_eq!(report["state"]["state_checkpoint"], "skipped", "{report:#}");
    // The question is the only POST.
    assert_eq!(server.writes().len(), writes + 1);
    ingest(&sandbox, &server, &[]).ends_with(0);
    assert_eq!(server.aspect(&urn("d:b"), "status").as_deref(), Some(r#"{"removed":true}"#));
}

#[test]
fn the_state_of_a_resumed_run_is_that_of_the_whole_run() {
    let sandbox = Sandbox::new();
    sandbox.write("in.jsonl", &datasets(&["a", "b", "c", "d"]));
    let refuses = ScriptedGms::start(|request| match request.proposals().as_slice() {
        [(urn, _), ..] if urn.contains("shop.c") => Response::Status(401, String::new()),
        _ => Response::ok(),
    });
    recipe(&sandbox, &refuses.url(), &json!({}));
    let mut command = sandbox.command();
    command.env("DATAHUB_REST_SINK_DEFAULT_MODE", "SYNC").args([
        "ingest",
        "-c",
        "recipe.yml",
        "--no-default-report",
    ]);
    Ran::of(&mut command).ends_with(3);
    assert!(!refuses.writes().iter().any(is_question), "the state was asked for");

    let gms = gms(Some(old_state(&["a", "b", "gone"].map(|name| urn(&format!("d:{name}"))))), None);
    let (ran, report) = sandbox.ingest_with_report(&["--resume", "--server", &gms.url()]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert_eq!(report["state"]["entities"], 4, "{report:#}");
    assert_eq!(report["state"]["removed"], 1, "{report:#}");
    let writes: Vec<Received> =
        gms.writes().iter().filter(|request| !is_question(request)).flat_map(received).collect();
    let delivered: Vec<&str> = writes
        .iter()
        .filter(|write| write.aspect == "datasetProperties")
        .map(|write| write.urn.as_str())
        .collect();
    assert_eq!(delivered, [urn("d:c"), urn("d:d")]);
    let checkpoint = writes.iter().find(|write| write.aspect == "datahubIngestionCheckpoint").unwrap();
    let state = entities(checkpoint.value["state"]["payload"].as_str().unwrap());
    assert_eq!(state, ["a", "b", "c", "d"].map(|name| urn(&format!("d:{name}"))));
}

#[test]
fn a_rejection_before_a_resume_keeps_the_earlier_entities_as_well() {
    let sandbox = Sandbox::new();
    sandbox.write("in.jsonl", &datasets(&["a", "b", "c", "d"]));
    let refuses = ScriptedGms::start(|request| match request.proposals().as_slice() {
        [(urn, _), ..] if urn.contains("shop.b") => Response::Status(422, "{}".to_owned()),
        [(urn, _), ..] if urn.contains("shop.d") => Response::Status(401, String::new()),
        _ => Response::ok(),
    });
    recipe(&sandbox, &refuses.url(), &json!({}));
    let mut command = sandbox.command();
    command.env("DATAHUB_REST_SINK_DEFAULT_MODE", "SYNC").args([
        "ingest",
        "-c",
        "recipe.yml",
        "--no-default-report",
    ]);
    Ran::of(&mut command).ends_with(3);

    let gms = gms(Some(old_state(&[urn("d:a"), urn("d:gone")])), None);
    let (ran, report) = sandbox.ingest_with_report(&["--resume", "--server", &gms.url()]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert_eq!(
        (&report["state"]["removed"], &report["state"]["state_checkpoint"]),
        (&json!(0), &json!("committed"))
    );
    let writes: Vec<Received> =
        gms.writes().iter().filter(|request| !is_question(request)).flat_map(received).collect();
    let checkpoint = writes.iter().find(|write| write.aspect == "datahubIngestionCheckpoint").unwrap();
    let state = entities(checkpoint.value["state"]["payload"].as_str().unwrap());
    assert_eq!(state.last(), Some(&urn("d:gone")));
    assert_eq!(state.len(), 5);
}

#[test]
fn a_file_can_keep_the_state_of_any_sink() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "recipe.yml",
        "pipeline_name: nightly\nsource:\n  type: file\n  config:\n    path: in.jsonl\n    stateful_ingestion:\n      \
         enabled: true\n      state_provider: {type: file, config: {filename: state.json}}\nsink: {type: file, config: \
         {filename: out.json}}\n",
    );
    let last_written = || -> Vec<String> {
        let written = sandbox.json("out.json");
        let written = written.as_array().unwrap().iter();
        written
            .map(|record| format!("{} {}", record["entityUrn"].as_str().unwrap(), record["aspect"]["json"]))
            .collect()
    };
    sandbox.write("in.jsonl", &datasets(&["a", "b"]));
    sandbox.ingest(&[]).ends_with(0);
    sandbox.write("in.jsonl", &datasets(&["a"]));
    sandbox.ingest(&[]).ends_with(0);
    assert_eq!(last_written().last(), Some(&format!("{} {}", urn("d:b"), r#"{"removed":true}"#)));
    let state = sandbox.json("state.json");
    assert_eq!(
        (&state[0]["entityUrn"], &state[0]["aspectName"]),
        (&json!(JOB), &json!("datahubIngestionCheckpoint"))
    );
    assert_eq!(entities(state[0]["aspect"]["json"]["state"]["payload"].as_str().unwrap()), [urn("d:a")]);
}

#[test]
fn a_recipe_that_cannot_keep_a_state_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.write("in.jsonl", &datasets(&["a"]));
    let source =
        "source: {type: file, config: {path: in.jsonl, stateful_ingestion: {enabled: true, tresh: 1}}}\n";
    for (recipe, says) in [
        (
            format!("{source}sink: {{type: datahub-rest, config: {{server: 'http://localhost:1'}}}}\n"),
            "`pipeline_name` is missing",
        ),
        (
            format!("{source}sink: {{type: datahub-rest, config: {{server: 'http://localhost:1'}}}}\n"),
            "unknown key `tresh`",
        ),
        (
            format!("pipeline_name: n\n{source}sink: {{type: file, config: {{filename: out.json}}}}\n"),
            "datahub_api",
        ),
    ] {
        sandbox.write("recipe.yml", &recipe);
        let ran = sandbox.ingest(&[]).ends_with(2);
        assert!(ran.stderr.contains(says), "{ran:#?}");
    }
}

#[test]
fn a_server_that_keeps_no_state_is_found_before_anything_is_sent() {
    let gms = ScriptedGms::start_for_all(|_| {
        Response::Status(
            200,
            r#"{"noCode":"true","statefulIngestionCapable":false,"versions":{}}"#.to_owned(),
        )
    });
    let sandbox = Sandbox::new();
    sandbox.write("in.jsonl", &datasets(&["a"]));
    recipe(&sandbox, &gms.url(), &json!({}));
    let ran = sandbox.ingest(&[]).ends_with(2);
    assert!(ran.stderr.contains("statefulIngestionCapable is false"), "{ran:#?}");
    assert!(gms.writes().is_empty());
}

#[test]
fn a_state_that_cannot_be_read_can_be_reset() {
    let (server, sandbox) = (Server::start(), Sandbox::new());
    sandbox.write("recipe.yml", &server_recipe(&server, "enabled: true"));
    sandbox.write("in.jsonl", &datasets(&["a"]));
    let checkpoint = json!({"timestampMillis": 1_700_000_000_000_i64, "partitionSpec": {"partition": "FULL_TABLE_SNAPSHOT",
        "type": "FULL_TABLE"}, "pipelineName": "nightly", "platformInstanceId": "", "config": "",
        "state": {"formatVersion": "1.0", "serde": "base85-bz2-json", "payload": "broken"}, "runId": "r"});
    sandbox.write("checkpoint.json", &checkpoint.to_string());
    sandbox.write("token", server.token());
    let server_url = server.url().to_owned();
    sandbox
        .run(&[
            "put",
            JOB,
            "--aspect",
            "datahubIngestionCheckpoint",
            "--data",
            "checkpoint.json",
            "--server",
            &server_url,
            "--token-file",
            "token",
        ])
        .ends_with(0);
    let ran = ingest(&sandbox, &server, &[]).ends_with(1);
    assert!(ran.stderr.contains("`state reset` replaces it"), "{ran:#?}");
    let mut reset = sandbox.command();
    reset.env("TOKEN", server.token()).args(["state", "reset", "-c", "recipe.yml"]);
    Ran::of(&mut reset).ends_with(0);
    let report = ingest(&sandbox, &server, &["--json"]).ends_with(0).json();
    assert_eq!(report["state"]["state_checkpoint"], "committed", "{report:#}");
}

#[test]
fn what_runs_have_left_is_listed_and_removed() {
    let sandbox = Sandbox::new();
    sandbox.write("in.jsonl", &tags(["a", "b"]));
    let gms = ScriptedGms::start(|request| match request.proposals().as_slice() {
        [(urn, _), ..] if urn == "urn:li:tag:b" => Response::Status(422, "{}".to_owned()),
        _ => Response::ok(),
    });
    let recipe = format!(
        "pipeline_name: nightly\nsource: {{type: file, config: {{path: in.jsonl}}}}\nsink: {{type: datahub-rest, config: {{server: '{}'}}}}\n",
        gms.url()
    );
    sandbox.write("recipe.yml", &recipe);
    let mut command = sandbox.command();
    command.env("DATAHUB_REST_SINK_DEFAULT_MODE", "SYNC").args(["ingest", "-c", "recipe.yml"]);
    Ran::of(&mut command).ends_with(1);
    let states = sandbox.run(&["state", "list", "--json"]).ends_with(0).json();
    assert_eq!(
        (&states["states"][0]["key"], &states["states"][0]["dead_letters"]),
        (&json!("nightly"), &json!(1))
    );
    assert!(sandbox.run(&["state", "list"]).stdout.contains("nightly"));
    let ran = sandbox.run(&["state", "clean"]).ends_with(2);
    assert!(ran.stderr.contains("--force"), "{ran:#?}");
    sandbox.run(&["state", "clean", "other", "--force"]).ends_with(1);
    sandbox.run(&["state", "clean", "nightly", "--force"]).ends_with(0);
    let states = sandbox.run(&["state", "list", "--json"]).ends_with(0).json();
    assert_eq!(states["states"], json!([]));
}
