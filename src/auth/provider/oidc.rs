//! OAuth 2.0 client credentials: a token that an identity provider issues to a program (RFC 6749, section
//! 4.4).

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

use super::{IssuedToken, ProviderError, TokenProvider};
use crate::Error;
use crate::auth::{Token, TokenSource};
use crate::box_future::BoxFuture;
use crate::clock::{Clock, SystemClock};
use crate::http::{HttpClient, HttpConfig, HttpService, Request};

/// The limit of a response; one with a token has a few kilobytes.
const MAX_BYTES: usize = 256 * 1024;

/// A provider of tokens from the token endpoint of an identity provider.
pub struct OidcClientCredentials {
    endpoint: Url,
    client_id: String,
    client_secret: SecretString,
    scope: Option<String>,
    audience: Option<String>,
    http: OnceLock<Arc<dyn HttpService>>,
    clock: OnceLock<Arc<dyn Clock>>,
}

#[derive(Deserialize)]
struct TokenResponse {
    access_token: Option<String>,
    expires_in: Option<serde_json::Value>,
}

/// The error response of RFC 6749, section 5.2.
#[derive(Deserialize)]
struct ErrorResponse {
    error: Option<String>,
}

impl OidcClientCredentials {
    /// Requests tokens from `endpoint` as the client `client_id`.
    ///
    /// # Errors
    /// If `endpoint` is not an HTTP URL, or contains a user or a password.
    pub fn new(
        endpoint: &str,
        client_id: impl Into<String>,
        client_secret: impl Into<String>,
    ) -> Result<Self, ProviderError> {
        let wrong = |what: &str| ProviderError::permanent(format!("token_endpoint {what}"));
        let endpoint =
            Url::parse(endpoint.trim()).map_err(|error| wrong(&format!("is not a URL: {error}")))?;
        if !matches!(endpoint.scheme(), "http" | "https") || endpoint.host_str().is_none() {
            return Err(wrong("starts with https://"));
        }
        if !endpoint.username().is_empty() || endpoint.password().is_some() {
            return Err(wrong("holds neither user nor password: write client_id and client_secret"));
        }
        Ok(Self {
            endpoint,
            client_id: client_id.into(),
            client_secret: SecretString::from(client_secret.into()),
            scope: None,
            audience: None,
            http: OnceLock::new(),
            clock: OnceLock::new(),
        })
    }

    /// The scopes, separated by spaces. By default none are requested.
    #[must_use]
    pub fn scope(mut self, scope: Option<String>) -> Self {
        self.scope = scope;
        self
    }

    /// The `audience` parameter, which some identity providers require. By default it is not sent.
    #[must_use]
    pub fn audience(mut self, audience: Option<String>) -> Self {
        self.audience = audience;
        self
    }

    /// The service that sends the requests. By default that of the first client which uses this provider.
    #[must_use]
    pub fn http(mut self, service: Arc<dyn HttpService>) -> Self {
        self.http = OnceLock::from(service);
        self
    }

    async fn request_token(&self) -> Result<IssuedToken, ProviderError> {
        let problem = |what: &str| format!("the token endpoint {} {what}", shown(&self.endpoint));
        let http = self.http_service().map_err(|error| {
            ProviderError::permanent(problem(&format!("cannot be asked: {}", error.full_message())))
        })?;
        let asked_at = self.clock.get_or_init(|| Arc::new(SystemClock)).now();
        let response = http.send(self.request()).await.map_err(|error| {
            // Certificates and names of hosts do not change by themselves; everything else may pass.
            let transient = !error.kind.is_tls();
            ProviderError { message: problem(&format!("cannot be asked: {error}")), transient }
        })?;
        let (status, body) = (response.status, response.body);
        if response.truncated {
            return Err(ProviderError::permanent(problem("answered with more than a token")));
        }
        if !status.is_success() {
            let transient = status.is_server_error() || matches!(status.as_u16(), 408 | 429);
            let refusal: Option<ErrorResponse> = serde_json::from_slice(&body).ok();
            // Only the code: a description may quote the request.
            let code = refusal.and_then(|refusal| refusal.error).filter(|code| is_error_code(code));
            let said = code.map_or_else(String::new, |code| format!(" ({code})"));
            return Err(ProviderError { message: problem(&format!("answered {status}{said}")), transient });
        }
        let answer: TokenResponse = serde_json::from_slice(&body)
            .map_err(|_| ProviderError::permanent(problem("answered with something else than JSON")))?;
        let token = answer.access_token.filter(|token| !token.is_empty());
        let token =
            token.ok_or_else(|| ProviderError::permanent(problem("answered without access_token")))?;
        // Counted from the time of the request, so that the token is renewed early rather than late.
        let expires_at = answer
            .expires_in
            .as_ref()
            .and_then(seconds)
            .and_then(|life| SystemTime::try_from(asked_at).ok()?.checked_add(life));
        Ok(IssuedToken { token: Token::new(token, TokenSource::Oidc), expires_at })
    }

    /// The service that was given, or one with default settings where no client uses this provider.
    fn http_service(&self) -> Result<Arc<dyn HttpService>, Error> {
        match self.http.get() {
            Some(http) => Ok(Arc::clone(http)),
            None => Ok(Arc::new(HttpClient::new(HttpConfig::default())?)),
        }
    }

    fn request(&self) -> Request {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        Request {
            method: Method::POST,
            url: self.endpoint.to_string(),
            headers,
            body: Some(Bytes::from(self.form()).into()),
            max_response_bytes: MAX_BYTES,
        }
    }

    fn form(&self) -> String {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials")
            .append_pair("client_id", &self.client_id)
            .append_pair("client_secret", self.client_secret.expose_secret());
        for (name, value) in [("scope", &self.scope), ("audience", &self.audience)] {
            if let Some(value) = value.as_deref().filter(|value| !value.is_empty()) {
                form.append_pair(name, value);
            }
        }
        form.finish()
    }
}

/// The endpoint without its query, which may contain a secret.
fn shown(endpoint: &Url) -> String {
    let mut shown = endpoint.clone();
    shown.set_query(None);
    shown.set_fragment(None);
    shown.to_string()
}

/// Whether `code` is a plain error code (RFC 6749), which cannot contain a secret of the request.
fn is_error_code(code: &str) -> bool {
    code.len() <= 40 && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

/// `expires_in` is a number of seconds; some identity providers send it as a string.
fn seconds(value: &serde_json::Value) -> Option<Duration> {
    let seconds = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())?;
    Duration::try_from_secs_f64(seconds).ok()
}

impl TokenProvider for OidcClientCredentials {
    fn source(&self) -> TokenSource {
        TokenSource::Oidc
    }

    fn connect(&self, http: &Arc<dyn HttpService>, clock: &Arc<dyn Clock>) {
        self.http.get_or_init(|| Arc::clone(http));
        self.clock.get_or_init(|| Arc::clone(clock));
    }

    fn fetch(&self) -> BoxFuture<'_, Result<IssuedToken, ProviderError>> {
        Box::pin(self.request_token())
    }
}

impl fmt::Debug for OidcClientCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OidcClientCredentials")
            .field("endpoint", &shown(&self.endpoint))
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}
