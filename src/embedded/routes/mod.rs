//! The paths that the server knows, and what every request goes through before it gets there: it is noted, its caller
//! recognised, its body read, a fault played, and a caller without a name refused.

mod aspects;
mod config;
mod entities;
mod entities_v2;
mod graphql;
mod health;
mod openapi_v3;
mod requests;
mod root;
mod runs;
mod timeseries;
mod trace;

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::request::Parts;
use axum::http::uri::PathAndQuery;
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use percent_encoding::percent_decode_str;

use super::authentication::{Actor, Stranger};
use super::failure::Failure;
use super::faults::{self, Action, Fault, Interference};
use super::ingest::Write;
use super::openapi::{self, Refused};
use super::record::Entry;
use super::{MAX_BODY, Server, authentication, change, restli};
use crate::metadata::Urn;

/// How long a client may take between two pieces of its body.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// How much of a body that is too long is still read, so that its sender comes to read the answer.
const MAX_DRAINED: u64 = 4 * MAX_BODY;

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
        .route("/runs", post(runs::act))
        .route("/runs/", post(runs::act))
        .route(requests::PATH, get(requests::show))
        .route(graphql::PATH, post(graphql::act).layer(middleware::from_fn(openapi_v3::traced)))
        .merge(openapi_v3::router())
        .fallback(unknown_path)
        .method_not_allowed_fallback(unknown_method)
        // The gate has its own limit; that of the extractors is smaller than a batch.
        .layer(DefaultBodyLimit::disable())
        .layer(middleware::from_fn_with_state(Arc::clone(&server), gate))
        .with_state(server)
}

async fn gate(State(server): State<Arc<Server>>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let entry = match parts.extensions.get::<Entry>() {
        // The frontend has noted it, as it was sent there.
        Some(entry) => Some(entry.clone()),
        None if parts.uri.path() == requests::PATH => None,
        None => Some(server.record.arrived(&parts.method, &parts.uri, &parts.headers, false)),
    };
    let caller = server.authentication.caller(&parts.headers).await;
    let open = authentication::is_open(parts.uri.path());
    // What a stranger sends is read, so that he can read the answer, but not kept.
    let body = receive(body, caller.is_ok() || open, MAX_BODY).await;
    if let Some(entry) = &entry {
        entry.authorised(caller.is_ok());
        entry.received(body.bytes);
    }
    let path = parts.uri.path().to_owned();
    let query = parts.uri.path_and_query().map_or(path.as_str(), PathAndQuery::as_str);
    let fault = server.faults.find(query, body.content.as_deref().unwrap_or_default());
    let interference = fault.clone().map(Fault::interference);
    let action = fault.map(|fault| fault.action);
    let lost = matches!(action, Some(Action::ResetAfter));
    let answer = match action {
        Some(Action::Status { code, headers, body }) => Some(faults::status(code, &headers, body)),
        Some(Action::Reset) => return faults::reset(),
        Some(Action::Html) => Some(faults::html()),
        Some(Action::Delay(duration)) => {
            tokio::time::sleep(duration).await;
            None
        }
        Some(Action::UnknownAction) => {
            let name = restli::parameter(&parts.uri, "action");
            let resource = if path.starts_with("/entities") { entities::RESOURCE } else { aspects::RESOURCE };
            Some(unknown_action(name.as_deref(), resource, &parts.uri).into_response())
        }
        Some(
            Action::ResetAfter
            | Action::Drop { .. }
            | Action::RejectLater { .. }
            | Action::StayPending { .. },
        )
        | None => None,
    };
    let answer = if let Some(answer) = answer {
        answer
    } else {
        let asked = Asked { parts, content: body.content, caller, open, interference };
        admitted(&server, asked, next).await.unwrap_or_else(|failure| {
            if is_openapi(&path) { Refused::from(failure).into_response() } else { failure.into_response() }
        })
    };
    if lost {
        return faults::reset();
    }
    if let Some(entry) = entry {
        entry.answered(answer.status().as_u16());
    }
    answer
}

/// A request that no fault has answered.
struct Asked {
    parts: Parts,
    content: Result<Bytes, Failure>,
    caller: Result<Actor, Stranger>,
    open: bool,
    interference: Option<Interference>,
}

/// Lets a request through to its handler with what its caller may do, unless he is a stranger and the path is not open.
async fn admitted(server: &Server, asked: Asked, next: Next) -> Result<Response, Failure> {
    let Asked { mut parts, content, caller, open, interference } = asked;
    match caller {
        Err(stranger) if !open => return Ok(server.authentication.refuse(stranger, parts.uri.path())),
        Err(_) => {}
        Ok(actor) => {
            parts.extensions.insert(server.authorization.rights(&actor).await?);
            parts.extensions.insert(Write {
                actor: actor.clone(),
                asynchronous: false,
                interference,
                trace: None,
            });
            parts.extensions.insert(actor);
        }
    }
    Ok(next.run(Request::from_parts(parts, Body::from(content?))).await)
}

/// The body of a request, as far as it came.
pub(super) struct Received {
    pub(super) bytes: u64,
    pub(super) content: Result<Bytes, Failure>,
}

/// Reads a body of at most `longest` bytes. With `keep` false it is counted and thrown away.
pub(super) async fn receive(mut body: Body, keep: bool, longest: u64) -> Received {
    let mut bytes = 0_u64;
    let mut content = Vec::new();
    let failed =
        |bytes, status, message: &str| Received { bytes, content: Err(Failure::new(status, message)) };
    loop {
        let frame = poll_fn(|context| Pin::new(&mut body).poll_frame(context));
        match tokio::time::timeout(BODY_TIMEOUT, frame).await {
            Err(_) => {
                return failed(bytes, StatusCode::REQUEST_TIMEOUT, "the request's body does not come");
            }
            Ok(Some(Err(_))) => {
                return failed(bytes, StatusCode::BAD_REQUEST, "the request's body broke off");
            }
            Ok(Some(Ok(frame))) => {
                let Ok(data) = frame.into_data() else { continue };
                bytes = bytes.saturating_add(data.len() as u64);
                if bytes > MAX_DRAINED {
                    break;
                }
                if bytes > longest {
                    content = Vec::new();
                } else if keep {
                    content.extend_from_slice(&data);
                }
            }
            Ok(None) => break,
        }
    }
    if bytes > longest {
        let message = format!("the request's body is longer than {longest} bytes");
        return failed(bytes, StatusCode::PAYLOAD_TOO_LARGE, &message);
    }
    Received { bytes, content: Ok(content.into()) }
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
