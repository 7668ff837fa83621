//! Plays DataHub's frontend, as far as a program meets it: the log-in, and the way through to GMS
//! (`datahub-frontend/conf/routes`, `Application`, `Authenticator`).

mod log_in;
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

use super::Server;
use super::record::Entry;
use super::routes::{Forwarded, MAX_UNWANTED, Received, Receiving};
use session::LoggedIn;

/// The longest body of a request, in bytes (`play.http.parser.maxMemoryBuffer`, 10MB).
const MAX_BODY: u64 = 10_000_000;

/// The longest body of a log-in, in bytes. DataHub's has no limit of its own; anyone can send one, and a name and a
/// password are short.
const MAX_LOG_IN: u64 = 64 * 1024;

/// What the frontend is asked with.
#[derive(Clone)]
struct Frontend {
    server: Arc<Server>,
    /// GMS, behind it.
    gms: TowerToHyperService<Router>,
    /// Its own switch (`METADATA_SERVICE_AUTH_ENABLED` of the frontend). With it off, only a session counts.
    authentication: bool,
}

/// The frontend in front of `gms`.
pub(super) fn router(server: Arc<Server>, gms: Router, authentication: bool) -> Router {
    let frontend = Frontend { server, gms: TowerToHyperService::new(gms), authentication };
    Router::new().fallback(answer).with_state(frontend)
}

async fn answer(State(frontend): State<Frontend>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let record = &frontend.server.record;
    let entry = record.arrived(&parts.method, &parts.uri, &parts.headers, true);
    let session = session::of(&frontend.server, &parts.headers);
    let wanted = way(&parts.method, &parts.uri);
    let patience = frontend.server.body_timeout;
    let answer = match wanted {
        Way::Gms(uri) => match frontend.forwarded(&mut parts, &entry, body, session).await {
            Ok(forwarded) => {
                parts.uri = uri;
                return frontend.forward(parts, forwarded).await;
            }
            Err(refusal) => refusal,
        },
        Way::LogIn => {
            let receiving = Receiving { keep: true, longest: MAX_LOG_IN, patience };
            match noted(&entry, receiving.all_of(body).await).content {
                Ok(content) => {
                    let answer = log_in::act(&frontend.server, &parts, &content).await;
                    entry.authorised(answer.status().is_success());
                    answer
                }
                Err(cause) => pages::unreceived(cause),
            }
        }
        Way::Page(page) => {
            let receiving = Receiving { keep: false, longest: MAX_UNWANTED, patience };
            noted(&entry, receiving.all_of(body).await).content.map_or_else(pages::unreceived, |_| page)
        }
    };
    entry.answered(answer.status().as_u16());
    answer
}

fn noted(entry: &Entry, body: Received) -> Received {
    entry.received(body.bytes);
    body
}

/// Where a request is to go.
enum Way {
    /// To GMS, at this place.
    Gms(Uri),
    LogIn,
    /// Nowhere: the answer is known.
    Page(Response),
}

fn way(method: &Method, uri: &Uri) -> Way {
    let path = uri.path();
    let usual = [Method::GET, Method::POST, Method::PUT, Method::DELETE].contains(method);
    let proxied = path.starts_with("/openapi/") && (usual || [Method::HEAD, Method::PATCH].contains(method))
        || path.starts_with("/api/") && usual;
    if proxied {
        return gms_uri(uri).map_or_else(|| Way::Page(StatusCode::BAD_REQUEST.into_response()), Way::Gms);
    }
    if path.starts_with("/api/") || path.starts_with("/openapi/") {
        return Way::Page(pages::not_found());
    }
    match (method.as_str(), path) {
        ("POST", "/logIn") => Way::LogIn,
        ("GET" | "HEAD", "/config") => Way::Page(pages::config()),
        ("GET" | "HEAD", "/health" | "/admin") => Way::Page("GOOD".into_response()),
        ("GET" | "HEAD", _) => Way::Page(pages::index()),
        _ => Way::Page(pages::not_found()),
    }
}

/// Where GMS has what is asked for. The query counts: with one, the old path of GraphQL is another.
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
    /// Makes a request ready to be sent on.
    ///
    /// # Errors
    /// With the answer, when it is not sent on.
    async fn forwarded(
        &self,
        parts: &mut Parts,
        entry: &Entry,
        body: Body,
        session: Option<LoggedIn>,
    ) -> Result<Forwarded, Response> {
        let foreign = session.is_some() && session::is_foreign(parts);
        let admitted =
            session.is_some() || self.authentication && parts.headers.contains_key(header::AUTHORIZATION);
        let host = parts.headers.get(header::HOST).cloned();
        tidy(&mut parts.headers, host, session);
        let caller = self.server.authentication.caller(&parts.headers).await;
        let receiving = Receiving {
            // GMS wants no body of a stranger.
            keep: admitted && !foreign && caller.is_ok(),
            longest: MAX_BODY,
            patience: self.server.body_timeout,
        };
        let body = noted(entry, receiving.all_of(body).await);
        match body.content {
            _ if !admitted => Err(StatusCode::UNAUTHORIZED.into_response()),
            Err(cause) => Err(pages::unreceived(cause)),
            Ok(_) if foreign => Err(pages::forbidden()),
            Ok(_) => Ok(Forwarded { entry: entry.clone(), caller, body }),
        }
    }

    async fn forward(&self, mut parts: Parts, forwarded: Forwarded) -> Response {
        parts.extensions.insert(forwarded);
        let Ok(response) = self.gms.call(Request::from_parts(parts, Body::empty())).await;
        response
    }
}

/// The headers as the frontend sends them on: the session's token goes before the caller's, and who he is said to be is
/// never believed.
fn tidy(headers: &mut HeaderMap, host: Option<HeaderValue>, session: Option<LoggedIn>) {
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
