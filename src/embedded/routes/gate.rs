//! What every request goes through before it gets to its handler: it is noted, its caller recognised, its body read, a
//! fault played, and a caller without a name refused.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::http::uri::PathAndQuery;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::{aspects, entities, is_openapi, unknown_action};
use crate::embedded::authentication::{self, Actor, Stranger};
use crate::embedded::failure::Failure;
use crate::embedded::faults::{self, Action, Fault, Interference};
use crate::embedded::ingest::Write;
use crate::embedded::openapi::Refused;
use crate::embedded::record::Entry;
use crate::embedded::{MAX_BODY, Server, restli};

/// How much of a body that is too long is still read, so that its sender comes to read the answer.
const MAX_DRAINED: u64 = 4 * MAX_BODY;

/// Paths of this server that GMS does not have: a test asks there about the others, and nothing happens to it.
const SPARED: [&str; 2] = [super::requests::PATH, super::faults::PATH];

/// Lets a request through to `next`, or answers it.
pub(super) async fn pass(State(server): State<Arc<Server>>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let spared = SPARED.contains(&parts.uri.path());
    let entry = match parts.extensions.get::<Entry>() {
        // The frontend has noted it, as it was sent there.
        Some(entry) => Some(entry.clone()),
        None if spared => None,
        None => Some(server.record.arrived(&parts.method, &parts.uri, &parts.headers, false)),
    };
    let caller = server.authentication.caller(&parts.headers).await;
    let open = authentication::is_open(parts.uri.path());
    // What a stranger sends is read, so that he can read the answer, but not kept.
    let body = receive(body, caller.is_ok() || open, MAX_BODY, server.body_timeout).await;
    if let Some(entry) = &entry {
        entry.authorised(caller.is_ok());
        entry.received(body.bytes);
    }
    let query = parts.uri.path_and_query().map_or(parts.uri.path(), PathAndQuery::as_str);
    let content = body.content.as_deref().unwrap_or_default();
    let fault = if spared { None } else { server.faults.find(query, content, body.bytes) };
    let asked = Asked { parts, content: body.content, caller, open, interference: None };
    let answer = match fault {
        Some(fault) => faulty(&server, fault, asked, next).await,
        None => asked.admitted(&server, next).await,
    };
    if let Some(entry) = entry
        && answer.extensions().get::<faults::Reset>().is_none()
    {
        entry.answered(answer.status().as_u16());
    }
    answer
}

/// Answers a request on which a fault acts.
async fn faulty(server: &Server, fault: Fault, mut asked: Asked, next: Next) -> Response {
    let uri = &asked.parts.uri;
    match &fault.action {
        Action::Delay(duration) => tokio::time::sleep(*duration).await,
        Action::UnknownAction => {
            let name = restli::parameter(uri, "action");
            let of_entities = uri.path().starts_with("/entities");
            let resource = if of_entities { entities::RESOURCE } else { aspects::RESOURCE };
            return unknown_action(name.as_deref(), resource, uri).into_response();
        }
        Action::Unauthorized => return server.authentication.refuse(Stranger::Unknown, uri.path()),
        Action::ExpireToken => {
            server.authentication.expire_bearer(&asked.parts.headers);
            asked.caller = server.authentication.caller(&asked.parts.headers).await;
        }
        action => {
            if let Some(answer) = faults::instead(action, uri.path()) {
                return answer;
            }
        }
    }
    let action = fault.action.clone();
    asked.interference = Some(fault.interference());
    faults::spoilt(&action, asked.admitted(server, next).await).await
}

/// A request that no fault has answered.
struct Asked {
    parts: Parts,
    content: Result<Bytes, Failure>,
    caller: Result<Actor, Stranger>,
    open: bool,
    interference: Option<Interference>,
}

impl Asked {
    /// Lets a request through to its handler with what its caller may do, unless he is a stranger and the path is not
    /// open.
    async fn admitted(self, server: &Server, next: Next) -> Response {
        let spring = is_openapi(self.parts.uri.path());
        self.handled(server, next).await.unwrap_or_else(|failure| {
            if spring { Refused::from(failure).into_response() } else { failure.into_response() }
        })
    }

    async fn handled(self, server: &Server, next: Next) -> Result<Response, Failure> {
        let Self { mut parts, content, caller, open, interference } = self;
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
}

/// The body of a request, as far as it came.
pub(in crate::embedded) struct Received {
    pub(in crate::embedded) bytes: u64,
    pub(in crate::embedded) content: Result<Bytes, Failure>,
}

/// Reads a body of at most `longest` bytes, whose sender may take that long between two pieces. With `keep` false it is
/// counted and thrown away.
pub(in crate::embedded) async fn receive(
    mut body: Body,
    keep: bool,
    longest: u64,
    patience: Duration,
) -> Received {
    let mut bytes = 0_u64;
    let mut content = Vec::new();
    let failed =
        |bytes, status, message: &str| Received { bytes, content: Err(Failure::new(status, message)) };
    loop {
        let frame = poll_fn(|context| Pin::new(&mut body).poll_frame(context));
        match tokio::time::timeout(patience, frame).await {
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
