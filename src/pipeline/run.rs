//! Carries a planned run out, from the lock to the close of the sink.

use std::sync::Arc;
use std::time::Duration;

use super::checkpoint::CheckpointWriter;
use super::datahub_report::{DatahubReporter, ReportedRecipe};
use super::destination::{Destination, PlannedDestination};
use super::finish::EndedRun;
use super::forward::{ForwardContext, Records, RunResult, close, forward, join};
use super::graph::ClientGraph;
use super::outcome_counter::OutcomeCounter;
use super::planned_chain::PlannedChain;
use super::prepare::{LockResult, PreparedRun, lock, prepare};
use super::report::TransformerReport;
use super::run_writer::RunWriter;
use super::settings::RunSettings;
use super::stateful::{Conclusion, ConclusionContext, StateStore, Stateful, UnfinishedEntities};
use crate::diagnosis::Code;
use crate::gms::Feature;
use crate::sink::Sink;
use crate::source::{OpenSource, RecordFeedback};
use crate::transform::Chain;
use crate::{Error, ErrorKind};

/// How long a run that was stopped tries to report that.
const INTERRUPTED_REPORT: Duration = Duration::from_secs(5);

/// Every way to end is in what it returns.
pub(super) async fn run(
    settings: &RunSettings,
    open_source: OpenSource,
    destination: PlannedDestination,
    chain: PlannedChain,
) -> EndedRun {
    let control = &settings.control;
    let lock = match control.or_cancelled(lock(settings)).await {
        Some(Ok(LockResult::Held(lock))) => lock,
        Some(Ok(LockResult::Skip)) => return EndedRun::skipped(),
        Some(Err(error)) => return EndedRun::failed(error),
        None => return EndedRun::interrupted(),
    };
    let rereads = !chain.is_empty() || settings.stateful.adds_status;
    let ended = match control.or_cancelled(prepare(settings, open_source, rereads)).await {
        Some(Ok(prepared)) => run_prepared(prepared, settings, destination, chain).await,
        Some(Err(error)) => EndedRun::failed(error),
        None => EndedRun::interrupted(),
    };
    EndedRun { lock, ..ended }
}

async fn run_prepared(
    prepared: PreparedRun,
    settings: &RunSettings,
    destination: PlannedDestination,
    chain: PlannedChain,
) -> EndedRun {
    let PreparedRun {
        source,
        finished,
        reread,
        failed_before,
        is_resumed,
        mut checkpoint,
        counter,
        notes,
        warnings,
    } = prepared;
    let control = &settings.control;
    let feedback = source.feedback();
    if let Some(feedback) = &feedback {
        control.set_feedback(feedback);
    }
    let counter = Arc::new(counter);
    let progress = source.progress();
    let (source_bytes, start_byte) = (progress.total_bytes, progress.bytes);
    control.update_source(progress, Vec::new());

    let opened = match control.or_cancelled(OpenedRun::open(settings, destination, chain)).await {
        Some(Ok(opened)) => start_checkpoint(
            &opened.destination,
            is_resumed,
            &mut checkpoint,
            settings,
            &counter,
            feedback.clone(),
        )
        .map(|()| opened)
        .map_err(RunResult::failed),
        Some(Err(error)) => Err(RunResult::failed(error)),
        None => Err(RunResult::interrupted()),
    };
    let mut ended = EndedRun {
        counter: Some(Arc::clone(&counter)),
        source_bytes,
        start_byte,
        checkpoint,
        feedback,
        notes,
        warnings,
        ..EndedRun::default()
    };
    match opened {
        Err(result) => ended.result = result,
        Ok(opened) => {
            let records = Records { source, finished, reread };
            opened.run(records, failed_before, &counter, settings, &mut ended).await;
        }
    }
    ended
}

/// A run whose destination is open, and that has read nothing yet.
struct OpenedRun {
    destination: Destination,
    chain: Chain,
    stateful: Option<Stateful>,
    /// Where the state is kept, if one is.
    store: Option<StateStore>,
    reporter: Option<DatahubReporter>,
    warnings: Vec<String>,
}

