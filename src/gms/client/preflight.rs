//! Checks before anything is written: is the server a GMS, and does it accept the token?

use std::time::Duration;

use reqwest::Method;
use reqwest::header::{AUTHORIZATION, COOKIE};
use tokio::time::Instant;
use url::Url;

use super::{Client, MAX_RESPONSE_BYTES};
use crate::Error;
use crate::auth::RequestKind;
use crate::diagnosis::{Code, Diagnosis};
use crate::gms::server_config::{UserType, user_type};
use crate::gms::{
    Attempts, GmsResponse, Next, RequestLine, RetryPolicy, RetryState, SendError, ServerConfig, Verdict,
};
use crate::http::{TransportError, TransportErrorKind};

/// The paths below which a GMS may be found on the host of an address that is not a GMS: DataHub's frontend
/// passes requests on below the first, and DataHub Cloud uses the second.
const ALTERNATIVE_PATHS: [&str; 2] = ["/api/gms", "/gms"];

/// How long an alternative address may take to respond.
const ALTERNATIVE_TIMEOUT: Duration = Duration::from_secs(3);

/// The longest delay between two attempts to reach a server that is not ready.
const MAX_POLL_INTERVAL: Duration = Duration::from_secs(2);

/// How long to wait for a server that is not ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WaitForServer {
    /// The user has set the time: it applies to every failure that may pass.
    Explicit(Duration),
    /// The time is a default: it does not apply if nothing listens at a loopback address, because that is
    /// mostly a mistake in the address.
    Default(Duration),
}

/// The state of the token before anything is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenStatus {
    /// GMS accepts the token, or does not look at tokens.
    Accepted,
    /// There is no token.
    NoToken,
    /// This version of GMS does not tell; its response to the first write will.
    Unknown,
}

impl Client {
    /// Reads the server's configuration, which shows that it is a GMS. A server that fails is asked again as
    /// `retry` says. A server that cannot be reached is not, because a mistyped address is more likely than a
    /// server that is about to start.
    ///
    /// # Errors
    /// [`ErrorKind::Unreachable`](crate::ErrorKind::Unreachable) if nothing answers, or something other than
    /// a GMS; [`Refused`](crate::ErrorKind::Refused) if the caller is refused. The error has a diagnosis.
    ///
    /// # Cancel safety
    /// Dropping the future abandons the request; it can be called again.
    pub async fn server_config(&self, retry: &RetryPolicy) -> Result<ServerConfig, Error> {
        let line = self.request_line(Method::GET, "/config").with_kind(RequestKind::Config);
        let mut retry = RetryState::new(retry, self.clock());
        loop {
            let result = self.send(&line, None, MAX_RESPONSE_BYTES).await;
            let next = retry.next(&result);
            match next {
                Next::RetryAfter { delay, .. } if !result.as_ref().is_err_and(SendError::nothing_sent) => {
                    let failure = self.describe_failure(&line, &result);
                    tracing::warn!("{failure}; trying again in {:.1} s", delay.as_secs_f64());
                    tokio::time::sleep(delay).await;
                }
                _ => return self.read_config(&line, &retry.finish(result, &next)).await,
            }
        }
    }

    /// Reads the server's configuration like [`server_config`](Self::server_config), and waits for a server
    /// that cannot be reached, is starting or fails, for as long as `wait` says. `on_wait` is called once,
    /// before the first wait, with the diagnosis of the failure.
    ///
    /// # Errors
    /// The errors of [`server_config`](Self::server_config) when the time is over. At once for a failure that
    /// waiting does not fix: an unknown host name, a certificate that is not trusted, a server that is not a
    /// GMS, a refusal.
    ///
    /// # Cancel safety
    /// Dropping the future ends the waiting; it can be called again.
    pub async fn wait_until_ready(
        &self,
        wait: WaitForServer,
        on_wait: impl Fn(&Diagnosis) + Send + Sync,
    ) -> Result<ServerConfig, Error> {
        let line = self.request_line(Method::GET, "/config").with_kind(RequestKind::Config);
        let (WaitForServer::Explicit(time) | WaitForServer::Default(time)) = wait;
        let policy = RetryPolicy {
            max_times: u32::MAX,
            budget: Duration::MAX,
            longest_delay: MAX_POLL_INTERVAL,
            ..RetryPolicy::default()
        };
        let started_at = Instant::now();
        let mut retry = RetryState::new(&policy, self.clock());
        let mut is_first = true;
        loop {
            let result = self.send(&line, None, MAX_RESPONSE_BYTES).await;
            let next = retry.next(&result);
            if let Next::RetryAfter { delay, .. } = next {
                let diagnosis = self.diagnose_result(&line, &result);
                let remaining = time.saturating_sub(started_at.elapsed());
                if diagnosis.code.may_pass() && !remaining.is_zero() && !self.nobody_listens(wait, &result) {
                    if std::mem::take(&mut is_first) {
                        on_wait(&diagnosis);
                    }
                    tokio::time::sleep(delay.min(remaining)).await;
                    continue;
                }
            }
            return self.read_config(&line, &retry.finish(result, &next)).await;
        }
    }

