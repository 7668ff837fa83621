//! Which sinks there are, and how one is opened.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::blackhole::BlackholeSink;
use super::console::ConsoleSink;
use super::file::{FileSink, FileSinkConfig};
use super::{BoxFuture, CheckReport, CheckedSink, GmsSink, Sink};
use crate::diagnosis::{Diagnosis, SharedRenderer};
use crate::platform::Platform;
use crate::recipe::registry::Registry;
use crate::threads::run_blocking;
use crate::{Error, ErrorKind};

/// Called when a run waits for a server: with what is wrong with it, and how long the run waits at most.
#[derive(Clone, Default)]
pub struct OnWait(Option<Arc<WaitCallback>>);

type WaitCallback = dyn Fn(&Diagnosis, Duration) + Send + Sync;

impl OnWait {
    /// Calls `callback` when the first attempt to reach the server has failed. The default writes to the log.
    pub fn new(callback: impl Fn(&Diagnosis, Duration) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(callback)))
    }

    pub(crate) fn call(&self, diagnosis: &Diagnosis, max_wait: Duration) {
        let Some(callback) = &self.0 else {
            let seconds = max_wait.as_secs();
            tracing::warn!(code = %diagnosis.code, "{}; waiting for up to {seconds} s", diagnosis.summary);
            return;
        };
        callback(diagnosis, max_wait);
    }
}

impl fmt::Debug for OnWait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OnWait").field(&self.0.is_some()).finish()
    }
}

/// The run that a sink is opened for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SinkContext {
    /// The run's id, as in the system metadata of what the sink writes.
    pub run_id: Arc<str>,
    /// The recipe's `pipeline_name`.
    pub pipeline_name: Option<Arc<str>>,
    /// Called when the sink waits for a server.
    pub on_wait: OnWait,
    /// Words the warnings of the sink.
    pub renderer: SharedRenderer,
    /// The sink is opened for a [check](GmsSink::check), and not for a run: it does not wait for a server,
    /// and leaves it to the check to find out whether the token is accepted.
    pub for_check: bool,
    /// Clock, files, threads and network.
    pub platform: Platform,
}

impl SinkContext {
    /// A run without a pipeline name, on this machine.
    pub fn new(run_id: impl Into<Arc<str>>) -> Self {
        Self {
            run_id: run_id.into(),
            pipeline_name: None,
            on_wait: OnWait::default(),
            renderer: SharedRenderer::default(),
            for_check: false,
            platform: Platform::default(),
        }
    }

    /// Sets the pipeline's name.
    #[must_use]
    pub fn with_pipeline_name(mut self, name: Option<Arc<str>>) -> Self {
        self.pipeline_name = name;
        self
    }
}

/// A sink that is ready for proposals.
#[non_exhaustive]
pub enum OpenedSink {
    /// A sink of any kind.
    Plain(Box<dyn Sink>),
    /// A sink that writes to a GMS: it can be checked before a run, and asked what GMS has.
    Gms(Box<dyn GmsSink>),
    /// A sink that can be checked before a run, and may have a GMS beside its destination.
    Checked(Box<dyn CheckedSink>),
}

impl OpenedSink {
    /// A sink of any kind.
    pub fn plain(sink: impl Sink + 'static) -> Self {
        Self::Plain(Box::new(sink))
    }

    /// A sink that writes to a GMS.
    pub fn gms(sink: impl GmsSink + 'static) -> Self {
        Self::Gms(Box::new(sink))
    }

    /// A sink that can be checked before a run.
    pub fn checked(sink: impl CheckedSink + 'static) -> Self {
        Self::Checked(Box::new(sink))
    }

    /// The interface of every sink.
    pub fn as_sink(&self) -> &dyn Sink {
        match self {
            Self::Plain(sink) => &**sink,
            Self::Gms(sink) => &**sink,
            Self::Checked(sink) => &**sink,
        }
    }

    /// The interface of a sink that writes to a GMS, also beside another destination; `None` for other sinks.
    pub fn as_gms_sink(&self) -> Option<&dyn GmsSink> {
        match self {
            Self::Plain(_) => None,
            Self::Gms(sink) => Some(&**sink),
            Self::Checked(sink) => sink.gms(),
        }
    }

    /// [Checks](CheckedSink::check) the sink; `None` if there is nothing to check before a run.
    pub async fn check(&self, write: bool) -> Option<CheckReport> {
        match self {
            Self::Plain(_) => None,
            Self::Gms(sink) => Some(sink.check(write).await),
            Self::Checked(sink) => Some(sink.check(write).await),
        }
    }
}

impl fmt::Debug for OpenedSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain(_) => "OpenedSink::Plain(..)",
            Self::Gms(_) => "OpenedSink::Gms(..)",
            Self::Checked(_) => "OpenedSink::Checked(..)",
        })
    }
}

/// Opens a sink whose keys were read. Files are created and servers are contacted only now.
pub type OpenSink = Box<dyn FnOnce(SinkContext) -> BoxFuture<'static, Result<OpenedSink, Error>> + Send>;

/// Finds a sink by the recipe's `sink.type`.
pub type SinkRegistry = Registry<OpenSink>;

impl Default for SinkRegistry {
    /// The sinks of this crate, except `datahub-rest`: it takes defaults from the environment, so a pipeline
    /// registers it for each recipe.
    fn default() -> Self {
        let mut registry = Self::new("sink", advice);
        registry.register("blackhole", |_| {
            Ok(Box::new(|_| Box::pin(async { Ok(OpenedSink::plain(BlackholeSink)) })))
        });
        registry.register("console", |_| {
            Ok(Box::new(|context| {
                Box::pin(async move { ConsoleSink::open(&context.platform).map(OpenedSink::plain) })
            }))
        });
        registry.register("file", |fields| {
            let config = FileSinkConfig::read(fields).ok_or_else(|| fields.reported())?;
            Ok(Box::new(move |context| Box::pin(open_file(config, context.platform))))
        });
        registry
    }
}

/// Opening a named pipe blocks until it has a reader, so it is done on a thread of its own.
async fn open_file(config: FileSinkConfig, platform: Platform) -> Result<OpenedSink, Error> {
    let threads = Arc::clone(&platform.threads);
    run_blocking(&*threads, "sink-open", move || FileSink::open(&config, &platform))
        .await
        .map_err(|error| Error::new(ErrorKind::Internal, "cannot open the sink's file").with_source(error))?
        .map(OpenedSink::plain)
}

/// The advice for a sink that DataHub's Python client has (its `setup.py`,
/// `datahub.ingestion.sink.plugins`).
fn advice(sink_type: &str) -> Option<String> {
    match sink_type {
        // Registered by a pipeline of a build with the feature.
        "datahub-kafka" => Some(
            "the sink `datahub-kafka` is not in this build: it is in the PyPI package `datahub-emit`, and in a build with \
             the feature `kafka` (cargo install datahub-emitter --features kafka)"
                .to_owned(),
        ),
        "datahub-lite" => Some(
            "the sink `datahub-lite` of DataHub's Python client is not supported: `file` writes the same metadata to a file"
                .to_owned(),
        ),
        _ => None,
    }
}
