//! OAuth 2.0 client credentials: a token that an identity provider issues to a program (RFC 6749, section 4.4).

use std::fmt;
use std::time::{Duration, SystemTime};

use reqwest::redirect::Policy;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

use super::{IssuedToken, ProviderError, TokenProvider};
use crate::auth::{Token, TokenSource};
use crate::box_future::BoxFuture;

/// How long an identity provider may take, as in the Python client.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The longest answer that is read.
const MAX_BYTES: usize = 256 * 1024;

/// Asks an identity provider for tokens by its token endpoint.
pub struct OidcClientCredentials {
    endpoint: Url,
    client_id: String,
    client_secret: SecretString,
    scope: Option<String>,
    audience: Option<String>,
}

#[derive(Deserialize)]
struct Answer {
    access_token: Option<String>,
    expires_in: Option<serde_json::Value>,
}

/// RFC 6749, section 5.2.
#[derive(Deserialize)]
struct Refusal {
    error: Option<String>,
}

impl OidcClientCredentials {
    /// Asks `endpoint` as the client `client_id`.
    ///
    /// # Errors
    /// When `endpoint` is not the address of a web server, or one that would carry the secret unprotected over a network.
    pub fn new(
        endpoint: &str,
        client_id: impl Into<String>,
        client_secret: impl Into<String>,
    ) -> Result<Self, ProviderError> {
        let wrong = |what: &str| ProviderError::permanent(format!("token_endpoint {what}"));
        let endpoint =
            Url::parse(endpoint.trim()).map_err(|error| wrong(&format!("is no address: {error}")))?;
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
        })
    }

    /// Blank-separated scopes.
    #[must_use]
    pub fn scope(mut self, scope: Option<String>) -> Self {
        self.scope = scope;
        self
    }

    /// The `audience` parameter, which some identity providers want.
    #[must_use]
    pub fn audience(mut self, audience: Option<String>) -> Self {
        self.audience = audience;
        self
    }

    async fn ask(&self) -> Result<IssuedToken, ProviderError> {
        let problem = |what: &str| format!("the token endpoint {} {what}", shown(&self.endpoint));
        let broken = |error: &reqwest::Error| {
            let what = if error.is_timeout() { "did not answer in 30 s" } else { "cannot be reached" };
            ProviderError::transient(problem(what))
        };
        let asked_at = SystemTime::now();
        // Made for each question, of which there are a few an hour: what is not kept cannot go stale.
        let client = reqwest::Client::builder()
            .redirect(Policy::none())
            .retry(reqwest::retry::never())
            .timeout(TIMEOUT)
            .build()
            .map_err(|_| ProviderError::permanent(problem("cannot be asked: no TLS")))?;
        let request = client
            .post(self.endpoint.clone())
            .header(reqwest::header::ACCEPT, "application/json")
            .header(reqwest::header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(self.form());
        let mut response = request.send().await.map_err(|error| broken(&error))?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| broken(&error))? {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_BYTES {
                return Err(ProviderError::permanent(problem("answered with more than a token")));
            }
        }
        if !status.is_success() {
            let transient = status.is_server_error() || matches!(status.as_u16(), 408 | 429);
            let refusal: Option<Refusal> = serde_json::from_slice(&body).ok();
            // The code alone: a description may quote what was sent.
            let code = refusal.and_then(|refusal| refusal.error).filter(|code| is_error_code(code));
            let said = code.map_or_else(String::new, |code| format!(" ({code})"));
            return Err(ProviderError { message: problem(&format!("answered {status}{said}")), transient });
        }
        let answer: Answer = serde_json::from_slice(&body)
            .map_err(|_| ProviderError::permanent(problem("answered with something else than JSON")))?;
        let token = answer.access_token.filter(|token| !token.is_empty());
        let token =
            token.ok_or_else(|| ProviderError::permanent(problem("answered without access_token")))?;
        // Counted from the question, so that it is renewed early rather than late.
        let expires_at =
            answer.expires_in.as_ref().and_then(seconds).and_then(|life| asked_at.checked_add(life));
        Ok(IssuedToken { token: Token::new(token, TokenSource::Oidc), expires_at })
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

/// Without its query, which may hold a secret.
fn shown(endpoint: &Url) -> String {
    let mut shown = endpoint.clone();
    shown.set_query(None);
    shown.set_fragment(None);
    shown.to_string()
}

/// RFC 6749 gives the letters that a code may have; a short word of them is none of ours.
fn is_error_code(code: &str) -> bool {
    code.len() <= 40 && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

/// `expires_in` is a number of seconds; some write it as a text.
fn seconds(value: &serde_json::Value) -> Option<Duration> {
    let seconds = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())?;
    Duration::try_from_secs_f64(seconds).ok()
}

impl TokenProvider for OidcClientCredentials {
    fn source(&self) -> TokenSource {
        TokenSource::Oidc
    }

    fn fetch(&self) -> BoxFuture<'_, Result<IssuedToken, ProviderError>> {
        Box::pin(self.ask())
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
