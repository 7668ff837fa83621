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
use super::receive::{BodyError, BodyReader, MAX_UNWANTED, ReceivedBody};
use super::unroutable::unknown_action;
use super::{aspects, entities, operations, runs};
use crate::actor::Actor;
use crate::authentication::{self, Unauthenticated};
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
const EXEMPT_PATHS: [&str; 2] = [super::requests::PATH, super::faults::PATH];

/// A request that the frontend forwards.
#[derive(Clone)]
pub(crate) struct ForwardedRequest {
    /// The request as the frontend received it.
    pub(crate) entry: LogEntry,
    pub(crate) caller: Result<Actor, Unauthenticated>,
    /// Replaces the body of the forwarded request, which is empty.
    pub(crate) body: ReceivedBody,
}

/// Passes a request to `next`, or responds to it.
pub(super) async fn pass(State(server): State<Arc<ServerState>>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let exempt = EXEMPT_PATHS.contains(&parts.uri.path());
    let open = authentication::is_open(parts.uri.path());
    let forwarded = parts.extensions.remove::<ForwardedRequest>();
    let (entry, caller, body) = if let Some(ForwardedRequest { entry, caller, body }) = forwarded {
        (Some(entry), caller, body)
    } else {
        let noted = || server.request_log.arrived(&parts.method, &parts.uri, &parts.headers, false);
        let entry = (!exempt).then(noted);
        let caller = server.authentication.caller(&parts.headers).await;
        // The body of an unauthenticated caller is read, so that the caller reads the response, but it is
        // not kept: no open path uses a body.
        let longest = if caller.is_err() && open { MAX_UNWANTED } else { MAX_BODY };
        let receiving = BodyReader { keep: caller.is_ok(), longest, timeout: server.body_timeout };
        let body = receiving.all_of(body).await;
        if let Some(entry) = &entry {
            entry.received(body.bytes);
        }
        (entry, caller, body)
    };
    if let Some(entry) = &entry {
        entry.authorised(caller.is_ok());
    }
    let query = parts.uri.path_and_query().map_or(parts.uri.path(), PathAndQuery::as_str);
    let content = body.content.as_deref().unwrap_or_default();
    let fault = if exempt { None } else { server.faults.find(query, content, body.bytes) };
    let pending = PendingRequest { parts, content: body.content, caller, open, injection: None };
    let answer = match fault {
        Some(fault) => faulty(&server, fault, pending, next).await,
        None => pending.admitted(&server, next).await,
    };
    if let Some(entry) = entry
        && answer.extensions().get::<faults::Reset>().is_none()
    {
        entry.answered(answer.status().as_u16());
    }
    answer
}

/// Responds to a request on which a fault acts.
async fn faulty(server: &ServerState, fault: Fault, mut pending: PendingRequest, next: Next) -> Response {
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
            if let Some(answer) = faults::replacement(action, uri.path()) {
                return answer;
            }
        }
    }
    let action = fault.action.clone();
    pending.injection = Some(fault.into());
    faults::altered(&action, pending.admitted(server, next).await).await
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
    open: bool,
    injection: Option<FaultInjection>,
}

impl PendingRequest {
    /// Passes a request to its handler with the caller's permissions, or refuses an unauthenticated caller on
    /// a path that is not open.
    async fn admitted(self, server: &ServerState, next: Next) -> Response {
        let spring = is_openapi(self.parts.uri.path());
        self.handled(server, next).await.unwrap_or_else(|failure| {
            if spring { OpenapiFailure::from(failure).into_response() } else { failure.into_response() }
        })
    }

    async fn handled(self, server: &ServerState, next: Next) -> Result<Response, Failure> {
        let Self { mut parts, content, caller, open, injection } = self;
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
