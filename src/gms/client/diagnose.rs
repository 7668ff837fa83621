//! Turns failed requests into diagnoses. All text from a server is redacted here.

use std::path::Path;
use std::sync::OnceLock;

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
    /// The cause of a request that failed, perhaps after several attempts.
    pub(crate) fn diagnose_attempts(&self, line: &RequestLine, attempts: &Attempts) -> Diagnosis {
        match (&attempts.last, &attempts.verdict) {
            (Err(fault), _) => self.diagnose_send_error(line, fault, attempts.count),
            (Ok(response), Verdict::Retry(_)) => self.diagnose_answer(line, response, attempts.count, None),
            (Ok(response), _) => self.diagnose_answer(line, response, 1, None),
        }
    }

    /// The cause of a response that is not a success.
    pub(crate) fn diagnose(&self, line: &RequestLine, response: &GmsResponse) -> Diagnosis {
        self.diagnose_answer(line, response, 1, None)
    }

    /// As [`diagnose`](Self::diagnose), with the address at which a GMS was found instead.
    pub(super) fn diagnose_answer(
        &self,
        line: &RequestLine,
        response: &GmsResponse,
        attempts: u32,
        found_at: Option<&str>,
    ) -> Diagnosis {
        let (message, body) = (self.redact(&response.message()), self.redact(&beginning(response)));
        let content_type = self.redact(response.content_type());
        let location = response.location().map(|location| self.redact(location));
        let query =
            header(response, &LOCATION).and_then(|location| location.split_once('?')).map(|(_, query)| query);
        let names = query.into_iter().flat_map(|query| query.split('&'));
        let server = header(response, &SERVER)
            .map(|server| self.redact(&display_text(server, MAX_SERVER_HEADER_CHARS)));
        let info = ResponseInfo {
            status: response.status.as_u16(),
            content_type: &content_type,
            body: &body,
            message: &message,
            cut_short: response.status.is_success() && !response.is_page() && !response.is_json_or_empty(),
            redirect: location.as_deref().filter(|_| response.status.is_redirection()).map(|to| Redirect {
                to,
                parameters: names.filter_map(|pair| pair.split('=').next()).collect(),
            }),
            server_time: response.date(),
            challenge: response.headers.contains_key(WWW_AUTHENTICATE),
            server: server.as_deref(),
        };
        self.diagnosis(line, Observed::Response(info), attempts, found_at)
    }

    /// Why GMS considers the caller anonymous.
    pub(super) fn diagnose_anonymous(&self, line: &RequestLine, response: &GmsResponse) -> Diagnosis {
        self.diagnosis(line, Observed::Anonymous { server_time: response.date() }, 1, None)
    }

    /// The cause of an attempt without a response.
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
    pub(crate) fn diagnose_result(
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
        let proxy = self.http.proxy_for(&self.server.to_string());
        diagnose(&Observation {
            request: Request { line: &line.to_string(), kind: &line.kind },
            server: ServerInfo {
                url: &self.server.to_string(),
                host: self.server.host(),
                loopback: self.server.is_loopback(),
                through_frontend: self.server.is_frontend(),
                frontend: &self.server.frontend(),
                proxy: proxy.as_ref(),
                is_known_gms: self.known_config().is_some(),
            },
            observed,
            attempts,
            token: token.as_deref(),
            cookie: self.headers.contains_key(COOKIE),
            now: self.clock.now(),
            found_at,
            in_container: in_container(),
        })
    }
}

fn header<'a>(response: &'a GmsResponse, name: &reqwest::header::HeaderName) -> Option<&'a str> {
    response.headers.get(name).and_then(|value| value.to_str().ok())
}

fn beginning(response: &GmsResponse) -> String {
    let bytes = response.body.get(..4 * MAX_BODY_CHARS).unwrap_or(&response.body);
    String::from_utf8_lossy(bytes).chars().take(MAX_BODY_CHARS).collect()
}

/// Whether this process runs in a container, as far as the files tell that Docker and Podman leave there, and
/// the variables that Kubernetes sets.
fn in_container() -> bool {
    static FOUND: OnceLock<bool> = OnceLock::new();
    *FOUND.get_or_init(|| {
        ["/.dockerenv", "/run/.containerenv"].iter().any(|path| Path::new(path).exists())
            || std::env::var_os("KUBERNETES_SERVICE_HOST").is_some()
    })
}
