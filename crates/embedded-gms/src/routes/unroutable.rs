//! Requests for which there is no route, action or caller.

use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};

use super::path::is_openapi;
use crate::failure::Failure;
use crate::openapi;

pub(super) async fn unknown_path(method: Method, uri: Uri) -> Response {
    if is_openapi(uri.path()) {
        return openapi::no_endpoint(&method, &uri);
    }
    let root = uri.path().trim_start_matches('/').split('/').next().unwrap_or_default();
    let message = format!("No root resource defined for path '/{root}'");
    Failure::new(StatusCode::NOT_FOUND, message).into_response()
}

pub(super) async fn unknown_method(method: Method, uri: Uri) -> Response {
    if is_openapi(uri.path()) {
        return openapi::no_endpoint(&method, &uri);
    }
    Failure::bad_request(format!("{method} operation not supported for URI: '{uri}'")).into_response()
}

/// A route that needs a caller and has none. The gate prevents this.
pub(super) fn nobody() -> Failure {
    Failure::internal("java.lang.IllegalStateException: nobody calls")
}

/// The failure of an action that the resource does not have.
pub(super) fn unknown_action(name: Option<&str>, resource: &str, uri: &Uri) -> Failure {
    Failure::bad_request(match name {
        Some(name) => {
            format!("POST operation named {name} not supported on resource '{resource}' URI: '{uri}'")
        }
        None => format!("POST operation not supported on resource '{resource}' URI: '{uri}'"),
    })
}
