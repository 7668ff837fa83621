//! The bodies of error responses: of refusals and of injected faults. GMS has several forms, depending on its
//! version and interface, and proxies have others.

use std::time::SystemTime;

use crate::tokens;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;

/// The form of the body of an error response.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BodyForm {
    /// GMS's own form: a Rest.li exception, or an object with `error` on `/openapi/` and `/api/graphql`.
    #[default]
    Gms,
    /// Spring Boot's form for programs: JSON with `timestamp`, `status`, `error` and `path`, without the
    /// cause.
    SpringJson,
    /// Spring Boot's form for browsers: the "Whitelabel Error Page".
    SpringHtml,
    /// Jetty's form (GMS before Spring Boot) for clients that accept JSON: it contains the message.
    JettyJson,
    /// Jetty's form for all other clients: a page with the message.
    JettyHtml,
    /// The message as plain text, as from a proxy or from the servlet around Rest.li.
    Text,
    /// A page with the status alone, as from nginx.
    Html,
    /// An empty body, as from DataHub's frontend.
    Empty,
}

impl BodyForm {
    /// The response. In form [`Gms`](Self::Gms), Rest.li's exception class is always the general one.
    pub(super) fn response(self, status: StatusCode, message: &str, path: &str) -> Response {
        let (kind, body) = match self {
            Self::Empty => return status.into_response(),
            Self::Gms => ("application/json", gms_json(status, message, path)),
            Self::SpringJson => ("application/json", spring_json(status, path)),
            Self::SpringHtml => ("text/html;charset=UTF-8", spring_html(status)),
            Self::JettyJson => ("application/json", jetty_json(status, message, path)),
            Self::JettyHtml => ("text/html;charset=iso-8859-1", jetty_html(status, message, path)),
            Self::Text => ("text/plain;charset=utf-8", message.to_owned()),
            Self::Html => ("text/html", nginx_html(status)),
        };
        (status, [(header::CONTENT_TYPE, HeaderValue::from_static(kind))], body).into_response()
    }
}

/// Whether failures on this path have OpenAPI's form, which GraphQL's controller shares.
pub(super) fn is_spring_path(path: &str) -> bool {
    path.starts_with("/openapi/") || path.starts_with("/api/")
}

fn reason(status: StatusCode) -> &'static str {
    status.canonical_reason().unwrap_or("None")
}

fn gms_json(status: StatusCode, message: &str, path: &str) -> String {
    if is_spring_path(path) {
        return json!({"error": message}).to_string();
    }
    json!({
        "exceptionClass": "com.linkedin.restli.server.RestLiServiceException",
        "stackTrace": format!("com.linkedin.restli.server.RestLiServiceException [HTTP Status:{}]: {message}\n\tat \
                               com.linkedin.metadata.resources.restli.RestliUtils.toTask(RestliUtils.java)\n", status.as_u16()),
        "message": message,
        "status": status.as_u16(),
    })
    .to_string()
}

fn spring_json(status: StatusCode, path: &str) -> String {
    json!({
        "timestamp": tokens::milliseconds(SystemTime::now()),
        "status": status.as_u16(),
        "error": reason(status),
        "path": path,
    })
    .to_string()
}

fn spring_html(status: StatusCode) -> String {
    format!(
        "<html><body><h1>Whitelabel Error Page</h1><p>No page is set up for errors, so you see this one.</p>\
         <div>There was an unexpected error (type={}, status={}).</div></body></html>",
        reason(status),
        status.as_u16(),
    )
}

fn jetty_json(status: StatusCode, message: &str, path: &str) -> String {
    json!({"servlet": "apiServlet", "message": message, "url": path, "status": status.as_str()}).to_string()
}

fn jetty_html(status: StatusCode, message: &str, path: &str) -> String {
    let (status, message, path) = (status.as_u16(), escaped(message), escaped(path));
    format!(
        "<html><head><title>Error {status} {message}</title></head><body><h2>HTTP ERROR {status} {message}</h2><table>\
         <tr><th>URI:</th><td>{path}</td></tr><tr><th>STATUS:</th><td>{status}</td></tr>\
         <tr><th>MESSAGE:</th><td>{message}</td></tr><tr><th>SERVLET:</th><td>apiServlet</td></tr>\
         </table></body></html>"
    )
}

fn nginx_html(status: StatusCode) -> String {
    let title = format!("{} {}", status.as_u16(), reason(status));
    format!(
        "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n\
         <hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
    )
}

/// Text escaped for HTML.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}
