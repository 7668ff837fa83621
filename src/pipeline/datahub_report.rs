//! The run report in DataHub: what *Ingestion › Runs* shows of a run. It has the aspects of DataHub's Python
//! client (`DatahubIngestionRunSummaryProvider`): the ingestion source, an execution request, and its result.

use md5::{Digest as _, Md5};
use serde_json::{Value, json};

use super::report::{Report, RunOutcome};
use super::run_writer::RunWriter;
use crate::Error;
use crate::hex::hex;
use crate::metadata::{Aspect, ChangeType, Proposal, Urn};

/// The executor that stands for the command line.
const EXECUTOR: &str = "__datahub_cli_";

/// The platform of every ingestion source, as the Python client writes it.
const PLATFORM: &str = "urn:li:dataPlatform:unknown";

const EXECUTION_REQUEST: &str = "urn:li:dataHubExecutionRequest:";

/// The most characters of a result's text; its end is kept.
const MAX_SUMMARY_CHARS: usize = 800_000;

/// The recipe in the run report.
#[derive(Clone, Debug)]
pub(super) struct ReportedRecipe {
    /// `source.type`.
    pub(super) source_type: String,
    pub(super) pipeline_name: Option<String>,
    /// `source.config.platform_instance`.
    pub(super) platform_instance: Option<String>,
    /// The recipe as JSON, with its secrets masked; empty if it is not to be reported.
    pub(super) text: String,
}

/// Writes the report of one run.
pub(super) struct DatahubReporter {
    writer: RunWriter,
    recipe: ReportedRecipe,
    request: Urn,
    /// The run executes a request of DataHub's own, which has its source and input already.
    is_requested: bool,
    started_ms: i64,
}

impl DatahubReporter {
    /// `None` if the run id cannot be part of a URN.
    pub(super) fn new(
        writer: RunWriter,
        recipe: ReportedRecipe,
        run_id: &str,
        started_ms: i64,
    ) -> Option<Self> {
        let is_requested = run_id.starts_with(EXECUTION_REQUEST);
        let urn = if is_requested { run_id.to_owned() } else { format!("{EXECUTION_REQUEST}{run_id}") };
        let request = Urn::parse(&urn).ok()?;
        Some(Self { writer, recipe, request, is_requested, started_ms })
    }

    /// Writes the source and the request.
    pub(super) async fn start(&self) -> Result<(), Error> {
        if self.is_requested {
            return Ok(());
        }
        let source = self.recipe.source_urn();
        let input = json!({
            "task": "CLI Ingestion",
            "args": {"recipe": self.recipe.text, "version": env!("CARGO_PKG_VERSION")},
            "executorId": EXECUTOR,
            "source": {"type": "CLI_INGESTION_SOURCE", "ingestionSource": source},
            "requestedAt": self.started_ms,
        });
        let mut proposals = Vec::new();
        if let Ok(source) = Urn::parse(&source) {
            proposals.push(upsert(source, "dataHubIngestionSourceInfo", self.recipe.source_info()));
        }
        proposals.push(upsert(self.request.clone(), "dataHubExecutionRequestInput", input));
        self.writer.write(proposals).await
    }

    /// Writes the result.
    pub(super) async fn finish(&self, report: &Report) -> Result<(), Error> {
        let structured = structured(report);
        let result = json!({
            "status": status(report),
            "startTimeMs": self.started_ms,
            "durationMs": report.duration_ms,
            "report": summary(report, &structured),
            "structuredReport": {
                "type": "CLI_INGEST",
                "serializedValue": structured.to_string(),
                "contentType": "application/json",
            },
        });
        let result = upsert(self.request.clone(), "dataHubExecutionRequestResult", result);
        self.writer.write(vec![result]).await
    }
}

impl ReportedRecipe {
    /// The same for each run of a pipeline.
    fn source_urn(&self) -> String {
        // The members of a JSON object are sorted by their names, as the Python client sorts them.
        let mut key = json!({"type": self.source_type});
        if let Some(key) = key.as_object_mut() {
            for (name, value) in
                [("pipeline_name", &self.pipeline_name), ("platform_instance", &self.platform_instance)]
            {
                if let Some(value) = value {
                    key.insert(name.to_owned(), value.as_str().into());
                }
            }
        }
        format!("urn:li:dataHubIngestionSource:cli-{}", hex(&Md5::digest(ascii(&key))))
    }

