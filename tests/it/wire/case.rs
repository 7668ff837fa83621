//! A file of `fixtures/gms/wire`: the input, and the expected requests.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::exact::exact;
use super::gms::trace_id;

/// Replaces `{gms}`, `{host}` and `{port}` by the address of the capturing server.
fn located(text: &str, server: &str) -> String {
    let host = server.trim_start_matches("http://");
    let port = host.rsplit(':').next().unwrap();
    text.replace("{gms}", server).replace("{host}", host).replace("{port}", port)
}

/// See the README beside the files.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    #[serde(skip)]
    pub(super) name: String,
    #[expect(dead_code, reason = "it is for those who read the file")]
    shows: String,
    #[serde(default = "current")]
    config: String,
    #[serde(default)]
    pub(super) environment: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) arguments: Vec<String>,
    /// Keys of the recipe beside `source` and `sink`.
    #[serde(default)]
    recipe: Map<String, Value>,
    /// `sink.config`; null for a recipe without a sink.
    sink: Option<Map<String, Value>>,
    records: Vec<Box<RawValue>>,
    /// Headers of every request, in addition to the common ones.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    requests: Vec<ExpectedRequest>,
    #[serde(default)]
    pub(super) exit_code: i32,
    /// A text in standard error.
    #[serde(default)]
    pub(super) says: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpectedRequest {
    request: String,
    body: Option<Box<RawValue>>,
}

fn current() -> String {
    "current".into()
}

impl Case {
    pub(super) fn read(file: &Path) -> Self {
        let name = file.file_stem().unwrap().to_str().unwrap();
        Self::parse(name, &std::fs::read_to_string(file).unwrap())
    }

    pub(super) fn parse(name: &str, text: &str) -> Self {
        let case: Self = serde_json::from_str(text).unwrap_or_else(|error| panic!("{name}: {error}"));
        Self { name: name.to_owned(), ..case }
    }

    /// The server's response to `GET /config`.
    pub(super) fn config(&self) -> String {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/gms/config");
        std::fs::read_to_string(directory.join(format!("{}.json", self.config))).unwrap()
    }

    /// The recipe, as JSON, which is YAML too.
    pub(super) fn recipe(&self, source: &str, server: &str) -> String {
        let mut recipe = json!({"run_id": "wire", "source": {"type": "file", "config": {"path": source}}});
        if let Some(sink) = &self.sink {
            let mut config = sink.clone();
            config.entry("server").or_insert_with(|| "{gms}".into());
            if self.sends_batches() {
                // No batch is sent because of its age, and none times out, however slow the machine.
                config.insert("min_process_interval_seconds".into(), 3600.into());
                config.insert("timeout_sec".into(), 3600.into());
            }
            recipe["sink"] = json!({"type": "datahub-rest", "config": config});
        }
        for (key, value) in &self.recipe {
            recipe[key] = value.clone();
        }
        located(&recipe.to_string(), server)
    }

    pub(super) fn environment(&self, server: &str) -> Vec<(&str, String)> {
        self.environment.iter().map(|(name, value)| (name.as_str(), located(value, server))).collect()
    }

    /// The records, one per line.
    pub(super) fn records(&self) -> String {
        // In JSON a newline can only be between tokens.
        self.records.iter().map(|record| record.get().lines().collect::<String>() + "\n").collect()
    }

    fn mode(&self) -> String {
        let written = self.sink.as_ref().and_then(|sink| sink.get("mode")).and_then(Value::as_str);
        let variable = self.environment.get("DATAHUB_REST_SINK_DEFAULT_MODE").map(String::as_str);
        written.or(variable).unwrap_or("ASYNC_BATCH").to_ascii_uppercase()
    }

    /// Whether requests are sent one after another.
    pub(super) fn in_order(&self) -> bool {
        self.mode() == "SYNC"
    }

    pub(super) fn sends_batches(&self) -> bool {
        self.mode() == "ASYNC_BATCH"
    }

    /// The number of expected writes.
    pub(super) fn writes(&self) -> usize {
        self.requests.iter().filter(|request| !request.request.starts_with("GET ")).count()
    }

    /// The URNs of the records.
    pub(super) fn urns(&self) -> Vec<String> {
        let mut urns: Vec<String> = self
            .records
            .iter()
            .filter_map(|record| {
                let record = exact(record.get()).ok()?;
                let snapshot =
                    record["proposedSnapshot"].as_object().and_then(|snapshot| snapshot.values().next());
                let urn = snapshot.map_or(&record["entityUrn"], |snapshot| &snapshot["urn"]);
                urn.as_str().map(str::to_owned)
            })
            .collect();
        urns.sort();
        urns.dedup();
        urns
    }

    /// The headers that every request has, names in lower case.
    pub(super) fn headers(&self) -> BTreeMap<String, String> {
        let agent =
            "DataHub-Client/1.0 (ingestion; datahub/datahub-emitter; {version}) datahub-emitter/{version}";
        let mut headers: BTreeMap<String, String> = [
            ("accept", "*/*"),
            ("content-type", "application/json"),
            ("user-agent", agent),
            ("x-datahub-client-mode", "INGESTION"),
            ("x-datahub-py-cli-version", "1.7.0.17"),
            ("x-restli-protocol-version", "2.0.0"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        headers.extend(self.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())));
        for value in headers.values_mut() {
            *value = expanded(value);
        }
        headers
    }

    /// Method, path and body of the expected requests.
    pub(super) fn requests(&self) -> Vec<(String, Option<Value>)> {
        let requests = self.requests.iter().map(|request| {
            let body = request.body.as_ref().map(|body| {
                let mut body = exact(body.get()).unwrap_or_else(|error| panic!("{}: {error}", self.name));
                fill_in(&mut body);
                body
            });
            (expanded(&request.request), body)
        });
        requests.collect()
    }
}

/// Replaces placeholders by values that are known at run time.
fn fill_in(value: &mut Value) {
    match value {
        Value::String(text) if text == "{run}" => {
            *value = json!({
                "lastObserved": "{now}",
                "runId": "wire",
                "lastRunId": "no-run-id-provided",
                "properties": {"clientId": "datahub-emitter", "clientVersion": env!("CARGO_PKG_VERSION")},
            });
        }
        Value::String(text) => *text = expanded(text),
        Value::Array(items) => items.iter_mut().for_each(fill_in),
        Value::Object(members) => members.values_mut().for_each(fill_in),
        _ => {}
    }
}

fn expanded(text: &str) -> String {
    let text = text.replace("{version}", env!("CARGO_PKG_VERSION"));
    match text.split_once("{trace of ").map(|(before, rest)| (before, rest.split_once('}').unwrap())) {
        Some((before, (urn, after))) => format!("{before}{}{after}", trace_id(urn)),
        None => text,
    }
}
