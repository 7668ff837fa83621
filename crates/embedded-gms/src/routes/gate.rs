//! The middleware of all requests: logging, authentication, reading the body, fault injection, and refusing
//! unauthenticated callers.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::uri::PathAndQuery;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::path::is_openapi;
use super::receive::{BodyError, BodyReader, MAX_UNUSED_BODY, ReceivedBody};
use super::unroutable::unknown_action;
use super::{aspects, entities, operations, runs};
use crate::actor::Actor;
use crate::authentication::{self, Unauthenticated};
use crate::authorization::forbidden;
use crate::cross_site;
use crate::failure::Failure;
use crate::faults::{self, Action, Fault, FaultInjection};
use crate::ingest::WriteRequest;
use crate::openapi::OpenapiFailure;
use crate::request_log::LogEntry;
use crate::restli;
use crate::state::ServerState;

/// The longest body of a request, in bytes. GMS has no limit; this one bounds the memory of a mistake.
const MAX_BODY: u64 = 64 * 1024 * 1024;

/// Paths for the tests themselves. Requests to them are not logged, and faults do not act on them.
const EXEMPT_PATHS: [&str; 4] =
    [super::requests::PATH, super::faults::PATH, super::contents::RESET_PATH, super::contents::SNAPSHOT_PATH];

/// A request that the frontend forwards.
#[derive(Clone)]
pub(crate) struct ForwardedRequest {
    /// The request as the frontend received it.
    pub(crate) entry: LogEntry,
    pub(crate) caller: Result<Actor, Unauthenticated>,
    /// Replaces the body of the forwarded request, which is empty.
    pub(crate) body: ReceivedBody,
}

/// A request after logging, authentication and reading its body.
struct Arrival {
    /// `None` for exempt paths.
    entry: Option<LogEntry>,
    caller: Result<Actor, Unauthenticated>,
    body: ReceivedBody,
}

impl From<ForwardedRequest> for Arrival {
    fn from(forwarded: ForwardedRequest) -> Self {
        let ForwardedRequest { entry, caller, body } = forwarded;
        Self { entry: Some(entry), caller, body }
    }
}

impl Arrival {
    /// Logs a request, authenticates its caller and reads its body.
    async fn receive(server: &ServerState, parts: &Parts, body: Body) -> Self {
        let path = parts.uri.path();
        let entry = (!is_exempt(path))
            .then(|| server.request_log.arrived(&parts.method, &parts.uri, &parts.headers, false));
        let caller = server.authentication.caller(&parts.headers).await;
        // The body of an unauthenticated caller is read, so that the caller reads the response, but it is
        // not kept: no open path uses a body.
        let unused = caller.is_err() && authentication::is_open(path);
        let max_bytes = if unused { MAX_UNUSED_BODY } else { MAX_BODY };
        let reader = BodyReader { keep: caller.is_ok(), max_bytes, timeout: server.body_timeout };
        let body = reader.read(body).await;
        if let Some(entry) = &entry {
            entry.received(body.bytes);
        }
        Self { entry, caller, body }
    }

    /// The fault that acts on the request, if any.
    fn fault(&self, server: &ServerState, parts: &Parts) -> Option<Fault> {
        if is_exempt(parts.uri.path()) {
            return None;
        }
        let path = parts.uri.path_and_query().map_or(parts.uri.path(), PathAndQuery::as_str);
        server.faults.find(path, self.body.content.as_deref().unwrap_or_default(), self.body.bytes)
    }
}

fn is_exempt(path: &str) -> bool {
    EXEMPT_PATHS.contains(&path)
}

