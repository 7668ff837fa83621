//! `/openapi/v3/entity`: its routes, and the place in their paths that an entity or an aspect has.

mod aspect;
mod batch;
mod entity;
mod generic;
mod members;
mod scroll;

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method, Uri};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, post};
use percent_encoding::percent_decode_str;
use serde_json::value::RawValue;

use super::trace;
use crate::Server;
use crate::Urn;
use crate::authorization::{Operation, Rights};
use crate::failure::Failure;
use crate::ingest::Write;
use crate::openapi::{self, Refused};
use crate::trace::TraceId;
use members::Members;

const PREFIX: &str = "/openapi/v3/entity/";
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The routes of OpenAPI. Their answers bear a trace id, and no other answers of the server do.
pub(super) fn router() -> Router<Arc<Server>> {
    Router::new()
        .route("/openapi/v3/entity/{*rest}", any(entity_calls))
        .route("/openapi/v1/trace/write/{*id}", post(trace::show))
        .route_layer(middleware::from_fn(traced))
}

/// Gives a request a trace id, and its answer the header that tells it.
pub(super) async fn traced(mut request: Request, next: Next) -> Response {
    let traced = TraceId::new().and_then(|id| Ok((id.header()?, id)));
    let (header, id) = match traced {
        Ok(traced) => traced,
        Err(failure) => return Refused::from(failure).into_response(),
    };
    request.extensions_mut().insert(id);
    let mut response = next.run(request).await;
    if let Ok(value) = HeaderValue::from_str(&header) {
        response.headers_mut().insert(TRACEPARENT, value);
    }
    response
}

/// What a path below [`PREFIX`] names.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    /// All entities of all types.
    Generic,
    /// All entities of a type, as the path names it.
    Type(String),
    /// The entities that the body names, of several types each under its name, or of any.
    BatchGet {
        generic: bool,
    },
    /// What is found, of one type or of those that the body names.
    Scroll(Option<String>),
    Entity(Urn),
    Aspect(Urn, String),
}

impl Place {
    /// Refuses a call that its caller may not make, as far as the path tells. What concerns all entities of a type is
    /// asked of the type that the path names.
    async fn check(&self, method: &Method, rights: &Rights) -> Result<(), Failure> {
        let creates = matches!(self, Self::Type(_) | Self::Aspect(..));
        let operation = match *method {
            Method::POST if creates => Operation::Create,
            Method::PATCH => Operation::Update,
            Method::GET => Operation::Read,
            Method::HEAD => Operation::Exists,
            Method::DELETE => Operation::Delete,
            _ => return Ok(()),
        };
        match self {
            // The body tells.
            Self::Generic | Self::BatchGet { .. } | Self::Scroll(_) => Ok(()),
            Self::Type(entity_type) => rights.check_type(operation, entity_type),
            Self::Entity(urn) | Self::Aspect(urn, _) => rights.check_entities(operation, [urn.clone()]).await,
        }
    }
}

/// A URN may hold anything, also what separates the segments of a path, so the path is taken apart before it is decoded.
fn place(uri: &Uri) -> Result<Option<Place>, Failure> {
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
        ["generic"] => Some(Place::Generic),
        ["scroll"] => Some(Place::Scroll(None)),
        [entity_type] if !entity_type.is_empty() => Some(Place::Type(decoded(entity_type)?)),
        [entity_type, "scroll"] => Some(Place::Scroll(Some(decoded(entity_type)?))),
        [entity_type, "batchGet"] => Some(Place::BatchGet { generic: *entity_type == "generic" }),
        [_, entity] => urn(entity)?.map(Place::Entity),
        [_, entity, aspect] if !aspect.is_empty() => {
            let aspect = decoded(aspect)?;
            urn(entity)?.map(|urn| Place::Aspect(urn, aspect))
        }
        _ => None,
    })
}

/// A request: its query, its body, and how what it writes is written.
#[derive(Debug)]
struct Call {
    uri: Uri,
    body: Bytes,
    write: Write,
}

impl Call {
    async fn of(request: Request) -> Result<Self, Failure> {
        let (parts, body) = request.into_parts();
        let mut write = parts.extensions.get::<Write>().cloned().ok_or_else(super::nobody)?;
        write.trace = parts.extensions.get::<TraceId>().cloned();
        // It has been read once, and found short enough.
        let body = axum::body::to_bytes(body, usize::MAX)
            .await
            .map_err(|error| Failure::bad_request(error.to_string()))?;
        Ok(Self { uri: parts.uri, body, write })
    }

