//! From what came back to what a diagnosis is made of. Whatever a server has written passes the filter for secrets here.

use std::path::Path;
use std::sync::OnceLock;

use jiff::Timestamp;
use reqwest::header::{COOKIE, LOCATION, SERVER, WWW_AUTHENTICATE};

use super::Client;
use crate::auth::{NoResponse, Observation, Observed, Redirect, Request, ResponseInfo, ServerInfo, diagnose};
use crate::diagnosis::Diagnosis;
use crate::display_text::display_text;
use crate::gms::{Attempts, GmsResponse, RequestLine, SendError, Verdict};

/// The part of a body that identifies a page, in characters.
const MAX_BODY_CHARS: usize = 4_000;

/// The part of a `Server` header that is shown, in characters.
const MAX_SERVER_HEADER_CHARS: usize = 80;

impl Client {
    /// Why a request that was tried, perhaps more than once, came to nothing.
    pub(crate) fn diagnose_attempts(&self, line: &RequestLine, attempts: &Attempts) -> Diagnosis {
        match (&attempts.last, &attempts.verdict) {
            (Err(fault), _) => self.diagnose_send_error(line, fault, attempts.count),
            (Ok(reply), Verdict::Retry(_)) => self.diagnose_answer(line, reply, attempts.count, None),
            (Ok(reply), _) => self.diagnose_answer(line, reply, 1, None),
        }
    }

    /// Why an answer is a refusal of the caller, a server in trouble, or no answer of a GMS.
    pub(crate) fn diagnose(&self, line: &RequestLine, reply: &GmsResponse) -> Diagnosis {
        self.diagnose_answer(line, reply, 1, None)
    }

    /// The same, where it is known where GMS is instead.
    pub(super) fn diagnose_answer(
        &self,
        line: &RequestLine,
        reply: &GmsResponse,
        attempts: u32,
        found_at: Option<&str>,
    ) -> Diagnosis {
        let (message, body) = (self.redact(&reply.message()), self.redact(&beginning(reply)));
        let content_type = self.redact(reply.content_type());
        let location = reply.location().map(|location| self.redact(location));
        let query =
            header(reply, &LOCATION).and_then(|location| location.split_once('?')).map(|(_, query)| query);
        let names = query.into_iter().flat_map(|query| query.split('&'));
        let server =
            header(reply, &SERVER).map(|server| self.redact(&display_text(server, MAX_SERVER_HEADER_CHARS)));
        let info = ResponseInfo {
            status: reply.status.as_u16(),
            content_type: &content_type,
            body: &body,
            message: &message,
            cut_short: reply.status.is_success()
                && !reply.content_type().starts_with("text/html")
                && !reply.is_json_or_empty(),
            redirect: location.as_deref().filter(|_| reply.status.is_redirection()).map(|to| Redirect {
                to,
                parameters: names.filter_map(|pair| pair.split('=').next()).collect(),
            }),
            server_time: reply.date(),
            challenge: reply.headers.contains_key(WWW_AUTHENTICATE),
            server: server.as_deref(),
        };
        self.diagnosis(line, Observed::Response(info), attempts, found_at)
    }

    /// Why GMS takes the caller for anonymous.
    pub(super) fn diagnose_anonymous(&self, line: &RequestLine, reply: &GmsResponse) -> Diagnosis {
        self.diagnosis(line, Observed::Anonymous { server_time: reply.date() }, 1, None)
    }

    /// Why there is no answer.
    pub(crate) fn diagnose_send_error(
        &self,
        line: &RequestLine,
        error: &SendError,
        attempts: u32,
    ) -> Diagnosis {
        let error = match error {
            SendError::NoToken(no_token) => return no_token.diagnosis.clone(),
            SendError::Transport(error) => error,
        };
        let problem = self.redact(&error.message);
        let failure = NoResponse { cause: error.kind, problem: &problem };
        self.diagnosis(line, Observed::NoResponse(failure), attempts, None)
    }

    /// The cause of a failed attempt.
    pub(super) fn diagnose_result(
        &self,
        line: &RequestLine,
        result: &Result<GmsResponse, SendError>,
    ) -> Diagnosis {
        match result {
            Ok(response) => self.diagnose(line, response),
            Err(error) => self.diagnose_send_error(line, error, 1),
        }
    }

    fn diagnosis(
        &self,
        line: &RequestLine,
        observed: Observed<'_>,
        attempts: u32,
        found_at: Option<&str>,
    ) -> Diagnosis {
        let token = self.token();
        diagnose(&Observation {
            request: Request { line: &line.to_string(), kind: &line.kind },
            server: ServerInfo {
                url: &self.server.to_string(),
                host: self.server.host(),
                loopback: self.server.is_loopback(),
                through_frontend: self.server.is_frontend(),
                frontend: &self.server.frontend(),
            },
            observed,
            attempts,
            token: token.as_deref(),
            cookie: self.headers.contains_key(COOKIE),
            now: Timestamp::now(),
            found_at,
            in_container: in_container(),
        })
    }
}

fn header<'a>(reply: &'a GmsResponse, name: &reqwest::header::HeaderName) -> Option<&'a str> {
    reply.headers.get(name).and_then(|value| value.to_str().ok())
}

fn beginning(reply: &GmsResponse) -> String {
    let bytes = reply.body.get(..4 * MAX_BODY_CHARS).unwrap_or(&reply.body);
    String::from_utf8_lossy(bytes).chars().take(MAX_BODY_CHARS).collect()
}

/// Whether this process runs in a container, as far as the files tell that Docker and Podman leave there, and the
/// variables that Kubernetes sets.
fn in_container() -> bool {
    static FOUND: OnceLock<bool> = OnceLock::new();
    *FOUND.get_or_init(|| {
        ["/.dockerenv", "/run/.containerenv"].iter().any(|path| Path::new(path).exists())
            || std::env::var_os("KUBERNETES_SERVICE_HOST").is_some()
    })
}
