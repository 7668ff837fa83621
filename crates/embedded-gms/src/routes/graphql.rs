//! `POST /api/graphql`.

use std::sync::Arc;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::authorization::Rights;
use crate::{Server, graphql};

pub(super) const PATH: &str = "/api/graphql";

/// All that went wrong with a query that could be read is 200, and stands in the answer (`GraphQLController`).
pub(super) async fn act(
    State(server): State<Arc<Server>>,
    Extension(rights): Extension<Rights>,
    body: Bytes,
) -> Response {
    let (status, answer) = graphql::answer(server, rights, &body).await;
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    match answer {
        None => status.into_response(),
        Some(answer) => (
            status,
            [(header::CONTENT_TYPE, HeaderValue::from_static("application/json;charset=utf-8"))],
            answer.to_string(),
        )
            .into_response(),
    }
}
