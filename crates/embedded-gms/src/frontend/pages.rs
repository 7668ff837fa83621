//! What the frontend answers by itself.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use serde_json::json;

use crate::routes::Unreceived;

/// What a browser gets for every path that is none of the others': here nothing runs in it.
pub(super) fn index() -> Response {
    Html(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>DataHub</title></head><body>\
         <div id=\"root\"><p>This is where DataHub's page would be. The GMS in the box of datahub-emitter has none.</p>\
         </div></body></html>\n",
    )
    .into_response()
}

/// Not what GMS says under the same path: by this a client tells that it talks to the frontend.
pub(super) fn config() -> Response {
    let body = json!({
        "status": "ok",
        "config": {"application": "datahub-frontend", "appVersion": env!("CARGO_PKG_VERSION"), "isInternal": false},
    });
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], body.to_string()).into_response()
}

/// 404 for what there is no route for.
pub(super) fn not_found() -> Response {
    (StatusCode::NOT_FOUND, Html("<html><body><h1>Action Not Found</h1></body></html>\n")).into_response()
}

/// The answer to a request whose body is not there.
pub(super) fn unreceived(cause: Unreceived) -> Response {
    match cause {
        Unreceived::TooLong(_) => {
            (cause.status(), Html("<html><body><h1>Request Entity Too Large</h1></body></html>\n"))
                .into_response()
        }
        Unreceived::Late | Unreceived::BrokenOff => cause.status().into_response(),
    }
}

/// 403 for what another site's page may have sent.
pub(super) fn forbidden() -> Response {
    (StatusCode::FORBIDDEN, Html("<html><body><h1>Unauthorized</h1></body></html>\n")).into_response()
}
