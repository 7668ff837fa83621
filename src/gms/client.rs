//! The client of one GMS: its headers, its token, and single requests.

mod diagnose;
#[cfg(all(unix, feature = "pipeline"))]
mod forward;
mod preflight;

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};

use super::request_headers::{extra_header, may_be_secret, own_headers};
use super::{
    Attempts, ClientConfig, EmitMode, Endpoint, Feature, GmsResponse, Next, RequestBody, RequestLine,
    RetryPolicy, RetryState, SendError, ServerAddress, ServerConfig, Verdict, WriteRequest, trace,
};
use crate::auth::{Credentials, RequestKind, TokenInfo};
use crate::clock::Clock;
use crate::http::{self, HttpService};
use crate::redact::Redactor;

use crate::{Error, ErrorKind};

pub use preflight::{TokenStatus, WaitForServer};

/// The read limit of most responses, 1 MiB. They are short, and only the beginning of a longer one is useful.
const MAX_RESPONSE_BYTES: usize = 1024 * 1024;

/// The read limit for an entity with all its aspects: 256 MiB.
pub(super) const MAX_ENTITY_BYTES: usize = 256 * 1024 * 1024;

/// A client of one GMS. Clones share connections, token and configuration.
#[derive(Clone, Debug)]
pub struct Client {
    http: Arc<dyn HttpService>,
    server: ServerAddress,
    headers: HeaderMap,
    credentials: Credentials,
    /// The Authorization header among the extra headers, which replaces every token.
    extra_token: Option<Arc<TokenInfo>>,
    /// The server's configuration, once it was read.
    config: Arc<OnceLock<ServerConfig>>,
    clock: Arc<dyn Clock>,
    /// How reads are retried.
    retry: RetryPolicy,
}

impl Client {
    /// Makes a client. No connection is made yet.
    ///
    /// # Errors
    /// [`ErrorKind::Input`] if a certificate file cannot be used, or an extra header is not valid.
    pub fn new(settings: &ClientConfig) -> Result<Self, Error> {
        let http = settings.http_service()?;
        if let Some(tokens) = &settings.tokens {
            tokens.connect(&http, &settings.clock);
        }
        let mut headers = own_headers(settings)?;
        let mut extra_token = None;
        for (name, value) in &settings.extra_headers {
            let (name, value) = extra_header(name, value)?;
            if name == AUTHORIZATION {
                extra_token = Some(Arc::new(extra_authorization(&value)));
            }
            headers.insert(name, value);
        }
        let headers_of = settings.extra_headers.iter().filter(|(name, value)| may_be_secret(name, value));
        let redactor = Redactor::new(headers_of.map(|(_, value)| value.as_str()));
        let provider = settings.tokens.clone().filter(|_| extra_token.is_none());
        let clock = Arc::clone(&settings.clock);
        let credentials = Credentials::new(provider, redactor, Arc::clone(&clock));
        let (server, config) = (settings.server.clone(), Arc::default());
        let retry = settings.retry.clone();
        Ok(Self { http, server, headers, credentials, extra_token, config, clock, retry })
    }

    /// The address of GMS.
    pub fn server(&self) -> &ServerAddress {
        &self.server
    }

    /// The properties of the current token, once one was fetched.
    pub fn token(&self) -> Option<Arc<TokenInfo>> {
        self.extra_token.clone().or_else(|| self.credentials.token_info())
    }

    /// Fetches the token again, and returns whether it is another one now.
    ///
    /// # Errors
    /// If the token provider fails; the current token stays in use then.
    ///
    /// # Cancel safety
    /// If the future is dropped, the present token stays in use. It can be called again.
    pub async fn reread_token(&self) -> Result<bool, Error> {
        let before = self.credentials.generation();
        self.credentials.renew(before).await.map_err(|no_token| Error::from(no_token.diagnosis))
    }

    /// The wall clock and randomness of this client and of everything built on it.
    pub(crate) fn clock(&self) -> &dyn Clock {
        self.clock.as_ref()
    }

    /// The source of the token of each request.
    pub(crate) fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// Replaces every token that was used, and the secret values of extra headers, by asterisks.
    pub fn redact(&self, text: &str) -> String {
        self.credentials.redact(text)
    }

