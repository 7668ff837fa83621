//! The `datahub-rest` sink: delivers to a GMS.

mod check;
mod config;
mod token_report;
mod write_check;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::SignedDuration;

use super::{
    BoxFuture, CheckReport, DeliveredMeans, GmsSink, RequestCounts, Sink, SinkContext, SinkDestination,
    SinkReport,
};
use crate::Error;
use crate::auth::{FixedToken, Token, TokenSource, expiry_warning};
use crate::diagnosis::{Diagnosis, SharedRenderer};
use crate::emitter::{Delivery, Emitter};
use crate::gms::{Client, EmitMode, Endpoint, RetryPolicy, ServerConfig, WaitForServer};

pub use self::config::{DatahubRestConfig, Overrides, Server, SinkMode};

use self::check::CheckTarget;
use self::token_report::token_report;

/// The `type` of the sink, which is also that of a recipe without a sink.
pub(crate) const DATAHUB_REST: &str = "datahub-rest";

/// The warning about an old GMS.
const SINGLE_ONLY: &str =
    "this GMS does not know ingestProposalBatch: proposals were sent one by one, which takes longer";

/// A GMS inside this process, which runs as long as this value is kept.
pub struct EmbeddedServer {
    /// Its address.
    pub url: String,
    /// A token that it accepts.
    pub token: String,
    /// Stops it, and resolves when all its data is on the disk.
    pub stop: Box<dyn FnOnce() -> BoxFuture<'static, ()> + Send>,
}

impl fmt::Debug for EmbeddedServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedServer").field("url", &self.url).finish_non_exhaustive()
    }
}

/// Starts a GMS inside this process, on the data file that the recipe names. The caller that opens the sink
/// provides it.
pub type StartEmbedded =
    Arc<dyn Fn(Option<PathBuf>) -> BoxFuture<'static, Result<EmbeddedServer, Error>> + Send + Sync>;

/// Delivers proposals to a GMS through an [`Emitter`].
pub struct DatahubRestSink {
    run_id: Arc<str>,
    emitter: Emitter,
    server: ServerConfig,
    mode: SinkMode,
    endpoint: Endpoint,
    emit_mode: EmitMode,
    retry: RetryPolicy,
    warn_before_expiry: SignedDuration,
    renderer: SharedRenderer,
    /// Stopped after the last outcome.
    embedded: Mutex<Option<EmbeddedServer>>,
}

impl DatahubRestSink {
    /// Connects, and checks before anything is read that a GMS answers and that it accepts the token, as far
    /// as GMS tells before a write. A server that is away is waited for (`wait_for_server`).
    ///
    /// An older GMS does not look at the token in `/config`. With it, the first write finds out: refusing
    /// that one costs no more than what is in flight then, and another request in every run would cost all
    /// callers.
    ///
    /// # Errors
    /// Of kind [`Unreachable`](crate::ErrorKind::Unreachable) when nothing answers, or something that is not
    /// a GMS; of kind [`Refused`](crate::ErrorKind::Refused) when the token is refused; of kind
    /// [`Input`](crate::ErrorKind::Input) when a certificate or header cannot be used, or the recipe names
    /// the embedded GMS and `start_embedded` is absent. Starting the embedded GMS may fail as well.
    ///
    /// # Cancel safety
    /// Dropping the future abandons the connection attempt. Only reading requests have been sent by then.
    pub async fn open(
        config: DatahubRestConfig,
        start_embedded: Option<&StartEmbedded>,
        context: &SinkContext,
    ) -> Result<Self, Error> {
        let (mode, endpoint, emit_mode) = (config.mode(), config.endpoint(), config.emit_mode());
        let (builder, embedded) = match &config.server {
            Server::At(server) => (config.emitter(server, config.tokens.clone()), None),
            Server::Embedded { data } => {
                let start = start_embedded.ok_or_else(|| {
                    Error::new(
                        crate::ErrorKind::Input,
                        "server: embedded is not built into this program: it needs the feature `embedded`",
                    )
                })?;
                let embedded = start(data.clone()).await?;
                let token = Token::new(embedded.token.clone(), TokenSource::Embedded);
                let tokens = Arc::new(FixedToken::new(token));
                (config.emitter(&embedded.url, Some(tokens)).no_proxy(), Some(embedded))
            }
        };
        let mut builder = builder.clock(Arc::clone(&context.platform.clock));
        if let Some(http) = &context.platform.http {
            builder = builder.http_service(Arc::clone(http));
        }
        let emitter = builder.build()?;
        // A check reports at once what it finds.
        let wait =
            if context.for_check { WaitForServer::Default(Duration::ZERO) } else { config.wait_for_server };
        let (WaitForServer::Explicit(max_wait) | WaitForServer::Default(max_wait)) = wait;
        let on_wait = |diagnosis: &Diagnosis| context.on_wait.call(diagnosis, max_wait);
        emitter.client().wait_until_ready(wait, on_wait).await?;
        let server = emitter.server_config().await?;
        // The embedded GMS has issued its token itself, and without a token there is nothing to check.
        if embedded.is_none()
            && emitter.client().token().is_some_and(|token| !token.empty)
            && !context.for_check
        {
            emitter.client().check_token(config.retry()).await?;
        }
        tracing::info!(
            server = %emitter.client().server(),
            version = server.version.as_deref().unwrap_or("unknown"),
            "connected to GMS"
        );
        let warn_before_expiry =
            SignedDuration::try_from(config.warn_before_expiry).unwrap_or(SignedDuration::MAX);
        let embedded = Mutex::new(embedded);
        let run_id = Arc::clone(&context.run_id);
        let renderer = context.renderer.clone();
        Ok(Self {
            retry: config.retry().clone(),
            run_id,
            emitter,
            server,
            mode,
            endpoint,
            emit_mode,
            warn_before_expiry,
            renderer,
            embedded,
        })
    }

