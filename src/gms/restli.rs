//! Encodes proposals for Rest.li.
//!
//! The aspect travels as JSON text inside a JSON string. The model's type for it is `bytes`, one byte a
//! character (`GenericAspect.pdl`), so that text is pure ASCII; the rest of a body is ASCII as well, as the
//! Python client's is.

use bytes::Bytes;

use super::OutgoingProposal;
use super::system_metadata::push_system_metadata;
use crate::metadata::json::{push_embedded_json, push_json_string, push_string_map};
use crate::metadata::{Aspect, Proposal, Urn};

/// The action that writes a batch in one transaction.
pub(super) const INGEST_PROPOSAL_BATCH: &str = "/aspects?action=ingestProposalBatch";

/// The action that deletes an entity.
pub(super) const DELETE: &str = "/entities?action=delete";

/// The action that writes one proposal.
pub(super) const INGEST_PROPOSAL: &str = "/aspects?action=ingestProposal";

/// One proposal as an element of `proposals`.
///
/// `now` is the time in milliseconds that a proposal without `lastObserved` gets.
pub(super) fn push_proposal(out: &mut Vec<u8>, proposal: &Proposal, now: i64) {
    push_head(out, proposal);
    if let Some(aspect) = proposal.aspect() {
        push_embedded_json(out, aspect.value());
    }
    push_tail(out, proposal, now);
}

/// How many bytes [`push_proposal`] writes. `scratch` is overwritten.
pub(super) fn encoded_len(proposal: &Proposal, now: i64, scratch: &mut Vec<u8>) -> usize {
    scratch.clear();
    push_head(scratch, proposal);
    push_tail(scratch, proposal, now);
    scratch.len() + proposal.aspect().map_or(0, |aspect| embedded_len(aspect.value()))
}

/// The length of compact JSON text inside a JSON string, pure ASCII: a quote or backslash becomes two bytes,
/// and a non-ASCII character `\\uXXXX`, and twice that outside the basic multilingual plane.
fn embedded_len(compact: &[u8]) -> usize {
    let mut len = 0;
    // A count that fits into a byte is vectorised.
    for chunk in compact.chunks(usize::from(u8::MAX)) {
        let count =
            |is: fn(u8) -> bool| usize::from(chunk.iter().map(|byte| u8::from(is(*byte))).sum::<u8>());
        len += chunk.len() + count(|byte| byte == b'"' || byte == b'\\');
        if !chunk.is_ascii() {
            // Continuation bytes belong to the character that began before them.
            let units = count(|byte| byte >= 0xc0) + count(|byte| byte >= 0xf0);
            len = len + units * br"\\uXXXX".len() - count(|byte| byte >= 0x80);
        }
    }
    len
}