    /// The server's configuration, if it was read.
    pub(crate) fn known_config(&self) -> Option<&ServerConfig> {
        self.config.get()
    }

    /// The error for a GMS that is too old for OpenAPI v3.
    pub(crate) fn lacks_openapi(&self) -> Error {
        self.lacks(
            Feature::OpenapiV3,
            "OpenAPI v3 (`endpoint: openapi`)",
            "write `endpoint: restli`, or leave `endpoint` out",
        )
    }

    /// Checks by the server's version that it supports `endpoint` and `emit_mode`. A server of unknown
    /// version is assumed to support OpenAPI v3 and not to support tracing, as in the Python client.
    ///
    /// # Errors
    /// [`ErrorKind::Input`] if it does not; the message names both versions.
    pub(crate) fn check_features(&self, endpoint: Endpoint, emit_mode: EmitMode) -> Result<(), Error> {
        let Some(config) = self.known_config() else { return Ok(()) };
        if endpoint == Endpoint::Openapi && config.supports(Feature::OpenapiV3) == Some(false) {
            return Err(self.lacks_openapi());
        }
        if emit_mode == EmitMode::AsyncWait && config.supports(Feature::Tracing) != Some(true) {
            return Err(self.lacks(
                Feature::Tracing,
                "tracing of queued writes (`emit_mode: ASYNC_WAIT`)",
                "write `emit_mode: SYNC_WAIT` to learn the outcome of each proposal, or `ASYNC` not to",
            ));
        }
        Ok(())
    }

    fn lacks(&self, feature: Feature, name: &str, instead: &str) -> Error {
        let config = self.known_config();
        let version = config.map_or("of an unknown version", ServerConfig::version_name);
        let since = feature.first_version(config.is_some_and(ServerConfig::is_cloud));
        Error::new(
            ErrorKind::Input,
            format!(
                "the GMS at {} is {version}, and {name}, which the settings of datahub-emitter {} ask for, needs {since} or later: \
                 {instead}",
                self.server,
                env!("CARGO_PKG_VERSION")
            ),
        )
    }

    /// The request line of a write.
    pub(crate) fn write_line(&self, write: &WriteRequest) -> RequestLine {
        if write.method == Method::PATCH {
            let (method, url) = (Method::PATCH, self.server.patch_at(&write.path));
            return RequestLine { method, url, kind: write.kind.clone() };
        }
        self.request_line(write.method.clone(), &write.path).with_kind(write.kind.clone())
    }

    /// Sends a write once. The read limit allows for a response that repeats the request.
    pub(crate) async fn write(
        &self,
        line: &RequestLine,
        body: Option<RequestBody>,
    ) -> Result<GmsResponse, SendError> {
        let sent = body.as_ref().map_or(0, RequestBody::len);
        self.send(line, body, MAX_RESPONSE_BYTES + 2 * sent).await
    }

    /// The request line of a question about the queued write `id`.
    pub(crate) fn trace_line(&self, id: &str) -> RequestLine {
        self.request_line(Method::POST, &trace::path(id))
    }

    /// Asks once for the state of the queued aspects in `body`.
    pub(crate) async fn trace(&self, line: &RequestLine, body: Bytes) -> Result<GmsResponse, SendError> {
        // The response may hold a stack trace for each aspect.
        self.send(line, Some(body.into()), MAX_ENTITY_BYTES).await
    }

    pub(super) fn request_line(&self, method: Method, path: &str) -> RequestLine {
        RequestLine { method, url: self.server.at(path), kind: RequestKind::Other }
    }

    /// Sends a request once, with the current token, and reads at most `max_response_bytes` of the response's
    /// body.
    pub(super) async fn send(
        &self,
        line: &RequestLine,
        body: Option<RequestBody>,
        max_response_bytes: usize,
    ) -> Result<GmsResponse, SendError> {
        let grant = self.credentials.grant().await?;
        let mut headers = self.headers.clone();
        if let Some(header) = grant.header {
            headers.insert(AUTHORIZATION, header);
        }
        Ok(self.exchange(line, headers, body, max_response_bytes, grant.generation).await?)
    }

