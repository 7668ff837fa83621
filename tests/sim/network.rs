//! The network of one process: carries requests to the simulated GMS, and breaks on purpose.

use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use datahub_emitter::http::{
    HttpService, Request, Response, ResponseFuture, TransportError, TransportErrorKind,
};
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use tokio::time::sleep;

use crate::clock::WorldTime;
use crate::coverage::Coverage;
use crate::fault::{Fault, FaultKind, ServerTrouble, WriteTrouble};
use crate::gms::{Gms, WriteRequest, failure, lasts};
use crate::history::{History, SeenResult, SentRequest};
use crate::process::{Alive, Process};
use crate::random::Random;

/// The response to `/config`.
const CONFIG: &str = r#"{"noCode":"true","versions":{"acryldata/datahub":{"version":"v1.3.0"}}}"#;

/// How long a client waits for a response.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The server and everything that happened to it, shared by all processes of a world.
#[derive(Debug, Default)]
pub(crate) struct Servers {
    pub(crate) gms: Mutex<Gms>,
    pub(crate) history: Mutex<History>,
}

/// The network of a process.
#[derive(Debug)]
pub(crate) struct Network {
    seed: u64,
    servers: Arc<Servers>,
    process: Arc<Process>,
    time: WorldTime,
    coverage: Arc<Coverage>,
    faults: Vec<FaultKind>,
    state: Mutex<NetworkState>,
}

#[derive(Debug, Default)]
struct NetworkState {
    /// Writes so far.
    writes: u32,
    /// Requests so far, of all kinds.
    requests: u32,
    /// Troubles with the token that have begun.
    token_troubles: Vec<FaultKind>,
    is_revoked: bool,
}

/// The answer from the other end of a connection.
struct Answer {
    delay: Duration,
    result: Result<(u16, String), TransportErrorKind>,
    retry_after: Option<u32>,
    content_type: &'static str,
}

impl Answer {
    fn of(status: u16, body: impl Into<String>) -> Self {
        Self {
            delay: Duration::ZERO,
            result: Ok((status, body.into())),
            retry_after: None,
            content_type: "application/json",
        }
    }

    fn broken(kind: TransportErrorKind) -> Self {
        Self { result: Err(kind), ..Self::of(0, "") }
    }

    fn after(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }
}

impl Network {
    pub(crate) fn new(
        seed: u64,
        servers: Arc<Servers>,
        process: Arc<Process>,
        time: WorldTime,
        faults: &[Fault],
        coverage: Arc<Coverage>,
    ) -> Self {
        let faults =
            faults.iter().filter(|fault| fault.life == process.life).map(|fault| fault.kind).collect();
        Self { seed, servers, process, time, coverage, faults, state: Mutex::default() }
    }

    /// Whether the token was revoked in this life without a replacement.
    pub(crate) fn is_revoked(&self) -> bool {
        self.state.lock().unwrap().is_revoked
    }

    /// The troubles of the server that have begun, with the time since.
    fn troubles(&self) -> Vec<(ServerTrouble, Duration)> {
        let now = self.time.in_life();
        let mut begun = Vec::new();
        for kind in &self.faults {
            let FaultKind::Server { from_ms, trouble } = kind else { continue };
            let Some(since) = now.checked_sub(Duration::from_millis(*from_ms)) else { continue };
            begun.push((*trouble, since));
            let revokes = matches!(
                trouble,
                ServerTrouble::TokenReplaced
                    | ServerTrouble::TokenRevoked
                    | ServerTrouble::ProviderAway { .. }
            );
            let mut state = self.state.lock().unwrap();
            if revokes && !state.token_troubles.contains(kind) {
                state.token_troubles.push(*kind);
                state.is_revoked |= matches!(trouble, ServerTrouble::TokenRevoked);
                self.servers.gms.lock().unwrap().revoke_token();
                self.coverage.count(&kind.name());
            }
        }
        begun
    }

    fn count(&self, trouble: ServerTrouble) {
        self.coverage.count(&FaultKind::Server { from_ms: 0, trouble }.name());
    }

