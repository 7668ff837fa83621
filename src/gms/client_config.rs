//! The settings of a client.

use std::sync::Arc;
use std::time::Duration;

use super::{GmsEnvironment, RetryPolicy, ServerAddress};
use crate::auth::{FixedToken, TokenProvider};
use crate::clock::{Clock, SystemClock};
use crate::environment::Environment;
use crate::http::{HttpClient, HttpConfig, HttpService, TlsSettings};
use crate::{Error, ErrorKind};

/// The kind of program that makes the requests, for the server's statistics (`X-DataHub-Client-Mode`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientMode {
    /// A run of a recipe.
    Ingestion,
    /// The command line.
    Cli,
    /// A program that embeds this crate.
    #[default]
    Sdk,
}

/// The settings of a [`Client`](super::Client): the address of GMS, the token, and how connections are made.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClientConfig {
    /// The address of GMS.
    pub server: ServerAddress,
    /// Where tokens come from. By default no Authorization header is sent.
    pub tokens: Option<Arc<dyn TokenProvider>>,
    /// Headers of every request. They replace the client's own headers of the same name, Authorization
    /// included. Empty by default.
    pub extra_headers: Vec<(String, String)>,
    /// The time limit of each step of a request, as in [`HttpConfig::timeout`]. Default 30 s.
    pub timeout: Duration,
    /// The time limit of a whole request, as in [`HttpConfig::response_timeout`]. Default: ten times
    /// [`timeout`](Self::timeout).
    pub response_timeout: Option<Duration>,
    /// Trust roots and client certificate. By default the operating system's trust roots, and no certificate.
    pub tls: TlsSettings,
    /// Whether idle connections send TCP keepalive probes, so that firewalls do not drop them. Off by
    /// default.
    pub tcp_keepalive: bool,
    /// The kind of program. Default [`ClientMode::Sdk`].
    pub mode: ClientMode,
    /// The component in the User-Agent header, `DataHub-Client/1.0 (sdk; COMPONENT/datahub-emitter;
    /// VERSION)`. Default `datahub`.
    pub component: Option<String>,
    /// Whether the proxies that `HTTP_PROXY`, `HTTPS_PROXY` and `ALL_PROXY` name are ignored. By default they
    /// are used, except for the hosts in `NO_PROXY`.
    pub no_proxy: bool,
    /// The source of wall-clock time and randomness. Default [`SystemClock`].
    pub clock: Arc<dyn Clock>,
    /// The service that sends the requests. By default an [`HttpClient`] with the settings above; with a
    /// service of one's own, `timeout`, `response_timeout`, `tls`, `tcp_keepalive` and `no_proxy` have no
    /// effect.
    pub http: Option<Arc<dyn HttpService>>,
    /// How reads are retried; writes have the policy of their emitter. Default [`RetryPolicy::default`].
    pub retry: RetryPolicy,
}

impl ClientConfig {
    /// The default settings for a server.
    pub fn new(server: ServerAddress) -> Self {
        Self {
            server,
            tokens: None,
            extra_headers: Vec::new(),
            timeout: HttpConfig::TIMEOUT,
            response_timeout: None,
            tls: TlsSettings::default(),
            tcp_keepalive: false,
            mode: ClientMode::default(),
            component: None,
            no_proxy: false,
            clock: Arc::new(SystemClock),
            http: None,
            retry: RetryPolicy::default(),
        }
    }

    /// The settings for the server and the token that the environment names, as DataHub's Python client reads
    /// them: see [`GmsEnvironment::read`].
    ///
    /// # Errors
    /// [`ErrorKind::Input`] if the environment names no server, or its address is not valid.
    pub fn from_env() -> Result<Self, Error> {
        Self::from_environment(&Environment::from_process())
    }

    fn from_environment(environment: &Environment) -> Result<Self, Error> {
        let GmsEnvironment { server, token } = GmsEnvironment::read(environment)?;
        let server = server.ok_or_else(|| {
            Error::new(
                ErrorKind::Input,
                "the environment names no GMS: set DATAHUB_GMS_URL, for example to http://gms:8080",
            )
        })?;
        let server = ServerAddress::parse(&server).map_err(|error| {
            Error::new(ErrorKind::Input, "the address of GMS in the environment is not valid")
                .with_source(error)
        })?;
        let tokens = token.map(|token| Arc::new(FixedToken::new(token)) as Arc<dyn TokenProvider>);
        Ok(Self { tokens, ..Self::new(server) })
    }

    /// The service that sends the requests.
    pub(super) fn http_service(&self) -> Result<Arc<dyn HttpService>, Error> {
        if let Some(http) = &self.http {
            return Ok(Arc::clone(http));
        }
        let config = HttpConfig::default()
            .timeout(self.timeout)
            .tls(self.tls.clone())
            .tcp_keepalive(self.tcp_keepalive);
        let config = match self.response_timeout {
            Some(timeout) => config.response_timeout(timeout),
            None => config,
        };
        let config = if self.no_proxy { config.no_proxy() } else { config };
        Ok(Arc::new(HttpClient::new(config)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_gives_server_and_token() {
        let read = |pairs: &[(&str, &str)]| {
            ClientConfig::from_environment(&Environment::from_pairs(pairs.iter().copied()))
        };
        let config = read(&[("DATAHUB_GMS_URL", "http://gms:8080/"), ("DATAHUB_GMS_TOKEN", "abc")]).unwrap();
        assert_eq!(config.server.to_string(), "http://gms:8080");
        assert!(config.tokens.is_some());
        assert!(read(&[("DATAHUB_GMS_URL", "http://gms:8080")]).unwrap().tokens.is_none());
        for wrong in [&[][..], &[("DATAHUB_GMS_URL", "gms:8080")]] {
            assert_eq!(read(wrong).unwrap_err().kind(), ErrorKind::Input);
        }
    }
}
