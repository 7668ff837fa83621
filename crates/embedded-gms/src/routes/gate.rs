//! What every request goes through before it gets to its handler: it is noted, its caller recognised, its body read, a
//! fault played, and a caller without a name refused.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::uri::PathAndQuery;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::receive::{MAX_UNWANTED, Received, Receiving, Unreceived};
use super::{aspects, entities, is_openapi, operations, runs, unknown_action};
use crate::authentication::{self, Actor, Stranger};
use crate::failure::Failure;
use crate::faults::{self, Action, Fault, Interference};
use crate::ingest::Write;
use crate::openapi::Refused;
use crate::record::Entry;
use crate::{MAX_BODY, Server, restli};

/// Paths of this server that GMS does not have: a test asks there about the others, and nothing happens to it.
const SPARED: [&str; 2] = [super::requests::PATH, super::faults::PATH];

/// What the frontend has found out about a request that it sends on.
#[derive(Clone)]
pub(crate) struct Forwarded {
    /// As it was sent to the frontend.
    pub(crate) entry: Entry,
    pub(crate) caller: Result<Actor, Stranger>,
    /// In place of the request's own, which is empty.
    pub(crate) body: Received,
}

/// Lets a request through to `next`, or answers it.
pub(super) async fn pass(State(server): State<Arc<Server>>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let spared = SPARED.contains(&parts.uri.path());
    let open = authentication::is_open(parts.uri.path());
    let forwarded = parts.extensions.remove::<Forwarded>();
    let (entry, caller, body) = if let Some(Forwarded { entry, caller, body }) = forwarded {
        (Some(entry), caller, body)
    } else {
        let noted = || server.record.arrived(&parts.method, &parts.uri, &parts.headers, false);
        let entry = (!spared).then(noted);
        let caller = server.authentication.caller(&parts.headers).await;
        // What a stranger sends is read, so that he can read the answer, but not kept: no path that is open to him
        // wants a body.
        let longest = if caller.is_err() && open { MAX_UNWANTED } else { MAX_BODY };
        let receiving = Receiving { keep: caller.is_ok(), longest, patience: server.body_timeout };
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
            return unknown_action(name.as_deref(), resource(uri.path()), uri).into_response();
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

/// What a path is of, as GMS calls it.
fn resource(path: &str) -> &'static str {
    match path.split('/').nth(1) {
        Some("entities") => entities::RESOURCE,
        Some("operations") => operations::RESOURCE,
        Some("runs") => runs::RESOURCE,
        _ => aspects::RESOURCE,
    }
}

/// A request that no fault has answered.
struct Asked {
    parts: Parts,
    content: Result<Bytes, Unreceived>,
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