    /// The answer of the identity provider.
    fn issue_token(&self, troubles: &[(ServerTrouble, Duration)]) -> Answer {
        for (trouble, since) in troubles {
            if matches!(trouble, ServerTrouble::ProviderAway { ms } if lasts(*since, *ms)) {
                return Answer::broken(TransportErrorKind::Connect);
            }
        }
        let token = self.servers.gms.lock().unwrap().issued_token(self.is_revoked());
        Answer::of(200, format!(r#"{{"access_token":"{token}","expires_in":3600}}"#))
    }

    /// The answer to a write, which it does, if it does anything.
    fn write(&self, number: usize, request: &WriteRequest, troubles: &[(ServerTrouble, Duration)]) -> Answer {
        let nth = {
            let mut state = self.state.lock().unwrap();
            state.writes += 1;
            state.writes - 1
        };
        let trouble = self.faults.iter().find_map(|kind| match kind {
            FaultKind::Write { first, count, trouble } if nth >= *first && nth - first < *count => {
                self.coverage.count(&kind.name());
                Some(*trouble)
            }
            _ => None,
        });
        match trouble {
            Some(WriteTrouble::NoConnection) => return Answer::broken(TransportErrorKind::Connect),
            Some(WriteTrouble::ResetBeforeCommit) => {
                return Answer::broken(TransportErrorKind::ConnectionLost);
            }
            Some(WriteTrouble::TimeoutBeforeCommit) => {
                return Answer::broken(TransportErrorKind::ResponseTimeout).after(TIMEOUT);
            }
            Some(WriteTrouble::LoginPage) => {
                return Answer { content_type: "text/html", ..Answer::of(200, "<html>Sign in</html>") };
            }
            Some(WriteTrouble::SpuriousRefusal) => return Answer::of(401, ""),
            Some(WriteTrouble::RequestTimeout) => return Answer::of(408, ""),
            Some(WriteTrouble::Throttled { retry_after }) => {
                return Answer { retry_after, ..Answer::of(429, failure("slow down", 429)) };
            }
            Some(WriteTrouble::Failed { ms }) => {
                let answer = Answer::of(500, failure("java.lang.NullPointerException", 500));
                return answer.after(Duration::from_millis(ms));
            }
            Some(WriteTrouble::Conflict) => return Answer::of(500, failure("deadlock detected", 500)),
            Some(WriteTrouble::BadGateway) => return Answer::of(502, "<html>Bad Gateway</html>"),
            Some(WriteTrouble::Unavailable { retry_after }) => {
                return Answer { retry_after, ..Answer::of(503, failure("shutting down", 503)) };
            }
            _ => {}
        }
        let mut answer = self.act(number, request, troubles, trouble);
        if answer.result.as_ref().is_ok_and(|(status, _)| *status == 200) {
            match trouble {
                Some(WriteTrouble::ResetAfterCommit) => {
                    answer = Answer::broken(TransportErrorKind::ConnectionLost);
                }
                Some(WriteTrouble::TimeoutAfterCommit) => {
                    answer = Answer::broken(TransportErrorKind::ResponseTimeout).after(TIMEOUT);
                }
                Some(WriteTrouble::TruncatedResponse) => answer = Answer::of(200, r#"[{"value":"succ"#),
                Some(WriteTrouble::FailedAfterCommit) => {
                    answer =
                        Answer::of(500, failure("Async processing: Server timeout after 60 seconds", 500));
                }
                _ => {}
            }
        }
        match trouble {
            Some(WriteTrouble::Slow { ms }) => answer.after(Duration::from_millis(ms)),
            _ => answer,
        }
    }

    /// GMS checks a write, and does it.
    fn act(
        &self,
        number: usize,
        request: &WriteRequest,
        troubles: &[(ServerTrouble, Duration)],
        trouble: Option<WriteTrouble>,
    ) -> Answer {
        let mut gms = self.servers.gms.lock().unwrap();
        let mut history = self.servers.history.lock().unwrap();
        let token = history.requests[number].token.clone();
        if !gms.accepts_token(&token, troubles) {
            return Answer::of(401, "");
        }
        if let Some((status, body)) = gms.refusal(request, troubles, self.time.in_life()) {
            return Answer::of(status, body);
        }
        let is_partial =
            matches!(trouble, Some(WriteTrouble::PartialThenReset | WriteTrouble::PartialThenFailed));
        let written = if is_partial { request.proposals.len() / 2 } else { request.proposals.len() };
        for (proposal, _) in &request.proposals[..written] {
            history.commit(proposal);
        }
        match trouble {
            Some(WriteTrouble::PartialThenReset) => Answer::broken(TransportErrorKind::ConnectionLost),
            Some(WriteTrouble::PartialThenFailed) => {
                Answer::of(500, failure("java.lang.NullPointerException", 500))
            }
            _ => Answer::of(200, request.success()),
        }
    }

    /// Counts the troubles that an answer shows.
    fn count_shown(&self, answer: &Answer, troubles: &[(ServerTrouble, Duration)]) {
        let status = answer.result.as_ref().map_or(0, |(status, _)| *status);
        for (trouble, _) in troubles {
            let is_shown = match trouble {
                ServerTrouble::Restarted { .. } => status == 503,
                ServerTrouble::RateLimit { .. } => status == 429,
                ServerTrouble::BodyLimit { .. } => status == 413,
                ServerTrouble::OlderModel { .. } => status == 422,
                ServerTrouble::Forbidden { .. } => status == 403,
                ServerTrouble::UpgradedFromOldVersion { .. } => status == 400,
                ServerTrouble::TokenStoreAway { .. } => status == 401,
                _ => false,
            };
            if is_shown {
                self.count(*trouble);
            }
        }
    }

    fn answer(&self, request: Request) -> (Option<usize>, Answer) {
        let troubles = self.troubles();
        let Request { url, headers, body, .. } = request;
        let body: Vec<u8> = body.into_iter().flatten().flatten().collect();
        if url.starts_with("https://identity.invalid/") {
            return (None, self.issue_token(&troubles));
        }
        let write = WriteRequest::read(&url, &body);
        let number = write.as_ref().map(|write| {
            let token = headers.get("authorization").and_then(|value| value.to_str().ok());
            self.servers.history.lock().unwrap().send(SentRequest {
                life: self.process.life,
                sent_at: self.time.now(),
                token: token.unwrap_or_default().to_owned(),
                proposals: write.proposals.iter().map(|(proposal, _)| proposal.clone()).collect(),
                result: None,
            })
        });
        for (trouble, since) in &troubles {
            if matches!(trouble, ServerTrouble::Outage { ms } if lasts(*since, *ms)) {
                self.count(*trouble);
                return (number, Answer::broken(TransportErrorKind::Connect));
            }
        }
        let answer = match (&write, number) {
            (Some(write), Some(number)) => self.write(number, write, &troubles),
            _ if url.contains("/config") => Answer::of(200, CONFIG),
            _ if url.contains("/entitiesV2/") => {
                self.servers.history.lock().unwrap().lookups += 1;
                Answer::of(404, "")
            }
            _ => Answer::of(404, ""),
        };
        self.count_shown(&answer, &troubles);
        (number, answer)
    }

    async fn exchange(&self, request: Request) -> Result<Response, TransportError> {
        // A request that its process does not survive may be sent; its response has no reader.
        let dies = match self.process.step() {
            Alive::Yes => false,
            Alive::DiesNow => true,
            Alive::No => return pending().await,
        };
        let nth = {
            let mut state = self.state.lock().unwrap();
            state.requests += 1;
            state.requests
        };
        let mut random = Random::of(self.seed, ("latency", self.process.life, nth));
        let latency = Duration::from_millis(random.between(1, 40));
        if dies && random.one_in(2) {
            return pending().await;
        }
        let (number, answer) = self.answer(request);
        let in_flight = number.map(|number| InFlightGuard::new(&self.servers, number));
        sleep(latency + answer.delay).await;
        if self.process.step() != Alive::Yes {
            return pending().await;
        }
        let is_accepted = matches!(&answer.result, Ok((200, body)) if serde_json::from_str::<serde_json::Value>(body).is_ok());
        if let Some(number) = number {
            let status = answer.result.as_ref().ok().map(|(status, _)| *status);
            let seen = SeenResult { at: self.time.now(), status, is_accepted };
            self.servers.history.lock().unwrap().requests[number].result = Some(seen);
        }
        drop(in_flight);
        let (status, body) =
            answer.result.map_err(|kind| TransportError::new(kind, "the simulated connection failed"))?;
        let mut headers = HeaderMap::new();
        headers.insert("content-type", answer.content_type.parse().unwrap());
        if let Some(seconds) = answer.retry_after {
            headers.insert("retry-after", seconds.into());
        }
        let status = StatusCode::from_u16(status).unwrap();
        Ok(Response { status, headers, body: Bytes::from(body), truncated: false })
    }
}

impl HttpService for Network {
    fn send(&self, request: Request) -> ResponseFuture<'_> {
        Box::pin(self.exchange(request))
    }
}

/// Counts the proposals of a request as in flight.
struct InFlightGuard<'a> {
    servers: &'a Servers,
    number: usize,
}

impl<'a> InFlightGuard<'a> {
    fn new(servers: &'a Servers, number: usize) -> Self {
        servers.history.lock().unwrap().begin_flight(number);
        Self { servers, number }
    }
}

impl Drop for InFlightGuard<'_> {
    fn drop(&mut self) {
        self.servers.history.lock().unwrap().end_flight(self.number);
    }
}
