//! Rest.li: success, failure, and list parameters.

use crate::failure::{Cause, Failure};
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

const EXCEPTION: &str = "com.linkedin.restli.server.RestLiServiceException";
const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("x-restli-protocol-version");
const ERROR_RESPONSE: HeaderName = HeaderName::from_static("x-restli-error-response");

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ErrorBody<'a> {
    exception_class: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    status: u16,
}

/// Rest.li's status of a failure.
fn status_of(cause: Cause) -> StatusCode {
    match cause {
        Cause::Request => StatusCode::BAD_REQUEST,
        Cause::Proposal | Cause::Validation | Cause::Precondition => StatusCode::UNPROCESSABLE_ENTITY,
        Cause::Json | Cause::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        Cause::Absent => StatusCode::NOT_FOUND,
        Cause::Other(status) => status,
    }
}

/// The default form of a failure is Rest.li's.
impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = status_of(self.cause());
        let body = json(
            status,
            &ErrorBody { exception_class: EXCEPTION, message: self.text(), status: status.as_u16() },
        );
        ([(ERROR_RESPONSE, HeaderValue::from_static("true"))], body).into_response()
    }
}

/// 200 with `body`.
pub(super) fn success(body: &impl Serialize) -> Response {
    json(StatusCode::OK, body)
}

fn json(status: StatusCode, body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(text) => (
            status,
            [
                (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
                (PROTOCOL_VERSION, HeaderValue::from_static("2.0.0")),
            ],
            Body::from(text),
        )
            .into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// The first value of a query parameter.
pub(super) fn parameter(uri: &Uri, name: &str) -> Option<String> {
    url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes())
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

/// The values of a list parameter: `List(a,b)`, or repeated.
pub(super) fn list(uri: &Uri, name: &str) -> Option<Vec<String>> {
    let mut values = Vec::new();
    let mut found = false;
    for (_, value) in
        url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).filter(|(key, _)| key == name)
    {
        found = true;
        let inner = value.strip_prefix("List(").and_then(|rest| rest.strip_suffix(')')).unwrap_or(&value);
        values.extend(inner.split(',').filter(|item| !item.is_empty()).map(str::to_owned));
    }
    found.then_some(values)
}
