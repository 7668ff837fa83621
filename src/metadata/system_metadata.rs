//! Which run wrote a proposal, and when.

use std::sync::Arc;

use super::json;

/// What GMS calls system metadata (`SystemMetadata.pdl`): which run wrote an aspect, and when.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SystemMetadata {
    /// When it was observed, in milliseconds since 1970; `None` or 0 becomes the time of sending.
    pub last_observed: Option<i64>,
    /// The run that sends it.
    pub run_id: Option<Arc<str>>,
    /// The run before that.
    pub last_run_id: Option<Arc<str>>,
    /// The pipeline that the run belongs to.
    pub pipeline_name: Option<Arc<str>>,
    /// Free words for the server; `clientId` and `clientVersion` are set when it is sent.
    pub properties: Vec<(String, String)>,
    /// Members that this crate gives no meaning, in order, each as compact JSON text.
    pub other: Vec<(String, Box<str>)>,
}

impl SystemMetadata {
    /// Appends what is set, and nothing else, as a metadata file holds it: compact JSON in ASCII, members in the order
    /// of DataHub's file sink.
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
