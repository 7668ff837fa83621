//! Sets up an emitter.

use std::sync::Arc;
use std::time::Duration;

use super::Emitter;
use super::queue::BatchLimits;
use super::room::Room;
use super::state::{Settings, State};
use crate::auth::{FixedToken, Token, TokenProvider, TokenSource};
use crate::clock::SystemClock;
use crate::gms::{
    Client, ClientMode, ClientSettings, EmitMode, Endpoint, RequestEncoder, RetryPolicy, ServerAddress,
    TlsSettings,
};
use crate::{Error, ErrorKind};

/// GMS takes at most so many proposals a call from DataHub's own client, so no more are sent.
pub(crate) const MAX_BATCH: usize = 200;

/// Bytes a request, at most, as in the Python client.
const MAX_BYTES: usize = 15 * 1024 * 1024;

/// How long a queued proposal is asked after, as in the Python client.
const TRACE_TIMEOUT: Duration = Duration::from_secs(3_600);

/// Why Rest.li cannot do it.
pub(crate) const ASYNC_WAIT_OVER_RESTLI: &str = "ASYNC_WAIT follows each write by the trace that GMS's answer names, and Rest.li's answers name none: write \
     `endpoint: openapi` (DataHub 1.0.1 or later), or `emit_mode: SYNC_PRIMARY` to have it written before GMS answers";

/// Behind DataHub's frontend, whose buffer has 10 MB (`play.http.parser.maxMemoryBuffer`), a request has at most so many.
const FRONTEND_BYTES: usize = 9_500_000;

/// How many proposals go at a time, in the words of the sink's `mode` (`RestSinkMode` of DataHub's Python client).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SinkMode {
    /// `SYNC`: one proposal a request, one request at a time.
    Sync,
    /// `ASYNC`: one proposal a request.
    Async,
    /// `ASYNC_BATCH`: many proposals a request. The default: it is the fastest by far.
    #[default]
    AsyncBatch,
}

impl SinkMode {
    /// The mode's name in recipes and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sync => "SYNC",
            Self::Async => "ASYNC",
            Self::AsyncBatch => "ASYNC_BATCH",
        }
    }

    /// What GMS has done when it answers, unless that is said.
    pub fn emit_mode(self) -> EmitMode {
        match self {
            Self::Sync => EmitMode::SyncPrimary,
            Self::Async | Self::AsyncBatch => EmitMode::Async,
        }
    }
}

/// Sets up an [`Emitter`]. The defaults are those of DataHub's REST sink.
#[derive(Clone, Debug)]
#[must_use]
pub struct EmitterBuilder {
    server: String,
    tokens: Option<Arc<dyn TokenProvider>>,
    extra_headers: Vec<(String, String)>,
    timeout: Duration,
    tls: TlsSettings,
    tcp_keepalive: bool,
    client_mode: ClientMode,
    component: Option<String>,
    direct: bool,
    mode: SinkMode,
    endpoint: Endpoint,
    emit_mode: Option<EmitMode>,
    trace_timeout: Duration,
    respect_sync_marker: bool,
    max_threads: usize,
    max_per_batch: usize,
    max_batch_bytes: Option<usize>,
    max_pending_requests: usize,
    max_pending_bytes: usize,
    min_process_interval: Duration,
    retry: RetryPolicy,
}

impl EmitterBuilder {
    pub(super) fn new(server: String) -> Self {
        Self {
            server,
            tokens: None,
            extra_headers: Vec::new(),
            timeout: Duration::from_secs(30),
            tls: TlsSettings::default(),
            tcp_keepalive: false,
            client_mode: ClientMode::Sdk,
            component: None,
            direct: false,
            mode: SinkMode::default(),
            endpoint: Endpoint::default(),
            emit_mode: None,
            trace_timeout: TRACE_TIMEOUT,
            respect_sync_marker: false,
            max_threads: 15,
            max_per_batch: 100,
            max_batch_bytes: None,
            max_pending_requests: 2_000,
            max_pending_bytes: 16 * 1024 * 1024,
            min_process_interval: Duration::from_secs(30),
            retry: RetryPolicy::default(),
        }
    }

