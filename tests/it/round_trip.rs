//! Does GMS store the content of the file, all of it and nothing else?

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use datahub_emitter::embedded::Gms;
use serde_json::{Map, Value, json};

use crate::support::report::adds_up;
use crate::support::sandbox::Sandbox;
use crate::support::scripted_gms::{Response, ScriptedGms};
use crate::support::server::Server;

/// An aspect of an entity.
type Key = (String, String);

/// The fixtures, and the exit code of a run for each.
const FIXTURES: [(&str, i32); 9] = [
    ("warehouse", 0),
    ("lines.jsonl", 0),
    ("mixed.jsonl", 1),
    ("one-object.json", 0),
    ("old-mce.json", 0),
    ("value-form.json", 0),
    ("changes.json", 0),
    ("usage.json", 0),
    ("forms/old_unions.json", 0),
];

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/metadata").join(name)
}

/// Runs a recipe from `source` to `sink` (a YAML flow mapping), and returns the report.
#[track_caller]
fn carry(sandbox: &Sandbox, source: &Path, sink: &str, code: i32) -> Value {
    sandbox.write(
        "recipe.yml",
        &format!("source: {{type: file, config: {{path: '{}'}}}}\nsink: {sink}\n", source.display()),
    );
    let report = sandbox.ingest(&["--json"]).ends_with(code).json();
    adds_up(&report);
    report
}

fn into(server: &Server) -> String {
    format!("{{type: datahub-rest, config: {{server: '{}', token: '{}'}}}}", server.url(), server.token())
}

/// The records of a fixture, read independently of the crate.
fn records(path: &Path) -> Vec<Value> {
    if path.is_dir() {
        let mut files: Vec<PathBuf> =
            std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        return files.iter().flat_map(|file| records(file)).collect();
    }
    let text = std::fs::read_to_string(path).unwrap();
    match serde_json::from_str(&text) {
        Ok(Value::Array(records)) => records,
        Ok(record) => vec![record],
        Err(_) => text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect(),
    }
}

/// The expected content: the last UPSERT of each aspect, without aspects that other changes modify.
fn last_upserts(path: &Path) -> BTreeMap<Key, Value> {
    let mut last = BTreeMap::new();
    let mut changed = BTreeSet::new();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    for record in records(path) {
        if let Some(urn) = record.get("entityUrn") {
            let key = (text(urn), text(&record["aspectName"]));
            if record["changeType"] != "UPSERT" {
                changed.insert(key);
                continue;
            }
            let aspect = match &record["aspect"]["value"] {
                Value::String(aspect) => serde_json::from_str(aspect).unwrap(),
                _ => record["aspect"]["json"].clone(),
            };
            last.insert(key, aspect);
        } else if let Some(Value::Object(snapshot)) = record.get("proposedSnapshot") {
            let snapshot = snapshot.values().next().unwrap();
            for aspect in snapshot["aspects"].as_array().unwrap() {
                let (class, aspect) = aspect.as_object().unwrap().iter().next().unwrap();
                let class = class.rsplit('.').next().unwrap();
                let (first, rest) = class.split_at(1);
                let name = first.to_lowercase() + rest;
                last.insert((text(&snapshot["urn"]), name), aspect.clone());
            }
        }
    }
    last.retain(|key, _| !changed.contains(key));
    last
}

/// Removes the differences between the two forms of metadata files: nulls, namespaces, and tags of simple
/// unions.
fn plain(value: &Value) -> Value {
    const SIMPLE: [&str; 8] = ["string", "boolean", "int", "long", "float", "double", "array", "map"];
    match value {
        Value::String(text) => json!(text.replace("com.linkedin.pegasus2avro.", "com.linkedin.")),
        Value::Array(items) => items.iter().map(plain).collect(),
        Value::Object(members) => match members.iter().next() {
            Some((tag, member)) if members.len() == 1 && SIMPLE.contains(&tag.as_str()) => plain(member),
            _ => members
                .iter()
                .filter(|(_, member)| !member.is_null())
                .map(|(name, member)| {
                    let name = name.replace("com.linkedin.pegasus2avro.", "com.linkedin.");
                    (name, plain(member))
                })
                .collect::<Map<_, _>>()
                .into(),
        },
        other => other.clone(),
    }
}

