//! A client of one GMS: the headers of every request, and what a refusal means.

mod diagnose;
mod preflight;

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};

use super::write_times::entity_path;
use super::{
    Attempts, ClientConfig, ClientMode, EmitMode, Endpoint, Feature, GmsResponse, Next, RequestBody,
    RequestLine, RetryPolicy, RetryState, SendError, ServerAddress, ServerConfig, WriteRequest, trace,
};
use crate::auth::{Credentials, RequestKind, TokenInfo};
use crate::clock::Clock;
use crate::http::{self, HttpService};
use crate::metadata::Urn;
use crate::redact::Redactor;

use crate::{Error, ErrorKind};

pub use preflight::{TokenStatus, WaitForServer};

/// Most answers are short; of a longer one only the beginning is of use.
const MAX_RESPONSE_BYTES: usize = 1024 * 1024;

/// An entity with all its aspects may be large, but not without bound.
pub(super) const MAX_ENTITY_BYTES: usize = 256 * 1024 * 1024;

/// The version of the Python client whose wire this crate speaks.
const PYTHON_CLIENT_VERSION: &str = "1.7.0.17";

/// Speaks with one GMS.
#[derive(Clone, Debug)]
pub struct Client {
    http: Arc<dyn HttpService>,
    server: ServerAddress,
    headers: HeaderMap,
    credentials: Credentials,
    /// What is known of an Authorization header among the extra ones, beside which no token counts.
    extra_token: Option<Arc<TokenInfo>>,
    /// What the server said of itself, once it was asked.
    config: Arc<OnceLock<ServerConfig>>,
    clock: Arc<dyn Clock>,
}

