//! The records of the matrix: many of them about few entities, so that their order matters.

use std::fmt::Write as _;

use serde_json::{Value, json};

/// How many records there are.
pub(super) const RECORDS: usize = 200;

/// The number of different entities.
const ENTITIES: usize = 24;

/// The entity that the scripts of `fixtures/faults` name.
pub(super) const NAMED: &str = "urn:li:tag:b";

/// The entity of the record with this number: `urn:li:tag:a`, `urn:li:tag:b` and so on.
pub(super) fn urn(number: usize) -> String {
    let name = char::from(b'a' + u8::try_from(number % ENTITIES).unwrap());
    format!("urn:li:tag:{name}")
}

/// All records, as JSON Lines. Each has its number in a text, and every aspect of an entity occurs several
/// times.
pub(super) fn lines() -> String {
    (0..RECORDS).fold(String::new(), |mut text, number| {
        writeln!(text, "{}", record(number)).unwrap();
        text
    })
}

fn record(number: usize) -> Value {
    let text = number.to_string();
    let (aspect, value) = match number / ENTITIES % 3 {
        1 => ("deprecation", json!({"deprecated": true, "note": text, "actor": "urn:li:corpuser:datahub"})),
        _ => ("tagProperties", json!({"name": "für Tests", "description": text})),
    };
    json!({
        "entityType": "tag", "entityUrn": urn(number), "changeType": "UPSERT", "aspectName": aspect,
        "aspect": {"json": value},
    })
}

/// The number of the record that an aspect is from; `None` for an aspect that GMS generated.
pub(super) fn number(aspect: &Value) -> Option<usize> {
    aspect.get("description").or_else(|| aspect.get("note"))?.as_str()?.parse().ok()
}

/// The number of a record in a file, in any record form.
pub(super) fn number_of_line(line: &str) -> Option<usize> {
    let record: Value = serde_json::from_str(line).ok()?;
    let aspect = &record["aspect"];
    match aspect["value"].as_str() {
        Some(text) => number(&serde_json::from_str(text).ok()?),
        None => number(&aspect["json"]),
    }
}