    /// Sends a request with these headers. `token_generation` says which token is among them.
    async fn exchange(
        &self,
        line: &RequestLine,
        headers: HeaderMap,
        body: Option<RequestBody>,
        max_response_bytes: usize,
        token_generation: u64,
    ) -> Result<GmsResponse, http::TransportError> {
        let request = http::Request {
            method: line.method.clone(),
            url: line.url.clone(),
            headers,
            body: body.map(http::Body::from),
            max_response_bytes,
        };
        let http::Response { status, headers, body, truncated } = self.http.send(request).await?;
        Ok(GmsResponse { status, headers, body, truncated, received_at: self.clock.now(), token_generation })
    }

    /// Sends a request without a body, and again as `policy` says.
    pub(super) async fn get_with_retries(
        &self,
        line: &RequestLine,
        max_response_bytes: usize,
        policy: &RetryPolicy,
    ) -> Attempts {
        self.send_with_retries(line, || None, max_response_bytes, policy).await
    }

    /// Reads: sends a request without a body, again as the client's retry policy says, and with another token
    /// if the current one is refused.
    pub(super) async fn read(&self, line: &RequestLine, max_response_bytes: usize) -> Attempts {
        // GMS responds with 500 to a URN or an aspect that it cannot read.
        let mut policy = self.retry.clone();
        policy.statuses.retain(|status| *status != 500);
        let mut attempts = self.get_with_retries(line, max_response_bytes, &policy).await;
        if let (Verdict::Unauthorized, Ok(response)) = (&attempts.verdict, &attempts.last)
            && self.credentials.renew(response.token_generation).await.unwrap_or(false)
        {
            let refused = attempts.count;
            attempts = self.get_with_retries(line, max_response_bytes, &policy).await;
            attempts.count += refused;
        }
        attempts
    }

    /// Sends a write whose request line is `line`, and again as `policy` says. `body` encodes it for each
    /// attempt.
    #[cfg(feature = "pipeline")]
    pub(crate) async fn write_with_retries(
        &self,
        line: &RequestLine,
        body: impl Fn() -> Option<RequestBody>,
        policy: &RetryPolicy,
    ) -> Attempts {
        self.send_with_retries(line, body, MAX_RESPONSE_BYTES, policy).await
    }

    pub(super) async fn send_with_retries(
        &self,
        line: &RequestLine,
        body: impl Fn() -> Option<RequestBody>,
        max_response_bytes: usize,
        policy: &RetryPolicy,
    ) -> Attempts {
        let mut retry = RetryState::new(policy, self.clock());
        loop {
            let result = self.send(line, body(), max_response_bytes).await;
            let next = retry.next(&result);
            let Next::RetryAfter { delay, .. } = next else { return retry.finish(result, &next) };
            let failure = self.describe_failure(line, &result);
            tracing::warn!("{failure}; trying again in {:.1} s", delay.as_secs_f64());
            tokio::time::sleep(delay).await;
        }
    }

    /// The error for a response that rejects the request, not the caller.
    pub(super) fn rejected(&self, line: &RequestLine, response: &GmsResponse) -> Error {
        let message = self.redact(&response.message());
        Error::new(ErrorKind::Rejected, format!("{} from {line}: {message}", response.status.as_u16()))
    }

    /// Describes a failed attempt in one line for the log.
    pub(crate) fn describe_failure(
        &self,
        line: &RequestLine,
        last: &Result<GmsResponse, SendError>,
    ) -> String {
        match last {
            // The body holds metadata, which does not belong into a log.
            Ok(response) if response.status.is_success() => {
                format!("{} from {line}, with a response that is cut short", response.status)
            }
            Ok(response) => {
                let message: String = self.redact(&response.message()).chars().take(200).collect();
                format!("{} from {line}: {message}", response.status)
            }
            Err(error) => format!("{line}: {}", self.redact(&error.to_string())),
        }
    }
}

fn extra_authorization(header: &HeaderValue) -> TokenInfo {
    TokenInfo::from_authorization_header(&String::from_utf8_lossy(header.as_bytes()))
}