#[test]
fn gms_stores_what_the_file_says() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for (name, code) in FIXTURES {
        let sandbox = Sandbox::new();
        let expected = last_upserts(&fixture(name));
        let sink = "{type: datahub-rest, config: {server: embedded, data: own.sqlite}}";
        let report = carry(&sandbox, &fixture(name), sink, code);
        assert_eq!(report["proposals"]["delivered"], report["proposals"]["read"], "{name}");
        assert!(report["proposals"]["read"].as_u64().unwrap() >= expected.len() as u64, "{name}");

        let gms = runtime.block_on(Gms::builder().data(sandbox.path("own.sqlite")).start()).unwrap();
        sandbox.write("token", gms.token());
        let urns: BTreeSet<&String> = expected.keys().map(|(urn, _)| urn).collect();
        for urn in urns {
            let found = sandbox
                .run(&["get", urn, "--server", gms.url(), "--token-file", "token"])
                .ends_with(0)
                .json();
            for ((_, aspect), value) in expected.iter().filter(|((other, _), _)| other == urn) {
                assert_eq!(plain(&found[aspect]), plain(value), "{name}: {urn} {aspect}");
            }
        }
        runtime.block_on(gms.stop());
    }
}

#[test]
fn a_detour_through_the_file_sink_changes_nothing() {
    let (straight, through_array, through_lines) = (Server::start(), Server::start(), Server::start());
    let mut keys = BTreeSet::new();
    for (name, code) in FIXTURES {
        let sandbox = Sandbox::new();
        carry(&sandbox, &fixture(name), &into(&straight), code);
        for (file, server) in [("out.json", &through_array), ("out.jsonl", &through_lines)] {
            let report = carry(
                &sandbox,
                &fixture(name),
                &format!("{{type: file, config: {{filename: {file}}}}}"),
                code,
            );
            let again = carry(&sandbox, &sandbox.path(file), &into(server), 0);
            assert_eq!(again["proposals"]["delivered"], report["proposals"]["read"], "{name}");
        }
        for record in records(&sandbox.path("out.json")) {
            let text = |key: &str| record[key].as_str().unwrap().to_owned();
            keys.insert((text("entityUrn"), text("aspectName")));
        }
    }
    assert!(keys.len() > 400, "{}", keys.len());
    for (urn, name) in keys {
        let expected = straight.aspect(&urn, &name);
        for server in [&through_array, &through_lines] {
            assert_eq!(server.aspect(&urn, &name), expected, "{urn} {name}");
        }
    }
}

#[test]
fn numbers_and_objects_that_look_like_unions_are_unchanged() {
    let number = r#"{"timestampMillis":1,"urn":1.10,"a":12345678901234567890,"b":1e400,"c":-0.0,"d":1E+2,"e":0.1000000000000000055511151231257827}"#;
    let tags = r#"{"customProperties":{"string":"x"},"tags":[]}"#;
    let nested =
        r#"{"customProperties":{"com.linkedin.pegasus2avro.x":"com.linkedin.pegasus2avro.y","long":"1"}}"#;
    let urn = "urn:li:dataset:(urn:li:dataPlatform:hive,db.numbers,PROD)";
    let record = |aspect: &str, name: &str, text: &str| {
        format!(
            r#"{{"entityType":"dataset","entityUrn":"{urn}","changeType":"UPSERT","aspectName":"{name}","aspect":{aspect}}}"#
        )
        .replace("TEXT", text)
    };
    let encoded = serde_json::to_string(nested).unwrap();
    let file = [
        record("{ \"json\" : TEXT }", "datasetProfile", number),
        record("{\"json\": TEXT}", "datasetProperties", tags),
        record(
            "{\"value\": TEXT, \"contentType\": \"application/json\"}",
            "editableDatasetProperties",
            &encoded,
        ),
    ];
    let server = Server::start();
    let sandbox = Sandbox::new();
    for text in [file.join("\n"), format!("[\n  {}\n]", file.join(",\n  "))] {
        let path = sandbox.write("numbers.json", &text);
        carry(&sandbox, &path, "{type: file, config: {filename: again.json}}", 0);
        for source in [path, sandbox.path("again.json")] {
            carry(&sandbox, &source, &into(&server), 0);
            for (name, expected) in [
                ("datasetProfile", number),
                ("datasetProperties", tags),
                ("editableDatasetProperties", nested),
            ] {
                assert_eq!(server.aspect(urn, name).as_deref(), Some(expected));
            }
        }
    }
}

