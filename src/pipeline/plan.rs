//! A planned run: the recipe was read, and nothing was opened.

use std::convert::Infallible;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;

use super::config::Config;
use super::control::RunControl;
use super::destination::PlannedDestination;
use super::finish::FinishedRun;
use super::graph::ClientGraph;
use super::options::Options;
use super::planned_chain::PlannedChain;
use super::preflight::{self, Preflight};
use super::prepare::lock;
use super::replay::{self, Replay};
use super::run::run;
use super::run_id;
use super::run_metadata::{PipelineName, RunMetadata};
use super::settings::RunSettings;
use super::stateful::{StateConfig, StateStore};
use crate::recipe::{Recipe, RecipeError};
use crate::sink::datahub_rest::DATAHUB_REST;
use crate::sink::{DATAHUB_KAFKA, GmsSink, OnWait, OpenedSink};
use crate::source::OpenSource;
#[cfg(unix)]
use crate::source::python::{PythonOptions, PythonSourceConfig};
use crate::transform::Chain;
use crate::{Error, ErrorKind};

/// The sinks that can be checked before a run.
const CHECKED_SINKS: [&str; 2] = [DATAHUB_REST, DATAHUB_KAFKA];

/// A run that a recipe and its options ask for.
pub struct Pipeline {
    pub(super) settings: RunSettings,
    pub(super) open_source: OpenSource,
    /// The source, if it runs in Python.
    #[cfg(unix)]
    pub(super) python: Option<(PythonSourceConfig, PythonOptions)>,
    destination: PlannedDestination,
    chain: PlannedChain,
    warnings: Vec<String>,
}

impl Pipeline {
    /// Plans what `recipe` asks for. Nothing is opened, and no connection is made.
    ///
    /// # Errors
    /// All mistakes in the recipe's keys, at once.
    pub fn from_recipe(recipe: &Recipe, options: Options) -> Result<Self, RecipeError> {
        Ok(Self::new(Config::read(recipe, &options)?, options, None))
    }

    /// Plans to send the dead letters of a file through the sink of `recipe`, in place of what the recipe's
    /// source holds. A dead letter is filtered if GMS has written its aspect since, unless `force` is set.
    /// The run takes the lock of the recipe's own runs. Dead letters that fail again are written to the
    /// dead-letter file of those runs, or beside `dead_letters` if that is the same file.
    ///
    /// # Errors
    /// Of kind [`ErrorKind::Input`]: mistakes in the recipe, or there are no dead letters to read.
    pub fn replay(
        recipe: &Recipe,
        options: Options,
        dead_letters: impl Into<PathBuf>,
        force: bool,
    ) -> Result<Self, Error> {
        let config = Config::read(recipe, &options)?;
        let replay = Replay::new(options.platform.clone(), dead_letters.into(), force);
        replay.check()?;
        if options.dead_letters.as_ref().is_some_and(|path| replay.reads(path)) {
            return Err(Error::new(
                ErrorKind::Input,
                format!(
                    "dead letters that fail again cannot be written to {}, which is being read: --dead-letters needs another \
                     file",
                    replay.path().display()
                ),
            ));
        }
        Ok(Self::new(config, options, Some(replay)))
    }

