//! Encodes a proposal as the value of a Kafka message: the frame of the schema registry (a zero byte and the
//! schema's id), then the record of [`SCHEMA`] in Avro's binary encoding.
//!
//! The schema does not change within a process, so its fields are written one after another.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::metadata::json::push_ascii_json;
use crate::metadata::{Aspect, ChangeType, Proposal, SystemMetadata};

/// The schema of metadata change proposals, byte for byte as DataHub's Python client registers it: a registry
/// identifies a schema by its text.
pub(super) const SCHEMA: &str = include_str!("MetadataChangeProposal.avsc");

/// The run that stands where none is given (`SystemMetadata.pdl`).
const NO_RUN_ID: &str = "no-run-id-provided";

/// The first byte of a message with a schema id (Confluent's wire format).
const MAGIC: u8 = 0;

/// Appends the message of `proposal`. `now` is the time in milliseconds since 1970 that system metadata
/// without `lastObserved` gets.
pub(super) fn push_message(out: &mut Vec<u8>, schema_id: u32, proposal: &Proposal, now: i64) {
    out.push(MAGIC);
    out.extend_from_slice(&schema_id.to_be_bytes());
    // The audit header, which no client sets.
    push_null(out);
    push_string(out, proposal.entity_type());
    push_some(out);
    push_string(out, proposal.urn().as_str());
    push_optional(out, proposal.key_aspect(), push_aspect);
    push_long(out, change_type_index(proposal.change_type()));
    push_some(out);
    push_string(out, proposal.aspect_name());
    push_optional(out, proposal.aspect(), push_aspect);
    push_optional(out, proposal.system_metadata(), |out, metadata| push_system_metadata(out, metadata, now));
    let headers = Some(proposal.headers()).filter(|headers| !headers.is_empty());
    push_optional(out, headers, push_map);
}

/// The position of a change type in the schema's enum.
fn change_type_index(change_type: ChangeType) -> i64 {
    match change_type {
        ChangeType::Upsert => 0,
        ChangeType::Create => 1,
        ChangeType::Update => 2,
        ChangeType::Delete => 3,
        ChangeType::Patch => 4,
        ChangeType::Restate => 5,
        ChangeType::CreateEntity => 6,
    }
}

fn push_aspect(out: &mut Vec<u8>, aspect: &Aspect) {
    // The field's type is `bytes`, which DataHub's model reads as one character per byte, so it is ASCII.
    let value = aspect.value();
    if value.is_ascii() {
        push_bytes(out, value);
    } else {
        let mut ascii = Vec::with_capacity(value.len() + value.len() / 8);
        push_ascii_json(&mut ascii, value);
        push_bytes(out, &ascii);
    }
    push_string(out, aspect.content_type());
}

fn push_system_metadata(out: &mut Vec<u8>, metadata: &SystemMetadata, now: i64) {
    let other = OtherMembers::of(metadata);
    // In these three unions the value comes before null.
    push_long(out, 0);
    push_long(out, metadata.last_observed.filter(|time| *time > 0).unwrap_or(now));
    for run_id in [&metadata.run_id, &metadata.last_run_id] {
        push_long(out, 0);
        push_string(out, run_id.as_deref().unwrap_or(NO_RUN_ID));
    }
    push_optional(out, metadata.pipeline_name.as_deref(), push_string);
    push_optional(out, other.registry_name.as_deref(), push_string);
    push_optional(out, other.registry_version.as_deref(), push_string);
    let properties = Some(metadata.properties.as_slice()).filter(|properties| !properties.is_empty());
    push_optional(out, properties, push_map);
    push_optional(out, other.version.as_deref(), push_string);
    push_optional(out, other.schema_version, push_long);
    push_optional(out, other.aspect_created.as_ref(), push_audit_stamp);
    push_optional(out, other.aspect_modified.as_ref(), push_audit_stamp);
}

fn push_audit_stamp(out: &mut Vec<u8>, stamp: &AuditStamp) {
    push_long(out, stamp.time);
    push_string(out, &stamp.actor);
    push_optional(out, stamp.impersonator.as_deref(), push_string);
    push_optional(out, stamp.message.as_deref(), push_string);
}

/// Members of system metadata that only this encoding interprets. A member that the schema does not have, or
/// whose value is of another type than the schema's, cannot be sent, and is left out.
#[derive(Default)]
struct OtherMembers {
    registry_name: Option<String>,
    registry_version: Option<String>,
    version: Option<String>,
    schema_version: Option<i64>,
    aspect_created: Option<AuditStamp>,
    aspect_modified: Option<AuditStamp>,
}

/// `AuditStamp.pdl`
#[derive(Deserialize)]
struct AuditStamp {
    #[serde(default)]
    time: i64,
    actor: String,
    impersonator: Option<String>,
    message: Option<String>,
}

impl OtherMembers {
    fn of(metadata: &SystemMetadata) -> Self {
        let mut members = Self::default();
        for (name, json) in &metadata.other {
            match name.as_str() {
                "registryName" => members.registry_name = parsed(json),
                "registryVersion" => members.registry_version = parsed(json),
                "version" => members.version = parsed(json),
                "schemaVersion" => members.schema_version = parsed(json),
                "aspectCreated" => members.aspect_created = parsed(json),
                "aspectModified" => members.aspect_modified = parsed(json),
                _ => {}
            }
        }
        members
    }
}

fn parsed<T: for<'a> Deserialize<'a>>(json: &str) -> Option<T> {
    serde_json::from_str::<Option<T>>(json).ok().flatten()
}

/// The branch of a union of null and a value: null.
fn push_null(out: &mut Vec<u8>) {
    push_long(out, 0);
}

/// The branch of a union of null and a value: the value, which follows.
fn push_some(out: &mut Vec<u8>) {
    push_long(out, 1);
}

fn push_optional<T>(out: &mut Vec<u8>, value: Option<T>, push: impl FnOnce(&mut Vec<u8>, T)) {
    match value {
        None => push_null(out),
        Some(value) => {
            push_some(out);
            push(out, value);
        }
    }
}

/// A map of strings: one block of entries, and the end. If a name occurs twice, readers take the last one.
fn push_map(out: &mut Vec<u8>, map: &[(String, String)]) {
    push_length(out, map.len());
    for (name, value) in map {
        push_string(out, name);
        push_string(out, value);
    }
    push_long(out, 0);
}

fn push_string(out: &mut Vec<u8>, text: &str) {
    push_bytes(out, text.as_bytes());
}

fn push_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    push_length(out, bytes.len());
    out.extend_from_slice(bytes);
}

fn push_length(out: &mut Vec<u8>, length: usize) {
    push_long(out, i64::try_from(length).unwrap_or(i64::MAX));
}

/// An integer: zigzag, then seven bits a byte, the lowest first.
fn push_long(out: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
    loop {
        let [low, ..] = rest.to_le_bytes();
        rest >>= 7;
        if rest == 0 {
            out.push(low & 0x7f);
            return;
        }
        out.push(low | 0x80);
    }
}

/// The body of the request that registers [`SCHEMA`], as DataHub's Python client sends it.
pub(super) fn registration_body() -> Vec<u8> {
    #[derive(serde::Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Registration {
        schema: &'static str,
        schema_type: &'static str,
        references: [Box<RawValue>; 0],
    }
    let registration = Registration { schema: SCHEMA, schema_type: "AVRO", references: [] };
    serde_json::to_vec(&registration).unwrap_or_default()
}

#[cfg(test)]
mod tests;
