//! `GET /requests`: the request log. GMS does not have this path.

use std::sync::Arc;

use crate::authorization::{Permissions, forbidden};
use crate::failure::Failure;
use crate::restli;
use crate::state::ServerState;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;

pub(super) const PATH: &str = "/requests";

/// The logged requests in the order of arrival; requests for this list are not logged. Only for callers with
/// all permissions.
pub(super) async fn show(
    State(server): State<Arc<ServerState>>,
    Extension(permissions): Extension<Permissions>,
) -> Result<Response, Failure> {
    if !permissions.may_do_everything() {
        return Err(forbidden(format!("User {} is unauthorized to see what arrived", permissions.user())));
    }
    Ok(restli::success(&server.request_log.requests()))
}
