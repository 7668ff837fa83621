//! Configures and starts an emitter.

use std::sync::Arc;
use std::time::Duration;

use super::backpressure::{self, Capacity};
use super::handle::Emitter;
use super::queue::BatchLimits;
use super::settings::{Batching, MAX_PER_BATCH, MAX_REQUESTS, Settings, defaults};
use super::shared::Shared;
use crate::auth::{FixedToken, Token, TokenProvider, TokenSource};
use crate::clock::Clock;
use crate::environment::Environment;
use crate::gms::{
    AddressError, Client, ClientConfig, ClientMode, EmitMode, Endpoint, GmsEnvironment, RequestEncoder,
    RetryPolicy, ServerAddress,
};
use crate::http::{HttpService, TlsSettings};
use crate::{Error, ErrorKind};

/// Configures an [`Emitter`]. The defaults are those of DataHub's REST sink.
///
/// A value that cannot be honoured is an error of [`build`](Self::build), never replaced by another one.
#[derive(Clone, Debug)]
#[must_use]
pub struct EmitterBuilder {
    connection: Connection,
    batching: Batching,
    endpoint: Endpoint,
    emit_mode: Option<EmitMode>,
    trace_timeout: Duration,
    respect_sync_marker: bool,
    max_in_flight_requests: usize,
    max_per_batch: usize,
    max_batch_bytes: Option<usize>,
    max_pending_proposals: usize,
    max_pending_bytes: usize,
    max_linger: Duration,
    retry: RetryPolicy,
    keep_trying: bool,
}

/// Where the emitter's client comes from.
#[derive(Clone, Debug)]
enum Connection {
    /// It is made with this configuration.
    Config(Box<ClientConfig>),
    /// The address is invalid.
    InvalidServer(AddressError),
    /// It exists already.
    Client(Box<Client>),
    /// It exists already, and an option was set that only a new client can have.
    ClientWithOption(&'static str),
}

impl Emitter {
    /// Configures an emitter for the GMS at `server`, for example `http://localhost:8080`.
    pub fn builder(server: impl AsRef<str>) -> EmitterBuilder {
        EmitterBuilder::new(server)
    }

    /// Starts an emitter for the GMS, and with the token, that the environment names: see
    /// [`EmitterBuilder::from_env`].
    ///
    /// # Errors
    /// As [`EmitterBuilder::from_env`] and [`EmitterBuilder::build`].
    pub fn from_env() -> Result<Self, Error> {
        EmitterBuilder::from_env()?.build()
    }

    /// Starts an emitter that sends through `client`, with the default settings.
    ///
    /// # Errors
    /// Returns [`ErrorKind::Input`] when there is no tokio runtime.
    pub fn with_client(client: Client) -> Result<Self, Error> {
        EmitterBuilder::with_client(client).build()
    }
}

impl EmitterBuilder {
    /// An emitter for the GMS at `server`, for example `http://localhost:8080`.
    pub fn new(server: impl AsRef<str>) -> Self {
        Self::with_connection(match ServerAddress::parse(server.as_ref()) {
            Ok(server) => Connection::Config(Box::new(ClientConfig::new(server))),
            Err(error) => Connection::InvalidServer(error),
        })
    }

    /// An emitter for the GMS, and with the token, that the environment names, as for DataHub's Python
    /// client: the variables `DATAHUB_GMS_URL` (or `DATAHUB_GMS_HOST`, `DATAHUB_GMS_PORT` and
    /// `DATAHUB_GMS_PROTOCOL`) and `DATAHUB_GMS_TOKEN`, else, with the feature `pipeline`, the file
    /// `~/.datahubenv`.
    ///
    /// # Errors
    /// Returns [`ErrorKind::Input`] when the environment names no server, or the file cannot be read.
    pub fn from_env() -> Result<Self, Error> {
        let environment = GmsEnvironment::read(&Environment::from_process())?;
        let server = environment.server.ok_or_else(|| {
            invalid("the environment names no GMS: set DATAHUB_GMS_URL, for example to http://localhost:8080")
        })?;
        let builder = Self::new(server);
        Ok(match environment.token {
            Some(token) => builder.token_with_source(token),
            None => builder,
        })
    }

    /// An emitter with a new client of this configuration.
    pub fn from_config(config: ClientConfig) -> Self {
        Self::with_connection(Connection::Config(Box::new(config)))
    }

