//! `/openapi/v3/entity`: its routes, and the entity or aspect that a path names.

mod aspect;
mod batch;
mod call;
mod entity;
mod generic;
mod members;
mod scroll;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, Uri};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use percent_encoding::percent_decode_str;

use super::trace;
use crate::authorization::{ApiOperation, Permissions};
use crate::failure::Failure;
use crate::openapi::{self, OpenapiFailure};
use crate::state::ServerState;
use crate::trace::TraceId;
use crate::urn::Urn;
use call::Call;

pub(super) use scroll::BodyFilter;

const PREFIX: &str = "/openapi/v3/entity/";
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The routes of OpenAPI. Only their responses, and GraphQL's, have a trace id.
pub(super) fn router() -> Router<Arc<ServerState>> {
    Router::new()
        .route("/openapi/v3/entity/{*rest}", any(entity_calls))
        .route("/openapi/v2/entity/{type}", get(entities_v2))
        .route("/openapi/v1/trace/write/{*id}", post(trace::show))
        .route_layer(middleware::from_fn(traced))
}

/// Gives a request a trace id, which the response returns in a header.
pub(super) async fn traced(mut request: Request, next: Next) -> Response {
    let traced = TraceId::new().and_then(|id| Ok((id.header()?, id)));
    let (header, id) = match traced {
        Ok(traced) => traced,
        Err(failure) => return OpenapiFailure::from(failure).into_response(),
    };
    request.extensions_mut().insert(id);
    let mut response = next.run(request).await;
    if let Ok(value) = HeaderValue::from_str(&header) {
        response.headers_mut().insert(TRACEPARENT, value);
    }
    response
}

/// The target of a path below [`PREFIX`].
#[derive(Debug, PartialEq, Eq)]
enum PathTarget {
    /// All entities of all types.
    Generic,
    /// All entities of a type, in the path's spelling.
    Type(String),
    /// The entities in the body: grouped by type (`generic`), or a list of any type.
    BatchGet {
        generic: bool,
    },
    /// The result of a search in one type, or in the types of the body.
    Scroll(Option<String>),
    Entity(Urn),
    Aspect(Urn, String),
}

impl PathTarget {
    /// Refuses a call that the caller may not make, as far as the path shows. For all entities of a type, the
    /// permission is checked on the type in the path.
    async fn check(&self, method: &Method, permissions: &Permissions) -> Result<(), Failure> {
        let creates = matches!(self, Self::Type(_) | Self::Aspect(..));
        let operation = match *method {
            Method::POST if creates => ApiOperation::Create,
            Method::PATCH => ApiOperation::Update,
            Method::GET => ApiOperation::Read,
            Method::HEAD => ApiOperation::Exists,
            Method::DELETE => ApiOperation::Delete,
            _ => return Ok(()),
        };
        match self {
            // Checked when the body is read.
            Self::Generic | Self::BatchGet { .. } | Self::Scroll(_) => Ok(()),
            Self::Type(entity_type) => permissions.check_type(operation, entity_type),
            Self::Entity(urn) | Self::Aspect(urn, _) => {
                permissions.check_entities(operation, [urn.clone()]).await
            }
        }
    }
}

/// Splits the path before decoding it: a URN may contain a slash.
fn place(uri: &Uri) -> Result<Option<PathTarget>, Failure> {
    let rest = uri.path().strip_prefix(PREFIX).unwrap_or_default();
    let segments: Vec<_> = rest.split('/').collect();
    let decoded = |text: &str| {
        percent_decode_str(text)
            .decode_utf8()
            .map(std::borrow::Cow::into_owned)
            .map_err(|_| Failure::bad_request("the path is not UTF-8"))
    };
    let urn = |text: &str| {
        let text = decoded(text)?;
        if !text.starts_with("urn:li:") {
            return Ok(None);
        }
        Urn::parse(&text)
            .map(Some)
            .map_err(|_| Failure::bad_request(format!("Invalid urn: {text}: Invalid urn!")))
    };
    Ok(match segments.as_slice() {
        ["generic"] => Some(PathTarget::Generic),
        ["scroll"] => Some(PathTarget::Scroll(None)),
        [entity_type] if !entity_type.is_empty() => Some(PathTarget::Type(decoded(entity_type)?)),
        [entity_type, "scroll"] => Some(PathTarget::Scroll(Some(decoded(entity_type)?))),
        [entity_type, "batchGet"] => Some(PathTarget::BatchGet { generic: *entity_type == "generic" }),
        [_, entity] => urn(entity)?.map(PathTarget::Entity),
        [_, entity, aspect] if !aspect.is_empty() => {
            let aspect = decoded(aspect)?;
            urn(entity)?.map(|urn| PathTarget::Aspect(urn, aspect))
        }
        _ => None,
    })
}

