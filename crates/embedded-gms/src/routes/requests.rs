//! `GET /requests`: the request log. GMS does not have this path.

use std::sync::Arc;

use crate::authorization::{Permissions, forbidden};
use crate::failure::Failure;
use crate::request_log::LogQuery;
use crate::restli;
use crate::state::ServerState;
use axum::Extension;
use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;

pub(super) const PATH: &str = "/requests";

/// The logged requests in the order of arrival, as a list. With conditions in the query, the answer is an
/// object with their number, and with the nearest requests if none meets the conditions. Requests for this
/// path are not logged. Only for callers with all permissions.
pub(super) async fn show(
    State(server): State<Arc<ServerState>>,
    Extension(permissions): Extension<Permissions>,
    uri: Uri,
) -> Result<Response, Failure> {
    if !permissions.may_do_everything() {
        return Err(forbidden(format!("User {} is unauthorized to see what arrived", permissions.user())));
    }
    let query = LogQuery::parse(uri.query().unwrap_or_default()).map_err(Failure::bad_request)?;
    let logged = server.request_log.requests();
    Ok(match query {
        None => restli::success(&logged),
        Some(query) => restli::success(&query.answer(logged)),
    })
}