    /// An emitter that sends through `client`. Settings of the client, from [`token`](Self::token) to
    /// [`no_proxy`](Self::no_proxy), are then errors of [`build`](Self::build).
    pub fn with_client(client: Client) -> Self {
        Self::with_connection(Connection::Client(Box::new(client)))
    }

    fn with_connection(connection: Connection) -> Self {
        Self {
            connection,
            batching: Batching::default(),
            endpoint: Endpoint::default(),
            emit_mode: None,
            trace_timeout: defaults::TRACE_TIMEOUT,
            respect_sync_marker: false,
            max_in_flight_requests: defaults::MAX_IN_FLIGHT_REQUESTS,
            max_per_batch: defaults::MAX_PER_BATCH,
            max_batch_bytes: None,
            keep_trying: false,
            max_pending_proposals: defaults::MAX_PENDING_PROPOSALS,
            max_pending_bytes: defaults::MAX_PENDING_BYTES,
            max_linger: defaults::MAX_LINGER,
            retry: RetryPolicy::default(),
        }
    }

    /// The personal access token, as DataHub shows it once under *Settings › Access Tokens*. By default no
    /// token is sent.
    pub fn token(self, token: impl Into<String>) -> Self {
        self.token_with_source(Token::new(token, TokenSource::Program))
    }

    /// A token and where it comes from, which reports and diagnoses show.
    pub fn token_with_source(self, token: Token) -> Self {
        self.token_provider(FixedToken::new(token))
    }

    /// A provider of tokens: one that is about to expire is renewed, and so is one that was refused.
    pub fn token_provider(self, provider: impl TokenProvider + 'static) -> Self {
        self.shared_token_provider(Arc::new(provider))
    }

    /// As [`token_provider`](Self::token_provider), for a provider that others use as well.
    pub fn shared_token_provider(self, provider: Arc<dyn TokenProvider>) -> Self {
        self.set_client("token_provider", |config| config.tokens = Some(provider))
    }

    /// Adds a header to every request. It replaces this crate's header of the same name, including
    /// Authorization.
    pub fn extra_header(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let header = (name.into(), value.into());
        self.set_client("extra_header", |config| config.extra_headers.push(header))
    }

    /// The time limit for connecting, and for each period in which the server accepts or sends nothing.
    /// Default 30 s.
    pub fn timeout(self, timeout: Duration) -> Self {
        self.set_client("timeout", |config| config.timeout = timeout)
    }

    /// The time limit of a whole request, from its start to the end of the response. Default: ten times
    /// [`timeout`](Self::timeout).
    pub fn response_timeout(self, timeout: Duration) -> Self {
        self.set_client("response_timeout", |config| config.response_timeout = Some(timeout))
    }

    /// TLS trust roots and client certificate. By default the system's trust roots, and no client
    /// certificate.
    pub fn tls(self, tls: TlsSettings) -> Self {
        self.set_client("tls", |config| config.tls = tls)
    }

    /// Whether to send TCP keep-alive probes, for firewalls that forget idle connections. Default off.
    pub fn tcp_keepalive(self, on: bool) -> Self {
        self.set_client("tcp_keepalive", |config| config.tcp_keepalive = on)
    }

    /// The kind of client, for the server's statistics. Default [`ClientMode::Sdk`].
    pub fn client_mode(self, mode: ClientMode) -> Self {
        self.set_client("client_mode", |config| config.mode = mode)
    }

    /// The component in the header `User-Agent: DataHub-Client/1.0 (sdk; {component}/datahub-emitter; …)`.
    /// Default `datahub`.
    pub fn component(self, component: impl Into<String>) -> Self {
        let component = component.into();
        self.set_client("component", |config| config.component = Some(component))
    }

    /// Ignores the proxies that `HTTP_PROXY`, `HTTPS_PROXY` and `ALL_PROXY` name. By default they are used.
    pub fn no_proxy(self) -> Self {
        self.set_client("no_proxy", |config| config.no_proxy = true)
    }

    /// The source of wall-clock time and randomness. Default [`SystemClock`](crate::clock::SystemClock).
    pub fn clock(self, clock: Arc<dyn Clock>) -> Self {
        self.set_client("clock", |config| config.clock = clock)
    }

    /// The service that sends the requests, also those of the token provider. By default an
    /// [`HttpClient`](crate::http::HttpClient); with a service, [`timeout`](Self::timeout),
    /// [`response_timeout`](Self::response_timeout), [`tls`](Self::tls),
    /// [`tcp_keepalive`](Self::tcp_keepalive) and [`no_proxy`](Self::no_proxy) have no effect.
    pub fn http_service(self, service: Arc<dyn HttpService>) -> Self {
        self.set_client("http_service", |config| config.http = Some(service))
    }