    fn source_info(&self) -> Value {
        let instance = self.platform_instance.as_ref().map(|instance| format!(" ({instance})"));
        let pipeline = self.pipeline_name.as_ref().map(|pipeline| format!(" [{pipeline}]"));
        let name =
            ["[CLI] ", &self.source_type, &instance.unwrap_or_default(), &pipeline.unwrap_or_default()];
        json!({
            "name": name.concat(),
            "type": self.source_type,
            "platform": PLATFORM,
            "config": {"recipe": self.text, "version": env!("CARGO_PKG_VERSION"), "executorId": EXECUTOR},
        })
    }
}

/// JSON in ASCII, as Python writes it.
fn ascii(value: &Value) -> Vec<u8> {
    let mut text = Vec::new();
    crate::metadata::json::push_ascii_json(&mut text, value.to_string().as_bytes());
    text
}

fn upsert(urn: Urn, aspect_name: &'static str, aspect: Value) -> Proposal {
    Proposal::new(ChangeType::Upsert, urn, aspect_name, Some(Aspect::from(aspect)))
}

fn status(report: &Report) -> &'static str {
    match report.outcome {
        RunOutcome::Delivered => "SUCCESS",
        RunOutcome::Interrupted => "CANCELLED",
        _ => "FAILURE",
    }
}

/// The report for programs, with the members that DataHub's page reads: `cli`, and failures and warnings in
/// `source.report`.
fn structured(report: &Report) -> Value {
    let mut value = serde_json::to_value(report).unwrap_or_default();
    let failures: Vec<Value> = report
        .failures
        .iter()
        .map(|failure| {
            let context: Vec<&String> =
                [&failure.origin, &failure.urn, &failure.aspect].into_iter().flatten().collect();
            json!({"title": "Not delivered", "message": failure.message, "context": context})
        })
        .collect();
    let warnings: Vec<Value> = report
        .warnings
        .iter()
        .map(|warning| json!({"title": "Warning", "message": warning, "context": []}))
        .collect();
    if let Some(value) = value.as_object_mut() {
        value.insert(
            "cli".to_owned(),
            json!({"cli_version": env!("CARGO_PKG_VERSION"), "client": env!("CARGO_PKG_NAME")}),
        );
        if let Some(source) = value.get_mut("source").and_then(Value::as_object_mut)
            && source.get("report").is_none_or(Value::is_null)
        {
            source.insert(
                "report".to_owned(),
                json!({"events_produced": report.proposals.read, "failures": failures, "warnings": warnings}),
            );
        }
        if let Some(sink) = value.get_mut("sink").and_then(Value::as_object_mut) {
            let delivered = report.proposals.delivered;
            sink.insert("report".to_owned(), json!({"total_records_written": delivered}));
        }
    }
    value
}

fn summary(report: &Report, structured: &Value) -> String {
    let start = format!("~~~~ Ingestion Report ~~~~\n{structured:#}\n~~~~ Ingestion Logs ~~~~\n");
    let warnings = report.warnings.iter().map(|warning| format!("warning: {warning}\n"));
    let errors = report.failures.iter().map(|failure| format!("error: {}\n", failure.message));
    let text: String = std::iter::once(start).chain(warnings).chain(errors).collect();
    let surplus = text.chars().count().saturating_sub(MAX_SUMMARY_CHARS);
    text.chars().skip(surplus).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_urn_of_the_source_is_that_of_the_python_client() {
        let recipe = |pipeline_name: Option<&str>| ReportedRecipe {
            source_type: "file".into(),
            pipeline_name: pipeline_name.map(str::to_owned),
            platform_instance: None,
            text: String::new(),
        };
        for (pipeline_name, digest) in
            [(None, "570c4a2c68e44d1f6e63e5731be9853b"), (Some("p1"), "410ce3933d485d66a2f6001c526aa28b")]
        {
            let urn = recipe(pipeline_name).source_urn();
            assert_eq!(urn, format!("urn:li:dataHubIngestionSource:cli-{digest}"));
        }
    }
}
