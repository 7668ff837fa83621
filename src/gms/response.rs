//! A response of GMS, or of whatever answers in its place.

use std::time::Duration;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, HeaderName, LOCATION, RETRY_AFTER};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::display_text::display_text;

/// A response whose body was read to its end, or to the limit of the request.
#[derive(Clone, Debug)]
pub(crate) struct GmsResponse {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// The body, or its beginning if [`truncated`](Self::truncated).
    pub(crate) body: Bytes,
    /// The body was longer than the limit of the request.
    pub(crate) truncated: bool,
    /// When the response was complete, by the local wall clock.
    pub(crate) received_at: Timestamp,
    /// The generation of the token that the request was sent with; 0 without a token.
    pub(crate) token_generation: u64,
}

impl GmsResponse {
    /// The content type; empty without one.
    pub(crate) fn content_type(&self) -> &str {
        self.header(&CONTENT_TYPE)
    }

    /// The target of a redirect, without query and fragment, which may hold a secret. `None` if it has user
    /// information.
    pub(crate) fn location(&self) -> Option<&str> {
        let location = self.header(&LOCATION);
        let end = location.find(['?', '#']).unwrap_or(location.len());
        location.get(..end).filter(|location| !location.is_empty() && !location.contains('@'))
    }

    /// The server's wall-clock time, from the `Date` header.
    pub(crate) fn date(&self) -> Option<Timestamp> {
        httpdate::parse_http_date(self.header(&DATE)).ok().and_then(|time| Timestamp::try_from(time).ok())
    }

    /// The wait that `Retry-After` asks for, in seconds or as a date. A date in the past is a wait of zero.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        let text = self.header(&RETRY_AFTER).trim();
        if let Ok(seconds) = text.parse() {
            return Some(Duration::from_secs(seconds));
        }
        let date = httpdate::parse_http_date(text).ok().and_then(|time| Timestamp::try_from(time).ok())?;
        let wait: SignedDuration = date.duration_since(self.received_at);
        Some(Duration::try_from(wait).unwrap_or_default())
    }

    fn header(&self, name: &HeaderName) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Whether the content type is that of a web page.
    pub(crate) fn is_page(&self) -> bool {
        is_page_type(self.content_type())
    }

    /// Whether the body can be an API's response: JSON, or empty.
    pub(crate) fn is_json_or_empty(&self) -> bool {
        !self.is_page()
            && !self.truncated
            && (self.body.trim_ascii().is_empty() || serde_json::from_slice::<IgnoredAny>(&self.body).is_ok())
    }

    /// Whether the body can be GMS's response to a write: an object or a list in JSON, or empty, as after an
    /// asynchronous PATCH. If the body is longer than the read limit, its beginning decides.
    pub(crate) fn can_confirm_a_write(&self) -> bool {
        if self.is_page() {
            return false;
        }
        let body = self.body.trim_ascii_start();
        match body.first() {
            None => !self.truncated,
            Some(b'{' | b'[') => match serde_json::from_slice::<IgnoredAny>(body) {
                Ok(_) => true,
                Err(error) => self.truncated && error.is_eof(),
            },
            Some(_) => false,
        }
    }

    /// The server's message on one line, at most 2,000 characters of [`full_message`](Self::full_message).
    pub(crate) fn message(&self) -> String {
        const MAX_CHARS: usize = 2_000;
        display_text(&self.full_message(), MAX_CHARS)
    }

    /// The server's message: `message` or `error` of a JSON body without its stack trace, else the body
    /// itself. It is not shortened, because the response to a rejected batch may list all URNs of the batch.
    pub(crate) fn full_message(&self) -> String {
        let parsed: Option<ErrorBody> = serde_json::from_slice(&self.body).ok();
        match parsed {
            Some(ErrorBody { error: Some(error), message: Some(message) }) if error != message => {
                format!("{error}: {message}")
            }
            Some(ErrorBody { error, message }) if error.is_some() || message.is_some() => {
                message.or(error).unwrap_or_default()
            }
            _ => String::from_utf8_lossy(&self.body).into_owned(),
        }
    }

    /// A response without headers.
    #[cfg(test)]
    pub(super) fn with_body(status: u16, body: impl Into<Bytes>) -> Self {
        Self {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            body: body.into(),
            truncated: false,
            received_at: Timestamp::UNIX_EPOCH,
            token_generation: 0,
        }
    }
}

