//! `datahub-emit ingest --test-source-connection`.

use std::path::PathBuf;

use datahub_emitter::pipeline::Pipeline;
use datahub_emitter::{Error, ErrorKind};
use serde_json::Value;

use crate::cli::exit::Exit;
use crate::cli::output;
use crate::cli::progress::Screen;

/// Tests the source of a recipe, and prints the report. It is written to `file` as well.
pub(super) async fn test(pipeline: Pipeline, file: Option<&PathBuf>, screen: &Screen) -> Result<Exit, Error> {
    let source = pipeline.types().0.to_owned();
    let report = pipeline.test_source_connection().await?;
    let mut text = serde_json::to_vec_pretty(&report)
        .map_err(|error| Error::new(ErrorKind::Internal, "the report has no JSON form").with_source(error))?;
    text.push(b'\n');
    if let Some(path) = file {
        std::fs::write(path, &text).map_err(|error| {
            Error::new(ErrorKind::Disk, format!("cannot write the report to {}", path.display()))
                .with_source(error)
        })?;
    }
    output::write(&text)?;
    let Some(reason) = failure(&report) else {
        if !screen.quiet() {
            screen.say(&format!("ok: the source `{source}` can connect\n"));
        }
        return Ok(Exit::Done);
    };
    screen.say(&format!("error: the source `{source}` cannot connect: {reason}\n"));
    Ok(Exit::Failed)
}

/// Why the test has failed, if it has.
fn failure(report: &Value) -> Option<&str> {
    if report["internal_failure"] == true {
        return Some(report["internal_failure_reason"].as_str().unwrap_or("its test failed"));
    }
    let basic = &report["basic_connectivity"];
    (basic["capable"] == false)
        .then(|| basic["failure_reason"].as_str().unwrap_or("its report gives no reason"))
}
