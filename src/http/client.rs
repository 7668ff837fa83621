//! The HTTP client over sockets: the only place that knows `reqwest`'s client.

use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use bytes::BytesMut;
use reqwest::redirect::Policy;
use reqwest::{ClientBuilder, Proxy};
use url::Url;

use super::name_lookup::SystemResolver;
use super::proxy::{ProxyInfo, ProxyVariables};
use super::service::{HttpService, Request, Response, ResponseFuture};
use super::tls::TlsMaterial;
use super::tls_probe::speaks_tls;
use super::tracked_body::{Progress, TrackedBody};
use super::{HttpConfig, TransportError, TransportErrorKind};
use crate::environment::Environment;
use crate::{Error, ErrorKind};

/// How often idle connections send a probe, if they do.
const TCP_KEEPALIVE: Duration = Duration::from_secs(60);

/// Sends requests over sockets, HTTP/1.1, and keeps connections open for further ones.
///
/// It must be used within a tokio runtime.
#[derive(Debug)]
pub struct HttpClient {
    config: HttpConfig,
    tls: TlsMaterial,
    /// For `http` URLs. It has no trust roots, because reading them takes longer than sending one small
    /// request.
    plain: reqwest::Client,
    /// For `https` URLs; made for the first of them.
    secure: OnceLock<reqwest::Client>,
    proxies: ProxyVariables,
    /// A server has responded in HTTP, so the scheme of the address is right.
    has_responded: AtomicBool,
}

impl HttpClient {
    /// Reads the certificate files. No connection is made yet.
    ///
    /// # Errors
    /// [`ErrorKind::Input`] if a certificate file cannot be read or understood, or a proxy of the environment
    /// has no valid URL.
    pub fn new(config: HttpConfig) -> Result<Self, Error> {
        let tls = TlsMaterial::read(&config.tls)?;
        let proxies = if config.no_proxy {
            ProxyVariables::default()
        } else {
            ProxyVariables::read(&Environment::from_process())
        };
        let plain = builder(&config, &proxies)
            .tls_certs_only(std::iter::empty())
            .build()
            .map_err(|error| unusable().with_source(error.without_url()))?;
        let (secure, has_responded) = (OnceLock::new(), AtomicBool::new(false));
        Ok(Self { config, tls, plain, secure, proxies, has_responded })
    }

    fn client_for(&self, url: &str) -> Result<&reqwest::Client, TransportError> {
        if !is_https(url) {
            return Ok(&self.plain);
        }
        if let Some(client) = self.secure.get() {
            return Ok(client);
        }
        let client = self.tls.apply(builder(&self.config, &self.proxies)).build().map_err(|error| {
            TransportError::new(
                TransportErrorKind::Tls,
                format!("{}: {}", unusable(), TransportError::from_reqwest(&error).message),
            )
        })?;
        Ok(self.secure.get_or_init(|| client))
    }

    async fn exchange(&self, request: Request) -> Result<Response, TransportError> {
        let url = request.url.clone();
        let proxy = self.proxy_for(&url);
        if let Some(proxy) = proxy.as_ref().filter(|proxy| proxy.url().is_none()) {
            return Err(
                TransportError::new(TransportErrorKind::Connect, "its address cannot be used").through(proxy)
            );
        }
        let result = self.exchange_in_time(request).await;
        let error = match result {
            Ok(response) => {
                self.has_responded.store(true, Relaxed);
                return Ok(response);
            }
            Err(error) => error,
        };
        match proxy {
            Some(proxy) => Err(error.through(&proxy)),
            None if self.may_expect_tls(&url, error.kind) && speaks_tls(&url).await => {
                Err(TransportError { kind: TransportErrorKind::ExpectsTls, ..error })
            }
            None => Err(error),
        }
    }

    /// Whether the failure may be that of a TLS port that got plain HTTP.
    fn may_expect_tls(&self, url: &str, kind: TransportErrorKind) -> bool {
        matches!(kind, TransportErrorKind::ConnectionLost | TransportErrorKind::NotHttp)
            && !self.has_responded.load(Relaxed)
            && !is_https(url)
    }

