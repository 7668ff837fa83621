//! Sets up an emitter.

use std::sync::Arc;
use std::time::Duration;

use super::Emitter;
use super::queue::BatchLimits;
use super::room::Room;
use super::state::{Settings, State};
use crate::auth::{Token, TokenSource};
use crate::gms::{Client, ClientMode, ClientSettings, RetryPolicy, ServerAddress, TlsSettings, restli};
use crate::{Error, ErrorKind};

/// GMS takes at most so many proposals a call from DataHub's own client, so no more are sent.
pub(crate) const MAX_BATCH: usize = 200;

/// How requests are made, in the words of the sink's `mode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EmitMode {
    /// One proposal a request, one request at a time; GMS answers when it has written it.
    Sync,
    /// One proposal a request; GMS answers when it has queued it.
    Async,
    /// Many proposals a request; GMS answers when it has queued them. The default: it is the fastest by far.
    #[default]
    AsyncBatch,
}

impl EmitMode {
    /// The mode's name in recipes and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sync => "SYNC",
            Self::Async => "ASYNC",
            Self::AsyncBatch => "ASYNC_BATCH",
        }
    }

    /// What a delivery means: `stored`, or only `queued`.
    pub fn delivered_means(self) -> &'static str {
        match self {
            Self::Sync => "stored",
            Self::Async | Self::AsyncBatch => "queued",
        }
    }
}

/// Sets up an [`Emitter`]. The defaults are those of DataHub's REST sink.
#[derive(Clone, Debug)]
#[must_use]
pub struct EmitterBuilder {
    server: String,
    token: Option<Token>,
    extra_headers: Vec<(String, String)>,
    timeout: Duration,
    tls: TlsSettings,
    tcp_keepalive: bool,
    client_mode: ClientMode,
    component: Option<String>,
    direct: bool,
    mode: EmitMode,
    max_threads: usize,
    max_per_batch: usize,
    max_batch_bytes: usize,
    max_pending_requests: usize,
    max_pending_bytes: usize,
    min_process_interval: Duration,
    retry: RetryPolicy,
}

impl EmitterBuilder {
    pub(super) fn new(server: String) -> Self {
        Self {
            server,
            token: None,
            extra_headers: Vec::new(),
            timeout: Duration::from_secs(30),
            tls: TlsSettings::default(),
            tcp_keepalive: false,
            client_mode: ClientMode::Sdk,
            component: None,
            direct: false,
            mode: EmitMode::default(),
            max_threads: 15,
            max_per_batch: 100,
            max_batch_bytes: 15 * 1024 * 1024,
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
        self.token = Some(token);
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

    /// How requests are made. Default [`EmitMode::AsyncBatch`].
    pub fn mode(mut self, mode: EmitMode) -> Self {
        self.mode = mode;
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

    /// Bytes a request's body, at most; a larger single proposal travels alone. Default 15 MiB, which keeps an aspect
    /// below GMS's limit of 16,000,000 characters a text.
    pub fn max_batch_bytes(mut self, bytes: usize) -> Self {
        self.max_batch_bytes = bytes;
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
    /// When the address is none, a limit is out of range, a certificate or a header cannot be used, or there is no
    /// tokio runtime.
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
        let server = ServerAddress::parse(&self.server).map_err(|error| input(format!("server: {error}")))?;
        let client = Client::new(&ClientSettings {
            server,
            token: self.token,
            extra_headers: self.extra_headers,
            timeout: self.timeout,
            tls: self.tls,
            tcp_keepalive: self.tcp_keepalive,
            mode: self.client_mode,
            component: self.component,
            direct: self.direct,
        })?;
        let single = self.mode != EmitMode::AsyncBatch;
        let asynchronous = self.mode != EmitMode::Sync;
        let settings = Settings {
            batch: BatchLimits {
                count: if single { 1 } else { self.max_per_batch },
                bytes: self.max_batch_bytes,
                envelope: restli::envelope_bytes(asynchronous),
            },
            single,
            asynchronous,
            max_requests: if self.mode == EmitMode::Sync { 1 } else { self.max_threads },
            max_age: self.min_process_interval,
            retry: self.retry,
        };
        let room = Room::new(self.max_pending_requests, self.max_pending_bytes);
        Ok(Emitter::start(Arc::new(State::new(client, settings, room)), &runtime))
    }
}
