//! What came back: an answer, or why there is none.

use std::error::Error as StdError;
use std::io;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use jiff::Timestamp;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, LOCATION, RETRY_AFTER};
use serde::Deserialize;

use super::upload::WRONG_LENGTH;
use crate::auth::NoToken;
use crate::diagnosis::Diagnosis;

/// An answer, its body read to the end or to the cap.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    /// The status.
    pub(crate) status: StatusCode,
    /// The headers.
    pub(crate) headers: HeaderMap,
    /// The body, or its beginning.
    pub(crate) body: Bytes,
    /// The body was longer than the cap.
    pub(crate) capped: bool,
    /// The number of the token that the request went with; 0 without one.
    pub(crate) generation: u64,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TransportFault {
    /// How far the request got.
    pub(crate) kind: TransportKind,
    /// What happened, in words that hold no address and no secret.
    pub(crate) problem: String,
    /// What it was, where that is known already: a token that cannot be used.
    pub(crate) diagnosis: Option<Box<Diagnosis>>,
}

/// How far a request got before it failed: this decides what may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub(crate) enum TransportKind {
    /// No connection: nothing was sent.
    Connect,
    /// The host's name is unknown: nothing was sent.
    Name,
    /// The TLS handshake failed: nothing was sent.
    Tls,
    /// No connection in time: nothing was sent.
    ConnectTimeout,
    /// The server did not take all of the request in time, so it cannot act on it.
    WriteTimeout,
    /// No answer in time: GMS may have taken it.
    Timeout,
    /// The connection broke after the request began, or the answer was cut short: GMS may have taken it.
    Broken,
    /// The request cannot be made at all.
    Unsendable,
    /// There is no token to send it with, and asking for one again may help.
    NoTokenYet,
    /// There is no token to send it with.
    NoToken,
}

impl Reply {
    /// The content type, or nothing.
    pub(crate) fn content_type(&self) -> &str {
        self.header(&CONTENT_TYPE)
    }

    /// Where a redirect points, without query and fragment, which may hold a secret.
    pub(crate) fn location(&self) -> Option<&str> {
        let location = self.header(&LOCATION);
        let end = location.find(['?', '#']).unwrap_or(location.len());
        location.get(..end).filter(|location| !location.is_empty() && !location.contains('@'))
    }

    /// The server's clock.
    pub(crate) fn date(&self) -> Option<Timestamp> {
        httpdate::parse_http_date(self.header(&DATE)).ok().and_then(|time| Timestamp::try_from(time).ok())
    }

    /// How long GMS asks to wait, from `Retry-After` in seconds or as a date; a date that is over is no time at all.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        let text = self.header(&RETRY_AFTER).trim();
        if let Ok(seconds) = text.parse() {
            return Some(Duration::from_secs(seconds));
        }
        let time = httpdate::parse_http_date(text).ok()?;
        Some(time.duration_since(SystemTime::now()).unwrap_or_default())
    }

    fn header(&self, name: &reqwest::header::HeaderName) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Whether the body is what an API answers: JSON, or nothing.
    pub(crate) fn is_json_or_empty(&self) -> bool {
        !self.content_type().starts_with("text/html")
            && (self.body.iter().all(u8::is_ascii_whitespace)
                || (!self.capped && serde_json::from_slice::<serde::de::IgnoredAny>(&self.body).is_ok()))
    }

    /// The server's words: `message` or `error` of a JSON body, else the body's beginning. At most 2,000 characters,
    /// and no stack trace.
    pub(crate) fn message(&self) -> String {
        const MAX_CHARS: usize = 2_000;
        let text = self.words();
        let visible = text.chars().map(|c| if c.is_control() { ' ' } else { c });
        visible.take(MAX_CHARS).collect::<String>().trim().to_owned()
    }

    /// The server's words uncut, to look for something in them: a refused batch may be answered with a list of all its
    /// URNs.
    pub(crate) fn words(&self) -> String {
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
}

/// The parts of Rest.li's, Spring's and OpenAPI's error bodies that are meant for people.
#[derive(Deserialize)]
struct ErrorBody {
    error: Option<String>,
    message: Option<String>,
}