impl OpenedRun {
    async fn open(
        settings: &RunSettings,
        destination: PlannedDestination,
        chain: PlannedChain,
    ) -> Result<Self, Error> {
        let destination = destination.open(settings).await?;
        let (chain, graph) = chain.start(&destination, settings).await?;
        let unfinished = match &settings.stateful.state {
            Some(_) => {
                let directory = settings.state_directory()?;
                Some(UnfinishedEntities::new(settings.platform.clone(), &directory))
            }
            None => None,
        };
        let mut stateful = Stateful::new(settings.stateful.clone(), unfinished, settings.sends);
        let sink_server = destination.as_gms_sink().map(ClientGraph::of);
        if let (Some(stateful), Some(server)) = (&mut stateful, &sink_server) {
            let config = server.client().known_config();
            let patches = config.and_then(|config| config.supports(Feature::StatusPatch));
            stateful.patch_status(patches == Some(true));
        }
        let store = match &settings.stateful.state {
            Some(state) => Some(StateStore::open(state, graph, &settings.platform)?),
            None => None,
        };
        let mut opened = Self { destination, chain, stateful, store, reporter: None, warnings: Vec::new() };
        if let (Some(recipe), Some(server)) = (&settings.reported, &sink_server) {
            opened.report_start(recipe.clone(), server, settings).await?;
        }
        Ok(opened)
    }

    /// Reports the start of the run to DataHub. A report that DataHub rejects costs a warning.
    async fn report_start(
        &mut self,
        recipe: ReportedRecipe,
        server: &ClientGraph,
        settings: &RunSettings,
    ) -> Result<(), Error> {
        let started_ms = settings.started_at.as_millisecond();
        let writer = RunWriter::new(server)?;
        let Some(reporter) = DatahubReporter::new(writer, recipe, &settings.run_id, started_ms) else {
            self.warnings.push("the run is not reported to DataHub: its id cannot be part of a URN".into());
            return Ok(());
        };
        match reporter.start().await {
            Ok(()) => self.reporter = Some(reporter),
            Err(error) if ends_run(&error) => return Err(error),
            Err(error) => self.warnings.push(not_reported(&error)),
        }
        Ok(())
    }

    async fn run(
        mut self,
        records: Records,
        failed_before: u64,
        counter: &Arc<OutcomeCounter>,
        settings: &RunSettings,
        ended: &mut EndedRun,
    ) {
        ended.warnings.append(&mut self.warnings);
        let control = &settings.control;
        let feedback = ended.feedback.clone();
        if let Some(gms) = self.destination.as_gms_sink() {
            control.set_gms(gms.client());
        }
        let context = ForwardContext {
            metadata: settings.metadata.as_ref(),
            counter,
            checkpoint: ended.checkpoint.as_ref(),
            feedback: feedback.as_ref(),
            control,
            threads: &*settings.platform.threads,
            shard: settings.shard,
            clock: &*settings.platform.clock,
        };
        let (chain, destination) = (&mut self.chain, &mut self.destination);
        let (result, reader) = forward(records, chain, self.stateful.as_mut(), destination, context).await;
        ended.result = result;
        let in_python = settings.python_transformers.iter().map(|kind| TransformerReport::python(kind));
        ended.transformers = in_python.chain(self.chain.counts().map(TransformerReport::native)).collect();
        self.conclude(failed_before, counter, settings, ended).await;
        if let Some(reader) = reader {
            join(reader, feedback.as_ref(), control, &mut ended.result).await;
        }
    }

