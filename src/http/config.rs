//! How connections are made.

use std::time::Duration;

use super::TlsSettings;

/// How connections are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpConfig {
    pub(super) timeout: Duration,
    response_timeout: Option<Duration>,
    pub(super) tls: TlsSettings,
    pub(super) tcp_keepalive: bool,
    pub(super) no_proxy: bool,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            timeout: Self::TIMEOUT,
            response_timeout: None,
            tls: TlsSettings::default(),
            tcp_keepalive: false,
            no_proxy: false,
        }
    }
}

impl HttpConfig {
    /// The default [`timeout`](Self::timeout): 30 seconds.
    pub const TIMEOUT: Duration = Duration::from_secs(30);

    /// The time limit of each step: connecting, each pause in which the server reads nothing of the request,
    /// the wait for the response, and each pause within the response's body.
    /// [`response_timeout`](Self::response_timeout) limits the total. Default 30 s.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The time limit of a whole exchange, from the start of the request to the end of the response. It stops
    /// a server that sends or reads a byte now and then. Default: ten times [`timeout`](Self::timeout), which
    /// is 5 minutes if that is not set either.
    #[must_use]
    pub fn response_timeout(mut self, timeout: Duration) -> Self {
        self.response_timeout = Some(timeout);
        self
    }

    pub(super) fn total_timeout(&self) -> Duration {
        self.response_timeout.unwrap_or_else(|| self.timeout.saturating_mul(10))
    }

    /// Trust roots and client certificate. By default the operating system's trust roots, and no certificate.
    #[must_use]
    pub fn tls(mut self, tls: TlsSettings) -> Self {
        self.tls = tls;
        self
    }

    /// Whether idle connections send TCP keepalive probes, so that firewalls do not drop them. Off by
    /// default.
    #[must_use]
    pub fn tcp_keepalive(mut self, on: bool) -> Self {
        self.tcp_keepalive = on;
        self
    }

    /// Ignores the proxies that `HTTP_PROXY`, `HTTPS_PROXY` and `ALL_PROXY` name. By default they are used,
    /// except for the hosts in `NO_PROXY`.
    #[must_use]
    pub fn no_proxy(mut self) -> Self {
        self.no_proxy = true;
        self
    }
}
