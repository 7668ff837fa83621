//! HTTP requests whose responses are kept byte by byte, broken ones too.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::Value;

/// The bytes that a server sent on a connection.
#[derive(Debug)]
pub(crate) struct RawResponse {
    /// Everything, from the status line on.
    pub(crate) text: String,
    /// Whether the connection was reset.
    pub(crate) reset: bool,
}

impl RawResponse {
    /// The status; 0 if there is none.
    pub(crate) fn status(&self) -> u16 {
        self.text.split(' ').nth(1).map_or(0, |status| status.parse().unwrap())
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let head = self.text.split("\r\n\r\n").next()?;
        let named = |line: &&str| line.split_once(':').is_some_and(|(n, _)| n.eq_ignore_ascii_case(name));
        head.lines().find(named).and_then(|line| line.split_once(": ")).map(|(_, value)| value)
    }

    pub(crate) fn body(&self) -> &str {
        self.text.split_once("\r\n\r\n").map_or("", |(_, body)| body)
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(self.body()).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Sends a request on a connection of its own, and reads until the connection ends.
pub(crate) fn exchange(base: &str, head: &str, headers: &str, body: &str) -> RawResponse {
    try_exchange(base, head, headers, body).unwrap()
}

/// As [`exchange`], for a server that may be gone.
///
/// # Errors
/// If the request cannot be sent.
pub(crate) fn try_exchange(
    base: &str,
    head: &str,
    headers: &str,
    body: &str,
) -> std::io::Result<RawResponse> {
    let mut stream = TcpStream::connect(base.strip_prefix("http://").unwrap())?;
    let length = body.len();
    write!(stream, "{head} HTTP/1.0\r\nHost: x\r\n{headers}Content-Length: {length}\r\n\r\n{body}")?;
    let mut text = Vec::new();
    let ended = stream.read_to_end(&mut text);
    Ok(RawResponse { text: String::from_utf8(text).unwrap(), reset: ended.is_err() })
}

/// Sends a request; returns status and body of the response.
pub(crate) fn send(base: &str, head: &str, headers: &str, body: &str) -> (u16, String) {
    let answer = exchange(base, head, headers, body);
    (answer.status(), answer.body().to_owned())
}
