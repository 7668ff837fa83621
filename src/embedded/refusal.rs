//! The answer to a caller who was not recognised: 401, in one of the forms that a GMS or what stands in front of it
//! gives it.

use std::time::SystemTime;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::tokens;

/// What GMS says of every refusal but one.
pub(super) const UNAUTHORIZED: &str = "Unauthorized to perform this action.";

/// What the old filter says of a token whose time is over.
pub(super) const EXPIRED: &str = "Failed to validate DataHub token. Token has expired.";

/// The form of the body that comes with a 401. None has a `WWW-Authenticate` header, as GMS's never has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum RefusalForm {
    /// What a GMS under Spring Boot answers to programs: JSON with `timestamp`, `status`, `error` and `path`, and not a
    /// word on the cause.
    #[default]
    SpringJson,
    /// What Spring Boot answers to a browser: its "Whitelabel Error Page".
    SpringHtml,
    /// What a GMS under Jetty, before Spring Boot, answers to who asks for JSON: the message is in it.
    JettyJson,
    /// What Jetty answers to everyone else: a page with the message.
    JettyHtml,
    /// Nothing at all, as DataHub's frontend answers.
    Empty,
}

impl RefusalForm {
    /// The answer.
    pub(super) fn answer(self, message: &str, path: &str) -> Response {
        let (kind, body) = match self {
            Self::Empty => return StatusCode::UNAUTHORIZED.into_response(),
            Self::SpringJson => ("application/json", spring_json(path)),
            Self::SpringHtml => ("text/html;charset=UTF-8", spring_html()),
            Self::JettyJson => (
                "application/json",
                json!({"servlet": "apiServlet", "message": message, "url": path, "status": "401"})
                    .to_string(),
            ),
            Self::JettyHtml => ("text/html;charset=iso-8859-1", jetty_html(message, path)),
        };
        (StatusCode::UNAUTHORIZED, [(header::CONTENT_TYPE, HeaderValue::from_static(kind))], body)
            .into_response()
    }
}

fn spring_json(path: &str) -> String {
    json!({
        "timestamp": tokens::milliseconds(SystemTime::now()),
        "status": 401,
        "error": "Unauthorized",
        "path": path,
    })
    .to_string()
}

fn spring_html() -> String {
    "<html><body><h1>Whitelabel Error Page</h1><p>No page is set up for errors, so you see this one.</p>\
     <div>There was an unexpected error (type=Unauthorized, status=401).</div></body></html>"
        .to_owned()
}

fn jetty_html(message: &str, path: &str) -> String {
    let (message, path) = (escaped(message), escaped(path));
    format!(
        "<html><head><title>Error 401 {message}</title></head><body><h2>HTTP ERROR 401 {message}</h2><table>\
         <tr><th>URI:</th><td>{path}</td></tr><tr><th>STATUS:</th><td>401</td></tr>\
         <tr><th>MESSAGE:</th><td>{message}</td></tr><tr><th>SERVLET:</th><td>apiServlet</td></tr>\
         </table></body></html>"
    )
}

/// Text as it may stand in a page.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}
