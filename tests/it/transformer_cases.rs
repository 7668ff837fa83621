//! Does each transformer write what its case in `fixtures/transform` says?

use std::collections::BTreeSet;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::support::sandbox::Sandbox;
use crate::support::scripted_gms::{CONFIG, Request, Response, ScriptedGms};

/// A case; the folder's README explains the members.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    #[serde(rename = "case")]
    name: String,
    /// Not JSON, whose objects have no order: the order of rules counts.
    transformers: serde_yaml::Value,
    server: Option<Value>,
    records: Vec<Value>,
    #[serde(default)]
    output: Vec<Value>,
    #[serde(default)]
    exit: i32,
    says: Option<String>,
}

fn cases(file: &str) -> Vec<Case> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/transform").join(file);
    let cases: Vec<Case> = serde_yaml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert!(!cases.is_empty());
    cases
}

/// Runs all cases of a file, and reports every one that differs.
fn check(file: &str) {
    let wrong: Vec<String> = cases(file).iter().filter_map(|case| differs(case).err()).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

fn differs(case: &Case) -> Result<(), String> {
    let sandbox = Sandbox::new();
    let records: Vec<Value> = case.records.iter().map(record).collect();
    sandbox.write("in.json", &Value::Array(records).to_string());
    let gms = case.server.clone().map(start);
    let datahub_api = gms.as_ref().map(|gms| format!("datahub_api: {{server: '{}'}}\n", gms.url()));
    let transformers = serde_yaml::to_string(&case.transformers).unwrap();
    let recipe = format!(
        "source: {{type: file, config: {{path: in.json}}}}\nsink: {{type: file, config: {{filename: out.json}}}}\n\
         {}transformers:\n{transformers}",
        datahub_api.unwrap_or_default()
    );
    sandbox.write("recipe.yml", &recipe);
    let ran = sandbox.ingest(&[]);
    let told = format!("{}\n{ran:#?}", case.name);
    if ran.code != Some(case.exit) {
        return Err(format!("expected exit code {}: {told}", case.exit));
    }
    if case.says.as_ref().is_some_and(|text| !ran.stderr.contains(text)) {
        return Err(format!("expected {:?}: {told}", case.says));
    }
    if case.exit == 2 {
        return if sandbox.path("out.json").exists() {
            Err(format!("something was written: {told}"))
        } else {
            Ok(())
        };
    }
    let written = sandbox.json("out.json");
    let written: Vec<Value> = written.as_array().unwrap().iter().map(in_short).collect();
    let is_same = written.len() == case.output.len()
        && written.iter().zip(&case.output).all(|(written, expected)| agrees(written, expected));
    if is_same {
        return Ok(());
    }
    let lines =
        |items: &[Value]| items.iter().map(|item| format!("    {item}\n")).collect::<Vec<_>>().concat();
    Err(format!("{}\n  written:\n{}  expected:\n{}", case.name, lines(&written), lines(&case.output)))
}

/// A record of a metadata file.
fn record(short: &Value) -> Value {
    let urn = short[0].as_str().unwrap();
    let change = short[3].as_str().unwrap_or("UPSERT");
    let aspect = if change == "PATCH" {
        json!({"value": short[2].to_string(), "contentType": "application/json-patch+json"})
    } else {
        json!({"json": short[2]})
    };
    json!({
        "entityType": urn.split(':').nth(2),
        "entityUrn": urn,
        "changeType": change,
        "aspectName": short[1],
        "aspect": aspect,
        "systemMetadata": {"lastObserved": 1_700_000_000_000_i64, "runId": "earlier"},
    })
}

/// A record in the form of the cases.
fn in_short(record: &Value) -> Value {
    let aspect = &record["aspect"];
    let value = match aspect.get("json") {
        Some(value) => value.clone(),
        None => serde_json::from_str(aspect["value"].as_str().unwrap()).unwrap(),
    };
    // The file sink's `{"json": …}` form of a patch may wrap it.
    match record["changeType"].as_str().unwrap() {
        "UPSERT" => json!([record["entityUrn"], record["aspectName"], value]),
        change => json!([record["entityUrn"], record["aspectName"], value, change]),
    }
}

/// Whether both are the same; `<any>` agrees with everything, and `<now>` with a time of this hour.
fn agrees(written: &Value, expected: &Value) -> bool {
    const HOUR_MS: u128 = 3_600_000;
    match (written, expected) {
        (_, Value::String(word)) if word == "<any>" => true,
        (Value::Number(time), Value::String(word)) if word == "<now>" => {
            let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis();
            time.as_u64().is_some_and(|time| u128::from(time).abs_diff(since) < HOUR_MS)
        }
        (Value::Array(written), Value::Array(expected)) => {
            written.len() == expected.len()
                && written.iter().zip(expected).all(|(written, expected)| agrees(written, expected))
        }
        (Value::Object(written), Value::Object(expected)) => {
            written.len() == expected.len()
                && written
                    .iter()
                    .all(|(name, value)| expected.get(name).is_some_and(|expected| agrees(value, expected)))
        }
        _ => written == expected,
    }
}

/// A GMS that has these aspects.
pub(crate) fn start(aspects: Value) -> ScriptedGms {
    ScriptedGms::start_for_all(move |request| answer(&aspects, request))
}

/// Responds as a GMS that has `aspects`.
pub(crate) fn answer(aspects: &Value, request: &Request) -> Response {
    let path = percent_decoded(request.path());
    if let Some(entity) = path.strip_prefix("/entitiesV2/") {
        let (urn, query) = entity.split_once("?aspects=List(").unwrap_or((entity, ")"));
        let names: Vec<&str> = query.trim_end_matches(')').split(',').collect();
        let Some(known) = aspects.get(urn).and_then(Value::as_object) else {
            return Response::Status(404, json!({"status": 404}).to_string());
        };
        let envelope =
            |(name, value): (&String, &Value)| (name.clone(), json!({"name": name, "value": value}));
        let found: serde_json::Map<String, Value> =
            known.iter().filter(|(name, _)| names.contains(&name.as_str())).map(envelope).collect();
        return Response::Status(200, json!({"urn": urn, "aspects": found}).to_string());
    }
    if path.starts_with("/entities?action=search") {
        let asked = String::from_utf8_lossy(&request.body).into_owned();
        let is_asked = |properties: &Value| {
            let name = properties["domainProperties"]["name"].as_str();
            name.is_some_and(|name| asked.contains(&format!("\"{name}\"")))
        };
        let hits: Vec<Value> = aspects
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(_, entity)| is_asked(entity))
            .map(|(urn, _)| json!({"entity": urn}))
            .collect();
        return Response::Status(
            200,
            json!({"value": {"numEntities": hits.len(), "entities": hits}}).to_string(),
        );
    }
    if request.is_write() { Response::ok() } else { Response::Status(200, CONFIG.into()) }
}

