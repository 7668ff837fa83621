//! A file of `fixtures/gms/wire`: what is put in, and the requests that come out.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::exact::exact;
use super::gms::trace_id;

/// Puts the capturing server's address in the place of `{gms}`, and its parts in those of `{host}` and `{port}`.
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
    /// Of every request, beside those that all have.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    requests: Vec<ExpectedRequest>,
    #[serde(default)]
    pub(super) exit_code: i32,
    /// What standard error holds.
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

    /// What the server answers to `GET /config`.
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
                // No batch leaves because it has grown old, and none is given up, however slow the machine.
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

    /// The records, one a line.
    pub(super) fn records(&self) -> String {
        // A newline in JSON stands between its tokens.
        self.records.iter().map(|record| record.get().lines().collect::<String>() + "\n").collect()
    }

    fn mode(&self) -> String {
        let written = self.sink.as_ref().and_then(|sink| sink.get("mode")).and_then(Value::as_str);
        let variable = self.environment.get("DATAHUB_REST_SINK_DEFAULT_MODE").map(String::as_str);
        written.or(variable).unwrap_or("ASYNC_BATCH").to_ascii_uppercase()
    }

    /// Whether requests leave one after another.
    pub(super) fn in_order(&self) -> bool {
        self.mode() == "SYNC"
    }

    pub(super) fn sends_batches(&self) -> bool {
        self.mode() == "ASYNC_BATCH"
    }

    /// How many requests are expected that are no reads.
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

    /// The headers that every request has, names in small letters.
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

    /// Method, path and body of the requests that are to come.
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

/// Puts what is only known now in the place of its name.
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
