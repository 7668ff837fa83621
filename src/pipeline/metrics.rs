//! The metrics of a run for Prometheus: a text file, as the textfile collector of `node_exporter` reads it.
//!
//! All metrics are about the last run, except the time of the last success: a run that fails takes it over
//! from the previous file, so that an alert on its age needs no other storage.

use std::fmt::{Arguments, Display, Write as _};
use std::io::Read as _;
use std::path::Path;

use jiff::Timestamp;

use super::output_file::{self, OutputFile};
use super::report::Report;
use crate::Error;
use crate::file_system::{Access, FileSystem, FileType};
use crate::platform::Platform;

/// The one metric that a run takes over from the previous file.
const LAST_SUCCESS: &str = "datahub_emit_last_success_timestamp_seconds";

/// A longer file was not written by this module.
const MAX_BYTES: u64 = 1024 * 1024;

/// Writes the metrics of a run to `path`, which is replaced as a whole. `exit_code` is the exit code of the
/// process; 0 is a success. The time of the last success is taken over from the previous file, unless this
/// run is a success.
///
/// # Errors
/// Of kind [`ErrorKind::Disk`](crate::ErrorKind::Disk) when the file cannot be written.
pub fn write_metrics(path: &Path, report: &Report, exit_code: u8, platform: &Platform) -> Result<(), Error> {
    let before = read_last_success(&*platform.files, path);
    let text = metrics(report, exit_code, platform.clock.now(), before);
    output_file::write(platform, path, OutputFile::Metrics, text.as_bytes())
}

/// The time of the last success in a metrics file.
fn read_last_success(files: &dyn FileSystem, path: &Path) -> Option<f64> {
    // Reading a pipe would block.
    if files.metadata(path).ok()?.file_type != FileType::Regular {
        return None;
    }
    let mut text = String::new();
    files.open(path, Access::Read).ok()?.take(MAX_BYTES).read_to_string(&mut text).ok()?;
    let line = text
        .lines()
        .find(|line| line.strip_prefix(LAST_SUCCESS).is_some_and(|rest| rest.starts_with(['{', ' '])))?;
    let value: f64 = line.rsplit_once(' ')?.1.parse().ok()?;
    value.is_finite().then_some(value)
}

fn metrics(report: &Report, exit_code: u8, now: Timestamp, before: Option<f64>) -> String {
    let mut text = Exposition::new(report.pipeline_name.as_deref());
    let succeeded = exit_code == 0;
    text.metric(
        "datahub_emit_build_info",
        "The program that ran; always 1.",
        &[(Some(("version", env!("CARGO_PKG_VERSION"))), &1)],
    );
    text.one(
        "datahub_emit_run_success",
        "Whether the last run ended with exit code 0.",
        &u8::from(succeeded),
    );
    text.one("datahub_emit_run_exit_code", "The exit code of the last run.", &exit_code);
    if let Ok(started_at) = report.started_at.parse() {
        text.one(
            "datahub_emit_run_start_timestamp_seconds",
            "When the last run began.",
            &seconds(started_at),
        );
    }
    text.one("datahub_emit_run_end_timestamp_seconds", "When the last run ended.", &seconds(now));
    text.one(
        "datahub_emit_run_duration_seconds",
        "How long the last run took.",
        &format_args!("{}.{:03}", report.duration_ms / 1000, report.duration_ms % 1000),
    );
    let last_success = if succeeded { seconds(now) } else { before.unwrap_or_default() };
    text.one(LAST_SUCCESS, "When a run last ended with exit code 0; 0 if none has yet.", &last_success);
    let source = &report.source;
    text.metric(
        "datahub_emit_source_records",
        "Records of the last run's source, by kind.",
        &[
            (Some(("kind", "all")), &source.records),
            (Some(("kind", "invalid")), &source.invalid),
            (Some(("kind", "ignored")), &source.ignored),
        ],
    );
    text.one("datahub_emit_source_bytes", "Bytes that the last run read.", &source.bytes);
    let complete = u8::from(source.complete);
    text.one("datahub_emit_source_complete", "Whether the last run read its source to the end.", &complete);
    let proposals = &report.proposals;
    text.metric(
        "datahub_emit_proposals",
        "Proposals of the last run, by outcome.",
        &[
            (Some(("outcome", "delivered")), &proposals.delivered),
            (Some(("outcome", "rejected")), &proposals.rejected),
            (Some(("outcome", "undelivered")), &proposals.undelivered),
            (Some(("outcome", "filtered")), &proposals.filtered),
        ],
    );
    let requests = &report.requests;
    text.metric(
        "datahub_emit_requests",
        "Requests of the last run; retried ones are among those sent.",
        &[
            (Some(("kind", "sent")), &requests.sent),
            (Some(("kind", "retried")), &requests.retried),
            (Some(("kind", "split")), &requests.split),
        ],
    );
    text.one("datahub_emit_request_bytes", "Bytes of the last run's request bodies.", &requests.bytes);
    let dead_letters = &report.dead_letters.records;
    text.one("datahub_emit_dead_letters", "Dead letters that the last run wrote.", dead_letters);
    text.one("datahub_emit_warnings", "Warnings of the last run.", &report.warnings.len());
    if let Some(expires_at) = report.token.expires_at.as_deref().and_then(|time| time.parse().ok()) {
        text.one(
            "datahub_emit_token_expiry_timestamp_seconds",
            "When the token of the last run expires.",
            &seconds(expires_at),
        );
    }
    text.text
}

