//! `/openapi/v1/registry/models`: the registered entity types and aspects (`EntityRegistryController`).
//!
//! The annotations of fields, which GMS returns too, are not supported.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::authorization::{MANAGE_SYSTEM_OPERATIONS, Permissions};
use crate::failure::Failure;
use crate::openapi::{self, OpenapiFailure};
use crate::registry::RegisteredType;
use crate::state::ServerState;
use crate::{keys, model, restli};
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, Uri};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use serde::Serialize;

/// The default page sizes.
const ENTITY_TYPES: usize = 5;
const ASPECTS: usize = 20;

pub(super) fn router() -> Router<Arc<ServerState>> {
    Router::new()
        .route("/openapi/v1/registry/models/entity/specifications", get(entity_types))
        .route("/openapi/v1/registry/models/entity/specifications/{name}", get(entity_type))
        .route("/openapi/v1/registry/models/entity/specifications/{name}/aspects", get(aspects_of))
        .route("/openapi/v1/registry/models/aspect/specifications", get(aspects))
        .route("/openapi/v1/registry/models/aspect/specifications/{name}", get(aspect))
        .route_layer(middleware::from_fn(for_operators))
}

/// `EntitySpecDto`
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EntitySpecification<'a> {
    name: &'a str,
    entity_annotation: EntityAnnotation<'a>,
    key_aspect_name: String,
    key_aspect_spec: AspectSpecification,
    aspect_specs: Vec<AspectSpecification>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EntityAnnotation<'a> {
    name: &'a str,
    key_aspect: String,
}

/// `EntitySpecResponse`
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShortSpecification<'a> {
    name: &'a str,
    aspect_specs: Vec<AspectSpecification>,
}

/// `AspectSpecDto`
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AspectSpecification {
    aspect_annotation: AspectAnnotation,
}

#[derive(Serialize)]
struct AspectAnnotation {
    name: String,
    timeseries: bool,
}

/// `PaginatedResponse`
#[derive(Serialize)]
struct SpecificationPage<T> {
    elements: Vec<T>,
    start: usize,
    count: usize,
    total: usize,
}

impl<'a> EntitySpecification<'a> {
    fn of(known: &'a RegisteredType) -> Self {
        let key = keys::aspect_name(known.name());
        Self {
            name: known.name(),
            entity_annotation: EntityAnnotation { name: known.name(), key_aspect: key.clone().into_owned() },
            key_aspect_spec: AspectSpecification::of(&key),
            key_aspect_name: key.into_owned(),
            aspect_specs: known.aspects().map(AspectSpecification::of).collect(),
        }
    }
}

impl AspectSpecification {
    fn of(name: &str) -> Self {
        Self {
            aspect_annotation: AspectAnnotation {
                name: name.to_owned(),
                timeseries: model::is_timeseries(name),
            },
        }
    }
}

impl<T> SpecificationPage<T> {
    /// The page of `all` that the query selects.
    ///
    /// # Errors
    /// 400 if it starts after the last element, or a parameter is not a number.
    fn of<A>(all: &[A], uri: &Uri, count: usize, make: impl Fn(&A) -> T) -> Result<Self, Failure> {
        let number = |name, default| match restli::parameter(uri, name) {
            None => Ok(default),
            Some(text) => text
                .parse()
                .map_err(|_| Failure::bad_request(format!("Invalid value [{text}] of parameter {name}"))),
        };
        let (start, count): (usize, usize) = (number("start", 0)?, number("count", count)?);
        let last = all.len().saturating_sub(1);
        if start > last {
            return Err(Failure::bad_request(format!("Start offset {start} exceeds total {last}")));
        }
        let elements: Vec<_> = all.iter().skip(start).take(count).map(make).collect();
        Ok(Self { start, count: elements.len(), total: all.len(), elements })
    }
}

/// Refuses callers without the privilege, without a body.
async fn for_operators(
    Extension(permissions): Extension<Permissions>,
    request: Request,
    next: Next,
) -> Response {
    if permissions.may_operate(MANAGE_SYSTEM_OPERATIONS, "", "") {
        next.run(request).await
    } else {
        StatusCode::FORBIDDEN.into_response()
    }
}

fn found(value: Option<impl Serialize>) -> Response {
    value.map_or_else(
        || StatusCode::NOT_FOUND.into_response(),
        |value| openapi::respond(StatusCode::OK, &value),
    )
}

async fn entity_types(State(server): State<Arc<ServerState>>, uri: Uri) -> Result<Response, OpenapiFailure> {
    let all: Vec<_> = server.registry.types().collect();
    Ok(found(Some(SpecificationPage::of(&all, &uri, ENTITY_TYPES, |known| EntitySpecification::of(known))?)))
}

async fn entity_type(State(server): State<Arc<ServerState>>, Path(name): Path<String>) -> Response {
    found(server.registry.of_type(&name).ok().map(|known| ShortSpecification {
        name: known.name(),
        aspect_specs: known.aspects().map(AspectSpecification::of).collect(),
    }))
}

async fn aspects_of(State(server): State<Arc<ServerState>>, Path(name): Path<String>) -> Response {
    found(server.registry.of_type(&name).ok().map(|known| {
        let specification = |aspect| (aspect, AspectSpecification::of(aspect));
        known.aspects().map(specification).collect::<BTreeMap<_, _>>()
    }))
}

async fn aspects(State(server): State<Arc<ServerState>>, uri: Uri) -> Result<Response, OpenapiFailure> {
    let all: Vec<_> = server.registry.aspects().into_iter().collect();
    Ok(found(Some(SpecificationPage::of(&all, &uri, ASPECTS, |name| AspectSpecification::of(name))?)))
}

async fn aspect(State(server): State<Arc<ServerState>>, Path(name): Path<String>) -> Response {
    found(server.registry.aspects().contains(name.as_str()).then(|| AspectSpecification::of(&name)))
}
