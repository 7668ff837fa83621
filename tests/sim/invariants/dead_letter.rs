//! Reads the dead-letter file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::life::DEAD_LETTERS;
use crate::world::record_number;

/// A line of the dead-letter file.
#[derive(Debug)]
pub(super) struct DeadLetter {
    pub(super) run_id: String,
    pub(super) record: u32,
    /// The aspect of a rejected proposal; `None` for an invalid record.
    pub(super) aspect: Option<String>,
}

/// All dead letters in `files`. A line that was torn is none.
pub(super) fn read(files: &BTreeMap<PathBuf, Vec<u8>>) -> Vec<DeadLetter> {
    let Some(content) = files.get(Path::new(DEAD_LETTERS)) else { return Vec::new() };
    content.split(|byte| *byte == b'\n').filter_map(parse).collect()
}

/// The rejected proposals among them.
pub(super) fn proposals(files: &BTreeMap<PathBuf, Vec<u8>>) -> BTreeSet<(u32, String)> {
    read(files).into_iter().filter_map(|line| Some((line.record, line.aspect?))).collect()
}

/// The invalid records among them.
pub(super) fn invalid_records(files: &BTreeMap<PathBuf, Vec<u8>>) -> BTreeSet<u32> {
    read(files).into_iter().filter(|line| line.aspect.is_none()).map(|line| line.record).collect()
}

fn parse(line: &[u8]) -> Option<DeadLetter> {
    let value: Value = serde_json::from_slice(line).ok()?;
    let info = value.get("deadLetter")?;
    let (text, aspect) = match info.get("raw") {
        Some(raw) => (raw.as_str()?, None),
        None => (value["aspect"]["value"].as_str()?, Some(value["aspectName"].as_str()?.to_owned())),
    };
    let run_id = info["runId"].as_str()?.to_owned();
    Some(DeadLetter { run_id, record: record_number(text)?, aspect })
}