    fn new(config: Config, options: Options, replay: Option<Replay>) -> Self {
        let control = RunControl::default();
        let started_at = options.platform.clock.now();
        let mut limits = config.limits;
        let (open_source, source_type): (OpenSource, _) = match replay.clone() {
            None => (config.open_source, config.source_type),
            Some(replay) => {
                // An empty dead-letter file is fine.
                limits.fail_on_empty = false;
                let control = control.clone();
                (Box::new(move || replay.open(control)), replay::SOURCE_TYPE.to_owned())
            }
        };
        let sends = !options.dry_run && options.preview.is_none();
        // A replay sends what the transformers have made.
        let chain = if replay.is_some() { Chain::new(Vec::new()) } else { config.chain };
        // A replay is no part of a stateful pipeline: it has no source.
        let (stateful, state_key) =
            if replay.is_some() { Default::default() } else { (config.stateful, config.state_key) };
        let needs_server = stateful.state.as_ref().is_some_and(StateConfig::needs_server);
        let mut chain = PlannedChain::new(chain, config.datahub_api, needs_server);
        let reports_by_default = !options.no_default_report && options.report_to.is_none();
        let reports = sends
            && replay.is_none()
            && config.sink_type == DATAHUB_REST
            && (config.reporting.to_datahub || reports_by_default);
        let destination = match options.preview {
            Some(preview) => {
                chain.ask_through(config.open_sink);
                PlannedDestination::Preview(preview)
            }
            None if options.dry_run => {
                chain.ask_through(config.open_sink);
                PlannedDestination::DryRun
            }
            None => PlannedDestination::Sink(config.open_sink),
        };
        let run_id = config
            .run_id
            .unwrap_or_else(|| run_id::generate(&source_type, started_at, &*options.platform.clock));
        let metadata = config.set_system_metadata.then(|| RunMetadata {
            run_id: Arc::from(run_id.as_str()),
            pipeline_name: if config.set_pipeline_name {
                PipelineName::Replace(config.pipeline_name.as_deref().map(Arc::from))
            } else {
                PipelineName::Keep
            },
        });
        let settings = RunSettings {
            run_id,
            started_at,
            source_type,
            source_runs_in: config.source_runs_in,
            python_transformers: if replay.is_some() { Vec::new() } else { config.python_transformers },
            spool_max_bytes: config.spool_max_bytes,
            sink_type: config.sink_type,
            pipeline_name: config.pipeline_name,
            metadata,
            key: config.key,
            state_root: options.state_dir.or(config.state_root),
            writes_to: config.writes_to,
            sends,
            start: options.start,
            shard: options.shard,
            if_running: options.if_running,
            deadline: options.deadline,
            limits,
            report_paths: options.report_to.into_iter().chain(config.reporting.files).collect(),
            reported: reports.then_some(config.reported),
            stateful,
            state_key,
            metrics_path: options.metrics_file,
            dead_letters: options.dead_letters.or(config.dead_letters),
            resume_command: options.resume_command,
            replay,
            embedded: config.embedded,
            on_wait: options.on_wait,
            renderer: options.renderer,
            control,
            platform: options.platform,
        };
        Self {
            #[cfg(unix)]
            python: config.python.filter(|_| settings.replay.is_none()),
            settings,
            open_source,
            destination,
            chain,
            warnings: config.warnings,
        }
    }

    /// Sets what is called when the run waits for a server; the default writes to the log.
    pub fn on_wait(&mut self, on_wait: OnWait) {
        self.settings.on_wait = on_wait;
    }

    /// A handle to stop and observe the run.
    pub fn control(&self) -> RunControl {
        self.settings.control.clone()
    }

    /// Warnings about the recipe.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The `source.type` and the `sink.type`.
    pub fn types(&self) -> (&str, &str) {
        (&self.settings.source_type, &self.settings.sink_type)
    }

    /// Checks the server or the Kafka cluster that the recipe names, and connects to nothing else: what it
    /// is, whether it accepts the token, and what the token's owner may do. With `write`, one harmless write
    /// is made and rolled back, except on Kafka. `None` if there is no server to check before a run: with
    /// another sink, or with the embedded GMS.
    ///
    /// # Errors
    /// Of kind [`ErrorKind::Unreachable`] when the server cannot be reached or is not a GMS. Later failures
    /// are in the [`CheckReport`](crate::sink::CheckReport).
    ///
    /// # Cancel safety
    /// Dropping the future abandons the check. With `write`, the harmless write may then be left without its
    /// rollback.
    pub async fn preflight(self, write: bool) -> Result<Option<Preflight>, Error> {
        match self.destination {
            PlannedDestination::Sink(open)
                if CHECKED_SINKS.contains(&self.settings.sink_type.as_str())
                    && self.settings.embedded.is_none() =>
            {
                preflight::run(open, self.settings.sink_context(), write).await
            }
            _ => Ok(None),
        }
    }

