//! `GET /requests`: the record of what arrived. It is no path of GMS's.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;

use crate::Server;
use crate::authorization::{Rights, forbidden};
use crate::failure::Failure;
use crate::restli;

pub(super) const PATH: &str = "/requests";

/// The requests in the order of their arrival, as a list; those for this list are not in it. Only for who may do
/// everything.
pub(super) async fn show(
    State(server): State<Arc<Server>>,
    Extension(rights): Extension<Rights>,
) -> Result<Response, Failure> {
    if !rights.is_root() {
        return Err(forbidden(format!("User {} is unauthorized to see what arrived", rights.user())));
    }
    Ok(restli::success(&server.record.requests()))
}
