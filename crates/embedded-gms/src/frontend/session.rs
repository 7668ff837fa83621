//! Sessions: two cookies that must agree (`AuthUtils`).

use crate::state::ServerState;
use axum::http::{HeaderMap, header};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

/// The signed session; scripts cannot read it.
pub(super) const SESSION: &str = "PLAY_SESSION";

/// The user's URN, for the scripts of the page.
pub(super) const ACTOR: &str = "actor";

/// Characters that a cookie's value must escape.
const UNFIT: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b',').add(b';').add(b'\\').add(b'%');

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

/// Whether the content type is JSON.
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
    ["application/json", "text/json"].iter().any(|json| kind.eq_ignore_ascii_case(json))
}
