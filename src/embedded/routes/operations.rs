//! `/operations`: what an administrator does to the indices, of which there are none here.

use std::sync::Arc;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use serde_json::{Map, Value, json};

use crate::embedded::authorization::{Rights, forbidden};
use crate::embedded::failure::Failure;
use crate::embedded::{Server, proposal, restli};

const RESOURCE: &str = "com.linkedin.metadata.resources.operations.OperationsResource";

/// `POST /operations?action=…`. Every search here looks at the store itself, so nothing is ever to be restored; GMS
/// answers with a text, too.
pub(super) async fn act(
    State(_): State<Arc<Server>>,
    Extension(rights): Extension<Rights>,
    uri: Uri,
    body: Bytes,
) -> Result<Response, Failure> {
    match restli::parameter(&uri, "action").as_deref() {
        Some("restoreIndices") if !rights.may_restore_indices() => {
            Err(forbidden("User is unauthorized to restore indices."))
        }
        Some("restoreIndices") => {
            proposal::parse::<Map<String, Value>>(&body)?;
            Ok(restli::success(&json!({"value": "[RestoreIndicesResult(ignored=0, rowsMigrated=0)]"})))
        }
        action => Err(super::unknown_action(action, RESOURCE, &uri)),
    }
}
