//! The paths that the server knows.

mod aspects;
mod config;
mod entities;
mod entities_v2;
mod faults;
mod gate;
mod graphql;
mod health;
mod models;
mod openapi_v3;
mod operations;
mod receive;
mod requests;
mod root;
mod runs;
mod timeseries;
mod trace;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{Method, StatusCode, Uri};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use percent_encoding::percent_decode_str;

use super::failure::Failure;
use super::{Server, change, openapi};
use crate::Urn;

pub(super) use gate::Forwarded;
pub(super) use receive::{MAX_UNWANTED, Received, Receiving, Unreceived};

/// The whole server.
pub(super) fn router(server: Arc<Server>) -> Router {
    Router::new()
        .route("/", get(root::show))
        .route("/config", get(config::show))
        .route("/health", get(health::ready))
        .route("/health/live", get(health::ready))
        .route("/health/detailed", get(health::detailed))
        .route("/aspects", post(aspects::act))
        .route("/aspects/", post(aspects::act))
        .route("/aspects/{*urn}", get(aspects::show))
        .route("/entities", post(entities::act))
        .route("/entities/", post(entities::act))
        .route("/entities/{*urn}", get(entities::show))
        .route("/entitiesV2/{*urn}", get(entities_v2::show))
        .route("/operations", post(operations::act))
        .route("/operations/", post(operations::act))
        .route("/runs", post(runs::act))
        .route("/runs/", post(runs::act))
        .route(requests::PATH, get(requests::show))
        .route(faults::PATH, get(faults::show).put(faults::set).delete(faults::clear))
        .route(graphql::PATH, post(graphql::act).layer(middleware::from_fn(openapi_v3::traced)))
        .merge(openapi_v3::router())
        .merge(models::router())
        .fallback(unknown_path)
        .method_not_allowed_fallback(unknown_method)
        // The gate has its own limit; that of the extractors is smaller than a batch.
        .layer(DefaultBodyLimit::disable())
        .layer(middleware::from_fn_with_state(Arc::clone(&server), gate::pass))
        .with_state(server)
}

async fn unknown_path(method: Method, uri: Uri) -> Response {
    if is_openapi(uri.path()) {
        return openapi::no_endpoint(&method, &uri);
    }
    let root = uri.path().trim_start_matches('/').split('/').next().unwrap_or_default();
    let message = format!("No root resource defined for path '/{root}'");
    Failure::new(StatusCode::NOT_FOUND, message).into_response()
}

async fn unknown_method(method: Method, uri: Uri) -> Response {
    if is_openapi(uri.path()) {
        return openapi::no_endpoint(&method, &uri);
    }
    Failure::bad_request(format!("{method} operation not supported for URI: '{uri}'")).into_response()
}

fn is_openapi(path: &str) -> bool {
    path.starts_with("/openapi/")
}

/// A route that is not open, and has no caller: the gate lets nobody through to it.
fn nobody() -> Failure {
    Failure::internal("java.lang.IllegalStateException: nobody calls")
}

/// The answer to an action that the resource does not have.
fn unknown_action(name: Option<&str>, resource: &str, uri: &Uri) -> Failure {
    Failure::bad_request(match name {
        Some(name) => {
            format!("POST operation named {name} not supported on resource '{resource}' URI: '{uri}'")
        }
        None => format!("POST operation not supported on resource '{resource}' URI: '{uri}'"),
    })
}

/// The URN that is the rest of a path, percent-encoded or as it is.
fn path_urn(uri: &Uri, prefix: &str) -> Result<Urn, Failure> {
    let rest = uri.path().strip_prefix(prefix).unwrap_or_default();
    let text = percent_decode_str(rest)
        .decode_utf8()
        .map_err(|_| Failure::bad_request(format!("Invalid URI: {uri}: the path is not UTF-8")))?;
    Urn::parse(&text).map_err(|error| Failure::bad_request(format!("Invalid urn: {error}")))
}

/// What an entity has before anything is written for it: its key aspect.
fn key_of(urn: &Urn) -> Result<String, Failure> {
    change::checked_key(urn).map_err(|failure| Failure::bad_request(failure.message().to_owned()))
}
