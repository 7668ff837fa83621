//! Bytes out, bytes in: the only place that knows the HTTP library's client.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::HeaderMap;
use reqwest::redirect::Policy;
use reqwest::{Body, Method, Request, StatusCode};

use super::tls::TlsSettings;
use super::tracked_body::{Progress, Upload};
use super::{RequestBody, TransportError, TransportErrorKind};
use crate::{Error, ErrorKind};

/// How connections are made.
#[derive(Clone, Debug)]
pub(super) struct TransportSettings {
    /// For a connection, for each stretch of a request's body, for the answer's beginning, and for each stretch of that.
    pub(super) timeout: Duration,
    pub(super) tls: TlsSettings,
    pub(super) tcp_keepalive: bool,
    /// Requests travel encrypted.
    pub(super) https: bool,
    /// Proxies that the environment names are not used.
    pub(super) direct: bool,
}

/// Sends single requests. It neither retries nor follows redirects: the first is the business of one loop alone, and
/// a redirect would carry the token elsewhere or drop it.
#[derive(Clone, Debug)]
pub(super) struct Transport {
    http: reqwest::Client,
    timeout: Duration,
}

/// A response whose body was read to its end or to a limit.
#[derive(Debug)]
pub(super) struct TransportResponse {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) truncated: bool,
}

impl Transport {
    pub(super) fn new(settings: &TransportSettings) -> Result<Self, Error> {
        let mut builder = reqwest::Client::builder()
            .redirect(Policy::none())
            .retry(reqwest::retry::never())
            .connect_timeout(settings.timeout)
            .tcp_nodelay(true)
            .http1_only();
        if settings.tcp_keepalive {
            builder = builder.tcp_keepalive(Duration::from_secs(60));
        }
        if settings.direct {
            builder = builder.no_proxy();
        }
        // Reading and parsing the system's authorities takes longer than sending one record does, so it is left out
        // where nobody will ask for them.
        builder = if settings.https {
            settings.tls.apply(builder)?
        } else {
            builder.tls_certs_only(std::iter::empty())
        };
        let http = builder.build().map_err(|error| {
            Error::new(ErrorKind::Input, "the TLS settings or the proxy of the environment cannot be used")
                .with_source(error.without_url())
        })?;
        Ok(Self { http, timeout: settings.timeout })
    }

    /// Makes one attempt, and reads at most `cap` bytes of the answer's body.
    pub(super) async fn send(
        &self,
        method: Method,
        url: &str,
        headers: HeaderMap,
        body: Option<RequestBody>,
        cap: usize,
    ) -> Result<TransportResponse, TransportError> {
        let failed = |error: reqwest::Error| TransportError::from_reqwest(&error);
        let progress = Progress::begin();
        let mut request = self.http.request(method, url).headers(headers);
        match body {
            Some(body) => request = request.body(Body::wrap(Upload::new(body, progress.clone()))),
            None => progress.end(),
        }
        let request: Request = request.build().map_err(failed)?;
        let mut response = tokio::select! {
            response = self.http.execute(request) => response.map_err(failed)?,
            sent = progress.stalled(self.timeout) => return Err(if sent { self.no_answer() } else { self.not_sent() }),
        };
        let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
        let mut body = BytesMut::new();
        let mut truncated = false;
        while let Some(chunk) = tokio::time::timeout(self.timeout, response.chunk())
            .await
            .map_err(|_| self.no_answer())?
            .map_err(failed)?
        {
            let room = cap.saturating_sub(body.len());
            body.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
            if chunk.len() > room {
                truncated = true;
                break;
            }
        }
        Ok(TransportResponse { status, headers, body: body.freeze(), truncated })
    }

    fn no_answer(&self) -> TransportError {
        self.too_late(TransportErrorKind::Timeout, "no answer")
    }

    fn not_sent(&self) -> TransportError {
        self.too_late(TransportErrorKind::WriteTimeout, "the server took no more of the request")
    }

    fn too_late(&self, kind: TransportErrorKind, what: &str) -> TransportError {
        let seconds = self.timeout.as_secs_f64();
        TransportError { kind, message: format!("{what} within {seconds} s (timeout_sec)") }
    }
}
