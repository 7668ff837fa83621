//! `/aspects`: proposals, and single aspects.

use std::sync::Arc;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;

use super::timeseries;
use crate::authorization::{ApiOperation, Permissions, forbidden};
use crate::failure::Failure;
use crate::ingest::WriteRequest;
use crate::snapshot::{self, Tagged};
use crate::state::ServerState;
use crate::store::read;
use crate::{model, proposal, restli};

pub(super) const RESOURCE: &str = "com.linkedin.metadata.resources.entity.AspectResource";

/// `POST /aspects?action=…`. `async` has no effect on the response time: the response is sent when the
/// aspects are stored.
pub(super) async fn act(
    State(server): State<Arc<ServerState>>,
    Extension(mut write): Extension<WriteRequest>,
    Extension(permissions): Extension<Permissions>,
    uri: Uri,
    body: Bytes,
) -> Result<Response, Failure> {
    let request = match restli::parameter(&uri, "action").as_deref() {
        Some("ingestProposal") => proposal::single(&body)?,
        Some("ingestProposalBatch") => proposal::batch(&body)?,
        Some("getCount") => return count(&server, &permissions, proposal::parse(&body)?).await,
        Some("getTimeseriesAspectValues") => return timeseries::values(&server, &permissions, &body).await,
        action => return Err(super::unroutable::unknown_action(action, RESOURCE, &uri)),
    };
    permissions.check_proposals(request.targets()).await?;
    write.asynchronous = request.asynchronous;
    let changes = request.changes(&server.registry, server.silent_drops)?;
    server.ingest(changes, write).await?;
    Ok(restli::success(&json!({"value": "success"})))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Count {
    aspect: String,
    urn_like: Option<String>,
}

async fn count(server: &ServerState, permissions: &Permissions, request: Count) -> Result<Response, Failure> {
    if !permissions.may_all(ApiOperation::Count, "") {
        return Err(forbidden("User is unauthorized to get aspect counts."));
    }
    let Count { aspect, urn_like } = request;
    let count =
        server.store.read(move |connection| read::count(connection, &aspect, urn_like.as_deref())).await?;
    Ok(restli::success(&json!({"value": count})))
}

/// `GET /aspects/{urn}?aspect=NAME&version=0`.
pub(super) async fn show(
    State(server): State<Arc<ServerState>>,
    Extension(permissions): Extension<Permissions>,
    uri: Uri,
) -> Result<Response, Failure> {
    #[derive(Serialize)]
    struct Versioned {
        version: i64,
        aspect: Tagged<Box<RawValue>>,
    }
    let urn = super::path::path_urn(&uri, "/aspects/")?;
    permissions
        .check(ApiOperation::Read, &urn, |_| format!("User is unauthorized to get aspect for {urn}"))
        .await?;
    let name = restli::parameter(&uri, "aspect")
        .ok_or_else(|| Failure::bad_request("Parameter 'aspect' is required"))?;
    let version = restli::parameter(&uri, "version").map_or(Ok(0), |text| {
        text.parse().map_err(|_| Failure::bad_request("Parameter 'version' must be an integer"))
    })?;
    let stored = server
        .store
        .read(move |connection| read::aspect(connection, urn.as_str(), &name, version))
        .await?
        .ok_or_else(Failure::absent)?;
    Ok(restli::success(&Versioned {
        version: stored.version,
        aspect: Tagged::new(model::class_of(&stored.aspect), snapshot::raw(stored.metadata)?),
    }))
}
