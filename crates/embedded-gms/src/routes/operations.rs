//! `/operations`: what an administrator does to the indices, of which there are none here.

use std::sync::Arc;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use serde::Deserialize;
use serde_json::json;

use crate::Urn;
use crate::authorization::{RESTORE_INDICES, Rights, forbidden};
use crate::failure::Failure;
use crate::store::read;
use crate::{Server, proposal, restli};

pub(super) const RESOURCE: &str = "com.linkedin.metadata.resources.operations.OperationsResource";

/// Which aspects; what else a client sends (`start`, `batchSize`) is about going through them in parts.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RestoreIndices {
    aspect: Option<String>,
    urn: Option<String>,
    /// As SQL's `LIKE` has it.
    urn_like: Option<String>,
}

/// `POST /operations?action=…`.
pub(super) async fn act(
    State(server): State<Arc<Server>>,
    Extension(rights): Extension<Rights>,
    uri: Uri,
    body: Bytes,
) -> Result<Response, Failure> {
    match restli::parameter(&uri, "action").as_deref() {
        Some("restoreIndices") => restore_indices(&server, &rights, proposal::parse(&body)?).await,
        action => Err(super::unknown_action(action, RESOURCE, &uri)),
    }
}

/// Every search here looks at the store itself, so nothing is to be done; what is told is how many aspects GMS would have
/// gone through, in a text, as GMS tells it (`resources/operations/Utils.java`).
async fn restore_indices(
    server: &Server,
    rights: &Rights,
    request: RestoreIndices,
) -> Result<Response, Failure> {
    let RestoreIndices { aspect, urn, urn_like } = request;
    let urn = urn.filter(|urn| !urn.is_empty()).map(|urn| Urn::parse(&urn)).transpose();
    let urn = urn.map_err(|error| Failure::bad_request(format!("Invalid urn: {error}")))?;
    let (entity_type, text) = urn.as_ref().map_or(("", ""), |urn| (urn.entity_type(), urn.as_str()));
    if !rights.may_operate(RESTORE_INDICES, entity_type, text) {
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
