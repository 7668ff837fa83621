//! `gms serve` as a process, and requests to it that no HTTP library has tidied up.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::Child;

use serde_json::Value;

use crate::support::sandbox::Sandbox;

/// A server that is killed where a test ends early.
pub(crate) struct Serving {
    pub(crate) process: Child,
    pub(crate) ready: Value,
}

impl Serving {
    pub(crate) fn start(sandbox: &Sandbox, arguments: &[&str]) -> Self {
        let mut all = vec!["gms", "serve", "--listen", "127.0.0.1:0"];
        all.extend(arguments);
        let mut process = sandbox.start(&all);
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready = serde_json::from_str(&line).unwrap_or_default();
        Self { process, ready }
    }

    pub(crate) fn gms(&self) -> &str {
        self.ready["gms"].as_str().unwrap()
    }

    pub(crate) fn frontend(&self) -> &str {
        self.ready["frontend"].as_str().unwrap()
    }

    /// Ends it as a supervisor does; returns its code, and what it said on standard error.
    #[cfg(unix)]
    pub(crate) fn stop(mut self) -> (Option<i32>, String) {
        crate::support::sandbox::signal(&self.process, "TERM");
        let code = self.process.wait().unwrap().code();
        let mut said = String::new();
        self.process.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (code, said)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// What came back on a connection.
#[derive(Debug)]
pub(crate) struct Answer {
    /// All that came.
    pub(crate) text: String,
    /// Whether the connection was reset.
    pub(crate) reset: bool,
}

impl Answer {
    /// 0 where there is none.
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

/// Sends a request on a connection of its own, and takes what comes until it ends.
pub(crate) fn exchange(base: &str, head: &str, headers: &str, body: &str) -> Answer {
    try_exchange(base, head, headers, body).unwrap()
}

/// As [`exchange`], with a server that may be gone.
///
/// # Errors
/// When the request cannot be sent.
pub(crate) fn try_exchange(base: &str, head: &str, headers: &str, body: &str) -> std::io::Result<Answer> {
    let mut stream = TcpStream::connect(base.strip_prefix("http://").unwrap())?;
    let length = body.len();
    write!(stream, "{head} HTTP/1.0\r\nHost: x\r\n{headers}Content-Length: {length}\r\n\r\n{body}")?;
    let mut text = Vec::new();
    let ended = stream.read_to_end(&mut text);
    Ok(Answer { text: String::from_utf8(text).unwrap(), reset: ended.is_err() })
}

/// Status and body of a request that is answered.
pub(crate) fn send(base: &str, head: &str, headers: &str, body: &str) -> (u16, String) {
    let answer = exchange(base, head, headers, body);
    (answer.status(), answer.body().to_owned())
}