/// `GET /openapi/v2/entity/{type}`
async fn entities_v2(
    State(server): State<Arc<ServerState>>,
    Path(entity_type): Path<String>,
    request: Request,
) -> Result<Response, OpenapiFailure> {
    let permissions =
        request.extensions().get::<Permissions>().cloned().ok_or_else(super::unroutable::nobody)?;
    let call = Call::of(request).await?;
    Ok(scroll::of_type_v2(&server, &permissions, &call, &entity_type).await?)
}

async fn entity_calls(
    State(server): State<Arc<ServerState>>,
    request: Request,
) -> Result<Response, OpenapiFailure> {
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let Some(place) = place(&uri)? else { return Ok(openapi::no_endpoint(&method, &uri)) };
    let permissions =
        request.extensions().get::<Permissions>().cloned().ok_or_else(super::unroutable::nobody)?;
    place.check(&method, &permissions).await?;
    let call = Call::of(request).await?;
    let response = match (place, method) {
        (PathTarget::Generic, Method::POST) => generic::upsert(&server, &permissions, call).await?,
        (PathTarget::Generic, Method::PATCH) => generic::patch(&server, &permissions, call).await?,
        (PathTarget::Type(entity_type), Method::GET) => {
            scroll::of_type(&server, &permissions, &call, &entity_type).await?
        }
        (PathTarget::Scroll(entity_type), Method::POST) => {
            scroll::across_types(&server, &permissions, &call, entity_type).await?
        }
        (PathTarget::Type(_), Method::POST) => batch::upsert(&server, call).await?,
        (PathTarget::Type(_), Method::PATCH) => batch::patch(&server, call).await?,
        (PathTarget::BatchGet { generic: true }, Method::POST) => {
            generic::get(&server, &permissions, &call).await?
        }
        (PathTarget::BatchGet { generic: false }, Method::POST) => {
            batch::get(&server, &permissions, &call).await?
        }
        (PathTarget::Entity(urn), Method::GET) => entity::show(&server, &call, urn).await?,
        (PathTarget::Entity(urn), Method::HEAD) => entity::exists(&server, &urn).await?,
        (PathTarget::Entity(urn), Method::DELETE) => entity::delete(&server, &call, &urn).await?,
        (PathTarget::Aspect(urn, name), Method::GET) => aspect::show(&server, &call, urn, name).await?,
        (PathTarget::Aspect(urn, name), Method::HEAD) => aspect::exists(&server, &urn, &name).await?,
        (PathTarget::Aspect(urn, name), Method::DELETE) => aspect::delete(&server, urn, name).await?,
        (PathTarget::Aspect(urn, name), Method::POST) => aspect::create(&server, call, urn, name).await?,
        (PathTarget::Aspect(urn, name), Method::PATCH) => aspect::patch(&server, call, urn, name).await?,
        (_, method) => openapi::no_endpoint(&method, &uri),
    };
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(path: &str) -> Option<PathTarget> {
        place(&format!("{PREFIX}{path}").parse().unwrap()).unwrap()
    }

    #[test]
    fn a_path_names_a_type_an_entity_or_an_aspect() {
        assert_eq!(at("dataset"), Some(PathTarget::Type("dataset".into())));
        assert_eq!(at("generic"), Some(PathTarget::Generic));
        assert_eq!(at("scroll"), Some(PathTarget::Scroll(None)));
        assert_eq!(at("tag/scroll"), Some(PathTarget::Scroll(Some("tag".into()))));
        assert_eq!(at("dataset/batchGet"), Some(PathTarget::BatchGet { generic: false }));
        assert_eq!(at("generic/batchGet"), Some(PathTarget::BatchGet { generic: true }));
        assert_eq!(at(""), None);
        let urn = Urn::parse("urn:li:tag:a/b?c#d%é").unwrap();
        let encoded = "urn%3Ali%3Atag%3Aa%2Fb%3Fc%23d%25%C3%A9";
        assert_eq!(at(&format!("tag/{encoded}")), Some(PathTarget::Entity(urn.clone())));
        assert_eq!(at(&format!("tag/{encoded}/status")), Some(PathTarget::Aspect(urn, "status".into())));
        assert_eq!(at("tag/urn:li:tag:x"), Some(PathTarget::Entity(Urn::parse("urn:li:tag:x").unwrap())));
        for none in ["tag/x", "tag/x/status", "tag/urn:li:tag:x/status/y", "tag/urn:li:tag:x/"] {
            assert_eq!(at(none), None, "{none}");
        }
        assert!(place(&format!("{PREFIX}tag/urn:li:tag").parse().unwrap()).is_err());
        assert!(place(&format!("{PREFIX}tag/%FF").parse().unwrap()).is_err());
    }
}
