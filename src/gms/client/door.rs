//! Before anything is written: is it a GMS, and does it take the token?

use std::time::{Duration, Instant};

use reqwest::Method;
use reqwest::header::{AUTHORIZATION, COOKIE};
use url::Url;

use super::{Client, MAX_REPLY_BYTES};
use crate::Error;
use crate::diagnosis::{Code, Diagnosis};
use crate::gms::server_config::{UserType, user_type};
use crate::gms::{
    Attempts, Reply, RetryPolicy, ServerConfig, Target, TransportFault, TransportKind, Verdict,
};

/// Where a GMS may be on the host of an address that is none: behind DataHub's frontend, or as DataHub Cloud shows it.
const OTHER_PLACES: [&str; 2] = ["/api/gms", "/gms"];

/// How long another place may take to answer.
const OTHER_PATIENCE: Duration = Duration::from_secs(3);

/// The longest delay between two looks for a server that is away.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// How long a server that is away is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// So long, whatever is the matter with it.
    Asked(Duration),
    /// So long; but where this very machine says that nobody listens, which is certain and mostly a slip, not at all.
    Preset(Duration),
}

/// What is known of a token before anything is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Standing {
    /// GMS takes it, or looks at none.
    Taken,
    /// There is none.
    NoToken,
    /// This GMS does not tell; its answer to the first write will.
    NotKnown,
}

impl Client {
    /// Asks who is there, and takes nothing but a GMS for an answer. A server in trouble is asked again as `retry`
    /// says; where nobody listens it ends at once, since a mistyped address is likelier than a server that is about to
    /// come.
    ///
    /// # Errors
    /// When nothing answers, or something else does; the error carries the diagnosis.
    pub async fn server_config(&self, retry: &RetryPolicy) -> Result<ServerConfig, Error> {
        let target = self.target(Method::GET, "/config");
        let wait = |last: &Result<Reply, TransportFault>, _, delay: Duration| {
            let nobody = matches!(last, Err(fault) if fault.kind.nothing_sent());
            if !nobody {
                let trouble = self.trouble(&target, last);
                tracing::warn!("{trouble}; trying again in {:.1} s", delay.as_secs_f64());
            }
            async move {
                if !nobody {
                    tokio::time::sleep(delay).await;
                }
                !nobody
            }
        };
        let attempts = retry.run(|_| self.send(&target, None, MAX_REPLY_BYTES), wait).await;
        self.read_config(&target, &attempts).await
    }

    /// As [`server_config`](Self::server_config), and waits for a server that is away, starting or in trouble for as long as
    /// `patience` says. `told` learns at the first failure what is the matter, before the waiting.
    ///
    /// # Errors
    /// As there, once that time is over; at once for what time does not mend: an unknown name, a wrong certificate,
    /// something that is no GMS, a refusal.
    pub async fn await_server(
        &self,
        patience: Patience,
        told: impl Fn(&Diagnosis) + Send + Sync,
    ) -> Result<ServerConfig, Error> {
        let target = self.target(Method::GET, "/config");
        let begun = Instant::now();
        let (Patience::Asked(time) | Patience::Preset(time)) = patience;
        let nobody_here = |last: &Result<Reply, TransportFault>| {
            let refused = matches!(last, Err(fault) if fault.kind == TransportKind::Connect);
            refused && self.server.is_loopback() && matches!(patience, Patience::Preset(_))
        };
        let mut first = true;
        let retry = RetryPolicy {
            max_times: u32::MAX,
            budget: Duration::MAX,
            longest_delay: LOOK_EVERY,
            ..RetryPolicy::default()
        };
        let wait = |last: &Result<Reply, TransportFault>, _, delay: Duration| {
            let diagnosis = match last {
                Ok(reply) => self.diagnose(&target, reply),
                Err(fault) => self.diagnose_fault(&target, fault, 1),
            };
            let left = time.saturating_sub(begun.elapsed());
            let goes_on = diagnosis.code.may_pass() && !left.is_zero() && !nobody_here(last);
            if goes_on && std::mem::take(&mut first) {
                told(&diagnosis);
            }
            async move {
                if goes_on {
                    tokio::time::sleep(delay.min(left)).await;
                }
                goes_on
            }
        };
        let attempts = retry.run(|_| self.send(&target, None, MAX_REPLY_BYTES), wait).await;
        self.read_config(&target, &attempts).await
    }

