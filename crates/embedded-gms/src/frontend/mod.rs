//! DataHub's frontend, as far as programs use it: the login, and the proxy to GMS
//! (`datahub-frontend/conf/routes`, `Application`, `Authenticator`).

mod log_in;
mod log_in_limit;
mod pages;
mod session;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;

use crate::cross_site::is_cross_site;
use crate::request_log::LogEntry;
use crate::routes::{BodyReader, ForwardedRequest, MAX_UNUSED_BODY, ReceivedBody};
use crate::state::ServerState;
pub(crate) use log_in_limit::LogInLimit;
use session::LoggedIn;

/// The longest body of a request, in bytes (`play.http.parser.maxMemoryBuffer`, 10MB).
const MAX_BODY: u64 = 10_000_000;

/// The longest body of a login, in bytes. DataHub has no separate limit; this one bounds what unauthenticated
/// clients can send.
const MAX_LOG_IN: u64 = 64 * 1024;

/// The state of the frontend.
#[derive(Clone)]
struct Frontend {
    server: Arc<ServerState>,
    /// The GMS behind it.
    gms: TowerToHyperService<Router>,
    /// The frontend's own switch (`METADATA_SERVICE_AUTH_ENABLED`). With it off, only a session counts.
    authentication: bool,
}

/// The frontend in front of `gms`.
pub(super) fn router(server: Arc<ServerState>, gms: Router, authentication: bool) -> Router {
    let frontend = Frontend { server, gms: TowerToHyperService::new(gms), authentication };
    Router::new().fallback(handle).with_state(frontend)
}

async fn handle(State(frontend): State<Frontend>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let record = &frontend.server.request_log;
    let entry = record.arrived(&parts.method, &parts.uri, &parts.headers, true);
    let session = session::of(&frontend.server, &parts.headers);
    let wanted = destination(&parts.method, &parts.uri);
    let timeout = frontend.server.body_timeout;
    let response = match wanted {
        Destination::Gms(uri) => match frontend.prepare(&mut parts, &entry, body, session).await {
            Ok(forwarded) => {
                parts.uri = uri;
                return frontend.forward(parts, forwarded).await;
            }
            Err(refusal) => refusal,
        },
        Destination::LogIn => {
            let reader = BodyReader { keep: true, max_bytes: MAX_LOG_IN, timeout };
            match log_received(&entry, reader.read(body).await).content {
                Ok(content) => {
                    let response = log_in::act(&frontend.server, &parts, &content).await;
                    entry.authorised(response.status().is_success());
                    response
                }
                Err(cause) => pages::body_error(cause),
            }
        }
        Destination::Page(page) => {
            let reader = BodyReader { keep: false, max_bytes: MAX_UNUSED_BODY, timeout };
            log_received(&entry, reader.read(body).await).content.map_or_else(pages::body_error, |_| page)
        }
    };
    entry.responded(response.status().as_u16());
    response
}

fn log_received(entry: &LogEntry, body: ReceivedBody) -> ReceivedBody {
    entry.received(body.bytes);
    body
}

/// The destination of a request.
enum Destination {
    /// GMS, with this URI.
    Gms(Uri),
    LogIn,
    /// None: the response is known.
    Page(Response),
}

fn destination(method: &Method, uri: &Uri) -> Destination {
    let path = uri.path();
    let usual = [Method::GET, Method::POST, Method::PUT, Method::DELETE].contains(method);
    let proxied = path.starts_with("/openapi/") && (usual || [Method::HEAD, Method::PATCH].contains(method))
        || path.starts_with("/api/") && usual;
    if proxied {
        return gms_uri(uri)
            .map_or_else(|| Destination::Page(StatusCode::BAD_REQUEST.into_response()), Destination::Gms);
    }
    if path.starts_with("/api/") || path.starts_with("/openapi/") {
        return Destination::Page(pages::not_found());
    }
    match (method.as_str(), path) {
        ("POST", "/logIn") => Destination::LogIn,
        ("GET" | "HEAD", "/config") => Destination::Page(pages::config()),
        ("GET" | "HEAD", "/health" | "/admin") => Destination::Page("GOOD".into_response()),
        ("GET" | "HEAD", _) => Destination::Page(pages::index()),
        _ => Destination::Page(pages::not_found()),
    }
}