    /// The body as JSON text.
    ///
    /// # Errors
    /// 400 when it is empty, or not JSON.
    fn json(&self) -> Result<&RawValue, Failure> {
        if self.body.is_empty() {
            return Err(malformed());
        }
        serde_json::from_slice(&self.body).map_err(|error| Failure::json(error.to_string()))
    }

    fn flag(&self, name: &str, default: bool) -> Result<bool, Failure> {
        openapi::flag(&self.uri, name, default)
    }
}

/// 400 for a body that Spring does not make anything of.
fn malformed() -> Failure {
    Failure::bad_request("Malformed request body")
}

async fn entity_calls(State(server): State<Arc<Server>>, request: Request) -> Result<Response, Refused> {
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let Some(place) = place(&uri)? else { return Ok(openapi::no_endpoint(&method, &uri)) };
    let rights = request.extensions().get::<Rights>().cloned().ok_or_else(super::nobody)?;
    place.check(&method, &rights).await?;
    let call = Call::of(request).await?;
    let answer = match (place, method) {
        (Place::Generic, Method::POST) => generic::upsert(&server, &rights, call).await?,
        (Place::Generic, Method::PATCH) => generic::patch(&server, &rights, call).await?,
        (Place::Type(entity_type), Method::GET) => {
            scroll::of_type(&server, &rights, &call, &entity_type).await?
        }
        (Place::Scroll(entity_type), Method::POST) => {
            scroll::across_types(&server, &rights, &call, entity_type).await?
        }
        (Place::Type(_), Method::POST) => batch::upsert(&server, call).await?,
        (Place::Type(_), Method::PATCH) => batch::patch(&server, call).await?,
        (Place::BatchGet { generic: true }, Method::POST) => generic::get(&server, &rights, &call).await?,
        (Place::BatchGet { generic: false }, Method::POST) => batch::get(&server, &rights, &call).await?,
        (Place::Entity(urn), Method::GET) => entity::show(&server, &call, urn).await?,
        (Place::Entity(urn), Method::HEAD) => entity::exists(&server, &urn).await?,
        (Place::Entity(urn), Method::DELETE) => entity::delete(&server, &call, &urn).await?,
        (Place::Aspect(urn, name), Method::GET) => aspect::show(&server, &call, urn, name).await?,
        (Place::Aspect(urn, name), Method::HEAD) => aspect::exists(&server, &urn, &name).await?,
        (Place::Aspect(urn, name), Method::DELETE) => aspect::delete(&server, urn, name).await?,
        (Place::Aspect(urn, name), Method::POST) => aspect::create(&server, call, urn, name).await?,
        (Place::Aspect(urn, name), Method::PATCH) => aspect::patch(&server, call, urn, name).await?,
        (_, method) => openapi::no_endpoint(&method, &uri),
    };
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(path: &str) -> Option<Place> {
        place(&format!("{PREFIX}{path}").parse().unwrap()).unwrap()
    }

    #[test]
    fn a_path_names_a_type_an_entity_or_an_aspect() {
        assert_eq!(at("dataset"), Some(Place::Type("dataset".into())));
        assert_eq!(at("generic"), Some(Place::Generic));
        assert_eq!(at("scroll"), Some(Place::Scroll(None)));
        assert_eq!(at("tag/scroll"), Some(Place::Scroll(Some("tag".into()))));
        assert_eq!(at("dataset/batchGet"), Some(Place::BatchGet { generic: false }));
        assert_eq!(at("generic/batchGet"), Some(Place::BatchGet { generic: true }));
        assert_eq!(at(""), None);
        let urn = Urn::parse("urn:li:tag:a/b?c#d%é").unwrap();
        let encoded = "urn%3Ali%3Atag%3Aa%2Fb%3Fc%23d%25%C3%A9";
        assert_eq!(at(&format!("tag/{encoded}")), Some(Place::Entity(urn.clone())));
        assert_eq!(at(&format!("tag/{encoded}/status")), Some(Place::Aspect(urn, "status".into())));
        assert_eq!(at("tag/urn:li:tag:x"), Some(Place::Entity(Urn::parse("urn:li:tag:x").unwrap())));
        for none in ["tag/x", "tag/x/status", "tag/urn:li:tag:x/status/y", "tag/urn:li:tag:x/"] {
            assert_eq!(at(none), None, "{none}");
        }
        assert!(place(&format!("{PREFIX}tag/urn:li:tag").parse().unwrap()).is_err());
        assert!(place(&format!("{PREFIX}tag/%FF").parse().unwrap()).is_err());
    }
}
