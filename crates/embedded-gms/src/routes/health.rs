//! `/health`: the server accepts requests only when it is ready.

use std::time::SystemTime;

use crate::tokens;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// `GET /health` and `/health/live`.
pub(super) async fn ready() -> StatusCode {
    StatusCode::OK
}

/// `GET /health/detailed`.
pub(super) async fn detailed() -> Response {
    let body = json!({
        "bootstrapped": true,
        "elasticsearch": "green",
        "elasticsearch_detail": "the embedded GMS has no Elasticsearch, and needs none",
        "ready": true,
        "timestamp": tokens::milliseconds(SystemTime::now()),
    });
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], body.to_string()).into_response()
}
