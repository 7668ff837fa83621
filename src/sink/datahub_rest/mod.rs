//! The `datahub-rest` sink: delivers to a GMS.

mod config;
mod examination;
mod trial;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{BoxFuture, Examination, RequestCounts, Sink, SinkContext, SinkSummary, TokenSummary};
use crate::Error;
use crate::auth::{FixedToken, Token, TokenInfo, TokenSource, expiry_warning};
use crate::diagnosis::{Diagnosis, SharedRenderer};
use crate::emitter::{Delivery, Emitter};
use crate::gms::{Client, EmitMode, Endpoint, ServerConfig, WaitForServer};

pub use config::{DatahubRestConfig, Overrides, Server, SinkMode};

/// What a run says of an old GMS.
const SINGLE_ONLY: &str =
    "this GMS does not know ingestProposalBatch: proposals were sent one by one, which takes longer";

/// A GMS inside the process, running for as long as this is kept.
pub struct EmbeddedServer {
    /// Its address.
    pub url: String,
    /// A token that it takes.
    pub token: String,
    /// Stops it, and returns when all is on the disk.
    pub stop: Box<dyn FnOnce() -> BoxFuture<'static, ()> + Send>,
}

impl fmt::Debug for EmbeddedServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedServer").field("url", &self.url).finish_non_exhaustive()
    }
}

/// Starts a GMS inside the process, on the data file that the recipe names. Sinks do not know how; who runs them does.
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
    warn_before_expiry: SignedDuration,
    renderer: SharedRenderer,
    /// Stopped when the last outcome is known.
    embedded: Mutex<Option<EmbeddedServer>>,
}

impl DatahubRestSink {
    /// Connects, and makes sure before anything is read that a GMS answers, and that it takes the token, as far as it tells
    /// before a write. A server that is away is waited for (`wait_for_server`).
    ///
    /// An older GMS tells nothing of a token in `/config`. The first write asks it then: what is refused there costs no more
    /// than what is in flight at that moment, and another question on every run would cost all who are not refused.
    ///
    /// # Errors
    /// When nothing answers or something that is no GMS; when the token is refused; when a certificate or header cannot be
    /// used; when the recipe wants the embedded GMS and `start_embedded` is absent or fails.
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
        let emitter = builder.build()?;
        // Whoever only wants to know wants to know now.
        let patience =
            if context.examined { WaitForServer::Default(Duration::ZERO) } else { config.patience };
        let (WaitForServer::Explicit(time) | WaitForServer::Default(time)) = patience;
        let tell = |diagnosis: &Diagnosis| context.on_wait.tell(diagnosis, time);
        emitter.client().wait_until_ready(patience, tell).await?;
        let server = emitter.server_config().await?;
        // The embedded GMS has made the token itself; and without one there is nothing to try.
        if embedded.is_none()
            && emitter.client().token().is_some_and(|token| !token.empty)
            && !context.examined
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
        // A token that was refused has a diagnosis, which says more.
        let token = self.emitter.client().token().filter(|_| self.stopped().is_none());
        let warning = token.and_then(|token| {
            expiry_warning(&token, Timestamp::now(), self.warn_before_expiry, &*self.renderer)
        });
        single_only.into_iter().chain(warning).collect()
    }
}

fn summary(token: Option<&TokenInfo>) -> TokenSummary {
    let Some(token) = token else {
        return TokenSummary { source: "none".into(), ..TokenSummary::default() };
    };
    let claims = token.claims.as_ref();
    TokenSummary {
        source: token.source.to_string(),
        actor: claims.and_then(crate::auth::Claims::actor_urn),
        kind: claims.and_then(|claims| claims.kind.clone()),
        expires_at: claims.and_then(|claims| claims.expires_at).map(|time| time.to_string()),
    }
}

impl Sink for DatahubRestSink {
    fn write(&self, delivery: Delivery) -> BoxFuture<'_, ()> {
        Box::pin(self.emitter.deliver(delivery))
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

    fn examine(&self, write: bool) -> BoxFuture<'_, Examination> {
        Box::pin(self.examination(write))
    }

    fn summary(&self) -> SinkSummary {
        let counts = self.emitter.counts();
        SinkSummary {
            server: Some(self.emitter.client().server().to_string()),
            gms_version: self.server.version.clone(),
            endpoint: Some(self.endpoint.as_str()),
            mode: Some(self.mode.as_str()),
            delivered_means: self.emit_mode.delivered_means(self.endpoint),
            requests: RequestCounts {
                sent: counts.requests,
                retried: counts.retried,
                split: counts.split,
                bytes: counts.bytes,
            },
            token: summary(self.emitter.client().token().as_deref()),
            warnings: self.warnings(),
        }
    }

    fn gms(&self) -> Option<&Client> {
        Some(self.emitter.client())
    }
}

impl fmt::Debug for DatahubRestSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatahubRestSink").field("emitter", &self.emitter).finish_non_exhaustive()
    }
}