    /// Limits the time of a whole exchange.
    async fn exchange_in_time(&self, request: Request) -> Result<Response, TransportError> {
        let progress = Progress::begin();
        let limit = self.config.total_timeout();
        tokio::time::timeout(limit, self.exchange_in_steps(request, &progress)).await.unwrap_or_else(|_| {
            let seconds = limit.as_secs_f64();
            let (kind, what) = if progress.is_sent() {
                (TransportErrorKind::ResponseTimeout, "no complete answer")
            } else {
                (TransportErrorKind::WriteTimeout, "the server did not take the whole request")
            };
            Err(TransportError::new(kind, format!("{what} within {seconds} s (response_timeout_sec)")))
        })
    }

    /// Limits the time of each step of an exchange.
    async fn exchange_in_steps(
        &self,
        request: Request,
        progress: &Progress,
    ) -> Result<Response, TransportError> {
        let Request { method, url, headers, body, max_response_bytes } = request;
        let failed = |error: reqwest::Error| TransportError::from_reqwest(&error);
        let client = self.client_for(&url)?;
        let mut request = client.request(method, &url).headers(headers);
        match body {
            Some(body) => {
                request = request.body(reqwest::Body::wrap(TrackedBody::new(body, progress.clone())));
            }
            None => progress.end(),
        }
        let request = request.build().map_err(failed)?;
        let mut response = tokio::select! {
            response = client.execute(request) => response.map_err(failed)?,
            is_sent = progress.stalled(self.config.timeout) => {
                return Err(if is_sent { self.no_response() } else { self.not_sent() });
            }
        };
        let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
        let mut body = BytesMut::new();
        let mut truncated = false;
        while let Some(chunk) = tokio::time::timeout(self.config.timeout, response.chunk())
            .await
            .map_err(|_| self.no_response())?
            .map_err(failed)?
        {
            let room = max_response_bytes.saturating_sub(body.len());
            body.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
            if chunk.len() > room {
                truncated = true;
                break;
            }
        }
        Ok(Response { status, headers, body: body.freeze(), truncated })
    }

    fn no_response(&self) -> TransportError {
        self.too_late(TransportErrorKind::ResponseTimeout, "no answer")
    }

    fn not_sent(&self) -> TransportError {
        self.too_late(TransportErrorKind::WriteTimeout, "the server took no more of the request")
    }

    fn too_late(&self, kind: TransportErrorKind, what: &str) -> TransportError {
        let seconds = self.config.timeout.as_secs_f64();
        TransportError::new(kind, format!("{what} within {seconds} s (timeout_sec)"))
    }
}

impl HttpService for HttpClient {
    fn send(&self, request: Request) -> ResponseFuture<'_> {
        Box::pin(self.exchange(request))
    }

    fn proxy_for(&self, url: &str) -> Option<ProxyInfo> {
        self.proxies.proxy_for(&Url::parse(url).ok()?).cloned()
    }
}

fn is_https(url: &str) -> bool {
    url.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https:"))
}

fn builder(config: &HttpConfig, proxies: &ProxyVariables) -> ClientBuilder {
    let mut builder = reqwest::Client::builder()
        .redirect(Policy::none())
        .retry(reqwest::retry::never())
        .dns_resolver(SystemResolver::shared())
        .connect_timeout(config.timeout)
        .tcp_nodelay(true)
        .http1_only();
    if config.tcp_keepalive {
        builder = builder.tcp_keepalive(TCP_KEEPALIVE);
    }
    if config.no_proxy {
        builder = builder.no_proxy();
    } else if !proxies.is_empty() {
        // Without these variables, the client takes the proxy of the operating system's settings.
        let proxies = proxies.clone();
        let proxy = Proxy::custom(move |url| proxies.proxy_for(url)?.url().cloned());
        builder = builder.no_proxy().proxy(proxy);
    }
    builder
}

fn unusable() -> Error {
    Error::new(ErrorKind::Input, "the TLS settings or the proxy of the environment cannot be used")
}
