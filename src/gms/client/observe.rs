//! From what came back to what a diagnosis is made of. Whatever a server has written passes the filter for secrets here.

use std::path::Path;
use std::sync::OnceLock;

use jiff::Timestamp;
use reqwest::header::{COOKIE, LOCATION, SERVER, WWW_AUTHENTICATE};

use super::Client;
use crate::auth::{Address, Answer, Fault, Observation, Observed, Redirect, Silence, diagnose};
use crate::diagnosis::Diagnosis;
use crate::gms::{Attempts, Reply, Target, TransportFault, TransportKind, Verdict};

/// Of a body more is never of use, to tell a page from another.
const BODY_CHARS: usize = 4_000;

impl Client {
    /// Why a request that was tried, perhaps more than once, came to nothing.
    pub(crate) fn diagnose_attempts(&self, target: &Target, attempts: &Attempts) -> Diagnosis {
        match (&attempts.last, &attempts.verdict) {
            (Err(fault), _) => self.diagnose_fault(target, fault, attempts.count),
            (Ok(reply), Verdict::Retry(_)) => self.diagnose_answer(target, reply, attempts.count, None),
            (Ok(reply), _) => self.diagnose_answer(target, reply, 1, None),
        }
    }

    /// Why an answer is a refusal of the caller, a server in trouble, or no answer of a GMS.
    pub(crate) fn diagnose(&self, target: &Target, reply: &Reply) -> Diagnosis {
        self.diagnose_answer(target, reply, 1, None)
    }

    /// The same, where it is known where GMS is instead.
    pub(super) fn diagnose_answer(
        &self,
        target: &Target,
        reply: &Reply,
        attempts: u32,
        found_at: Option<&str>,
    ) -> Diagnosis {
        let (message, body) = (self.redact(&reply.message()), self.redact(&beginning(reply)));
        let content_type = self.redact(reply.content_type());
        let location = reply.location().map(|location| self.redact(location));
        let query =
            header(reply, &LOCATION).and_then(|location| location.split_once('?')).map(|(_, query)| query);
        let names = query.into_iter().flat_map(|query| query.split('&'));
        let server = header(reply, &SERVER).map(|server| self.redact(&visible(server, 80)));
        let answer = Answer {
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
        self.diagnosis(target, Observed::Answer(answer), attempts, found_at)
    }

    /// Why GMS takes the caller for anonymous.
    pub(super) fn diagnose_anonymous(&self, target: &Target, reply: &Reply) -> Diagnosis {
        self.diagnosis(target, Observed::Anonymous { server_time: reply.date() }, 1, None)
    }

    /// Why there is no answer.
    pub(crate) fn diagnose_fault(&self, target: &Target, fault: &TransportFault, attempts: u32) -> Diagnosis {
        if let Some(diagnosis) = &fault.diagnosis {
            return (**diagnosis).clone();
        }
        let problem = self.redact(&fault.problem);
        let silence = Silence { fault: kind(fault), problem: &problem };
        self.diagnosis(target, Observed::Silence(silence), attempts, None)
    }

    fn diagnosis(
        &self,
        target: &Target,
        observed: Observed<'_>,
        attempts: u32,
        found_at: Option<&str>,
    ) -> Diagnosis {
        let token = self.token();
        diagnose(&Observation {
            request: &target.to_string(),
            server: Address {
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

fn header<'a>(reply: &'a Reply, name: &reqwest::header::HeaderName) -> Option<&'a str> {
    reply.headers.get(name).and_then(|value| value.to_str().ok())
}

fn beginning(reply: &Reply) -> String {
    let bytes = reply.body.get(..4 * BODY_CHARS).unwrap_or(&reply.body);
    String::from_utf8_lossy(bytes).chars().take(BODY_CHARS).collect()
}

fn visible(text: &str, count: usize) -> String {
    text.chars().filter(|c| !c.is_control()).take(count).collect()
}

/// How far it got. The words are those of rustls and hyper, which have no other way to say it through reqwest.
fn kind(fault: &TransportFault) -> Fault {
    let says = |words: &[&str]| words.iter().any(|word| fault.problem.contains(word));
    match fault.kind {
        TransportKind::Name => Fault::Name,
        TransportKind::Tls if says(&["InvalidContentType"]) => Fault::PlainPort,
        TransportKind::Tls if says(&["CertificateRequired", "HandshakeFailure", "BadCertificate"]) => {
            Fault::ClientCertificate
        }
        TransportKind::Tls if says(&["certificate"]) => Fault::Certificate,
        TransportKind::Tls => Fault::Tls,
        TransportKind::ConnectTimeout => Fault::ConnectTimeout,
        TransportKind::Timeout | TransportKind::WriteTimeout => Fault::Timeout,
        TransportKind::Broken if says(&["invalid HTTP version", "invalid HTTP status"]) => Fault::NotHttp,
        TransportKind::Broken => Fault::Broken,
        TransportKind::Connect
        | TransportKind::Unsendable
        | TransportKind::NoToken
        | TransportKind::NoTokenYet => Fault::Connect,
    }
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