/// Everything up to the aspect's text.
fn push_head(out: &mut Vec<u8>, proposal: &Proposal) {
    out.extend_from_slice(br#"{"entityType":"#);
    push_json_string(out, proposal.entity_type());
    if let Some(key) = proposal.key_aspect() {
        // GMS derives the URN from it.
        out.extend_from_slice(br#","entityKeyAspect":{"value":""#);
        push_embedded_json(out, key.value());
        push_content_type(out, key);
    } else {
        out.extend_from_slice(br#","entityUrn":"#);
        push_json_string(out, proposal.urn().as_str());
    }
    out.extend_from_slice(br#","changeType":""#);
    out.extend_from_slice(proposal.change_type().as_str().as_bytes());
    out.extend_from_slice(br#"","aspectName":"#);
    push_json_string(out, proposal.aspect_name());
    if proposal.aspect().is_some() {
        out.extend_from_slice(br#","aspect":{"value":""#);
    }
}

/// Everything after the aspect's text.
fn push_tail(out: &mut Vec<u8>, proposal: &Proposal, now: i64) {
    if let Some(aspect) = proposal.aspect() {
        push_content_type(out, aspect);
    }
    out.extend_from_slice(br#","systemMetadata":"#);
    push_system_metadata(out, proposal.system_metadata(), now);
    if !proposal.headers().is_empty() {
        out.extend_from_slice(br#","headers":"#);
        push_string_map(out, proposal.headers());
    }
    out.push(b'}');
}

/// Ends an aspect whose text is written.
fn push_content_type(out: &mut Vec<u8>, aspect: &Aspect) {
    out.extend_from_slice(br#"","contentType":"#);
    push_json_string(out, aspect.content_type());
    out.push(b'}');
}

/// The bytes around a single proposal.
const ENVELOPE_BYTES: usize = 32;

/// The body of a request for one proposal.
pub(super) fn single_body(one: &OutgoingProposal, asynchronous: bool) -> Bytes {
    let mut body = Vec::with_capacity(one.encoded_len + ENVELOPE_BYTES);
    body.extend_from_slice(br#"{"proposal":"#);
    push_proposal(&mut body, &one.proposal, one.now);
    body.extend_from_slice(if asynchronous { br#","async":"true"}"# } else { br#","async":"false"}"# });
    body.into()
}

/// The body of a request that deletes an entity.
pub(super) fn delete_body(urn: &Urn) -> Bytes {
    let mut body = br#"{"urn":"#.to_vec();
    push_json_string(&mut body, urn.as_str());
    body.push(b'}');
    body.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::SystemMetadata;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn proposal(value: &str) -> Proposal {
        let urn = Urn::parse("urn:li:dataset:(urn:li:dataPlatform:hive,café,PROD)").unwrap();
        Proposal::upsert(urn, "datasetProperties", value).unwrap()
    }

    fn decoded(proposal: &Proposal) -> Value {
        let mut out = Vec::new();
        push_proposal(&mut out, proposal, 1_700_000_000_000);
        assert!(out.is_ascii());
        assert_eq!(out.len(), encoded_len(proposal, 1_700_000_000_000, &mut Vec::new()));
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn missing_fields_get_their_defaults() {
        assert_eq!(
            decoded(&proposal("{\"name\":\"é\"}")),
            json!({
                "entityType": "dataset",
                "entityUrn": "urn:li:dataset:(urn:li:dataPlatform:hive,café,PROD)",
                "changeType": "UPSERT",
                "aspectName": "datasetProperties",
                "aspect": {"value": "{\"name\":\"\\u00e9\"}", "contentType": "application/json"},
                "systemMetadata": {
                    "lastObserved": 1_700_000_000_000_i64,
                    "runId": "no-run-id-provided",
                    "lastRunId": "no-run-id-provided",
                    "properties": {"clientId": "datahub-emitter", "clientVersion": env!("CARGO_PKG_VERSION")}
                }
            })
        );
    }

    #[test]
    fn fields_of_the_proposal_are_kept_except_for_the_client_id() {
        let system_metadata = SystemMetadata {
            last_observed: Some(7),
            run_id: Some("run".into()),
            last_run_id: Some("before".into()),
            pipeline_name: Some("nightly".into()),
            properties: vec![("clientId".into(), "x".into()), ("k".into(), "v".into())],
            other: vec![("version".into(), "\"1\"".into())],
        };
        let proposal =
            proposal("{}").with_header("If-Version-Match", "3").with_system_metadata(system_metadata);
        let value = decoded(&proposal);
        assert_eq!(value["headers"], json!({"If-Version-Match": "3"}));
        assert_eq!(
            value["systemMetadata"],
            json!({"lastObserved": 7, "runId": "run", "lastRunId": "before", "pipelineName": "nightly", "version": "1",
                   "properties": {"k": "v", "clientId": "datahub-emitter", "clientVersion": env!("CARGO_PKG_VERSION")}})
        );
    }

    #[test]
    fn a_delete_has_no_aspect() {
        let proposal = Proposal::delete(proposal("{}").urn(), "datasetProperties");
        assert_eq!(decoded(&proposal).get("aspect"), None);
    }

    proptest! {
        #[test]
        fn the_computed_length_is_right_and_the_text_is_preserved(text in "[\\x00-\\x7fé日😀]*", other in any::<String>()) {
            let aspect = serde_json::to_string(&json!({"a": text, "b": other})).unwrap();
            let value = decoded(&proposal(&aspect));
            let inner: Value = serde_json::from_str(value["aspect"]["value"].as_str().unwrap()).unwrap();
            prop_assert_eq!(inner, serde_json::from_str::<Value>(&aspect).unwrap());
        }
    }
}