    async fn read_config(&self, target: &Target, attempts: &Attempts) -> Result<ServerConfig, Error> {
        if let Some(read) = attempts.last.as_ref().ok().and_then(ServerConfig::read) {
            let config = ServerConfig {
                version: read.version.map(|version| self.redact(&version)),
                environment: read.environment.map(|environment| self.redact(&environment)),
                ..read
            };
            return Ok(self.config.get_or_init(|| config).clone());
        }
        let diagnosis = self.diagnose_attempts(target, attempts);
        let elsewhere = match (&attempts.last, diagnosis.code) {
            (Ok(reply), Code::Frontend | Code::NotGms) if !self.server.is_frontend() => {
                self.look_elsewhere().await.map(|found| self.diagnose_answer(target, reply, 1, Some(&found)))
            }
            _ => None,
        };
        Err(elsewhere.unwrap_or(diagnosis).into())
    }

    /// Where on the same host there is a GMS. It is proposed, and never taken in place of the address that was given; the
    /// token does not go along.
    async fn look_elsewhere(&self) -> Option<String> {
        let base = Url::parse(&self.server.origin()).ok()?;
        for place in OTHER_PLACES {
            let address = format!("{}{place}", base.as_str().trim_end_matches('/'));
            let config = format!("{address}/config");
            let asked = self.ask_openly(&config);
            let Ok(Ok(reply)) = tokio::time::timeout(OTHER_PATIENCE, asked).await else { return None };
            // The frontend lets nobody through without a token, and says nothing about it.
            let by_frontend = place == "/api/gms" && reply.status == 401 && reply.body.is_empty();
            if by_frontend || ServerConfig::read(&reply).is_some() {
                return Some(address);
            }
        }
        None
    }

    /// A GET without any credentials.
    async fn ask_openly(&self, url: &str) -> Result<Reply, TransportFault> {
        let mut headers = self.headers.clone();
        headers.remove(AUTHORIZATION);
        headers.remove(COOKIE);
        self.transport.send(Method::GET, url, headers, None, MAX_REPLY_BYTES).await
    }

    /// Whether GMS takes the token: one question, `/config?verbose=true`, whose `userType` tells (`Config.java`). Older
    /// servers do not tell there.
    ///
    /// Where the first token is not taken, another is fetched, if there is one.
    ///
    /// # Errors
    /// When GMS takes the caller for anonymous, though there is a token; and on 401, 403, a redirect, a web page or no
    /// answer. Anything else is [`Standing::NotKnown`].
    pub async fn standing(&self, retry: &RetryPolicy) -> Result<Standing, Error> {
        let target = self.target(Method::GET, "/config?verbose=true");
        let mut renewed = false;
        loop {
            let attempts = retry.run_quietly(|_| self.send(&target, None, MAX_REPLY_BYTES)).await;
            let Ok(reply) = &attempts.last else {
                return Err(self.diagnose_attempts(&target, &attempts).into());
            };
            let has_token = self.token().is_some_and(|token| !token.empty);
            let diagnosis = match (&attempts.verdict, user_type(reply)) {
                (Verdict::Unauthorized | Verdict::Forbidden | Verdict::NotGms, _) => {
                    self.diagnose(&target, reply)
                }
                (Verdict::Delivered, Some(UserType::Anonymous)) => self.diagnose_anonymous(&target, reply),
                (Verdict::Delivered, Some(UserType::User)) if has_token => return Ok(Standing::Taken),
                (Verdict::Delivered, Some(UserType::User)) => return Ok(Standing::NoToken),
                _ => return Ok(Standing::NotKnown),
            };
            let other = !renewed && self.credentials.renew(reply.generation).await.unwrap_or(false);
            if !other {
                return Err(diagnosis.into());
            }
            renewed = true;
        }
    }

    /// The note that authentication is off, if it is: whether GMS takes whoever comes without a token for a user. `None`
    /// where it does not, or does not tell.
    pub async fn is_open_to_all(&self) -> Option<Diagnosis> {
        let target = self.target(Method::GET, "/config?verbose=true");
        let reply = self.ask_openly(&target.url).await.ok()?;
        let has_token = self.token().is_some_and(|token| !token.empty);
        (user_type(&reply)? == UserType::User).then(|| Diagnosis::disabled(&target.to_string(), has_token))
    }
}
