//! Which sinks there are.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::blackhole::BlackholeSink;
use super::console::ConsoleSink;
use super::file::{FileSink, FileSinkConfig};
use super::{BoxFuture, Sink};
use crate::diagnosis::{Diagnosis, SharedRenderer};
use crate::recipe::registry::Registry;
use crate::{Error, ErrorKind};

/// Told what is the matter with a server that is waited for, and for how long it will be.
#[derive(Clone, Default)]
pub struct OnWait(Option<Arc<Tell>>);

type Tell = dyn Fn(&Diagnosis, Duration) + Send + Sync;

impl OnWait {
    /// Calls `tell` at the first failure of a server that may yet come.
    pub fn new(tell: impl Fn(&Diagnosis, Duration) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(tell)))
    }

    pub(crate) fn tell(&self, diagnosis: &Diagnosis, patience: Duration) {
        let Some(tell) = &self.0 else {
            let seconds = patience.as_secs();
            tracing::warn!(code = %diagnosis.code, "{}; waiting for up to {seconds} s", diagnosis.summary);
            return;
        };
        tell(diagnosis, patience);
    }
}

impl fmt::Debug for OnWait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OnWait").field(&self.0.is_some()).finish()
    }
}

/// What a sink may want to know of the run that it is opened for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SinkContext {
    /// The run's id, as in the system metadata of what it writes.
    pub run_id: Arc<str>,
    /// The recipe's `pipeline_name`.
    pub pipeline_name: Option<Arc<str>>,
    /// Told when a server is waited for.
    pub on_wait: OnWait,
    /// Words the warnings of the sink.
    pub renderer: SharedRenderer,
    /// The sink is opened to be [examined](super::Sink::examine), which asks more than opening does.
    pub examined: bool,
}

impl SinkContext {
    /// A run without a pipeline name.
    pub fn new(run_id: impl Into<Arc<str>>) -> Self {
        Self {
            run_id: run_id.into(),
            pipeline_name: None,
            on_wait: OnWait::default(),
            renderer: SharedRenderer::default(),
            examined: false,
        }
    }

    /// Sets the pipeline's name.
    #[must_use]
    pub fn with_pipeline_name(mut self, name: Option<Arc<str>>) -> Self {
        self.pipeline_name = name;
        self
    }
}

/// Opens a sink whose keys were read: only now are files created, or servers asked.
pub type OpenSink = Box<dyn FnOnce(SinkContext) -> BoxFuture<'static, Result<Box<dyn Sink>, Error>> + Send>;

/// Knows each sink by the recipe's `sink.type`.
pub type SinkRegistry = Registry<OpenSink>;

impl Default for SinkRegistry {
    /// The sinks of this crate that need nothing from outside the recipe: all but `datahub-rest`, whose defaults lie in the
    /// environment, so that who runs a pipeline registers it.
    fn default() -> Self {
        let mut registry = Self::new("sink", advice);
        registry.register("blackhole", |_, _| {
            Some(Box::new(|_| Box::pin(async { Ok(Box::new(BlackholeSink) as Box<dyn Sink>) })))
        });
        registry.register("console", |_, _| {
            Some(Box::new(|_| {
                Box::pin(async { ConsoleSink::open().map(|sink| Box::new(sink) as Box<dyn Sink>) })
            }))
        });
        registry.register("file", |fields, _| {
            let config = FileSinkConfig::read(fields)?;
            Some(Box::new(move |_| Box::pin(open_file(config))))
        });
        registry
    }
}

/// Opening a named pipe waits for its reader, so it must not keep a thread of the runtime busy.
async fn open_file(config: FileSinkConfig) -> Result<Box<dyn Sink>, Error> {
    tokio::task::spawn_blocking(move || FileSink::open(&config))
        .await
        .map_err(|error| {
            Error::new(ErrorKind::Internal, "opening the sink's file was given up").with_source(error)
        })?
        .map(|sink| Box::new(sink) as Box<dyn Sink>)
}

/// What to do about a sink that DataHub's Python client has (its `setup.py`, `datahub.ingestion.sink.plugins`).
fn advice(sink_type: &str) -> Option<String> {
    matches!(sink_type, "datahub-kafka" | "datahub-lite").then(|| {
        format!(
            "the sink `{sink_type}` of DataHub's Python client is not supported yet: `datahub-rest` delivers the same \
             metadata over HTTP"
        )
    })
}
