//! How connections are made.

use std::time::Duration;

use super::TlsSettings;

/// How connections are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpConfig {
    pub(super) timeout: Duration,
    pub(super) tls: TlsSettings,
    pub(super) tcp_keepalive: bool,
    pub(super) no_proxy: bool,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self { timeout: Self::TIMEOUT, tls: TlsSettings::default(), tcp_keepalive: false, no_proxy: false }
    }
}

impl HttpConfig {
    /// The default [`timeout`](Self::timeout): 30 seconds.
    pub const TIMEOUT: Duration = Duration::from_secs(30);

    /// The time limit of each step: connecting, each pause in which the server reads nothing of the request,
    /// the wait for the response, and each pause within the response's body. There is no limit on the total.
    /// Default 30 s.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
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