impl Client {
    /// Prepares connections; none is made yet.
    ///
    /// # Errors
    /// When a certificate file cannot be used, or a header holds what no header can.
    pub fn new(settings: &ClientConfig) -> Result<Self, Error> {
        let http = settings.http_service()?;
        if let Some(tokens) = &settings.tokens {
            tokens.connect(&http);
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
        let credentials = Credentials::new(provider, redactor);
        let (server, config) = (settings.server.clone(), Arc::default());
        let clock = Arc::clone(&settings.clock);
        Ok(Self { http, server, headers, credentials, extra_token, config, clock })
    }

    /// Where the GMS is.
    pub fn server(&self) -> &ServerAddress {
        &self.server
    }

    /// What is known of the token that requests go with, once one was fetched.
    pub fn token(&self) -> Option<Arc<TokenInfo>> {
        self.extra_token.clone().or_else(|| self.credentials.token_info())
    }

    /// Fetches the token anew, in case that there is another one by now. Returns whether there was.
    ///
    /// # Errors
    /// When there is none to be had; the one that is there is used on.
    pub async fn reread_token(&self) -> Result<bool, Error> {
        let before = self.credentials.generation();
        self.credentials.renew(before).await.map_err(|no_token| Error::from(no_token.diagnosis))
    }

    /// The wall clock and randomness of this client and of everything built on it.
    pub(crate) fn clock(&self) -> &dyn Clock {
        self.clock.as_ref()
    }

    /// The tokens that requests go with.
    pub(crate) fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// `text` without any token that was used and the values of extra headers.
    pub fn redact(&self, text: &str) -> String {
        self.credentials.redact(text)
    }

    /// What the server said of itself, if it was asked.
    pub(crate) fn known_config(&self) -> Option<&ServerConfig> {
        self.config.get()
    }

    /// That this GMS lacks what it would take to write over OpenAPI v3.
    pub(crate) fn lacks_openapi(&self) -> Error {
        self.lacks(
            Feature::OpenapiV3,
            "OpenAPI v3 (`endpoint: openapi`)",
            "write `endpoint: restli`, or leave `endpoint` out",
        )
    }

    /// Makes sure, as far as the server's version tells, that it can do what `endpoint` and `emit_mode` want. An unknown
    /// version is given the benefit of the doubt for writes, and none for tracing, as in the Python client.
    ///
    /// # Errors
    /// When it cannot; the message names both versions.
    pub(crate) fn check_features(&self, endpoint: Endpoint, emit_mode: EmitMode) -> Result<(), Error> {
        let Some(config) = self.known_config() else { return Ok(()) };
        if endpoint == Endpoint::Openapi && config.supports(Feature::OpenapiV3) == Some(false) {
            return Err(self.lacks_openapi());
        }
        if emit_mode == EmitMode::AsyncWait && config.supports(Feature::Tracing) != Some(true) {
            return Err(self.lacks(
                Feature::Tracing,
                "tracing of queued writes (`emit_mode: ASYNC_WAIT`)",
                "write `emit_mode: SYNC_WAIT` to know what became of each proposal, or `ASYNC` not to",
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
                "the GMS at {} is {version}, and {name}, which datahub-emitter {} was told to use, is there from {since} on: \
                 {instead}",
                self.server,
                env!("CARGO_PKG_VERSION")
            ),
        )
    }

    /// Reads an entity's aspects: the JSON text of GMS's answer, or `None` if it knows no such entity.
    ///
    /// # Errors
    /// When GMS refuses, or cannot be reached.
    pub async fn entity(&self, urn: &Urn, aspects: &[String]) -> Result<Option<Bytes>, Error> {
        let line = self.request_line(Method::GET, &entity_path(urn, aspects.iter().map(String::as_str)));
        let line = line.with_kind(RequestKind::Read);
        let reply = match self.send(&line, None, MAX_ENTITY_BYTES).await {
            Ok(reply) => reply,
            Err(fault) => return Err(self.diagnose_send_error(&line, &fault, 1).into()),
        };
        match reply.status.as_u16() {
            200 if reply.is_json_or_empty() && !reply.body.is_empty() => Ok(Some(reply.body)),
            404 if reply.is_json_or_empty() => Ok(None),
            400 | 422 | 500 => Err(self.rejected(&line, &reply)),
            _ => Err(self.diagnose(&line, &reply).into()),
        }
    }

    /// Where a write goes.
    pub(crate) fn write_line(&self, write: &WriteRequest) -> RequestLine {
        if write.method == Method::PATCH {
            let (method, url) = (Method::PATCH, self.server.patch_at(&write.path));
            return RequestLine { method, url, kind: write.kind.clone() };
        }
        self.request_line(write.method.clone(), &write.path).with_kind(write.kind.clone())
    }

    /// Makes one attempt of a write whose [line](Self::write_line) is `line`. The answer may repeat what was sent.
    pub(crate) async fn write(
        &self,
        line: &RequestLine,
        body: Option<RequestBody>,
    ) -> Result<GmsResponse, SendError> {
        let sent = body.as_ref().map_or(0, RequestBody::len);
        self.send(line, body, MAX_RESPONSE_BYTES + 2 * sent).await
    }

    /// Where the queued write `id` is asked after.
    pub(crate) fn trace_line(&self, id: &str) -> RequestLine {
        self.request_line(Method::POST, &trace::path(id))
    }

    /// Asks once what became of aspects; `body` says which.
    pub(crate) async fn trace(&self, line: &RequestLine, body: Bytes) -> Result<GmsResponse, SendError> {
        // An answer may hold a stack trace for each aspect.
        self.send(line, Some(body.into()), MAX_ENTITY_BYTES).await
    }

    pub(super) fn request_line(&self, method: Method, path: &str) -> RequestLine {
        RequestLine { method, url: self.server.at(path), kind: RequestKind::Other }
    }

    /// Makes one attempt, and reads at most `max_response_bytes` of the answer's body.
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

    /// Sends a write whose request line is `line`, and again as `policy` says. `body` encodes it for each attempt.
    pub(crate) async fn write_with_retries(
        &self,
        line: &RequestLine,
        body: impl Fn() -> Option<RequestBody>,
        policy: &RetryPolicy,
    ) -> Attempts {
        self.send_with_retries(line, body, MAX_RESPONSE_BYTES, policy).await
    }

    async fn send_with_retries(
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

    /// An answer that says no to what was asked, and not to who asked.
    fn rejected(&self, line: &RequestLine, reply: &GmsResponse) -> Error {
        let message = self.redact(&reply.message());
        Error::new(ErrorKind::Rejected, format!("{} from {line}: {message}", reply.status.as_u16()))
    }

    /// What stands in the way of a request that may be sent again, in one line for the log.
    pub(crate) fn describe_failure(
        &self,
        line: &RequestLine,
        last: &Result<GmsResponse, SendError>,
    ) -> String {
        match last {
            // What GMS has taken is nobody's business in a log.
            Ok(reply) if reply.status.is_success() => {
                format!("{} from {line}, with half an answer", reply.status)
            }
            Ok(reply) => {
                let message: String = self.redact(&reply.message()).chars().take(200).collect();
                format!("{} from {line}: {message}", reply.status)
            }
            Err(error) => format!("{line}: {}", self.redact(&error.to_string())),
        }
    }
}

fn own_headers(settings: &ClientConfig) -> Result<HeaderMap, Error> {
    let (word, capitals) = match settings.mode {
        ClientMode::Ingestion => ("ingestion", "INGESTION"),
        ClientMode::Cli => ("cli", "CLI"),
        ClientMode::Sdk => ("sdk", "SDK"),
    };
    let component = settings.component.as_deref().unwrap_or("datahub");
    let version = env!("CARGO_PKG_VERSION");
    let agent = format!(
        "DataHub-Client/1.0 ({word}; {component}/datahub-emitter; {version}) datahub-emitter/{version}"
    );
    let agent = HeaderValue::from_str(&agent)
        .map_err(|_| Error::new(ErrorKind::Input, "datahub_component holds what no header can"))?;
    let mut headers = HeaderMap::new();
    headers.insert(USER_AGENT, agent);
    headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
    headers.insert(HeaderName::from_static("x-datahub-client-mode"), HeaderValue::from_static(capitals));
    headers.insert(
        HeaderName::from_static("x-datahub-py-cli-version"),
        HeaderValue::from_static(PYTHON_CLIENT_VERSION),
    );
    headers.insert(HeaderName::from_static("x-restli-protocol-version"), HeaderValue::from_static("2.0.0"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(headers)
}

fn extra_header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), Error> {
    let problem = |what: &str| Error::new(ErrorKind::Input, format!("extra_headers: {what}"));
    let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| problem("a name is no header's"))?;
    let mut value = HeaderValue::from_str(value)
        .map_err(|_| problem(&format!("the value of {header} holds what no header can")))?;
    value.set_sensitive(true);
    Ok((header, value))
}

/// A short plain word (`prod`, `true`) is none, whatever header it stands in: hiding it would only spoil messages.
fn may_be_secret(name: &str, value: &str) -> bool {
    name.eq_ignore_ascii_case("authorization") || name.eq_ignore_ascii_case("cookie") || value.len() >= 8
}

fn extra_authorization(header: &HeaderValue) -> TokenInfo {
    TokenInfo::from_authorization_header(&String::from_utf8_lossy(header.as_bytes()))
}
