//! System metadata: the run that wrote an aspect, and the time.

use std::sync::Arc;

use super::json;

/// System metadata (`SystemMetadata.pdl`): the run that wrote an aspect, and when.
///
/// ```
/// use datahub_emitter::metadata::SystemMetadata;
///
/// let mut metadata = SystemMetadata::default();
/// metadata.run_id = Some("nightly-2026-11-30".into());
/// metadata.pipeline_name = Some("nightly".into());
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct SystemMetadata {
    /// When the metadata was observed, in milliseconds since 1970. `None` or 0 becomes the time of sending.
    pub last_observed: Option<i64>,
    /// The run that sends the proposal.
    pub run_id: Option<Arc<str>>,
    /// The run before it.
    pub last_run_id: Option<Arc<str>>,
    /// The pipeline of the run.
    pub pipeline_name: Option<Arc<str>>,
    /// Free-form properties. `clientId` and `clientVersion` are set when the proposal is sent.
    pub properties: Vec<(String, String)>,
    /// Members that this crate does not interpret, in order, each as compact JSON text.
    pub other: Vec<(String, Box<str>)>,
}

impl SystemMetadata {
    /// Appends the members that are set, as a metadata file has them: compact JSON in ASCII, in the order of
    /// DataHub's file sink.
    pub(crate) fn push_record_json(&self, out: &mut Vec<u8>) {
        let mut before: &[u8] = b"{";
        if let Some(last_observed) = self.last_observed {
            out.extend_from_slice(before);
            out.extend_from_slice(b"\"lastObserved\":");
            out.extend_from_slice(last_observed.to_string().as_bytes());
            before = b",";
        }
        let names = [
            ("runId", &self.run_id),
            ("lastRunId", &self.last_run_id),
            ("pipelineName", &self.pipeline_name),
        ];
        for (name, value) in names {
            if let Some(value) = value {
                out.extend_from_slice(before);
                json::push_json_string(out, name);
                out.push(b':');
                json::push_json_string(out, value);
                before = b",";
            }
        }
        if !self.properties.is_empty() {
            out.extend_from_slice(before);
            out.extend_from_slice(b"\"properties\":");
            json::push_string_map(out, &self.properties);
            before = b",";
        }
        for (name, value) in &self.other {
            out.extend_from_slice(before);
            json::push_json_string(out, name);
            out.push(b':');
            json::push_ascii_json(out, value.as_bytes());
            before = b",";
        }
        if before == b"{" {
            out.push(b'{');
        }
        out.push(b'}');
    }
}
