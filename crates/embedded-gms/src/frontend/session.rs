//! Sessions: two cookies that must agree (`AuthUtils`).

use crate::state::ServerState;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

/// The signed session; scripts cannot read it.
pub(super) const SESSION: &str = "PLAY_SESSION";

/// The user's URN, for the scripts of the page.
pub(super) const ACTOR: &str = "actor";

/// Characters that a cookie's value must escape.
const UNFIT: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b',').add(b';').add(b'\\').add(b'%');

/// Content types that a form of another site can send without a CORS preflight.
const FORMS: &[&str] = &["application/x-www-form-urlencoded", "multipart/form-data", "text/plain"];

/// A user with a session.
#[derive(Debug)]
pub(super) struct LoggedIn {
    pub(super) token: String,
    /// A URN.
    pub(super) actor: String,
}

/// The user of the session cookies.
pub(super) fn of(server: &ServerState, headers: &HeaderMap) -> Option<LoggedIn> {
    let session = server.authentication.tokens().session(cookie(headers, SESSION)?)?;
    let actor = percent_decode_str(cookie(headers, ACTOR)?).decode_utf8().ok()?;
    (actor == session.actor).then_some(LoggedIn { token: session.token, actor: session.actor })
}

/// A URN, encoded as a cookie's value.
pub(super) fn encoded(urn: &str) -> String {
    utf8_percent_encode(urn, UNFIT).to_string()
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let all = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    all.flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(known, value)| (known == name).then_some(value))
}

/// Whether another site may have caused this request: a change with a foreign `Origin`, or with the content
/// type of a form. The cookie alone does not prove the user's intent.
pub(super) fn is_cross_site(parts: &Parts) -> bool {
    if [Method::GET, Method::HEAD].contains(&parts.method) {
        return false;
    }
    let text = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let foreign_site = text("sec-fetch-site").is_some_and(|site| !matches!(site, "same-origin" | "none"));
    let foreign_origin = text("origin").is_some_and(|origin| {
        let host = origin.split_once("://").map(|(_, host)| host);
        host.is_none() || host != text("host")
    });
    foreign_site || foreign_origin || is_form(&parts.headers)
}

/// Whether a form can send this content type.
fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
    FORMS.iter().any(|form| kind.eq_ignore_ascii_case(form))
}

/// Whether the content type is JSON.
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
    ["application/json", "text/json"].iter().any(|json| kind.eq_ignore_ascii_case(json))
}