    /// Replaces the state checkpoint of stateful ingestion by an empty one, and returns where it is kept: the
    /// next run removes nothing.
    ///
    /// # Errors
    /// Of kind [`ErrorKind::Input`] when the recipe keeps no state; of kind [`ErrorKind::Locked`] while a run
    /// is in progress; else as for a run that cannot write its state.
    ///
    /// # Cancel safety
    /// Dropping the future abandons the write, which may have been made.
    pub async fn reset_state(mut self) -> Result<String, Error> {
        let (Some(state), Some(key)) = (&self.settings.stateful.state, &self.settings.state_key) else {
            return Err(Error::new(
                ErrorKind::Input,
                "the recipe keeps no state: `source.config.stateful_ingestion.enabled` is not true, or the source runs in \
                 Python and keeps its state itself",
            ));
        };
        let _lock = lock(&self.settings).await?;
        if let PlannedDestination::Sink(open) = self.destination {
            self.chain.ask_through(open);
        }
        let sink = self.chain.connect(&self.settings).await?;
        let graph = sink.as_ref().and_then(OpenedSink::as_gms_sink).map(ClientGraph::of);
        let store = StateStore::open(state, graph, &self.settings.platform)?;
        let now = self.settings.platform.clock.now().as_millisecond();
        let reset = store.reset(key, &self.settings.run_id, now).await;
        if let Some(sink) = sink {
            sink.as_sink().close(None).await?;
        }
        reset.map(|()| store.place())
    }

    /// Opens the recipe's GMS for reading, with the token, certificates and headers of the sink. It is not
    /// checked whether the token is accepted. `None` if the sink is not `datahub-rest`. The sink must be
    /// [closed](crate::sink::Sink::close).
    ///
    /// # Errors
    /// As [`preflight`](Self::preflight).
    ///
    /// # Cancel safety
    /// Dropping the future abandons the opening.
    pub async fn open_gms(self) -> Result<Option<Box<dyn GmsSink>>, Error> {
        let PlannedDestination::Sink(open) = self.destination else { return Ok(None) };
        if self.settings.sink_type != DATAHUB_REST {
            return Ok(None);
        }
        let mut context = self.settings.sink_context();
        context.for_check = true;
        Ok(match open(context).await? {
            OpenedSink::Gms(sink) => Some(sink),
            OpenedSink::Plain(_) | OpenedSink::Checked(_) => None,
        })
    }

    /// Runs to the end. Every failure is in what it returns; the report files are written by then.
    ///
    /// # Cancel safety
    /// Not cancel safe: if the future is dropped, the run ends at once, and no report is written. Proposals
    /// that the sink has taken may still be delivered, and a resumed run sends them again. To end a run in
    /// order, use its [`RunControl`].
    pub async fn run(self) -> FinishedRun {
        let Self { settings, open_source, destination, chain, warnings, .. } = self;
        let ended = {
            let deadline = stop_at_deadline(settings.control.clone(), settings.deadline);
            tokio::select! {
                biased;
                // On the heap: the state of a run is larger than an async caller expects.
                ended = Box::pin(run(&settings, open_source, destination, chain)) => ended,
                never = deadline => match never {},
            }
        };
        ended.finish(settings, warnings).await
    }
}

/// Stops the run at its deadline. Never resolves: the run does.
async fn stop_at_deadline(control: RunControl, deadline: Option<Duration>) -> Infallible {
    if let Some(deadline) = deadline {
        tokio::time::sleep(deadline).await;
        let friendly = SignedDuration::try_from(deadline).unwrap_or(SignedDuration::MAX);
        control.stop_at_limit(|| format!("stopped: the deadline of {friendly:#} is over"));
    }
    std::future::pending().await
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline")
            .field("source", &self.settings.source_type)
            .field("sink", &self.settings.sink_type)
            .field("run_id", &self.settings.run_id)
            .finish_non_exhaustive()
    }
}
