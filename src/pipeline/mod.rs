//! A run: what a recipe asks for, carried out.
//!
//! ```text
//! recipe ─▶ Pipeline ─ run ─▶ source ─ records ─▶ stamp ─▶ sink ─▶ outcomes ─▶ tally ─▶ report, dead letters
//! ```
//!
//! The source is read on a thread of its own, the sink runs on the caller's tokio runtime. Each proposal that was read
//! ends as exactly one of delivered, rejected, undelivered and filtered; the four add up to what was read.

mod checkpoint;
mod config;
mod control;
mod dead_letter;
#[cfg(feature = "embedded")]
mod embedded;
mod finish;
mod handover;
mod limits;
mod lock;
mod metrics;
mod options;
mod prepare;
mod replay;
mod report;
mod run;
mod run_id;
mod state;
mod summary;
mod tally;
mod whole_file;

use std::convert::Infallible;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use self::checkpoint::Keeper;
use self::config::Config;
use self::lock::RunLock;
use self::prepare::Ready;
use self::replay::Replay;
use self::run::{Course, Destination, PipelineName, Stamp};
use self::tally::Tally;
use crate::recipe::{Recipe, RecipeError};
use crate::sink::{Examination, OnWait, SinkContext, SinkSummary};
use crate::{Error, ErrorKind};

pub use control::{RunControl, RunProgress};
#[cfg(feature = "embedded")]
pub use embedded::embedded_data_path;
pub use lock::IfRunning;
pub use metrics::write_metrics;
pub use options::{Options, Preview, Start};
pub use report::{
    DeadLetterReport, Failure, FailureKind, ProposalCounts, Report, RequestReport, Resume, RunOutcome,
    SCHEMA, SinkReport, SourceReport, TokenReport,
};
pub use summary::{Finished, Look, Summary, explain, explain_note};

/// A recipe that was read without a mistake, ready to be run.
pub struct Pipeline {
    config: Config,
    options: Options,
    control: RunControl,
    run_id: String,
    started_at: Timestamp,
    /// Dead letters take the place of the recipe's source.
    replay: Option<Replay>,
}

impl Pipeline {
    /// Reads what `recipe` asks for. Nothing is opened, and no connection is made.
    ///
    /// # Errors
    /// All mistakes in the recipe's keys, at once.
    pub fn from_recipe(recipe: &Recipe, options: Options) -> Result<Self, RecipeError> {
        let config = Config::read(recipe, &options)?;
        let started_at = Timestamp::now();
        let run_id =
            config.run_id.clone().unwrap_or_else(|| run_id::generate(&config.source_type, started_at));
        Ok(Self { config, options, control: RunControl::default(), run_id, started_at, replay: None })
    }

    /// Reads what `recipe` asks for, to send the dead letters of a file through its sink, in place of what its source
    /// holds. A letter is left out if GMS has written its aspect since, unless `force` is set. The run takes the lock of the
    /// recipe's own runs; letters that fail again are kept where those keep them, or beside `letters` where that is the
    /// same file.
    ///
    /// # Errors
    /// Of kind [`ErrorKind::Input`]: mistakes in the recipe, or dead letters that are not there.
    pub fn replay(
        recipe: &Recipe,
        options: Options,
        letters: impl Into<PathBuf>,
        force: bool,
    ) -> Result<Self, Error> {
        let mut pipeline = Self::from_recipe(recipe, options)?;
        let replay = Replay { letters: letters.into(), force };
        replay.check()?;
        if pipeline.options.dead_letters.as_ref().is_some_and(|path| replay.reads(path)) {
            return Err(Error::new(
                ErrorKind::Input,
                format!(
                    "letters that fail again cannot be kept in {}, which is being read: --dead-letters wants another file",
                    replay.letters.display()
                ),
            ));
        }
        let (opened, control) = (replay.clone(), pipeline.control());
        // That there are no letters is no failure of the source.
        pipeline.config.limits.fail_on_empty = false;
        pipeline.config.open_source = Some(Box::new(move || opened.open(control)));
        pipeline.config.source_type = replay::SOURCE_TYPE.into();
        if pipeline.config.run_id.is_none() {
            pipeline.run_id = run_id::generate(replay::SOURCE_TYPE, pipeline.started_at);
        }
        pipeline.replay = Some(replay);
        Ok(pipeline)
    }

    /// Has `tell` called when a server is away that the run waits for; without it the log tells.
    pub fn on_wait(&mut self, tell: OnWait) {
        self.options.on_wait = tell;
    }

    /// A hand on the run, to stop it and to see how far it is.
    pub fn control(&self) -> RunControl {
        self.control.clone()
    }

    /// What the user should know of the recipe.
    pub fn warnings(&self) -> &[String] {
        &self.config.warnings
    }

    /// The `source.type` and the `sink.type`.
    pub fn types(&self) -> (&str, &str) {
        (&self.config.source_type, &self.config.sink_type)
    }

    /// Connects to the server that the recipe names, and to nothing else: what it is, whether it takes the token, and what the
    /// token's user may do. With `write`, one harmless write is made and taken back. `None` where there is no server to ask
    /// before a run: another sink, or the embedded GMS.
    ///
    /// # Errors
    /// When the server cannot be reached or is no GMS. What is found out after that is in the [`Examination`].
    pub async fn look_at_server(mut self, write: bool) -> Result<Option<(SinkSummary, Examination)>, Error> {
        if self.config.sink_type != config::DATAHUB_REST || self.config.embedded.is_some() {
            return Ok(None);
        }
        match self.destination(true).await? {
            Destination::Sink(sink) => {
                let examination = sink.examine(write).await;
                let summary = sink.summary();
                sink.close(None).await?;
                Ok(Some((summary, examination)))
            }
            _ => Ok(None),
        }
    }