    /// How proposals share requests. Default [`Batching::Batched`].
    pub fn batching(mut self, batching: Batching) -> Self {
        self.batching = batching;
        self
    }

    /// The interface of GMS that is used. Default [`Endpoint::Restli`].
    pub fn endpoint(mut self, endpoint: Endpoint) -> Self {
        self.endpoint = endpoint;
        self
    }

    /// The stage in GMS at which a proposal counts as delivered. Default [`EmitMode::Async`], and
    /// [`EmitMode::SyncPrimary`] with [`Batching::Sequential`].
    pub fn emit_mode(mut self, mode: EmitMode) -> Self {
        self.emit_mode = Some(mode);
        self
    }

    /// With [`EmitMode::AsyncWait`]: how long a proposal that GMS has queued is followed until it is written.
    /// Default 1 hour, as in the Python client.
    pub fn trace_timeout(mut self, timeout: Duration) -> Self {
        self.trace_timeout = timeout;
        self
    }

    /// Whether a proposal whose system metadata has the property `emitModeMarker: sync` is written before GMS
    /// responds, together with all others in the same request. Default off.
    pub fn respect_sync_marker(mut self, on: bool) -> Self {
        self.respect_sync_marker = on;
        self
    }

    /// The largest number of requests in flight. Default 15. [`Batching::Sequential`] has one at a time
    /// whatever this says.
    pub fn max_in_flight_requests(mut self, requests: usize) -> Self {
        self.max_in_flight_requests = requests;
        self
    }

    /// The largest number of proposals in a request, from 1 to 200. Default 100. Only for
    /// [`Batching::Batched`].
    pub fn max_per_batch(mut self, proposals: usize) -> Self {
        self.max_per_batch = proposals;
        self
    }

    /// The largest length of a request's body, in bytes. A single proposal that is longer is sent alone.
    /// Default 15 MiB, as in the Python client, and 9.5 MB through DataHub's frontend (an address that ends
    /// with `/api/gms`), whose buffer has 10 MB; at most [`max_pending_bytes`](Self::max_pending_bytes).
    pub fn max_batch_bytes(mut self, bytes: usize) -> Self {
        self.max_batch_bytes = Some(bytes);
        self
    }

    /// The largest number of proposals that are queued and in flight together. Default 2,000.
    pub fn max_pending_proposals(mut self, proposals: usize) -> Self {
        self.max_pending_proposals = proposals;
        self
    }

    /// The largest number of bytes that are queued and in flight together, up to 4 GiB - 1. A single proposal
    /// that is larger waits until nothing else is pending. Default 16 MiB. At a latency of 2 s, 16 MiB allow
    /// 8 MiB per second: raise it for large proposals to a slow server. When the limit is reached, a batch
    /// leaves although it is not full.
    pub fn max_pending_bytes(mut self, bytes: usize) -> Self {
        self.max_pending_bytes = bytes;
        self
    }

    /// How long a batch that is not full waits for more proposals while other requests are in flight and none
    /// comes back. While nothing is in flight, a batch waits for 5 ms. Default 30 s.
    pub fn max_linger(mut self, linger: Duration) -> Self {
        self.max_linger = linger;
        self
    }

    /// Which requests are retried, and how often. It is also the policy for reads with the emitter's
    /// [`client`](Emitter::client), unless the client existed before. Default [`RetryPolicy::default`].
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        if let Connection::Config(config) = &mut self.connection {
            config.retry = policy.clone();
        }
        self.retry = policy;
        self
    }