/// Whether a `Content-Type` is that of a web page. Media types are compared without case (RFC 9110, 8.3.1).
fn is_page_type(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    ["text/html", "application/xhtml+xml"].iter().any(|page| media_type.eq_ignore_ascii_case(page))
}

/// The readable fields of the error bodies of Rest.li, Spring and OpenAPI.
#[derive(Deserialize)]
struct ErrorBody {
    error: Option<String>,
    message: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    fn response(body: &'static str, headers: &[(HeaderName, &'static str)]) -> GmsResponse {
        let headers =
            headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect();
        GmsResponse { headers, ..GmsResponse::with_body(400, body) }
    }

    #[test]
    fn the_message_is_found_in_every_error_body() {
        for (body, message) in [
            (
                r#"{"exceptionClass":"x","message":"Unknown aspect a","status":422,"stackTrace":"at …"}"#,
                "Unknown aspect a",
            ),
            (r#"{"error":"Validation Error","message":"bad"}"#, "Validation Error: bad"),
            (r#"{"error":"Unauthorized"}"#, "Unauthorized"),
            ("plain\nwords\u{1b}[31m", "plain words [31m"),
            ("", ""),
            (r#"{"other":1}"#, r#"{"other":1}"#),
        ] {
            assert_eq!(response(body, &[]).message(), message);
        }
    }

    #[test]
    fn retry_after_is_read_as_seconds_and_as_a_date() {
        let of = |value| {
            let received_at = "2026-11-30T10:00:00Z".parse().unwrap();
            GmsResponse { received_at, ..response("", &[(RETRY_AFTER, value)]) }.retry_after()
        };
        assert_eq!(of("7"), Some(Duration::from_secs(7)));
        assert_eq!(of("0"), Some(Duration::ZERO));
        assert_eq!(of("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
        assert_eq!(of("Mon, 30 Nov 2026 10:00:09 GMT"), Some(Duration::from_secs(9)));
        assert_eq!(of("soon"), None);
        assert_eq!(response("", &[]).retry_after(), None);
    }

    #[test]
    fn a_redirect_is_shown_without_parts_that_may_be_secret() {
        let of = |value| response("", &[(LOCATION, value)]).location().map(str::to_owned);
        assert_eq!(of("https://sso/login?state=abc").as_deref(), Some("https://sso/login"));
        assert_eq!(of("https://user:pass@host/"), None);
    }

    #[test]
    fn html_and_truncated_json_are_not_an_api_response() {
        assert!(response("{\"value\":\"success\"}", &[]).is_json_or_empty());
        assert!(response(" ", &[]).is_json_or_empty());
        assert!(!response("{\"value\":", &[]).is_json_or_empty());
        assert!(!response("<html>", &[]).is_json_or_empty());
        for page in ["text/html; charset=utf-8", "Text/HTML", "application/xhtml+xml", "TEXT/HTML ;a=b"] {
            assert!(!response("", &[(CONTENT_TYPE, page)]).is_json_or_empty(), "{page}");
        }
    }

    #[test]
    fn the_beginning_of_a_response_over_the_read_limit_decides_whether_it_is_json() {
        let confirms =
            |body, truncated| GmsResponse { truncated, ..response(body, &[]) }.can_confirm_a_write();
        for begun in [r#"{"value":"urn:li:t"#, "[", " [{\"urn\": 1}, ", r#"{"a": "é"#, "{}   "] {
            assert!(confirms(begun, true), "{begun}");
        }
        for other in ["<!doctype html>", "", "   ", "plain text", "{ not JSON", "{}}", "\"text", "1"] {
            assert!(!confirms(other, true), "{other}");
        }
        for whole in ["{}", "[]", "", " ", r#"{"value": "success"}"#] {
            assert!(confirms(whole, false), "{whole}");
        }
        for other in [r#"{"value":"#, "true", "\"success\"", "0", "OK"] {
            assert!(!confirms(other, false), "{other}");
        }
    }
}
