//! Bytes out, bytes in: the only place that knows the HTTP library's client.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::HeaderMap;
use reqwest::redirect::Policy;
use reqwest::{Method, Request};

use super::reply::{Reply, TransportFault};
use super::tls::TlsSettings;
use crate::{Error, ErrorKind};

/// How connections are made.
#[derive(Clone, Debug)]
pub(super) struct TransportSettings {
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
}

impl Transport {
    pub(super) fn new(settings: &TransportSettings) -> Result<Self, Error> {
        let mut builder = reqwest::Client::builder()
            .redirect(Policy::none())
            .retry(reqwest::retry::never())
            .connect_timeout(settings.timeout)
            .read_timeout(settings.timeout)
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
        Ok(Self { http })
    }

    /// Makes one attempt, and reads at most `cap` bytes of the answer's body.
    pub(super) async fn send(
        &self,
        method: Method,
        url: &str,
        headers: HeaderMap,
        body: Option<Bytes>,
        cap: usize,
    ) -> Result<Reply, TransportFault> {
        let failed = |error: reqwest::Error| TransportFault::from_reqwest(&error);
        let mut request = self.http.request(method, url).headers(headers);
        if let Some(body) = body {
            request = request.body(body);
        }
        let request: Request = request.build().map_err(failed)?;
        let mut response = self.http.execute(request).await.map_err(failed)?;
        let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
        let mut body = BytesMut::new();
        let mut capped = false;
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            let room = cap.saturating_sub(body.len());
            body.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
            if chunk.len() > room {
                capped = true;
                break;
            }
        }
        Ok(Reply { status, headers, body: body.freeze(), capped, generation: 0 })
    }
}
