//! Responses that faults produce.

use std::time::{Duration, SystemTime};

use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::broken_body::{HalfBody, SlowBody};
use super::fault::{Action, RetryAfter};
use crate::body_form::{BodyForm, is_spring_path};

/// Marks a response that is replaced by a connection reset.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reset;

/// Marks a response whose head is sent slowly.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SlowHead(pub(crate) Duration);

/// The response in place of handling the request; `None` if the request is handled.
pub(crate) fn replacement(action: &Action, path: &str) -> Option<Response> {
    Some(match action {
        Action::Status { code, headers, body } => status(*code, headers, body.clone()),
        Action::Refuse { code, form, message, retry_after } => {
            let Ok(code) = StatusCode::from_u16(*code) else {
                return Some(unplayable(&format!("status {code}")));
            };
            let message = message.as_deref().or(code.canonical_reason()).unwrap_or_default();
            with_retry_after(form.response(code, message, path), *retry_after)
        }
        Action::Throttle { retry_after } => throttled(path, *retry_after),
        Action::Conflict => conflict(path),
        Action::TooLarge => BodyForm::Html.response(StatusCode::PAYLOAD_TOO_LARGE, "", path),
        Action::Redirect { code, location } => status(*code, &redirect(location), String::new()),
        Action::Html => html(),
        Action::Reset => reset(),
        Action::HalfBody => {
            let json = (header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            halved(([json], Body::empty()).into_response(), &Bytes::from_static(br#"{"value":"success"}"#))
        }
        _ => return None,
    })
}

/// Alters the response of a request that was handled.
pub(crate) async fn altered(action: &Action, mut response: Response) -> Response {
    match action {
        Action::ResetAfter => reset(),
        Action::HalfBodyAfter => {
            let (parts, body) = response.into_parts();
            // The bodies of this server are already in memory.
            let whole = to_bytes(body, usize::MAX).await.unwrap_or_default();
            halved(Response::from_parts(parts, Body::empty()), &whole)
        }
        Action::SlowHead(takes) => {
            response.extensions_mut().insert(SlowHead(*takes));
            response
        }
        Action::SlowBody(takes) => {
            let (parts, body) = response.into_parts();
            let whole = to_bytes(body, usize::MAX).await.unwrap_or_default();
            Response::from_parts(parts, Body::new(SlowBody::new(whole, *takes)))
        }
        Action::Timeout => BodyForm::Text.response(
            StatusCode::INTERNAL_SERVER_ERROR,
            "java.util.concurrent.TimeoutException: Server timeout after 60 seconds",
            "",
        ),
        _ => response,
    }
}

/// A response that resets the connection.
fn reset() -> Response {
    let mut response = Response::default();
    response.extensions_mut().insert(Reset);
    response
}

fn halved(mut response: Response, whole: &Bytes) -> Response {
    response.headers_mut().remove(header::CONTENT_LENGTH);
    *response.body_mut() = Body::new(HalfBody::new(whole));
    response
}

fn unplayable(what: &str) -> Response {
    let text = format!("the fault cannot be played: {what} is not one that HTTP has");
    (StatusCode::NOT_IMPLEMENTED, text).into_response()
}

/// The response of [`Action::Status`].
fn status(code: u16, headers: &[(String, String)], body: String) -> Response {
    let Ok(code) = StatusCode::from_u16(code) else {
        return unplayable(&format!("status {code}"));
    };
    let json = (header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let mut response = (code, [json], body).into_response();
    for (name, value) in headers {
        match (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
            (Ok(name), Ok(value)) => drop(response.headers_mut().insert(name, value)),
            _ => return unplayable(&format!("header {name:?}")),
        }
    }
    response
}

fn redirect(location: &str) -> [(String, String); 2] {
    [("Location".to_owned(), location.to_owned()), ("Content-Type".to_owned(), "text/html".to_owned())]
}

/// The response of [`Action::Html`].
fn html() -> Response {
    let page = "<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body><form action=\"/logIn\" \
                method=\"post\"><input name=\"username\"><input name=\"password\" type=\"password\"></form></body></html>\n";
    ([(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"))], page).into_response()
}

fn with_retry_after(mut response: Response, retry_after: Option<RetryAfter>) -> Response {
    let value = match retry_after {
        None => return response,
        Some(RetryAfter::Seconds(seconds)) => HeaderValue::from(seconds),
        Some(RetryAfter::Date(later)) => {
            let date = SystemTime::now().checked_add(later).map(httpdate::fmt_http_date);
            match date.and_then(|date| HeaderValue::try_from(date).ok()) {
                Some(value) => value,
                None => return unplayable("a date so late"),
            }
        }
    };
    response.headers_mut().insert(header::RETRY_AFTER, value);
    response
}

/// In the wording of `RestliThrottleResponseFilter` and `GlobalControllerExceptionHandler`.
fn throttled(path: &str, retry_after: Option<RetryAfter>) -> Response {
    const SOURCE: [(&str, &str); 3] = [
        ("x-datahub-ratelimit-rule", "MCL_TIMESERIES_LAG"),
        ("x-datahub-ratelimit-type", "ingest"),
        ("x-datahub-ratelimit-source", "metadata-write"),
    ];
    let message = "Throttled due to MCL_TIMESERIES_LAG";
    let mut response = BodyForm::Gms.response(StatusCode::TOO_MANY_REQUESTS, message, path);
    for (name, value) in SOURCE {
        response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    with_retry_after(response, retry_after)
}

/// In the wording of `DatabaseTransactionConflictRestLiServiceException` and of OpenAPI's handler.
fn conflict(path: &str) -> Response {
    const CODE: &str = "DATABASE_TRANSACTION_CONFLICT";
    let message = "The write conflicted with another transaction, and was given up after 4 attempts";
    let body = if is_spring_path(path) {
        json!({"error": message, "code": CODE, "retryable": true})
    } else {
        json!({
            "exceptionClass": "com.linkedin.restli.server.RestLiServiceException",
            "message": message,
            "status": 503,
            "code": CODE,
            "errorDetails": {"code": CODE, "retryable": true},
        })
    };
    let json = (header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let response = (StatusCode::SERVICE_UNAVAILABLE, [json], body.to_string()).into_response();
    with_retry_after(response, Some(RetryAfter::Seconds(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_with_an_invalid_response_is_reported() {
        assert_eq!(status(99, &[], String::new()).status(), StatusCode::NOT_IMPLEMENTED);
        assert_eq!(
            status(503, &[("a b".into(), "x".into())], String::new()).status(),
            StatusCode::NOT_IMPLEMENTED
        );
        let never = Some(RetryAfter::Date(Duration::MAX));
        assert_eq!(throttled("/aspects", never).status(), StatusCode::NOT_IMPLEMENTED);
    }

    #[test]
    fn retry_after_comes_as_seconds_a_date_or_not_at_all() {
        let header = |retry_after| {
            let response = throttled("/aspects", retry_after);
            response.headers().get("Retry-After").map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(header(None), None);
        assert_eq!(header(Some(RetryAfter::Seconds(0))).as_deref(), Some("0"));
        let date = header(Some(RetryAfter::Date(Duration::from_secs(90)))).unwrap();
        let left = httpdate::parse_http_date(&date).unwrap().duration_since(SystemTime::now()).unwrap();
        assert!(left.as_secs() >= 80 && left.as_secs() <= 90, "{date}");
    }
}
