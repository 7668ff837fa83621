//! The messages between the bridge and this process. `python/bridge.py` describes them.

use std::io::{self, BufRead, Read as _};

use serde::Deserialize;
use serde_json::value::RawValue;

/// The longest message that is read. A record has at most 64 MiB; its text is escaped once more in an aspect.
const MAX_MESSAGE_BYTES: u64 = 256 << 20;

/// A message of the child.
#[derive(Debug)]
pub(super) enum Message<'a> {
    /// A record as JSON.
    Record { seq: u64, json: &'a str },
    /// A record that has no JSON form.
    Invalid { seq: u64, reason: String },
    /// Asks for a reply once every record before has an outcome.
    Flush(u64),
    /// The report of the source.
    Report(ChildReport),
    /// Why the source cannot run.
    Error(ChildError),
    /// Where the source would run.
    Description(Description),
    /// The report of a connection test.
    Connection(serde_json::Value),
    /// The source has ended.
    End,
}

/// The report of a source.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct ChildReport {
    pub(super) failures: Vec<String>,
    pub(super) warnings: Vec<String>,
    /// The report as the source has it.
    pub(super) report: serde_json::Value,
}

/// Why a source cannot run.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ChildError {
    pub(super) code: String,
    pub(super) message: String,
    pub(super) traceback: Option<String>,
    /// The module that cannot be imported.
    pub(super) module: Option<String>,
    /// The extra of the package that has what is missing.
    pub(super) extra: Option<String>,
    /// The package knows the source.
    pub(super) known: bool,
    pub(super) errors: Vec<ConfigError>,
}

/// An error in `source.config`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct ConfigError {
    /// Keys and indices.
    pub(super) path: Vec<serde_json::Value>,
    pub(super) message: String,
}

/// Where a source would run.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Description {
    /// The version of Python.
    pub(super) python: String,
    /// The version of `acryl-datahub`.
    pub(super) package: Option<String>,
    #[serde(default)]
    pub(super) error: Option<ChildError>,
}

#[derive(Deserialize)]
struct Line<'a> {
    seq: Option<u64>,
    #[serde(borrow)]
    record: Option<&'a RawValue>,
    invalid: Option<String>,
    flush: Option<u64>,
    report: Option<ChildReport>,
    error: Option<ChildError>,
    description: Option<Description>,
    connection: Option<serde_json::Value>,
    end: Option<bool>,
}

impl<'a> Message<'a> {
    /// `None` for a line that is not one of the messages.
    pub(super) fn parse(line: &'a [u8]) -> Option<Self> {
        let line: Line<'a> = serde_json::from_slice(line).ok()?;
        Some(match line {
            Line { seq: Some(seq), record: Some(record), .. } => Self::Record { seq, json: record.get() },
            Line { seq: Some(seq), invalid: Some(reason), .. } => Self::Invalid { seq, reason },
            Line { flush: Some(number), .. } => Self::Flush(number),
            Line { report: Some(report), .. } => Self::Report(report),
            Line { error: Some(error), .. } => Self::Error(error),
            Line { description: Some(description), .. } => Self::Description(description),
            Line { connection: Some(report), .. } => Self::Connection(report),
            Line { end: Some(true), .. } => Self::End,
            _ => return None,
        })
    }
}

/// Reads a line without its end into `line`. False at the end of the input, also after an incomplete line:
/// the process died while it wrote it.
pub(super) fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    input.take(MAX_MESSAGE_BYTES).read_until(b'\n', line)?;
    if line.pop() == Some(b'\n') {
        return Ok(true);
    }
    if line.len() as u64 + 1 >= MAX_MESSAGE_BYTES {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a message is longer than 256 MiB"));
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_message_of_the_bridge_is_understood() {
        let parse = |line: &'static str| Message::parse(line.as_bytes());
        assert!(matches!(
            parse(r#"{"seq":7,"record":{"a": 1.50}}"#),
            Some(Message::Record { seq: 7, json: r#"{"a": 1.50}"# })
        ));
        assert!(matches!(parse(r#"{"seq":8,"invalid":"no"}"#), Some(Message::Invalid { seq: 8, .. })));
        assert!(matches!(parse(r#"{"flush":1}"#), Some(Message::Flush(1))));
        assert!(matches!(
            parse(r#"{"report":{"failures":["x"],"warnings":[],"report":{}}}"#),
            Some(Message::Report(report)) if report.failures == ["x"]
        ));
        assert!(matches!(
            parse(r#"{"error":{"code":"config","message":"m","errors":[{"path":["a",0],"message":"n"}]}}"#),
            Some(Message::Error(error)) if error.errors.len() == 1
        ));
        assert!(matches!(
            parse(r#"{"connection":{"basic_connectivity":{"capable":true}}}"#),
            Some(Message::Connection(report)) if report["basic_connectivity"]["capable"] == true
        ));
        assert!(matches!(parse(r#"{"end":true}"#), Some(Message::End)));
        assert!(parse(r#"{"other":1}"#).is_none());
        assert!(parse("print").is_none());
    }

    #[test]
    fn an_incomplete_last_line_is_not_a_message() {
        let mut input: &[u8] = b"{\"flush\":1}\n{\"seq\":1,\"rec";
        let mut line = Vec::new();
        assert!(read_line(&mut input, &mut line).unwrap());
        assert_eq!(line, b"{\"flush\":1}");
        assert!(!read_line(&mut input, &mut line).unwrap());
    }
}
