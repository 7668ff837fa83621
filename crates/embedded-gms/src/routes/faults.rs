//! `/faults`: what goes wrong, while the server runs. It is no path of GMS's, and only for who may do everything.

use std::sync::Arc;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use serde_json::json;

use crate::authorization::{Rights, forbidden};
use crate::failure::Failure;
use crate::faults::Fault;
use crate::{Server, restli};

pub(super) const PATH: &str = "/faults";

/// The longest document, in bytes.
const LONGEST: usize = 1024 * 1024;

/// `GET /faults`: what is set, and how often each fault has matched and acted.
pub(super) async fn show(
    State(server): State<Arc<Server>>,
    Extension(rights): Extension<Rights>,
) -> Result<Response, Failure> {
    check(&rights)?;
    Ok(states(&server))
}

/// `PUT /faults`: sets those of a document, as `--faults` reads it, in place of all others.
pub(super) async fn set(
    State(server): State<Arc<Server>>,
    Extension(rights): Extension<Rights>,
    body: Bytes,
) -> Result<Response, Failure> {
    check(&rights)?;
    if body.len() > LONGEST {
        return Err(Failure::bad_request(format!("the document is longer than {LONGEST} bytes")));
    }
    let text = std::str::from_utf8(&body).map_err(|error| Failure::bad_request(error.to_string()))?;
    let faults = Fault::parse(text).map_err(|error| Failure::bad_request(error.to_string()))?;
    server.faults.replace(faults);
    Ok(states(&server))
}

/// `DELETE /faults`: removes all.
pub(super) async fn clear(
    State(server): State<Arc<Server>>,
    Extension(rights): Extension<Rights>,
) -> Result<Response, Failure> {
    check(&rights)?;
    server.faults.clear();
    Ok(states(&server))
}

fn states(server: &Server) -> Response {
    restli::success(&json!({"faults": server.faults.states()}))
}

fn check(rights: &Rights) -> Result<(), Failure> {
    if rights.is_root() {
        return Ok(());
    }
    Err(forbidden(format!("User {} is unauthorized to set faults", rights.user())))
}
