//! System metadata as every proposal carries it to GMS.

use crate::metadata::SystemMetadata;
use crate::metadata::json::{push_ascii_json, push_json_string, push_strings};

/// The run that GMS notes where none is given (`Constants.DEFAULT_RUN_ID`).
const NO_RUN_ID: &str = "no-run-id-provided";

/// The client that GMS records as the writer of a proposal.
const CLIENT_ID: &str = "datahub-emitter";

/// The metadata of a proposal, with the gaps filled as the Python client fills them; who the client is always
/// is ours to say. `now` is the time in milliseconds that a proposal without `lastObserved` gets.
pub(super) fn push_system_metadata(out: &mut Vec<u8>, metadata: Option<&SystemMetadata>, now: i64) {
    let last_observed = metadata.and_then(|m| m.last_observed).filter(|time| *time != 0).unwrap_or(now);
    out.extend_from_slice(br#"{"lastObserved":"#);
    out.extend_from_slice(last_observed.to_string().as_bytes());
    out.extend_from_slice(br#","runId":"#);
    push_json_string(out, metadata.and_then(|m| m.run_id.as_deref()).unwrap_or(NO_RUN_ID));
    out.extend_from_slice(br#","lastRunId":"#);
    push_json_string(out, metadata.and_then(|m| m.last_run_id.as_deref()).unwrap_or(NO_RUN_ID));
    if let Some(pipeline_name) = metadata.and_then(|m| m.pipeline_name.as_deref()) {
        out.extend_from_slice(br#","pipelineName":"#);
        push_json_string(out, pipeline_name);
    }
    for (name, value) in metadata.map_or(&[][..], |m| &m.other) {
        out.push(b',');
        push_json_string(out, name);
        out.push(b':');
        push_ascii_json(out, value.as_bytes());
    }
    out.extend_from_slice(br#","properties":"#);
    let ours = [("clientId", CLIENT_ID), ("clientVersion", env!("CARGO_PKG_VERSION"))];
    let brought = metadata.map_or(&[][..], |m| &m.properties);
    let brought = brought.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let others = brought.filter(|(name, _)| ours.iter().all(|(own, _)| own != name));
    push_strings(out, others.chain(ours));
    out.push(b'}');
}