impl TransportFault {
    /// Tells reqwest's errors apart by what caused them; its own kinds are too coarse for that.
    pub(super) fn from_reqwest(error: &reqwest::Error) -> Self {
        let causes = causes(error);
        let deepest = causes.last().cloned().unwrap_or_else(|| "the request failed".to_owned());
        let text = causes.join(": ");
        let has = |needle: &str| text.contains(needle);
        let kind = if error.is_builder() || has(WRONG_LENGTH) {
            TransportKind::Unsendable
        } else if error.is_connect() {
            if error.is_timeout() {
                TransportKind::ConnectTimeout
            } else if has("dns error") || has("failed to lookup address") {
                TransportKind::Name
            } else if has("certificate")
                || has("TLS")
                || has("tls")
                || has("handshake")
                || has("InvalidContentType")
            {
                TransportKind::Tls
            } else {
                TransportKind::Connect
            }
        } else if error.is_timeout() {
            TransportKind::Timeout
        } else if has("fatal alert") {
            // TLS 1.3 refuses a missing client certificate only after the handshake.
            TransportKind::Tls
        } else {
            TransportKind::Broken
        };
        let problem = match kind {
            TransportKind::ConnectTimeout => "no connection within the time limit (timeout_sec)".to_owned(),
            TransportKind::Timeout => "no answer within the time limit (timeout_sec)".to_owned(),
            TransportKind::Name => "the name of the host is unknown".to_owned(),
            _ => deepest,
        };
        Self { kind, problem, diagnosis: None }
    }
}

impl From<NoToken> for TransportFault {
    fn from(no_token: NoToken) -> Self {
        Self {
            kind: if no_token.transient { TransportKind::NoTokenYet } else { TransportKind::NoToken },
            problem: no_token.diagnosis.evidence.join("; "),
            diagnosis: Some(Box::new(no_token.diagnosis)),
        }
    }
}

impl TransportKind {
    /// Nothing has reached the server.
    pub(crate) fn nothing_sent(self) -> bool {
        !matches!(self, Self::Timeout | Self::Broken)
    }
}

/// What reqwest's error was caused by, outermost first. Its own text is left out: it repeats the address.
fn causes(error: &reqwest::Error) -> Vec<String> {
    let mut texts = Vec::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<io::Error>()
            && let Some(plain) = plain_words(io.kind())
        {
            texts.push(plain.to_owned());
            break;
        }
        texts.push(error.to_string());
        cause = error.source();
    }
    texts
}

fn plain_words(kind: io::ErrorKind) -> Option<&'static str> {
    Some(match kind {
        io::ErrorKind::ConnectionRefused => "connection refused",
        io::ErrorKind::ConnectionReset => "connection reset by the server",
        io::ErrorKind::ConnectionAborted => "connection aborted",
        io::ErrorKind::BrokenPipe => "connection closed while sending",
        io::ErrorKind::UnexpectedEof => "connection closed in the middle of an answer",
        io::ErrorKind::HostUnreachable => "host unreachable",
        io::ErrorKind::NetworkUnreachable => "network unreachable",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    fn reply(body: &'static str, headers: &[(reqwest::header::HeaderName, &'static str)]) -> Reply {
        Reply {
            status: StatusCode::BAD_REQUEST,
            headers: headers
                .iter()
                .map(|(name, value)| (name.clone(), HeaderValue::from_static(value)))
                .collect(),
            body: Bytes::from_static(body.as_bytes()),
            capped: false,
            generation: 0,
        }
    }

    #[test]
    fn the_server_s_words_are_found_in_every_form() {
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
            assert_eq!(reply(body, &[]).message(), message);
        }
    }

    #[test]
    fn retry_after_comes_in_seconds_and_as_a_date() {
        let of = |value| reply("", &[(RETRY_AFTER, value)]).retry_after();
        assert_eq!(of("7"), Some(Duration::from_secs(7)));
        assert_eq!(of("0"), Some(Duration::ZERO));
        assert_eq!(of("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
        assert_eq!(of("soon"), None);
        assert_eq!(reply("", &[]).retry_after(), None);
    }

    #[test]
    fn a_redirect_is_shown_without_what_may_be_secret() {
        let of = |value| reply("", &[(LOCATION, value)]).location().map(str::to_owned);
        assert_eq!(of("https://sso/login?state=abc").as_deref(), Some("https://sso/login"));
        assert_eq!(of("https://user:pass@host/"), None);
    }

    #[test]
    fn html_and_half_json_are_not_an_api_s_answer() {
        assert!(reply("{\"value\":\"success\"}", &[]).is_json_or_empty());
        assert!(reply(" ", &[]).is_json_or_empty());
        assert!(!reply("{\"value\":", &[]).is_json_or_empty());
        assert!(!reply("<html>", &[]).is_json_or_empty());
        assert!(!reply("", &[(CONTENT_TYPE, "text/html; charset=utf-8")]).is_json_or_empty());
    }
}
