//! `/faults`: the faults of a running server. GMS does not have this path; only callers with all permissions
//! may use it.

use std::sync::Arc;

use crate::authorization::{Permissions, forbidden};
use crate::failure::Failure;
use crate::faults::Fault;
use crate::restli;
use crate::state::ServerState;
use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use serde_json::json;

pub(super) const PATH: &str = "/faults";

/// The longest document, in bytes.
const MAX_BYTES: usize = 1024 * 1024;

/// `GET /faults`: the faults, and how often each has matched and acted.
pub(super) async fn show(
    State(server): State<Arc<ServerState>>,
    Extension(permissions): Extension<Permissions>,
) -> Result<Response, Failure> {
    check(&permissions)?;
    Ok(states(&server))
}

/// `PUT /faults`: replaces all faults by those of a document in the form of `--faults`.
pub(super) async fn set(
    State(server): State<Arc<ServerState>>,
    Extension(permissions): Extension<Permissions>,
    body: Bytes,
) -> Result<Response, Failure> {
    check(&permissions)?;
    if body.len() > MAX_BYTES {
        return Err(Failure::bad_request(format!("the document is longer than {MAX_BYTES} bytes")));
    }
    let text = std::str::from_utf8(&body).map_err(|error| Failure::bad_request(error.to_string()))?;
    let faults = Fault::parse(text).map_err(|error| Failure::bad_request(error.to_string()))?;
    server.faults.replace(faults);
    Ok(states(&server))
}

/// `DELETE /faults`: removes all faults.
pub(super) async fn clear(
    State(server): State<Arc<ServerState>>,
    Extension(permissions): Extension<Permissions>,
) -> Result<Response, Failure> {
    check(&permissions)?;
    server.faults.clear();
    Ok(states(&server))
}

fn states(server: &ServerState) -> Response {
    restli::success(&json!({"faults": server.faults.statuses()}))
}

fn check(permissions: &Permissions) -> Result<(), Failure> {
    if permissions.may_do_everything() {
        return Ok(());
    }
    Err(forbidden(format!("User {} is unauthorized to set faults", permissions.user())))
}