    /// For services: never stops because of an outage or a refused token. By default it does, as a run of a
    /// recipe should.
    ///
    /// Where the emitter would stop, the proposals stay in it, in their order, and one batch at a time is
    /// sent again, with growing delays up to [`RetryPolicy::longest_delay`]. The token provider is asked for
    /// another token before each attempt. Meanwhile [`Emitter::status`] is degraded, and once the limits of
    /// [`max_pending_proposals`](Self::max_pending_proposals) and
    /// [`max_pending_bytes`](Self::max_pending_bytes) are reached, [`Emitter::emit`] waits and
    /// [`Emitter::try_emit`] returns the proposal.
    ///
    /// A proposal that GMS rejects is rejected, also if GMS has accepted nothing so far. One that fails with
    /// 500 is rejected once GMS has accepted another one since.
    ///
    /// Two things still end it: [`Emitter::close`], after which each failure is final again, so that closing
    /// does not wait for the end of an outage; and a setting that the server does not support, such as
    /// [`Endpoint::Openapi`] of an old server.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// use datahub_emitter::emitter::Emitter;
    ///
    /// let emitter = Emitter::builder("http://localhost:8080").keep_trying().build()?;
    /// println!("{}", serde_json::to_string(&emitter.status())?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn keep_trying(mut self) -> Self {
        self.keep_trying = true;
        self
    }

    /// Starts the emitter in the current tokio runtime. No request is sent yet.
    ///
    /// # Errors
    /// Returns [`ErrorKind::Input`] when the address is invalid, a limit is out of range or below another one
    /// that it must hold, a certificate or a header cannot be used, there is no tokio runtime or it has no
    /// timer, [`EmitMode::AsyncWait`] is combined
    /// with Rest.li, or a setting of the client is combined with [`with_client`](Self::with_client).
    pub fn build(self) -> Result<Emitter, Error> {
        let runtime = tokio::runtime::Handle::try_current()
            .map_err(|error| invalid("an emitter needs a tokio runtime").with_source(error))?;
        check_timer()?;
        let capacity = self.capacity()?;
        let emit_mode = self.emit_mode.unwrap_or_else(|| self.batching.default_emit_mode());
        if emit_mode == EmitMode::AsyncWait && self.endpoint == Endpoint::Restli {
            return Err(invalid(
                "EmitMode::AsyncWait needs Endpoint::Openapi (DataHub 1.0.1 or later): Rest.li's responses name no trace to follow",
            ));
        }
        let max_in_flight_requests = match self.batching {
            Batching::Sequential => 1,
            Batching::Batched | Batching::Single => {
                in_range("max_in_flight_requests", self.max_in_flight_requests, MAX_REQUESTS)?
            }
        };
        let encoder = RequestEncoder {
            endpoint: self.endpoint,
            emit_mode,
            batches: self.batching == Batching::Batched,
            respect_sync_marker: self.respect_sync_marker,
        };
        let max_per_batch = in_range("max_per_batch", self.max_per_batch, MAX_PER_BATCH)?;
        let client = match self.connection {
            Connection::Config(config) => Client::new(&config)?,
            Connection::InvalidServer(error) => return Err(invalid(format!("server: {error}"))),
            Connection::Client(client) => *client,
            Connection::ClientWithOption(name) => {
                return Err(invalid(format!(
                    "{name} has no effect on a client that exists already: set it there"
                )));
            }
        };
        let max_batch_bytes = match self.max_batch_bytes {
            Some(bytes) if bytes > self.max_pending_bytes => {
                return Err(invalid(format!(
                    "max_batch_bytes is {bytes}, more than max_pending_bytes, which is {}: no batch would ever be full",
                    self.max_pending_bytes
                )));
            }
            Some(bytes) => in_range("max_batch_bytes", bytes, usize::MAX)?,
            None if client.server().is_frontend() => defaults::MAX_BATCH_BYTES_THROUGH_FRONTEND,
            None => defaults::MAX_BATCH_BYTES,
        };
        // Only the default can be larger.
        let max_batch_bytes = max_batch_bytes.min(self.max_pending_bytes);
        let settings = Settings {
            batch: BatchLimits {
                count: if encoder.batches { max_per_batch } else { 1 },
                bytes: max_batch_bytes,
                envelope: encoder.envelope_bytes(),
            },
            encoder,
            max_in_flight_requests,
            // In sequence, a proposal has an outcome before the next one is sent. Else a batch that waits for
            // a retry does not keep others from being sent.
            max_unsettled_batches: match self.batching {
                Batching::Sequential => 1,
                Batching::Batched | Batching::Single => 2 * max_in_flight_requests,
            },
            max_linger: self.max_linger,
            retry: self.retry.with_bounded_delays(),
            trace_timeout: self.trace_timeout,
            keep_trying: self.keep_trying,
        };
        let (shared, opened) = Shared::new(client, settings, capacity);
        Ok(Emitter::start(shared, opened, &runtime))
    }

    fn capacity(&self) -> Result<Capacity, Error> {
        let proposals =
            in_range("max_pending_proposals", self.max_pending_proposals, backpressure::MAX_COUNT)?;
        let max_bytes = usize::try_from(backpressure::MAX_BYTES).unwrap_or(usize::MAX);
        let bytes = in_range("max_pending_bytes", self.max_pending_bytes, max_bytes)?;
        Ok(Capacity::new(proposals, u32::try_from(bytes).unwrap_or(backpressure::MAX_BYTES)))
    }

    /// Sets an option of the client, or notes that the client exists already.
    fn set_client(mut self, name: &'static str, set: impl FnOnce(&mut ClientConfig)) -> Self {
        match &mut self.connection {
            Connection::Config(config) => set(config),
            Connection::Client(_) => self.connection = Connection::ClientWithOption(name),
            Connection::InvalidServer(_) | Connection::ClientWithOption(_) => {}
        }
        self
    }
}

