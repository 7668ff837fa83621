//! `/openapi/v1/trace/write`: the outcome of a write through OpenAPI.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::authorization::{ApiOperation, Permissions, forbidden};
use crate::failure::Failure;
use crate::model;
use crate::openapi::{self, OpenapiFailure};
use crate::state::ServerState;
use crate::store::read;
use crate::store::write::Effect;
use crate::trace::{TraceId, TraceOutcome};
use crate::urn::Urn;
use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use percent_encoding::percent_decode_str;
use serde::Serialize;

/// The status of an aspect (`TraceStatus`).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    success: bool,
    primary_storage: Storage,
    search_storage: Storage,
}

/// The status in one storage (`TraceStorageStatus`).
#[derive(Debug, Serialize)]
struct Storage {
    #[serde(rename = "writeStatus")]
    status: &'static str,
    #[serde(rename = "writeMessage", skip_serializing_if = "Option::is_none")]
    message: Option<&'static str>,
    #[serde(rename = "writeExceptions", skip_serializing_if = "Option::is_none")]
    exceptions: Option<[Exception; 1]>,
}

#[derive(Debug, Serialize)]
struct Exception {
    message: String,
}

/// `POST /openapi/v1/trace/write/{trace id, or traceparent}?onlyIncludeErrors=true&detailed=false`.
pub(super) async fn show(
    State(server): State<Arc<ServerState>>,
    Extension(permissions): Extension<Permissions>,
    uri: Uri,
    body: Bytes,
) -> Result<Response, OpenapiFailure> {
    let only_errors = openapi::flag(&uri, "onlyIncludeErrors", true)?;
    let detailed = openapi::flag(&uri, "detailed", false)?;
    let questions: BTreeMap<String, Vec<String>> =
        serde_json::from_slice(&body).map_err(|_| Failure::bad_request("Malformed request body"))?;
    let urns: Vec<_> = questions.keys().flat_map(|urn| Urn::parse(urn)).collect();
    // Only the administrator may read entities without a valid URN.
    let nameless = urns.len() < questions.len() && !permissions.may_do_everything();
    let urns = urns.into_iter().map(|urn| (ApiOperation::Read, urn));
    if nameless || !permissions.refused(urns).await?.is_empty() {
        let message =
            format!("{} is unauthorized to READ as least one of the requested URNs.", permissions.user());
        return Err(forbidden(message).into());
    }
    let id = uri.path().rsplit('/').next().unwrap_or_default();
    let id = TraceId::parse(&percent_decode_str(id).decode_utf8_lossy())
        .ok_or_else(|| Failure::internal("java.lang.NullPointerException: this is no trace id"))?;
    let mut response: BTreeMap<String, BTreeMap<String, Status>> = BTreeMap::new();
    for (urn, mut aspects) in questions {
        if aspects.is_empty() {
            aspects = server.traces.aspects(&id, &urn);
        }
        for aspect in aspects {
            let status = server.trace(&id, &urn, &aspect, detailed).await?;
            if !(only_errors && status.success) {
                response.entry(urn.clone()).or_default().insert(aspect, status);
            }
        }
    }
    Ok(openapi::respond(StatusCode::OK, &response))
}

impl ServerState {
    async fn trace(&self, id: &TraceId, urn: &str, aspect: &str, detailed: bool) -> Result<Status, Failure> {
        if model::is_timeseries(aspect) {
            return Ok(Status::of(Storage::new("NO_OP"), Storage::new("TRACE_NOT_IMPLEMENTED")));
        }
        let place = (urn.to_owned(), aspect.to_owned());
        Ok(match self.traces.ask(id, &place) {
            Some(TraceOutcome::Pending(..)) => Status::of(
                Storage::new("PENDING").with("Consumer has not processed offset."),
                Storage::new("PENDING").with("Pending primary storage write."),
            ),
            Some(TraceOutcome::Rejected(message)) => {
                let mut primary = Storage::new("ERROR");
                if detailed {
                    primary.exceptions = Some([Exception { message }]);
                } else {
                    primary = primary.with("Consumer has processed past the offset.");
                }
                Status::of(primary, Storage::new("ERROR").with("Primary storage write failed."))
            }
            Some(TraceOutcome::Stored(Effect::Written(number))) => {
                let latest =
                    self.store.read(move |connection| read::number(connection, &place.0, &place.1)).await?;
                Status::both(if latest == Some(number) { "ACTIVE_STATE" } else { "HISTORIC_STATE" })
            }
            Some(TraceOutcome::Stored(_)) => Status::both("NO_OP"),
            None => Status::of(
                Storage::new("UNKNOWN").with("Missing consumer offsets."),
                Storage::new("UNKNOWN").with("Primary storage write indeterminate."),
            ),
        })
    }
}

impl Status {
    fn of(primary_storage: Storage, search_storage: Storage) -> Self {
        let success = [&primary_storage, &search_storage].iter().all(|storage| storage.status != "ERROR");
        Self { success, primary_storage, search_storage }
    }

    fn both(status: &'static str) -> Self {
        Self::of(Storage::new(status), Storage::new(status))
    }
}

impl Storage {
    fn new(status: &'static str) -> Self {
        Self { status, message: None, exceptions: None }
    }

    fn with(mut self, message: &'static str) -> Self {
        self.message = Some(message);
        self
    }
}
