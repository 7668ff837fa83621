//! Responses of the frontend itself.

use crate::routes::BodyError;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use serde_json::json;

/// The page for all other paths.
pub(super) fn index() -> Response {
    Html(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>DataHub</title></head><body>\
         <div id=\"root\"><p>This is where DataHub's page would be. The GMS in the box of datahub-emitter has none.</p>\
         </div></body></html>\n",
    )
    .into_response()
}

/// Differs from GMS's response on the same path, so that a client can recognize the frontend.
pub(super) fn config() -> Response {
    let body = json!({
        "status": "ok",
        "config": {"application": "datahub-frontend", "appVersion": env!("CARGO_PKG_VERSION"), "isInternal": false},
    });
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], body.to_string()).into_response()
}

/// 404 for an unknown route.
pub(super) fn not_found() -> Response {
    (StatusCode::NOT_FOUND, Html("<html><body><h1>Action Not Found</h1></body></html>\n")).into_response()
}

/// The response to a request whose body was not received.
pub(super) fn body_error(cause: BodyError) -> Response {
    match cause {
        BodyError::TooLong(_) => {
            (cause.status(), Html("<html><body><h1>Request Entity Too Large</h1></body></html>\n"))
                .into_response()
        }
        BodyError::Late | BodyError::BrokenOff => cause.status().into_response(),
    }
}

/// 403 for a request that another site may have caused.
pub(super) fn forbidden() -> Response {
    (StatusCode::FORBIDDEN, Html("<html><body><h1>Unauthorized</h1></body></html>\n")).into_response()
}