#[test]
fn urns_in_any_script_are_unchanged() {
    let server = Server::start();
    let sandbox = Sandbox::new();
    sandbox.write("token", server.token());
    for name in ["größe", "表.列", "🗾 map", "a%2Fb", "50% off", "a+b&c=d?e#f", "quo'te", "ß\u{301}", "a/b"]
    {
        let urn = format!("urn:li:tag:{name}");
        let aspect = json!({"name": name, "description": "\u{7f}\u{80}\u{2028}\u{10ffff} \"\\/\u{8}\n"});
        let record = json!({
            "entityType": "tag",
            "entityUrn": urn,
            "changeType": "UPSERT",
            "aspectName": "tagProperties",
            "aspect": {"json": aspect},
        });
        let path = sandbox.write("tag.json", &record.to_string());
        let report = carry(&sandbox, &path, &into(&server), 0);
        assert_eq!(report["proposals"]["delivered"], 1, "{urn}");
        let found = sandbox
            .run(&["get", &urn, "--server", server.url(), "--token-file", "token"])
            .ends_with(0)
            .json();
        assert_eq!(found["tagProperties"], aspect, "{urn}");
    }
}

#[test]
fn dead_letters_hold_the_original_records() {
    // A server that accepts nothing at all would stop the run, so it accepts one other record.
    let refusing = ScriptedGms::start(|request| match request.proposals().as_slice() {
        [(urn, _)] if urn == "urn:li:tag:first" => Response::ok(),
        _ => Response::Status(422, r#"{"message":"not this one"}"#.into()),
    });
    let (straight, later) = (Server::start(), Server::start());
    for name in ["warehouse/01-organisation.json", "value-form.json", "changes.json", "old-mce.json"] {
        let sandbox = Sandbox::new();
        let first = sandbox.write("input/0-first.json", &crate::support::sandbox::tag("first"));
        let input = first.parent().unwrap();
        std::fs::copy(fixture(name), input.join("1-all.json")).unwrap();
        let sink = format!(
            "{{type: datahub-rest, config: {{server: '{}', max_threads: 1, max_per_batch: 1}}}}\nfailure_log: {{enabled: true, log_config: {{filename: \
             dead.jsonl}}}}",
            refusing.url()
        );
        let report = carry(&sandbox, input, &sink, 1);
        let all = report["proposals"]["read"].as_u64().unwrap() - 1;
        assert_eq!(report["proposals"]["delivered"], 1, "{name}");
        assert_eq!(report["proposals"]["rejected"], all, "{name}");
        assert_eq!(report["dead_letters"]["records"], all, "{name}");
        carry(&sandbox, &fixture(name), &into(&straight), 0);
        // Dead letters are in the order of the rejections, which is that of the file within an entity.
        carry(&sandbox, &sandbox.path("dead.jsonl"), &into(&later), 0);
        for (urn, aspect) in last_upserts(&fixture(name)).into_keys() {
            let expected = straight.aspect(&urn, &aspect);
            assert!(expected.is_some(), "{name}: {urn} {aspect}");
            assert_eq!(later.aspect(&urn, &aspect), expected, "{name}: {urn} {aspect}");
        }
    }
}
