//! The routes of the server.

mod aspects;
mod config;
mod contents;
mod entities;
mod entities_v2;
mod faults;
mod gate;
mod graphql;
mod health;
mod models;
mod openapi_v3;
mod operations;
mod path;
mod receive;
mod relationships;
mod requests;
mod root;
mod runs;
mod timeseries;
mod trace;
mod unroutable;

use std::sync::Arc;

use crate::state::ServerState;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::{get, post};

pub(super) use gate::ForwardedRequest;
pub(super) use receive::{BodyError, BodyReader, MAX_UNUSED_BODY, ReceivedBody};

/// The router of the server.
pub(super) fn router(server: Arc<ServerState>) -> Router {
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
        .route("/entitiesV2", get(entities_v2::list))
        .route("/entitiesV2/", get(entities_v2::list))
        .route("/entitiesV2/{*urn}", get(entities_v2::show))
        .route("/operations", post(operations::act))
        .route("/operations/", post(operations::act))
        .route("/runs", post(runs::act))
        .route("/runs/", post(runs::act))
        .route(requests::PATH, get(requests::show))
        .route(contents::RESET_PATH, post(contents::reset))
        .route(contents::SNAPSHOT_PATH, get(contents::export).put(contents::import))
        .route(faults::PATH, get(faults::show).put(faults::set).delete(faults::clear))
        .route(graphql::PATH, post(graphql::act).layer(middleware::from_fn(openapi_v3::traced)))
        .merge(openapi_v3::router())
        .merge(models::router())
        .merge(relationships::router())
        .fallback(unroutable::unknown_path)
        .method_not_allowed_fallback(unroutable::unknown_method)
        // The gate has its own limit; that of the extractors is smaller than a batch.
        .layer(DefaultBodyLimit::disable())
        .layer(middleware::from_fn_with_state(Arc::clone(&server), gate::pass))
        .with_state(server)
}