/// The URI at GMS. With a query, the old path of GraphQL is not mapped.
fn gms_uri(uri: &Uri) -> Option<Uri> {
    let text = uri.path_and_query()?.as_str();
    let mapped = if text == "/api/v2/graphql" {
        "/api/graphql".to_owned()
    } else if let Some(rest) = text.strip_prefix("/api/gms/") {
        format!("/{rest}")
    } else {
        text.to_owned()
    };
    mapped.parse().ok()
}

impl Frontend {
    /// Prepares a request for forwarding.
    ///
    /// # Errors
    /// The response, if the request is not forwarded.
    async fn prepare(
        &self,
        parts: &mut Parts,
        entry: &LogEntry,
        body: Body,
        session: Option<LoggedIn>,
    ) -> Result<ForwardedRequest, Response> {
        let foreign = session.is_some() && is_cross_site(parts);
        let admitted =
            session.is_some() || self.authentication && parts.headers.contains_key(header::AUTHORIZATION);
        let host = parts.headers.get(header::HOST).cloned();
        set_forwarded_headers(&mut parts.headers, host, session);
        let caller = self.server.authentication.caller(&parts.headers).await;
        let reader = BodyReader {
            // GMS does not use the body of an unauthenticated caller.
            keep: admitted && !foreign && caller.is_ok(),
            max_bytes: MAX_BODY,
            timeout: self.server.body_timeout,
        };
        let body = log_received(entry, reader.read(body).await);
        match body.content {
            _ if !admitted => Err(StatusCode::UNAUTHORIZED.into_response()),
            Err(cause) => Err(pages::body_error(cause)),
            Ok(_) if foreign => Err(pages::forbidden()),
            Ok(_) => Ok(ForwardedRequest { entry: entry.clone(), caller, body }),
        }
    }

    async fn forward(&self, mut parts: Parts, forwarded: ForwardedRequest) -> Response {
        parts.extensions.insert(forwarded);
        let Ok(response) = self.gms.call(Request::from_parts(parts, Body::empty())).await;
        response
    }
}

/// Sets the headers of the forwarded request. A session's token replaces that of the caller, and the caller's
/// `X-DataHub-Actor` is never trusted.
fn set_forwarded_headers(headers: &mut HeaderMap, host: Option<HeaderValue>, session: Option<LoggedIn>) {
    let from_browser = session.is_some();
    for name in [header::HOST, header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::COOKIE] {
        headers.remove(name);
    }
    if let Some(host) = host {
        headers.entry("x-forwarded-host").or_insert(host);
    }
    headers.entry("x-forwarded-proto").or_insert(HeaderValue::from_static("http"));
    let mut actor = HeaderValue::from_static("");
    if let Some(LoggedIn { token, actor: urn }) = session {
        if let Ok(mut value) = HeaderValue::try_from(format!("Bearer {token}")) {
            value.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, value);
        }
        actor = HeaderValue::try_from(urn).unwrap_or(actor);
    }
    headers.insert("x-datahub-actor", actor);
    let source = if from_browser { "BROWSER" } else { "SDK" };
    headers.insert("x-datahub-request-source", HeaderValue::from_static(source));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_mapped_as_the_frontend_does() {
        for (asked, gms) in [
            ("/api/gms/entities/urn:li:corpuser:datahub", "/entities/urn:li:corpuser:datahub"),
            ("/api/gms/aspects?action=ingestProposal", "/aspects?action=ingestProposal"),
            ("/api/gms//config", "//config"),
            ("/api/v2/graphql", "/api/graphql"),
            ("/api/v2/graphql?x", "/api/v2/graphql?x"),
            ("/api/graphql", "/api/graphql"),
            ("/openapi/v3/entity/dataset", "/openapi/v3/entity/dataset"),
            ("/api/other", "/api/other"),
        ] {
            assert_eq!(gms_uri(&asked.parse().unwrap()).unwrap().to_string(), gms);
        }
    }
}