    /// Settles what was written, and closes the sink: the removals of stateful ingestion, its state, and the
    /// report to DataHub, in this order.
    async fn conclude(
        mut self,
        failed_before: u64,
        counter: &Arc<OutcomeCounter>,
        settings: &RunSettings,
        ended: &mut EndedRun,
    ) {
        let sink = match &self.destination {
            Destination::Sink(sink) => Some(sink.as_sink()),
            Destination::DryRun | Destination::Preview { .. } => None,
        };
        let is_failed_source =
            ended.result.failure.as_ref().is_some_and(|failure| failure.kind() == ErrorKind::Source);
        let context = match (&self.store, &settings.state_key) {
            (Some(store), Some(key)) if !matches!(self.destination, Destination::Preview { .. }) => {
                Some(ConclusionContext {
                    key,
                    store,
                    sink,
                    metadata: settings.metadata.as_ref(),
                    counter,
                    control: &settings.control,
                    clock: &*settings.platform.clock,
                    run_id: &settings.run_id,
                    has_failed: failed_before > 0 || is_failed_source,
                    is_complete: ended.result.is_complete || is_failed_source,
                })
            }
            _ => None,
        };
        let mut conclusion = Conclusion::default();
        if let (Some(context), Some(stateful)) = (&context, &mut self.stateful) {
            conclusion = Conclusion::remove_vanished(stateful, context).await;
        }
        let is_gms = self.destination.as_gms_sink().is_some();
        // A GMS has what it has acknowledged. Any other sink is complete when it is closed.
        if !is_gms && let Some(sink) = sink {
            close_sink(sink, counter, settings, ended).await;
            if ended.result.failure.is_some() {
                conclusion.discard("the sink has failed: the earlier state stays");
            }
        }
        if let (Some(context), Some(stateful)) = (&context, &mut self.stateful) {
            conclusion.commit(stateful, context).await;
        }
        ended.state = conclusion.report;
        ended.notes.append(&mut conclusion.notes);
        if let Some(failure) = conclusion.failure {
            ended.result.failure.get_or_insert(failure);
        }
        if is_gms && let Some(sink) = sink {
            ended.sink = sink.report();
            if let Some(reporter) = &self.reporter {
                report_end(reporter, sink, counter, settings, ended).await;
            }
            close_sink(sink, counter, settings, ended).await;
        }
    }
}

/// Reports the end of the run to DataHub, once every proposal has its outcome.
async fn report_end(
    reporter: &DatahubReporter,
    sink: &dyn Sink,
    counter: &OutcomeCounter,
    settings: &RunSettings,
    ended: &mut EndedRun,
) {
    let settled = async {
        sink.flush().await;
        counter.all_settled().await;
    };
    if settings.control.or_cancelled(settled).await.is_none() {
        ended.result.is_interrupted = true;
    }
    // The same server would refuse the report as well.
    if sink.stopped().as_ref().is_some_and(ends_run) {
        return;
    }
    ended.sink = sink.report();
    let report = ended.preliminary_report(settings);
    let writing = reporter.finish(&report);
    let written = if ended.result.is_interrupted {
        tokio::time::timeout(INTERRUPTED_REPORT, writing).await.unwrap_or(Ok(()))
    } else {
        settings.control.or_cancelled(writing).await.unwrap_or(Ok(()))
    };
    if let Err(error) = written {
        ended.warnings.push(not_reported(&error));
    }
}

async fn close_sink(sink: &dyn Sink, counter: &OutcomeCounter, settings: &RunSettings, ended: &mut EndedRun) {
    close(sink, counter, ended.checkpoint.as_ref(), &settings.control, &mut ended.result).await;
    ended.sink = sink.report();
}

/// Whether nothing else can be written either. A privilege that only the report needs is no reason.
fn ends_run(error: &Error) -> bool {
    let is_forbidden = error.diagnosis().is_some_and(|diagnosis| diagnosis.code == Code::Forbidden);
    matches!(error.kind(), ErrorKind::Refused | ErrorKind::Unreachable) && !is_forbidden
}

fn not_reported(error: &Error) -> String {
    format!(
        "the run is not reported to DataHub (--no-default-report leaves it out): {}",
        error.full_message()
    )
}

/// Starts to write the checkpoint, if the sink is resumable.
fn start_checkpoint(
    destination: &Destination,
    is_resumed: bool,
    checkpoint: &mut Option<CheckpointWriter>,
    settings: &RunSettings,
    counter: &Arc<OutcomeCounter>,
    feedback: Option<Arc<dyn RecordFeedback>>,
) -> Result<(), Error> {
    let Destination::Sink(sink) = destination else { return Ok(()) };
    let sink: &dyn Sink = sink.as_sink();
    if sink.is_resumable() {
        return checkpoint.as_mut().map_or(Ok(()), |checkpoint| {
            checkpoint.start(Arc::clone(counter), feedback, &*settings.platform.threads)
        });
    }
    *checkpoint = None;
    if is_resumed {
        return Err(Error::new(
            ErrorKind::Input,
            "this sink writes new output in each run, so no run can continue where another one stopped: --restart starts \
             at the beginning",
        ));
    }
    Ok(())
}