/// Passes a request to `next`, or responds to it.
pub(super) async fn pass(State(server): State<Arc<ServerState>>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    if let Some(refusal) = refuse_foreign_page(&server, &parts) {
        return refusal;
    }
    let arrival = match parts.extensions.remove::<ForwardedRequest>() {
        Some(forwarded) => forwarded.into(),
        None => Arrival::receive(&server, &parts, body).await,
    };
    let fault = arrival.fault(&server, &parts);
    let Arrival { entry, caller, body } = arrival;
    if let Some(entry) = &entry {
        entry.authorised(caller.is_ok());
    }
    let pending = PendingRequest { parts, content: body.content, caller, injection: None };
    let response = match fault {
        Some(fault) => respond_with_fault(&server, fault, pending, next).await,
        None => pending.respond(&server, next).await,
    };
    if let Some(entry) = entry
        && response.extensions().get::<faults::Reset>().is_none()
    {
        entry.responded(response.status().as_u16());
    }
    response
}

/// With authentication off, the right to connect is all that a request needs, and the browser of a user on
/// this machine has it: a page of another site must not use it. A token cannot be sent by such a page.
fn refuse_foreign_page(server: &ServerState, parts: &Parts) -> Option<Response> {
    if server.authentication.enabled() || parts.extensions.get::<ForwardedRequest>().is_some() {
        return None;
    }
    let foreign_host = server.local_only && cross_site::has_foreign_host(&parts.headers);
    (foreign_host || cross_site::is_cross_site(parts)).then(|| {
        forbidden("authentication is off, so requests of other web sites are refused: Origin, Host or Content-Type is that of a foreign page or a form")
            .into_response()
    })
}

/// Responds to a request on which a fault acts.
async fn respond_with_fault(
    server: &ServerState,
    fault: Fault,
    mut pending: PendingRequest,
    next: Next,
) -> Response {
    let uri = &pending.parts.uri;
    match &fault.action {
        Action::Delay(duration) => tokio::time::sleep(*duration).await,
        Action::UnknownAction => {
            let name = restli::parameter(uri, "action");
            return unknown_action(name.as_deref(), resource(uri.path()), uri).into_response();
        }
        Action::Unauthorized => return server.authentication.refuse(Unauthenticated::Unknown, uri.path()),
        Action::ExpireToken => {
            server.authentication.expire_bearer(&pending.parts.headers);
            pending.caller = server.authentication.caller(&pending.parts.headers).await;
        }
        action => {
            if let Some(response) = faults::replacement(action, uri.path()) {
                return response;
            }
        }
    }
    let action = fault.action.clone();
    pending.injection = Some(fault.into());
    faults::altered(&action, pending.respond(server, next).await).await
}

/// The Rest.li resource of a path.
fn resource(path: &str) -> &'static str {
    match path.split('/').nth(1) {
        Some("entities") => entities::RESOURCE,
        Some("operations") => operations::RESOURCE,
        Some("runs") => runs::RESOURCE,
        _ => aspects::RESOURCE,
    }
}

/// A request that no fault has answered.
struct PendingRequest {
    parts: Parts,
    content: Result<Bytes, BodyError>,
    caller: Result<Actor, Unauthenticated>,
    injection: Option<FaultInjection>,
}

impl PendingRequest {
    /// Passes a request to its handler with the caller's permissions, or refuses an unauthenticated caller on
    /// a path that is not open.
    async fn respond(self, server: &ServerState, next: Next) -> Response {
        let spring = is_openapi(self.parts.uri.path());
        self.handle(server, next).await.unwrap_or_else(|failure| {
            if spring { OpenapiFailure::from(failure).into_response() } else { failure.into_response() }
        })
    }

    async fn handle(self, server: &ServerState, next: Next) -> Result<Response, Failure> {
        let Self { mut parts, content, caller, injection } = self;
        let open = authentication::is_open(parts.uri.path());
        match caller {
            Err(unauthenticated) if !open => {
                return Ok(server.authentication.refuse(unauthenticated, parts.uri.path()));
            }
            Err(_) => {}
            Ok(actor) => {
                parts.extensions.insert(server.authorization.permissions(&actor).await?);
                parts.extensions.insert(WriteRequest {
                    actor: actor.clone(),
                    asynchronous: false,
                    injection,
                    trace: None,
                });
                parts.extensions.insert(actor);
            }
        }
        Ok(next.run(Request::from_parts(parts, Body::from(content?))).await)
    }
}