/// Checks that the runtime has a timer, without which the emitter's task would panic.
fn check_timer() -> Result<(), Error> {
    // Tokio has no other way to find out.
    std::panic::catch_unwind(|| drop(tokio::time::sleep(Duration::ZERO)))
        .map_err(|_| invalid("the tokio runtime has no timer: build it with enable_all() or enable_time()"))
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Input, message)
}

fn in_range(name: &str, value: usize, max: usize) -> Result<usize, Error> {
    if (1..=max).contains(&value) {
        return Ok(value);
    }
    let range = if max == usize::MAX { "at least 1".to_owned() } else { format!("between 1 and {max}") };
    Err(invalid(format!("{name} must be {range}, not {value}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_default_request_size_fits_through_the_frontend() {
        let bytes = |server: &str, chosen: Option<usize>| {
            let mut builder = Emitter::builder(server);
            if let Some(chosen) = chosen {
                builder = builder.max_batch_bytes(chosen);
            }
            builder.build().unwrap().shared().settings.batch.bytes
        };
        assert_eq!(bytes("http://gms:8080", None), 15 * 1024 * 1024);
        assert_eq!(bytes("http://datahub:9002/api/gms/", None), 9_500_000);
        assert_eq!(bytes("http://datahub:9002/api/gms", Some(16_000_000)), 16_000_000);
        let small = Emitter::builder("http://gms:8080").max_pending_bytes(1_000).build().unwrap();
        assert_eq!(small.shared().settings.batch.bytes, 1_000);
    }

    #[tokio::test]
    async fn a_limit_that_cannot_be_honoured_is_an_error() {
        let new = || Emitter::builder("http://gms:8080");
        for (builder, message) in [
            (new().max_in_flight_requests(0), "max_in_flight_requests must be between 1 and 10000, not 0"),
            (new().max_per_batch(201), "max_per_batch must be between 1 and 200, not 201"),
            (new().max_batch_bytes(0), "max_batch_bytes must be at least 1, not 0"),
            (
                new().max_batch_bytes(2_000).max_pending_bytes(1_000),
                "max_batch_bytes is 2000, more than max_pending_bytes, which is 1000: no batch would ever be full",
            ),
            (
                new().max_pending_bytes(1 << 32),
                "max_pending_bytes must be between 1 and 4294967295, not 4294967296",
            ),
            (new().max_pending_bytes(0), "max_pending_bytes must be between 1 and 4294967295, not 0"),
        ] {
            let error = builder.build().unwrap_err();
            assert_eq!((error.kind(), error.to_string()), (ErrorKind::Input, message.to_owned()));
        }
        for proposals in [0, usize::MAX] {
            let error = new().max_pending_proposals(proposals).build().unwrap_err();
            assert!(error.to_string().starts_with("max_pending_proposals must be between 1 and "), "{error}");
        }
    }

    #[tokio::test]
    async fn an_existing_client_is_used_as_it_is() {
        let client = Emitter::builder("http://gms:8080").build().unwrap().client().clone();
        let emitter = Emitter::with_client(client.clone()).unwrap();
        assert_eq!(emitter.client().server(), client.server());
        let error = EmitterBuilder::with_client(client).timeout(Duration::from_secs(1)).build().unwrap_err();
        assert_eq!(error.to_string(), "timeout has no effect on a client that exists already: set it there");
    }

    #[tokio::test]
    async fn an_invalid_address_is_an_error_of_build() {
        let error = Emitter::builder("gms:8080:").timeout(Duration::from_secs(1)).build().unwrap_err();
        assert!(error.to_string().starts_with("server: "), "{error}");
    }
}
