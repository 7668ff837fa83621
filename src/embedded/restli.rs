//! How Rest.li answers: success, failure, and the lists in its queries.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

const EXCEPTION: &str = "com.linkedin.restli.server.RestLiServiceException";
const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("x-restli-protocol-version");
const ERROR_RESPONSE: HeaderName = HeaderName::from_static("x-restli-error-response");

/// A request that is answered with an error, in the form that GMS gives its errors.
#[derive(Debug)]
pub(super) struct Failure {
    status: StatusCode,
    message: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ErrorBody<'a> {
    exception_class: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    status: u16,
}

impl Failure {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: Some(message.into()) }
    }

    /// 400: the request is not what the call wants.
    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// 422: understood, and refused by a rule of the model.
    pub(super) fn unprocessable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, message)
    }

    /// 500, which GMS answers also to some faults of the caller.
    pub(super) fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    }

    /// 404 for an aspect that is not there: GMS gives no message.
    pub(super) fn absent() -> Self {
        Self { status: StatusCode::NOT_FOUND, message: None }
    }

    /// The server is stopping, so the store is closed.
    pub(super) fn stopped() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "the embedded GMS is stopping")
    }

    /// What went wrong, for callers within the process.
    pub(super) fn message(&self) -> &str {
        self.message.as_deref().unwrap_or("not found")
    }
}

impl From<&rusqlite::Error> for Failure {
    fn from(error: &rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked};
        match error.sqlite_error_code() {
            // The words of GMS for a conflict of two transactions, by which clients know that trying again helps.
            Some(DatabaseBusy | DatabaseLocked) => Self::internal(format!(
                "jakarta.persistence.PersistenceException: Error when batch flush on sql: {error}"
            )),
            _ => Self::internal(format!("java.lang.RuntimeException: the data file failed: {error}")),
        }
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::from(&error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let body = json(
            self.status,
            &ErrorBody {
                exception_class: EXCEPTION,
                message: self.message.as_deref(),
                status: self.status.as_u16(),
            },
        );
        ([(ERROR_RESPONSE, HeaderValue::from_static("true"))], body).into_response()
    }
}

/// Answers 200 with `body`.
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

/// The values of a query parameter that is a list: `List(a,b)`, or the parameter several times.
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
