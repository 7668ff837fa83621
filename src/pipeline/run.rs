//! Carries a planned run out, from the lock to the close of the sink.

use std::sync::Arc;

use super::checkpoint::CheckpointWriter;
use super::destination::{Destination, PlannedDestination};
use super::finish::EndedRun;
use super::forward::{ForwardContext, Records, RunResult, close, forward, join};
use super::planned_chain::PlannedChain;
use super::prepare::{LockResult, PreparedRun, lock, prepare};
use super::report::TransformerReport;
use super::settings::RunSettings;
use crate::sink::{Sink, SinkReport};
use crate::source::{OpenSource, RecordFeedback};
use crate::{Error, ErrorKind};

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
    let ended = match control.or_cancelled(prepare(settings, open_source, !chain.is_empty())).await {
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
    let PreparedRun { source, finished, reread, is_resumed, mut checkpoint, counter, notes, warnings } =
        prepared;
    let control = &settings.control;
    let feedback = source.feedback();
    let counter = Arc::new(counter);
    let progress = source.progress();
    let (source_bytes, start_byte) = (progress.total_bytes, progress.bytes);
    control.update_source(progress, Vec::new());

    let open = async {
        let destination = destination.open(settings).await?;
        let chain = chain.start(&destination, settings).await?;
        Ok::<_, Error>((destination, chain))
    };
    let opened = match control.or_cancelled(open).await {
        Some(Ok((destination, chain))) => {
            start_checkpoint(&destination, is_resumed, &mut checkpoint, settings, &counter, feedback.clone())
                .map(|()| (destination, chain))
                .map_err(RunResult::failed)
        }
        Some(Err(error)) => Err(RunResult::failed(error)),
        None => Err(RunResult::interrupted()),
    };
    let mut transformers = Vec::new();
    let (result, sink) = match opened {
        Err(result) => (result, SinkReport::default()),
        Ok((mut destination, mut chain)) => {
            if let Destination::Sink(sink) = &destination
                && let Some(gms) = sink.as_gms_sink()
            {
                control.set_gms(gms.client());
            }
            let context = ForwardContext {
                metadata: settings.metadata.as_ref(),
                counter: &counter,
                checkpoint: checkpoint.as_ref(),
                feedback: feedback.as_ref(),
                control,
                threads: &*settings.platform.threads,
                clock: &*settings.platform.clock,
            };
            let records = Records { source, finished, reread };
            let (mut result, reader) = forward(records, &mut chain, &mut destination, context).await;
            transformers = chain.counts().map(TransformerReport::native).collect();
            let report = match &destination {
                Destination::Sink(sink) => {
                    close(sink.as_sink(), &counter, checkpoint.as_ref(), control, &mut result).await;
                    sink.as_sink().report()
                }
                Destination::DryRun | Destination::Preview { .. } => SinkReport::default(),
            };
            if let Some(reader) = reader {
                join(reader, feedback.as_ref(), control, &mut result).await;
            }
            (result, report)
        }
    };
    EndedRun {
        result,
        counter: Some(counter),
        sink,
        transformers,
        source_bytes,
        start_byte,
        checkpoint,
        feedback,
        notes,
        warnings,
        ..EndedRun::default()
    }
}

/// Starts to write the checkpoint, if the sink is resumable.
fn start_checkpoint(
    destination: &Destination,
    is_resumed: bool,
    checkpoint: &mut Option<CheckpointWriter>,
    settings: &RunSettings,
    counter: &Arc<super::outcome_counter::OutcomeCounter>,
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
