//! `POST /api/graphql`.

use std::sync::Arc;

use crate::authorization::Permissions;
use crate::graphql;
use crate::state::ServerState;
use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

pub(super) const PATH: &str = "/api/graphql";

/// Errors of a query that could be parsed are part of a response with status 200 (`GraphQLController`).
pub(super) async fn act(
    State(server): State<Arc<ServerState>>,
    Extension(permissions): Extension<Permissions>,
    body: Bytes,
) -> Response {
    let (status, response) = graphql::execute(server, permissions, &body).await;
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    match response {
        None => status.into_response(),
        Some(response) => (
            status,
            [(header::CONTENT_TYPE, HeaderValue::from_static("application/json;charset=utf-8"))],
            response.to_string(),
        )
            .into_response(),
    }
}
