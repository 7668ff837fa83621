//! `GET /health`: the server answers only when it is ready, so it is.

use axum::http::StatusCode;

pub(super) async fn ready() -> StatusCode {
    StatusCode::OK
}
