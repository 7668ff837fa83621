//! `/operations`: administration of the indices, of which there are none here.

use std::sync::Arc;

use crate::authorization::{Permissions, RESTORE_INDICES, TRUNCATE_TIMESERIES, forbidden};
use crate::failure::Failure;
use crate::state::ServerState;
use crate::store::{read, timeseries};
use crate::urn::Urn;
use crate::{model, proposal, restli};
use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use serde::Deserialize;
use serde_json::json;

pub(super) const RESOURCE: &str = "com.linkedin.metadata.resources.operations.OperationsResource";

/// The selected aspects. Other parameters (`start`, `batchSize`) concern paging and are ignored.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RestoreIndices {
    aspect: Option<String>,
    urn: Option<String>,
    /// A pattern of SQL's `LIKE`.
    urn_like: Option<String>,
}

/// The values to delete. Other parameters (`batchSize`, `timeoutSeconds`) concern an index and are ignored.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TruncateTimeseries {
    entity_type: String,
    /// The name of a time series, in any case.
    aspect: String,
    /// Values with a later timestamp stay.
    end_time_millis: i64,
    dry_run: Option<bool>,
}

/// `POST /operations?action=…`.
pub(super) async fn act(
    State(server): State<Arc<ServerState>>,
    Extension(permissions): Extension<Permissions>,
    uri: Uri,
    body: Bytes,
) -> Result<Response, Failure> {
    match restli::parameter(&uri, "action").as_deref() {
        Some("restoreIndices") => restore_indices(&server, &permissions, proposal::parse(&body)?).await,
        Some("truncateTimeseriesAspect") => truncate(&server, &permissions, proposal::parse(&body)?).await,
        action => Err(super::unroutable::unknown_action(action, RESOURCE, &uri)),
    }
}

/// The index follows the store by itself, so there is nothing to restore. The response has the number of
/// aspects that GMS would have processed, in GMS's text form (`resources/operations/Utils.java`).
async fn restore_indices(
    server: &ServerState,
    permissions: &Permissions,
    request: RestoreIndices,
) -> Result<Response, Failure> {
    let RestoreIndices { aspect, urn, urn_like } = request;
    let urn = urn.filter(|urn| !urn.is_empty()).map(|urn| Urn::parse(&urn)).transpose();
    let urn = urn.map_err(|error| Failure::bad_request(format!("Invalid urn: {error}")))?;
    let (entity_type, text) = urn.as_ref().map_or(("", ""), |urn| (urn.entity_type(), urn.as_str()));
    if !permissions.may_operate(RESTORE_INDICES, entity_type, text) {
        return Err(forbidden("User is unauthorized to restore indices."));
    }
    let rows = server
        .store
        .read(move |connection| {
            read::count_latest(
                connection,
                aspect.as_deref(),
                urn.as_ref().map(Urn::as_str),
                urn_like.as_deref(),
            )
        })
        .await?;
    Ok(restli::success(
        &json!({"value": format!("{{result=RestoreIndicesResult(ignored=0, rowsMigrated={rows})}}")}),
    ))
}

/// `truncateTimeseriesAspect`: a dry run is the default. The response is a text (`OperationsResource`).
async fn truncate(
    server: &ServerState,
    permissions: &Permissions,
    request: TruncateTimeseries,
) -> Result<Response, Failure> {
    let TruncateTimeseries { entity_type, aspect, end_time_millis, dry_run } = request;
    if !permissions.may_operate(TRUNCATE_TIMESERIES, "", "") {
        return Err(forbidden("User is unauthorized to truncate timeseries index"));
    }
    let Some(name) = model::TIMESERIES.iter().find(|name| name.eq_ignore_ascii_case(&aspect)) else {
        return Err(Failure::bad_request(format!("{aspect} is not a time-series aspect")));
    };
    let dry_run = dry_run.unwrap_or(true);
    let (deleted, total) = server
        .store
        .write(move |connection| {
            Ok(timeseries::truncate(connection, &entity_type, name, end_time_millis, dry_run)?)
        })
        .await?;
    let value = if dry_run {
        format!(
            "Delete {deleted} out of {total} rows of {name}. This was a dry run. Run with dryRun = false to execute."
        )
    } else {
        format!("Deleted {deleted} out of {total} rows of {name}.")
    };
    Ok(restli::success(&json!({"value": value})))
}
