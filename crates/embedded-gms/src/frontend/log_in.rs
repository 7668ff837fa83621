//! `POST /logIn` (`AuthenticationController`).

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;

use super::{pages, session};
use crate::actor;
use crate::authentication::SESSION_LIFETIME;
use crate::cross_site::is_cross_site;
use crate::server::PeerAddress;
use crate::state::ServerState;
use crate::tokens::Session;

#[derive(Deserialize)]
struct Credentials {
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
}

/// Sets the two cookies if the password is right. A refusal does not say whether the user or the password is
/// wrong.
pub(super) async fn act(server: &Arc<ServerState>, parts: &Parts, body: &[u8]) -> Response {
    // Only a page of the same origin can send JSON. A form of another site could log its victim in as another
    // user.
    if !session::is_json(&parts.headers) || is_cross_site(parts) {
        return pages::forbidden();
    }
    let Ok(Credentials { username, password }) = serde_json::from_slice(body) else {
        return refused("Invalid Credentials");
    };
    if username.trim().is_empty() {
        return refused("User name must not be empty.");
    }
    let address = parts.extensions.get().map(|PeerAddress(address)| *address);
    if let Err(wait) = server.log_in_limit.begin(address, &username) {
        return too_many(wait);
    }
    let token = match server.authentication.log_in(&username, password).await {
        Ok(Some(token)) => {
            server.log_in_limit.succeeded(address, &username);
            token
        }
        Ok(None) => return refused("Invalid Credentials"),
        Err(failure) => {
            tracing::debug!(reason = failure.message(), "log-ins fail");
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
    };
    let actor = actor::user_urn(&username);
    let session = Session { token, actor: actor.clone() };
    let Ok(session) =
        server.authentication.tokens().sign_session(session, SystemTime::now() + SESSION_LIFETIME)
    else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let seconds = SESSION_LIFETIME.as_secs();
    let cookies = [
        format!("{}={session}; Max-Age={seconds}; Path=/; SameSite=Lax; HttpOnly", session::SESSION),
        format!("{}={}; Max-Age={seconds}; Path=/; SameSite=Lax", session::ACTOR, session::encoded(&actor)),
    ];
    let [Ok(first), Ok(second)] = cookies.map(HeaderValue::try_from) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    AppendHeaders([(header::SET_COOKIE, first), (header::SET_COOKIE, second)]).into_response()
}

/// DataHub itself does not limit log-ins.
fn too_many(wait: Duration) -> Response {
    let seconds = wait.as_secs().saturating_add(1);
    let body = json!({"message": "Too many failed log-ins. Try again later."}).to_string();
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::RETRY_AFTER, HeaderValue::from(seconds)),
    ];
    (StatusCode::TOO_MANY_REQUESTS, headers, body).into_response()
}

fn refused(message: &str) -> Response {
    let body = json!({"message": message}).to_string();
    (StatusCode::BAD_REQUEST, [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], body)
        .into_response()
}