fn seconds(time: Timestamp) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit")]
    let milliseconds = time.as_millisecond() as f64;
    milliseconds / 1000.0
}

/// A text in the format of Prometheus (`exposition_formats.md`).
struct Exposition<'a> {
    text: String,
    pipeline: Option<&'a str>,
}

/// A sample: a label besides the pipeline's, and the value.
type Sample<'a> = (Option<(&'a str, &'a str)>, &'a dyn Display);

impl<'a> Exposition<'a> {
    fn new(pipeline: Option<&'a str>) -> Self {
        Self { text: String::new(), pipeline }
    }

    fn one(&mut self, name: &str, help: &str, value: &dyn Display) {
        self.metric(name, help, &[(None, value)]);
    }

    fn line(&mut self, line: Arguments<'_>) {
        // Writing to a String does not fail.
        self.text.write_fmt(line).unwrap_or_default();
    }

    fn metric(&mut self, name: &str, help: &str, samples: &[Sample<'_>]) {
        self.line(format_args!("# HELP {name} {help}\n# TYPE {name} gauge\n"));
        for (label, value) in samples {
            let labels: Vec<String> = self
                .pipeline
                .map(|pipeline| ("pipeline", pipeline))
                .into_iter()
                .chain(*label)
                .map(|(name, value)| format!("{name}=\"{}\"", escaped(value)))
                .collect();
            let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
            self.line(format_args!("{name}{labels} {value}\n"));
        }
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;
    use crate::clock::SystemClock;
    use crate::diagnosis::LibraryRenderer;

    fn report() -> Report {
        let mut report = Report::without_run(
            &Error::new(ErrorKind::Input, "no"),
            Timestamp::UNIX_EPOCH,
            &SystemClock,
            &LibraryRenderer,
        );
        report.pipeline_name = Some("a \"b\" \\ c".into());
        report.proposals.delivered = 3;
        report
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn every_line_is_in_the_text_format() {
        let text = metrics(&report(), 0, at(1_700_000_000), None);
        assert!(text.ends_with('\n'));
        let mut announced = Vec::new();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap();
                assert_eq!(kind, "gauge");
                assert!(!announced.contains(&name), "{name} is announced twice");
                announced.push(name);
            } else if !line.starts_with("# HELP ") {
                let name = line.split(['{', ' ']).next().unwrap();
                assert_eq!(announced.last(), Some(&name), "a sample under its own name");
                let value: f64 = line.rsplit(' ').next().unwrap().parse().unwrap();
                assert!(value >= 0.0);
                assert!(line.contains(r#"{pipeline="a \"b\" \\ c""#), "{line}");
            }
        }
        assert!(text.contains(r#"outcome="delivered"} 3"#), "{text}");
        assert!(text.contains("datahub_emit_run_success{"), "{text}");
    }

    #[test]
    fn a_failed_run_keeps_the_time_of_the_last_success() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("emit.prom");
        let platform = Platform::default();
        let last = || read_last_success(&*platform.files, &path).unwrap();
        write_metrics(&path, &report(), 1, &platform).unwrap();
        assert_eq!(last().to_bits(), 0.0_f64.to_bits());
        write_metrics(&path, &report(), 0, &platform).unwrap();
        let success = last();
        assert!(success > 1_700_000_000.0);
        write_metrics(&path, &report(), 3, &platform).unwrap();
        assert_eq!(last().to_bits(), success.to_bits());
        assert!(std::fs::read_to_string(&path).unwrap().contains("datahub_emit_run_exit_code{pipeline="));
    }
}