    /// Whether this machine itself says that no process listens at the address. That is certain, and mostly a
    /// mistake in the address, so the default wait does not apply.
    fn nobody_listens(&self, wait: WaitForServer, result: &Result<GmsResponse, SendError>) -> bool {
        let refused =
            result.as_ref().is_err_and(|error| error.transport_kind() == Some(TransportErrorKind::Connect));
        refused && self.server.is_loopback() && matches!(wait, WaitForServer::Default(_))
    }

    async fn read_config(&self, line: &RequestLine, attempts: &Attempts) -> Result<ServerConfig, Error> {
        if let Some(read) = attempts.last.as_ref().ok().and_then(ServerConfig::read) {
            let config = ServerConfig {
                version: read.version.map(|version| self.redact(&version)),
                environment: read.environment.map(|environment| self.redact(&environment)),
                ..read
            };
            return Ok(self.config.get_or_init(|| config).clone());
        }
        let diagnosis = self.diagnose_attempts(line, attempts);
        let elsewhere = match (&attempts.last, diagnosis.code) {
            (Ok(response), Code::Frontend | Code::NotGms) if !self.server.is_frontend() => self
                .find_alternative()
                .await
                .map(|found| self.diagnose_answer(line, response, 1, Some(&found))),
            _ => None,
        };
        Err(elsewhere.unwrap_or(diagnosis).into())
    }

    /// The address of a GMS on the same host. It is only suggested to the user, and is asked without the
    /// token.
    async fn find_alternative(&self) -> Option<String> {
        let base = Url::parse(&self.server.origin()).ok()?;
        for path in ALTERNATIVE_PATHS {
            let address = format!("{}{path}", base.as_str().trim_end_matches('/'));
            let url = format!("{address}/config");
            let line = RequestLine { method: Method::GET, url, kind: RequestKind::Config };
            let response = self.send_anonymously(&line);
            let Ok(Ok(response)) = tokio::time::timeout(ALTERNATIVE_TIMEOUT, response).await else {
                return None;
            };
            // The frontend answers so to every request without a token.
            let by_frontend = path == "/api/gms" && response.status == 401 && response.body.is_empty();
            if by_frontend || ServerConfig::read(&response).is_some() {
                return Some(address);
            }
        }
        None
    }

    /// Sends a request without any credentials.
    async fn send_anonymously(&self, line: &RequestLine) -> Result<GmsResponse, TransportError> {
        let mut headers = self.headers.clone();
        headers.remove(AUTHORIZATION);
        headers.remove(COOKIE);
        self.exchange(line, headers, None, MAX_RESPONSE_BYTES, 0).await
    }

    /// Whether GMS accepts the token, by one request: the `userType` of `/config?verbose=true`
    /// (`Config.java`). Older servers do not have it. If the token is refused, it is renewed once.
    ///
    /// # Errors
    /// [`ErrorKind::Refused`](crate::ErrorKind::Refused) if GMS considers the caller anonymous although there
    /// is a token, and on 401 and 403; [`Unreachable`](crate::ErrorKind::Unreachable) on a redirect, a web
    /// page or no response. Any other response is [`TokenStatus::Unknown`].
    ///
    /// # Cancel safety
    /// Dropping the future abandons the request; it can be called again.
    pub async fn check_token(&self, retry: &RetryPolicy) -> Result<TokenStatus, Error> {
        let line = self.request_line(Method::GET, "/config?verbose=true").with_kind(RequestKind::Config);
        let mut renewed = false;
        loop {
            let attempts = self.get_with_retries(&line, MAX_RESPONSE_BYTES, retry).await;
            let Ok(response) = &attempts.last else {
                return Err(self.diagnose_attempts(&line, &attempts).into());
            };
            let has_token = self.token().is_some_and(|token| !token.empty);
            let diagnosis = match (&attempts.verdict, user_type(response)) {
                (Verdict::Unauthorized | Verdict::Forbidden | Verdict::NotGms, _) => {
                    self.diagnose(&line, response)
                }
                (Verdict::Delivered, Some(UserType::Anonymous)) => self.diagnose_anonymous(&line, response),
                (Verdict::Delivered, Some(UserType::User)) if has_token => return Ok(TokenStatus::Accepted),
                (Verdict::Delivered, Some(UserType::User)) => return Ok(TokenStatus::NoToken),
                _ => return Ok(TokenStatus::Unknown),
            };
            let other = !renewed && self.credentials.renew(response.token_generation).await.unwrap_or(false);
            if !other {
                return Err(diagnosis.into());
            }
            renewed = true;
        }
    }

    /// The note that authentication is off, if GMS considers a caller without a token a user. `None` if it
    /// does not, or its version does not tell.
    ///
    /// # Cancel safety
    /// Dropping the future abandons the request; it can be called again.
    pub async fn anonymous_access(&self) -> Option<Diagnosis> {
        let line = self.request_line(Method::GET, "/config?verbose=true").with_kind(RequestKind::Config);
        let response = self.send_anonymously(&line).await.ok()?;
        let has_token = self.token().is_some_and(|token| !token.empty);
        (user_type(&response)? == UserType::User)
            .then(|| Diagnosis::authentication_disabled(line.to_string(), has_token))
    }
}
