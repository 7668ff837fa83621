//! The captured cases: the same topics, keys, partitions and records as Python's sink writes.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::cluster::{Cluster, Received};
use crate::support::raw_server::{Request, Response};
use crate::support::sandbox::{Sandbox, read_json};

/// Cases in which more is delivered than by Python: records that Python's sink fails at.
const MORE_DELIVERED: [&str; 3] = ["05-nulls-empties", "19-audit-header", "98-no-urn-mid-file"];

/// Headers that are an empty mapping have no entries, so they are sent as null.
const EMPTY_HEADERS: &str = "03-mcp-headers";

fn cases() -> Vec<(PathBuf, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/kafka/cases");
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), read_json(&path))).collect()
}

fn is_json(message: &Value) -> bool {
    let text = message["record"]["aspect"]["value"].as_str().unwrap();
    serde_json::from_str::<Value>(text).is_ok()
}

/// The record that was read for a message, if it is a proposal and not a snapshot.
fn source_record<'a>(case: &'a Value, message: &Value) -> Option<&'a Value> {
    case["records"].as_array().unwrap().iter().find(|record| {
        record["entityUrn"] == message["entityUrn"]
            && record["aspectName"] == message["aspectName"]
            && record["changeType"] == message["changeType"]
    })
}

fn parsed(aspect: &Value) -> Value {
    let text = aspect["value"].as_str().unwrap();
    serde_json::from_str(text).unwrap_or_else(|_| json!(text))
}

/// Whether `theirs` is `ours` with defaults added, and without the members that are null.
fn has_defaults_added(ours: &Value, theirs: &Value) -> bool {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => ours.iter().all(|(name, value)| {
            let same = |their: &Value| has_defaults_added(value, their);
            theirs.get(name).map_or(value.is_null(), same)
        }),
        (Value::Array(ours), Value::Array(theirs)) => {
            ours.len() == theirs.len()
                && ours.iter().zip(theirs).all(|(ours, theirs)| has_defaults_added(ours, theirs))
        }
        (ours, theirs) => ours == theirs,
    }
}

/// Compares a message with Python's. `Err` has the difference.
fn compare(case: &Value, expected: &Value, received: &Received) -> Result<(), String> {
    let mut ours = received.record.clone();
    let mut theirs = expected["record"].clone();
    for record in [&mut ours, &mut theirs] {
        let metadata = &mut record["systemMetadata"];
        metadata["runId"] = json!("RUN");
        if metadata["lastObserved"] == "NOW" || metadata["lastObserved"].as_i64() > Some(1_790_000_000_000) {
            metadata["lastObserved"] = json!("NOW");
        }
        if case["name"] == EMPTY_HEADERS && record["headers"] == json!({}) {
            record["headers"] = Value::Null;
        }
    }
    let (our_aspect, their_aspect) = (ours["aspect"].take(), theirs["aspect"].take());
    if ours != theirs {
        return Err(format!("the envelope\n{ours:#}\nis not\n{theirs:#}"));
    }
    let text = our_aspect["value"].as_str().unwrap();
    if !text.is_ascii() {
        return Err(format!("not ASCII: {text}"));
    }
    // Aspects are sent as they are written; Python adds the defaults of its model to those that it knows.
    let (ours, python) = (parsed(&our_aspect), parsed(&their_aspect));
    if !has_defaults_added(&ours, &python) {
        return Err(format!("the aspect {ours} is not {python}"));
    }
    let written = source_record(case, &received.record).map(|record| &record["aspect"]);
    let content_type = written.and_then(|aspect| aspect.get("contentType"));
    // A PATCH is a patch also where the record, or Python, does not say it.
    let is_patch = received.record["changeType"] == "PATCH"
        && our_aspect["contentType"] == "application/json-patch+json";
    if our_aspect["contentType"] != their_aspect["contentType"]
        && Some(&our_aspect["contentType"]) != content_type
        && !is_patch
    {
        return Err(format!(
            "the content type {} is not {}",
            our_aspect["contentType"], their_aspect["contentType"]
        ));
    }
    Ok(())
}

fn run(case: &Value) -> Result<(), String> {
    let name = case["name"].as_str().unwrap();
    let id = case["schema_id"].as_u64().unwrap();
    let authorization = case["authorization"].as_str().map(str::to_owned);
    let path = format!("/{}", case["registry_path"].as_str().unwrap().trim_end_matches('/'));
    let expected_path = path.clone();
    let partitions = i32::try_from(case["partitions"].as_i64().unwrap()).unwrap();
    let cluster = Cluster::with(1, partitions, move |request: &Request| {
        let authorized = request.header("authorization") == authorization.as_deref();
        let is_there = request.path().starts_with(expected_path.as_str());
        Response::Status(if authorized && is_there { 200 } else { 401 }, format!(r#"{{"id": {id}}}"#))
    });
    for topic in case["topics"].as_array().unwrap() {
        // The default topic is there already.
        drop(cluster.mock.create_topic(topic.as_str().unwrap(), partitions, 1));
    }
    let mut sink = case["sink"].clone();
    sink["connection"]["bootstrap"] = json!(cluster.mock.bootstrap_servers());
    sink["connection"]["schema_registry_url"] = json!(format!("{}{path}", cluster.registry_url()));
    let sandbox = Sandbox::new();
    let lines = case["records"].as_array().unwrap().iter().map(|record| format!("{record}\n"));
    sandbox.write("input.jsonl", &lines.collect::<String>());
    sandbox.recipe("input.jsonl", &json!({"type": "datahub-kafka", "config": sink}).to_string());
    let (ran, report) = sandbox.ingest_with_report(&[]);

    // The file source does not read text that is not JSON; GMS would drop it silently.
    let expected: Vec<&Value> =
        case["messages"].as_array().unwrap().iter().filter(|message| is_json(message)).collect();
    let topic = expected.first().map_or(super::cluster::TOPIC, |message| message["topic"].as_str().unwrap());
    let received = cluster.messages_of(topic);
    if received.len() as u64 != report["proposals"]["delivered"].as_u64().unwrap() {
        return Err(format!("{} messages: {ran:#?}", received.len()));
    }
    if received.len() < expected.len() || (received.len() > expected.len() && !MORE_DELIVERED.contains(&name))
    {
        return Err(format!("{} messages, Python has {}: {ran:#?}", received.len(), expected.len()));
    }
    let mut rest = received;
    for expected in expected {
        // Messages of one key are in order.
        let index = rest
            .iter()
            .position(|message| {
                message.key == expected["key"].as_str().unwrap()
                    && message.record["aspectName"] == expected["record"]["aspectName"]
                    && message.record["changeType"] == expected["record"]["changeType"]
            })
            .ok_or_else(|| format!("no message like {expected:#}"))?;
        let message = rest.remove(index);
        if json!(message.partition) != expected["partition"] || u64::from(message.schema_id) != id {
            return Err(format!("partition or schema of {message:?}"));
        }
        compare(case, expected, &message)?;
    }
    Ok(())
}

#[test]
fn each_captured_case_has_the_same_messages() {
    let failures: Vec<String> = cases()
        .iter()
        .filter_map(|(path, case)| run(case).err().map(|why| format!("{}: {why}", path.display())))
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}
