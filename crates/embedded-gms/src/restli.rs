//! Rest.li: success, failure, and list parameters.

use crate::failure::{Cause, Failure};
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use percent_encoding::percent_decode_str;
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

/// The values of a list parameter whose values are URNs, which contain commas themselves. The list may be
/// encoded as a whole, or each URN in it.
pub(super) fn urns(uri: &Uri, name: &str) -> Option<Vec<String>> {
    let raw = uri.query()?.split('&').filter_map(|pair| pair.split_once('=')).filter(|(key, _)| *key == name);
    let mut values = Vec::new();
    let mut found = false;
    for (_, raw) in raw {
        found = true;
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        if let Some(items) = list_items(raw) {
            values.extend(items.into_iter().map(decoded));
            continue;
        }
        let text = decoded(raw);
        match list_items(&text) {
            Some(items) => values.extend(items.into_iter().map(str::to_owned)),
            None => values.push(text),
        }
    }
    found.then_some(values)
}

/// The items of `List(…)`: separated by commas outside parentheses.
fn list_items(text: &str) -> Option<Vec<&str>> {
    let inner = text.strip_prefix("List(")?.strip_suffix(')')?;
    let mut depth = 0_usize;
    let items = inner.split(|c| {
        depth = match c {
            '(' => depth + 1,
            ')' => depth.saturating_sub(1),
            _ => depth,
        };
        c == ',' && depth == 0
    });
    Some(items.filter(|item| !item.is_empty()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urns_in_a_list_may_contain_commas() {
        let (one, other) = ("urn:li:dataset:(urn:li:dataPlatform:hive,a b,PROD)", "urn:li:tag:é");
        let encode = |text: &str| {
            percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
        };
        for query in [
            format!("ids=List({},{})", encode(one), encode(other)),
            format!("x=1&ids={}", encode(&format!("List({one},{other})"))),
            format!("ids={}&ids={}", encode(one), encode(other)),
        ] {
            let uri: Uri = format!("/entitiesV2?{query}").parse().unwrap();
            assert_eq!(urns(&uri, "ids").unwrap(), [one, other], "{query}");
        }
        assert_eq!(urns(&Uri::from_static("/entitiesV2?x=1"), "ids"), None);
    }
}