    fn warnings(&self) -> Vec<String> {
        let single_only = self.emitter.lacks_batches().then(|| SINGLE_ONLY.to_owned());
        // The diagnosis of a refused token says more.
        let token = self.emitter.client().token().filter(|_| self.stopped().is_none());
        let now = self.emitter.client().clock().now();
        let warning =
            token.and_then(|token| expiry_warning(&token, now, self.warn_before_expiry, &*self.renderer));
        single_only.into_iter().chain(warning).collect()
    }
}

/// The state of a delivered proposal in GMS. Over Rest.li, `SYNC_WAIT` is the same as `SYNC_PRIMARY`.
fn delivered_means(emit_mode: EmitMode, endpoint: Endpoint) -> DeliveredMeans {
    match (emit_mode, endpoint) {
        (EmitMode::Async, _) => DeliveredMeans::Queued,
        (EmitMode::SyncPrimary, _) | (EmitMode::SyncWait, Endpoint::Restli) => DeliveredMeans::Stored,
        (EmitMode::SyncWait, Endpoint::Openapi) | (EmitMode::AsyncWait, _) => DeliveredMeans::Indexed,
    }
}

impl Sink for DatahubRestSink {
    fn write(&self, delivery: Delivery) -> BoxFuture<'_, ()> {
        Box::pin(self.emitter.deliver(delivery))
    }

    fn flush(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.emitter.flush())
    }

    fn is_resumable(&self) -> bool {
        true
    }

    fn stopped(&self) -> Option<Error> {
        self.emitter.stop_reason()
    }

    fn close(&self, deadline: Option<Duration>) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            self.emitter.close(deadline).await;
            let embedded = self.embedded.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(embedded) = embedded {
                (embedded.stop)().await;
            }
            match self.stopped() {
                None => Ok(()),
                Some(error) => Err(error),
            }
        })
    }

    fn report(&self) -> SinkReport {
        let counts = self.emitter.counts();
        SinkReport {
            destination: SinkDestination {
                server: Some(self.emitter.client().server().to_string()),
                gms_version: self.server.version.clone(),
                endpoint: Some(self.endpoint.into()),
                mode: Some(self.mode),
                delivered_means: Some(delivered_means(self.emit_mode, self.endpoint)),
            },
            requests: RequestCounts {
                sent: counts.requests,
                retried: counts.retried,
                split: counts.split,
                bytes: counts.bytes,
            },
            token: token_report(self.emitter.client().token().as_deref()),
            warnings: self.warnings(),
        }
    }
}

impl GmsSink for DatahubRestSink {
    fn check(&self, write: bool) -> BoxFuture<'_, CheckReport> {
        let target = CheckTarget {
            client: self.emitter.client(),
            server: &self.server,
            endpoint: self.endpoint,
            run_id: &self.run_id,
        };
        Box::pin(check::run(target, write))
    }

    fn client(&self) -> &Client {
        self.emitter.client()
    }

    fn retry(&self) -> RetryPolicy {
        self.retry.clone()
    }
}

impl fmt::Debug for DatahubRestSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatahubRestSink").field("emitter", &self.emitter).finish_non_exhaustive()
    }
}