fn percent_decoded(path: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = path.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let code = (*first == b'%').then(|| std::str::from_utf8(behind.get(..2)?).ok()).flatten();
        if let Some(byte) = code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            bytes.push(byte);
            rest = &behind[2..];
        } else {
            bytes.push(*first);
            rest = behind;
        }
    }
    String::from_utf8(bytes).unwrap()
}

#[test]
fn tags_and_terms() {
    check("tags-and-terms.yml");
}

#[test]
fn owners() {
    check("owners.yml");
}

#[test]
fn domains_and_products() {
    check("domains-and-products.yml");
}

#[test]
fn others() {
    check("others.yml");
}

#[test]
fn mistakes() {
    check("mistakes.yml");
}

#[test]
fn every_transformer_has_a_case_in_which_it_succeeds() {
    let files = ["tags-and-terms.yml", "owners.yml", "domains-and-products.yml", "others.yml"];
    let mut used = BTreeSet::new();
    for case in files.into_iter().flat_map(cases).filter(|case| case.exit == 0) {
        let transformers = case.transformers.as_sequence().unwrap();
        used.extend(transformers.iter().map(|item| item["type"].as_str().unwrap().to_owned()));
    }
    let registry = datahub_emitter::transform::TransformerRegistry::default();
    let lacking: Vec<&str> = registry.types().filter(|name| !used.contains(*name)).collect();
    assert!(lacking.is_empty(), "no case for {lacking:?}");
}

#[test]
fn compatibility() {
    check("compatibility.yml");
}