    /// The personal access token, as DataHub shows it once under *Settings › Access Tokens*.
    pub fn token(self, token: impl Into<String>) -> Self {
        self.token_from(Token::new(token, TokenSource::Recipe))
    }

    /// A token that knows where it came from, for reports and diagnoses.
    pub fn token_from(mut self, token: Token) -> Self {
        self.tokens = Some(Arc::new(FixedToken::new(token)));
        self
    }

    /// Where tokens come from while the emitter runs: one that is about to expire is renewed, and so is one that was
    /// refused.
    pub fn token_provider(mut self, tokens: Arc<dyn TokenProvider>) -> Self {
        self.tokens = Some(tokens);
        self
    }

    /// Adds a header to every request. It replaces one of ours of the same name, Authorization included.
    pub fn extra_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.extra_headers.push((name.into(), value.into()));
        self
    }

    /// How long a connection may take, and after that each silence of the server. Default 30 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Whom to trust, and which certificate to show. By default the system's authorities, and none.
    pub fn tls(mut self, tls: TlsSettings) -> Self {
        self.tls = tls;
        self
    }

    /// Keeps idle connections alive through firewalls that forget them. Off by default.
    pub fn tcp_keepalive(mut self, on: bool) -> Self {
        self.tcp_keepalive = on;
        self
    }

    /// On whose behalf requests are made, for the server's statistics. Default [`ClientMode::Sdk`].
    pub fn client_mode(mut self, mode: ClientMode) -> Self {
        self.client_mode = mode;
        self
    }

    /// The first part of the User-Agent's middle. Default `datahub`.
    pub fn component(mut self, component: impl Into<String>) -> Self {
        self.component = Some(component.into());
        self
    }

    /// Goes past the proxies that the environment names.
    pub fn direct(mut self) -> Self {
        self.direct = true;
        self
    }

    /// How many proposals go at a time. Default [`SinkMode::AsyncBatch`].
    pub fn mode(mut self, mode: SinkMode) -> Self {
        self.mode = mode;
        self
    }

    /// Which of GMS's interfaces is used. Default [`Endpoint::Restli`].
    pub fn endpoint(mut self, endpoint: Endpoint) -> Self {
        self.endpoint = endpoint;
        self
    }

    /// What GMS has done when a proposal counts as delivered. By default what the [mode](Self::mode) says: with
    /// [`SinkMode::Sync`] it has written it, else it has queued it.
    pub fn emit_mode(mut self, mode: EmitMode) -> Self {
        self.emit_mode = Some(mode);
        self
    }

    /// With [`EmitMode::AsyncWait`]: how long GMS is asked after a proposal that it has queued. Default 1 hour, as in the
    /// Python client.
    pub fn trace_timeout(mut self, timeout: Duration) -> Self {
        self.trace_timeout = timeout;
        self
    }

    /// Whether a proposal whose system metadata has the property `emitModeMarker: sync` is written before GMS answers,
    /// with all that travels in the same request. Off by default.
    pub fn respect_sync_marker(mut self, on: bool) -> Self {
        self.respect_sync_marker = on;
        self
    }

    /// Requests at a time, at most. Default 15.
    pub fn max_threads(mut self, requests: usize) -> Self {
        self.max_threads = requests;
        self
    }

    /// Proposals a request, from 1 to 200. Default 100.
    pub fn max_per_batch(mut self, proposals: usize) -> Self {
        self.max_per_batch = proposals;
        self
    }

    /// Bytes a request's body, at most; a larger single proposal travels alone. Default 15 MiB, as in the Python client,
    /// and 9.5 MB through DataHub's frontend (an address that ends with `/api/gms`), whose buffer has 10 MB.
    pub fn max_batch_bytes(mut self, bytes: usize) -> Self {
        self.max_batch_bytes = Some(bytes);
        self
    }

    /// Proposals queued and in flight together, at most. Default 2,000.
    pub fn max_pending_requests(mut self, proposals: usize) -> Self {
        self.max_pending_requests = proposals;
        self
    }

    /// Bytes queued and in flight together, at most; a larger single proposal passes alone. Default 16 MiB.
    pub fn max_pending_bytes(mut self, bytes: usize) -> Self {
        self.max_pending_bytes = bytes;
        self
    }

    /// How long a batch that is not full waits while other requests are in flight and none comes back. Default 30 s.
    pub fn min_process_interval(mut self, interval: Duration) -> Self {
        self.min_process_interval = interval;
        self
    }

    /// What is tried again, and how often.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// Starts the emitter in the current tokio runtime. No request is made yet.
    ///
    /// # Errors
    /// When the address is none, a limit is out of range, a certificate or a header cannot be used, there is no tokio
    /// runtime, or [`EmitMode::AsyncWait`] is wanted over Rest.li, whose answers name no trace.
    pub fn build(self) -> Result<Emitter, Error> {
        let input = |message: String| Error::new(ErrorKind::Input, message);
        let runtime = tokio::runtime::Handle::try_current()
            .map_err(|error| input("an emitter needs a tokio runtime".into()).with_source(error))?;
        if !(1..=MAX_BATCH).contains(&self.max_per_batch) {
            return Err(input(format!("max_per_batch is from 1 to {MAX_BATCH}, not {}", self.max_per_batch)));
        }
        if self.max_threads == 0 {
            return Err(input("max_threads is at least 1".into()));
        }
        let emit_mode = self.emit_mode.unwrap_or_else(|| self.mode.emit_mode());
        if emit_mode == EmitMode::AsyncWait && self.endpoint == Endpoint::Restli {
            return Err(input(ASYNC_WAIT_OVER_RESTLI.into()));
        }
        let server = ServerAddress::parse(&self.server).map_err(|error| input(format!("server: {error}")))?;
        let client = Client::new(&ClientSettings {
            server,
            tokens: self.tokens,
            extra_headers: self.extra_headers,
            timeout: self.timeout,
            tls: self.tls,
            tcp_keepalive: self.tcp_keepalive,
            mode: self.client_mode,
            component: self.component,
            direct: self.direct,
            clock: Arc::new(SystemClock),
        })?;
        let wire = RequestEncoder {
            endpoint: self.endpoint,
            emit_mode,
            batches: self.mode == SinkMode::AsyncBatch,
            respect_sync_marker: self.respect_sync_marker,
        };
        let max_requests = if self.mode == SinkMode::Sync { 1 } else { self.max_threads };
        let bytes = if client.server().is_frontend() { FRONTEND_BYTES } else { MAX_BYTES };
        let settings = Settings {
            batch: BatchLimits {
                count: if wire.batches { self.max_per_batch } else { 1 },
                bytes: self.max_batch_bytes.unwrap_or(bytes),
                envelope: wire.envelope_bytes(),
            },
            wire,
            max_requests,
            // `SYNC` goes on only when what it has sent is settled.
            max_under_way: if self.mode == SinkMode::Sync { 1 } else { 2 * max_requests },
            max_age: self.min_process_interval,
            retry: self.retry,
            trace_timeout: self.trace_timeout,
        };
        let room = Room::new(self.max_pending_requests, self.max_pending_bytes);
        let (state, opened) = State::new(client, settings, room);
        Ok(Emitter::start(Arc::new(state), opened, &runtime))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_fits_through_the_frontend() {
        let bytes = |server: &str, chosen: Option<usize>| {
            let mut builder = Emitter::builder(server);
            if let Some(chosen) = chosen {
                builder = builder.max_batch_bytes(chosen);
            }
            builder.build().unwrap().handle.state.settings.batch.bytes
        };
        assert_eq!(bytes("http://gms:8080", None), 15 * 1024 * 1024);
        assert_eq!(bytes("http://datahub:9002/api/gms/", None), 9_500_000);
        assert_eq!(bytes("http://datahub:9002/api/gms", Some(20_000_000)), 20_000_000);
    }
}