    /// Runs it to its end. Whatever happens is in what it returns; the report files are written by then.
    pub async fn run(mut self) -> Finished {
        let sends = !self.options.dry_run && self.options.preview.is_none();
        let mut run = Run::default();
        let over = deadline_over(self.control.clone(), self.options.deadline);
        tokio::select! {
            () = self.attempt(sends, &mut run) => {}
            never = over => match never {},
        }
        self.finish(run, sends)
    }

    async fn attempt(&mut self, sends: bool, run: &mut Run) {
        let control = self.control.clone();
        match before_stop(&control, self.prepare(sends, run)).await {
            Some(Ok(Some(ready))) => self.carry_out(ready, run).await,
            Some(Ok(None)) => run.skipped = true,
            Some(Err(error)) => run.course.failure = Some(error),
            None => run.course.interrupted = true,
        }
    }

    async fn carry_out(&mut self, ready: Ready, run: &mut Run) {
        let Ready { source, finished, tally, resumed } = ready;
        run.tally = Some(Arc::clone(&tally));
        let progress = source.progress();
        run.source_bytes = progress.total_bytes;
        run.begun_at_byte = progress.bytes;
        self.control.source_is_at(progress, Vec::new());
        let control = self.control.clone();
        let mut destination = match before_stop(&control, self.destination(false)).await {
            Some(Ok(destination)) => destination,
            Some(Err(error)) => {
                run.course.failure = Some(error);
                return;
            }
            None => {
                run.course.interrupted = true;
                return;
            }
        };
        if let Destination::Sink(sink) = &destination
            && let Some(gms) = sink.gms()
        {
            self.control.connected(gms);
        }
        if let Err(error) = keep_checkpoint(&destination, resumed, &tally, run) {
            run.course.failure = Some(error);
            return;
        }
        let (keeper, stamp) = (run.keeper.as_ref(), self.stamp());
        run.course =
            run::carry((source, finished), &mut destination, stamp.as_ref(), &tally, keeper, &self.control)
                .await;
        if let Destination::Sink(sink) = &destination {
            run::close(&**sink, &tally, keeper, &self.control, &mut run.course).await;
            run.sink = sink.summary();
        }
    }

    async fn destination(&mut self, examined: bool) -> Result<Destination, Error> {
        if let Some(Preview { records, output }) = self.options.preview.take() {
            return Ok(Destination::Preview { records, output });
        }
        if self.options.dry_run {
            return Ok(Destination::Nowhere);
        }
        let open = self.config.open_sink.take().ok_or_else(fault_of_ours)?;
        let mut context = SinkContext::new(self.run_id.as_str());
        context.pipeline_name = self.config.pipeline_name.as_deref().map(Arc::from);
        context.on_wait = self.options.on_wait.clone();
        context.renderer = self.options.renderer.clone();
        context.examined = examined;
        open(context).await.map(Destination::Sink)
    }

    fn stamp(&self) -> Option<Stamp> {
        let name = self.config.pipeline_name.as_deref().map(Arc::from);
        self.config.set_system_metadata.then(|| Stamp {
            run_id: Arc::from(self.run_id.as_str()),
            pipeline_name: if self.config.set_pipeline_name {
                PipelineName::Set(name)
            } else {
                PipelineName::Kept
            },
        })
    }

    fn report_paths(&self) -> impl Iterator<Item = &PathBuf> {
        self.options.report_to.iter().chain(&self.config.report_to)
    }
}

/// What a run gathers on its way.
#[derive(Default)]
struct Run {
    course: Course,
    tally: Option<Arc<Tally>>,
    sink: SinkSummary,
    source_bytes: Option<u64>,
    /// Bytes that an earlier run has dealt with.
    begun_at_byte: u64,
    keeper: Option<Keeper>,
    notes: Vec<String>,
    skipped: bool,
    /// Held until the checkpoint and the reports are written.
    lock: Option<RunLock>,
}

/// Begins to keep the checkpoint, where the sink lets a later run go on behind what it took.
fn keep_checkpoint(
    destination: &Destination,
    resumed: bool,
    tally: &Arc<Tally>,
    run: &mut Run,
) -> Result<(), Error> {
    let Destination::Sink(sink) = destination else { return Ok(()) };
    if sink.is_resumable() {
        return run.keeper.as_mut().map_or(Ok(()), |keeper| keeper.start(Arc::clone(tally)));
    }
    run.keeper = None;
    if resumed {
        return Err(Error::new(
            ErrorKind::Input,
            "this sink makes a new whole of what each run reads, so no run can go on where another one stopped: \
             --restart starts at the beginning",
        ));
    }
    Ok(())
}

/// What `work` comes to, or `None` if someone stops the run before that: what it waits for may never come.
async fn before_stop<T>(control: &RunControl, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        () = control.stopped() => None,
        done = work => Some(done),
    }
}

/// Stops the run when its time is over. Never ends: the run does.
async fn deadline_over(control: RunControl, deadline: Option<Duration>) -> Infallible {
    if let Some(deadline) = deadline {
        tokio::time::sleep(deadline).await;
        let friendly = SignedDuration::try_from(deadline).unwrap_or(SignedDuration::MAX);
        control.stop_at_bound(|| format!("stopped: the deadline of {friendly:#} is over"));
    }
    std::future::pending().await
}

fn fault_of_ours() -> Error {
    Error::new(ErrorKind::Internal, "the run could not begin; this is a fault of datahub-emitter")
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline")
            .field("source", &self.config.source_type)
            .field("sink", &self.config.sink_type)
            .field("run_id", &self.run_id)
            .finish_non_exhaustive()
    }
}
