//! The state of a write that GMS has queued (`TraceController.java`).

use std::collections::HashMap;

use serde::Deserialize;

use super::GmsResponse;
use crate::metadata::json::push_json_string;

/// The state of one aspect of a queued write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TraceStatus {
    /// It is still in the queue.
    Pending,
    /// It is written, and the search index has it.
    Settled,
    /// GMS did not write it.
    Failed(String),
}

/// The states of all requested aspects.
#[derive(Debug, Deserialize)]
pub(crate) struct Trace(HashMap<String, HashMap<String, Aspect>>);

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Aspect {
    success: Option<bool>,
    primary_storage: Option<Storage>,
    search_storage: Option<Storage>,
}

#[derive(Debug, Deserialize)]
struct Storage {
    #[serde(rename = "writeStatus")]
    status: Option<String>,
    #[serde(rename = "writeMessage")]
    message: Option<String>,
    #[serde(rename = "writeExceptions")]
    exceptions: Option<Vec<serde_json::Value>>,
}

/// The id of a queued write: the second part of the response's `traceparent`. Responses of Rest.li have none.
pub(crate) fn trace_id(response: &GmsResponse) -> Option<String> {
    let header = response.headers.get("traceparent")?.to_str().ok()?;
    let id = header.split('-').nth(1)?;
    (!id.is_empty() && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| id.to_owned())
}

/// The path for the state of the write `id`.
pub(crate) fn path(id: &str) -> String {
    format!("/openapi/v1/trace/write/{id}?onlyIncludeErrors=false&detailed=true")
}

/// The body that names the aspects.
pub(crate) fn body<'a>(aspects: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<u8> {
    let mut order: Vec<&str> = Vec::new();
    let mut names: HashMap<&str, Vec<&str>> = HashMap::new();
    for (urn, aspect) in aspects {
        let of_urn = names.entry(urn).or_insert_with(|| {
            order.push(urn);
            Vec::new()
        });
        if !of_urn.contains(&aspect) {
            of_urn.push(aspect);
        }
    }
    let mut out = vec![b'{'];
    for (index, urn) in order.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        push_json_string(&mut out, urn);
        out.extend_from_slice(b":[");
        for (index, aspect) in names.get(urn).into_iter().flatten().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            push_json_string(&mut out, aspect);
        }
        out.push(b']');
    }
    out.push(b'}');
    out
}

impl Trace {
    /// Reads a response; `None` if it is not a trace.
    pub(crate) fn read(response: &GmsResponse) -> Option<Self> {
        response.status.is_success().then(|| serde_json::from_slice(&response.body).ok()).flatten()
    }

    /// The state of an aspect. An aspect that the response leaves out is pending.
    pub(crate) fn status(&self, urn: &str, aspect: &str) -> TraceStatus {
        self.0.get(urn).and_then(|aspects| aspects.get(aspect)).map_or(TraceStatus::Pending, Aspect::status)
    }
}

impl Aspect {
    fn status(&self) -> TraceStatus {
        let storages = || [&self.primary_storage, &self.search_storage].into_iter().flatten();
        if self.success == Some(false) || storages().any(|storage| storage.is("ERROR")) {
            let said = storages().find_map(Storage::words);
            return TraceStatus::Failed(said.unwrap_or_else(|| "GMS does not say why".into()));
        }
        if storages().any(|storage| storage.is("PENDING")) || self.primary_storage.is_none() {
            return TraceStatus::Pending;
        }
        TraceStatus::Settled
    }
}

impl Storage {
    fn is(&self, status: &str) -> bool {
        self.status.as_deref() == Some(status)
    }

    /// The reason that it was not written.
    fn words(&self) -> Option<String> {
        let exceptions = self.exceptions.iter().flatten().map(|exception| {
            let member = |name| exception.get(name).and_then(serde_json::Value::as_str);
            let text = exception.as_str().or_else(|| member("message")).or_else(|| member("exceptionClass"));
            text.map_or_else(|| exception.to_string(), str::to_owned)
        });
        let words: Vec<String> = self.message.iter().cloned().chain(exceptions).collect();
        (self.is("ERROR") && !words.is_empty()).then(|| words.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn response(body: &[u8]) -> GmsResponse {
        GmsResponse::with_body(200, bytes::Bytes::copy_from_slice(body))
    }

    fn status(aspect: &str) -> TraceStatus {
        let body = format!(r#"{{"urn:li:tag:a":{{"status":{aspect}}}}}"#);
        Trace::read(&response(body.as_bytes())).unwrap().status("urn:li:tag:a", "status")
    }

    #[test]
    fn a_write_is_settled_when_neither_storage_is_pending() {
        let states = |primary: &str, search: &str, success: bool| {
            status(&format!(
                r#"{{"success":{success},"primaryStorage":{{"writeStatus":"{primary}"}},"searchStorage":{{"writeStatus":"{search}"}}}}"#
            ))
        };
        assert_eq!(states("ACTIVE_STATE", "ACTIVE_STATE", true), TraceStatus::Settled);
        assert_eq!(states("HISTORIC_STATE", "NO_OP", true), TraceStatus::Settled);
        assert_eq!(states("UNKNOWN", "TRACE_NOT_IMPLEMENTED", true), TraceStatus::Settled);
        assert_eq!(states("PENDING", "PENDING", true), TraceStatus::Pending);
        assert_eq!(states("ACTIVE_STATE", "PENDING", true), TraceStatus::Pending);
        assert!(matches!(states("ERROR", "ERROR", false), TraceStatus::Failed(_)));
        assert_eq!(status("{}"), TraceStatus::Pending);
        let other = Trace::read(&response(b"{}")).unwrap();
        assert_eq!(other.status("urn:li:tag:a", "status"), TraceStatus::Pending);
    }

    #[test]
    fn a_failure_has_the_message_of_the_server() {
        let failed = status(
            r#"{"success":false,"primaryStorage":{"writeStatus":"ERROR","writeMessage":"Failed to write.",
                "writeExceptions":[{"message":"Invalid format"},"twice",{"a":1}]},
                "searchStorage":{"writeStatus":"ERROR","writeMessage":"Primary storage write failed."}}"#,
        );
        assert_eq!(failed, TraceStatus::Failed(r#"Failed to write.; Invalid format; twice; {"a":1}"#.into()));
    }

    #[test]
    fn the_id_is_the_second_part_of_the_header() {
        let with = |value: &'static str| {
            let mut response = response(b"");
            response.headers.insert("traceparent", reqwest::header::HeaderValue::from_static(value));
            trace_id(&response)
        };
        assert_eq!(with("00-00063609cb93-7bf-01").as_deref(), Some("00063609cb93"));
        assert_eq!((with("00--7bf-01"), with("nothing"), with("00-../x-1")), (None, None, None));
        assert_eq!(trace_id(&response(b"")), None);
    }

    #[test]
    fn the_body_groups_aspects_by_urn() {
        let asked = body([("a", "x"), ("b", "x"), ("a", "y"), ("a", "x")].into_iter());
        assert_eq!(String::from_utf8(asked).unwrap(), r#"{"a":["x","y"],"b":["x"]}"#);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            Trace::read(&response(&body));
        }
    }
}
