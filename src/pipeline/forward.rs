//! Forwards records from the source to the sink, and closes the sink.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use super::checkpoint::{
    Admission, CheckpointWriter, FinishedRecords, RecordObserver, RecordSettlement, RecordTracker,
};
use super::control::RunControl;
use super::destination::Destination;
use super::outcome_counter::OutcomeCounter;
use super::record_channel::{NumberedItem, Received, RecordSender, record_channel};
use super::run_metadata::RunMetadata;
use super::shard::Shard;
use super::stateful::Stateful;
use crate::clock::Clock;
use crate::emitter::{
    Delivery, Observer, Outcome, Rejection, RejectionReason, Undelivered, UndeliveredReason,
};
use crate::metadata::record;
use crate::sink::Sink;
use crate::source::{Item, RecordFeedback, Source};
use crate::threads::{Threads, Worker};
use crate::transform::{Chain, Transformed};
use crate::{Error, ErrorKind};

/// How long a run that is stopped waits for what is in flight.
const STOP_DEADLINE: Duration = Duration::from_secs(20);

/// How much longer than its deadline a sink may take before it is abandoned.
const STOP_GRACE: Duration = Duration::from_secs(5);

/// Records between two updates of the source's progress.
const PROGRESS_INTERVAL: u64 = 64;

/// How a run ended.
#[derive(Debug, Default)]
pub(super) struct RunResult {
    /// Records that the source passes over by design.
    pub(super) ignored: u64,
    /// The source was read to its end.
    pub(super) is_complete: bool,
    /// The run was stopped before it was at its end.
    pub(super) is_interrupted: bool,
    pub(super) failure: Option<Error>,
}

impl RunResult {
    pub(super) fn failed(failure: Error) -> Self {
        Self { failure: Some(failure), ..Self::default() }
    }

    pub(super) fn interrupted() -> Self {
        Self { is_interrupted: true, ..Self::default() }
    }
}

/// The context of forwarding, besides its source and its destination.
#[derive(Clone, Copy)]
pub(super) struct ForwardContext<'a> {
    pub(super) metadata: Option<&'a RunMetadata>,
    pub(super) counter: &'a Arc<OutcomeCounter>,
    /// Learns which records are finished.
    pub(super) checkpoint: Option<&'a CheckpointWriter>,
    /// The source learns what happens to its records.
    pub(super) feedback: Option<&'a Arc<dyn RecordFeedback>>,
    pub(super) control: &'a RunControl,
    pub(super) threads: &'a dyn Threads,
    /// The part of the input that is delivered.
    pub(super) shard: Option<Shard>,
    pub(super) clock: &'a dyn Clock,
}

/// The records of a run.
pub(super) struct Records {
    pub(super) source: Box<dyn Source>,
    /// Records to skip.
    pub(super) finished: Option<FinishedRecords>,
    /// The number of records at the start that an earlier run has finished: only the transformers see them.
    pub(super) reread: u64,
}

/// Reads the source to its end on a thread of its own, and forwards what the transformers make of its records
/// to `destination`, except finished ones.
pub(super) async fn forward(
    records: Records,
    chain: &mut Chain,
    stateful: Option<&mut Stateful>,
    destination: &mut Destination,
    context: ForwardContext<'_>,
) -> (RunResult, Option<Worker>) {
    let (sender, receiver) = record_channel();
    let tracker = context.checkpoint.map(|checkpoint| Arc::clone(checkpoint.tracker()));
    let numbers = if context.feedback.is_some() { Numbers::Own(0) } else { Numbers::None };
    let numbers = tracker.map_or(numbers, Numbers::Tracked);
    let sees_finished = !chain.is_empty() || stateful.is_some();
    let reader = read(records, sees_finished, sender, numbers, context.control.clone());
    let reader = match Worker::start(context.threads, "source", reader) {
        Ok(reader) => reader,
        Err(error) => {
            let message = "cannot start a thread for the source";
            return (RunResult::failed(Error::new(ErrorKind::Internal, message).with_source(error)), None);
        }
    };
    let observer: Arc<dyn Observer> = Arc::clone(context.counter) as Arc<dyn Observer>;
    let mut forwarder =
        Forwarder { destination, chain, stateful, keeping_failed: None, context, observer, ignored: 0 };
    let mut result = RunResult::default();
    loop {
        let next = tokio::select! {
            biased;
            () = context.control.stopped() => {
                result.is_interrupted = true;
                break;
            }
            next = receiver.receive() => next,
        };
        match next {
            Received::Ended(end) => {
                result.is_complete = end.is_ok();
                result.failure = end.err();
                if result.is_complete && forwarder.forward_status(&mut result).await {
                    forwarder.forward_additions(&mut result).await;
                }
                break;
            }
            Received::Items(items) => {
                if let ControlFlow::Break(reason) = forwarder.forward(items).await {
                    result.failure = reason.into_failure();
                    break;
                }
            }
        }
    }
    result.ignored = forwarder.ignored;
    if let Some(feedback) = context.feedback {
        stop_source(&**feedback, &result);
    }
    if let Some(checkpoint) = context.checkpoint {
        checkpoint.tracker().close();
    }
    (result, Some(reader))
}

/// Notifies a source whose records are no longer forwarded. A source that spools continues only if a later
/// run can deliver the rest as it is.
fn stop_source(feedback: &dyn RecordFeedback, result: &RunResult) {
    match &result.failure {
        Some(failure) if !result.is_interrupted && can_resume(failure) => {
            feedback.delivery_stopped(&failure.full_message());
        }
        // The source has failed by itself, and everything before is still delivered.
        Some(failure) if failure.kind() == ErrorKind::Source => {}
        None if result.is_complete => {}
        _ => feedback.interrupted(),
    }
}

fn can_resume(failure: &Error) -> bool {
    matches!(failure.kind(), ErrorKind::Refused | ErrorKind::Unreachable)
}

/// Waits until the source has ended. It may extract further after a refusal.
pub(super) async fn join(
    mut reader: Worker,
    feedback: Option<&Arc<dyn RecordFeedback>>,
    control: &RunControl,
    result: &mut RunResult,
) {
    // A source that cannot be notified ends by itself, and its thread may wait for its input forever.
    let Some(feedback) = feedback else { return };
    if !result.is_interrupted {
        let is_stopped = tokio::select! {
            biased;
            () = reader.ended() => false,
            () = control.stopped() => true,
        };
        if !is_stopped {
            return;
        }
        result.is_interrupted = true;
        feedback.interrupted();
    }
    reader.ended().await;
}

/// Closes the sink, which settles everything that it took. A failure of the sink replaces one that came
/// before it.
pub(super) async fn close(
    sink: &dyn Sink,
    counter: &OutcomeCounter,
    checkpoint: Option<&CheckpointWriter>,
    control: &RunControl,
    result: &mut RunResult,
) {
    let closed = if result.is_interrupted {
        with_grace(sink.close(Some(STOP_DEADLINE))).await
    } else {
        let mut closing = sink.close(None);
        let closed = tokio::select! {
            biased;
            closed = &mut closing => Some(closed),
            () = control.stopped() => None,
        };
        if let Some(closed) = closed {
            closed
        } else {
            result.is_interrupted = true;
            // The first close must not be dropped; the second one beside it sets the deadline.
            let both = async { tokio::join!(closing, sink.close(Some(STOP_DEADLINE))).0 };
            with_grace(both).await
        }
    };
    counter.sync_dead_letters();
    let checkpoint_failure = || checkpoint.and_then(CheckpointWriter::failure);
    let failure = sink.stopped().or(closed.err()).or_else(|| counter.failure()).or_else(checkpoint_failure);
    if failure.is_some() {
        result.failure = failure;
    }
}

async fn with_grace(closing: impl Future<Output = Result<(), Error>>) -> Result<(), Error> {
    let closed = tokio::time::timeout(STOP_DEADLINE + STOP_GRACE, closing).await;
    // Proposals that the sink has not settled by then count as undelivered.
    closed.unwrap_or(Ok(()))
}

/// The work of the reader's thread.
async fn read(
    mut records: Records,
    sees_finished: bool,
    sender: RecordSender,
    numbers: Numbers,
    control: RunControl,
) {
    let end = read_records(&mut records, sees_finished, &sender, numbers, &control).await;
    let source = &mut *records.source;
    source.close();
    control.update_source(source.progress(), source.take_warnings());
    control.set_source_report(source.report());
    sender.end(end.unwrap_or(Ok(())));
}

/// The numbers of records.
enum Numbers {
    /// No one asks for them.
    None,
    /// They count the records of this run.
    Own(u64),
    /// The tracker assigns them.
    Tracked(Arc<RecordTracker>),
}

/// Reads until the end of the source; `None` if the run needs no more records. With `sees_finished`, records
/// that an earlier run has finished are passed on as such.
async fn read_records(
    records: &mut Records,
    sees_finished: bool,
    sender: &RecordSender,
    mut numbers: Numbers,
    control: &RunControl,
) -> Option<Result<(), Error>> {
    let Records { source, finished, reread } = records;
    let mut until_progress = PROGRESS_INTERVAL;
    loop {
        if let Some(preparation) = source.prepare_next()
            && let Err(error) = preparation.await
        {
            return Some(Err(error));
        }
        match source.next() {
            Ok(Some(item)) => {
                let (number, is_finished) = if *reread > 0 {
                    *reread -= 1;
                    (None, true)
                } else if finished.as_mut().is_some_and(FinishedRecords::is_next_finished) {
                    (None, true)
                } else if let Numbers::Tracked(tracker) = &numbers {
                    let position = source.position();
                    match tracker.admit(&item, position).await {
                        Admission::Forward(number) => (Some(number), false),
                        Admission::Skip => (None, true),
                        Admission::Stop => return None,
                    }
                } else if let Numbers::Own(next) = &mut numbers {
                    let number = *next;
                    *next += 1;
                    (Some(number), false)
                } else {
                    (None, false)
                };
                if is_finished && !sees_finished {
                    continue;
                }
                if !sender.send(NumberedItem { item, number, is_finished }).await {
                    return None;
                }
                until_progress -= 1;
                if until_progress == 0 {
                    until_progress = PROGRESS_INTERVAL;
                    control.update_source(source.progress(), source.take_warnings());
                }
            }
            Ok(None) => return Some(Ok(())),
            Err(error) => return Some(Err(error)),
        }
    }
}

/// A record behind the transformers.
struct TransformedItem {
    item: Item,
    number: Option<u64>,
    /// Empty unless the item is a record.
    transformed: Transformed,
}

/// Why forwarding ends before the source does.
enum ForwardEnd {
    /// The preview is complete.
    PreviewComplete,
    Failed(Error),
}

impl ForwardEnd {
    fn into_failure(self) -> Option<Error> {
        match self {
            Self::PreviewComplete => None,
            Self::Failed(error) => Some(error),
        }
    }
}

struct Forwarder<'a> {
    destination: &'a mut Destination,
    chain: &'a mut Chain,
    stateful: Option<&'a mut Stateful>,
    /// Why the noted entities could not be kept.
    keeping_failed: Option<Error>,
    context: ForwardContext<'a>,
    /// Observes the proposals of records without a number.
    observer: Arc<dyn Observer>,
    ignored: u64,
}

impl Forwarder<'_> {
    async fn forward(&mut self, items: VecDeque<NumberedItem>) -> ControlFlow<ForwardEnd> {
        let ForwardContext { counter, control, .. } = self.context;
        let Some(items) = self.transform(items).await else {
            return match self.keeping_failed.take() {
                Some(error) => ControlFlow::Break(ForwardEnd::Failed(error)),
                None => ControlFlow::Continue(()),
            };
        };
        for TransformedItem { item, number, transformed } in items {
            // Checked between records, so that each record is forwarded completely or not at all.
            if control.is_stopped() {
                return ControlFlow::Continue(());
            }
            match item {
                Item::Record { filtered, .. } => {
                    control.count_record(transformed.proposals.len());
                    counter.count_filtered_by_source(filtered);
                    self.forward_record(transformed, number).await?;
                }
                // One of the senders reports it.
                Item::Invalid(_) if self.context.shard.is_some_and(|shard| !shard.is_first()) => {
                    control.count_record(0);
                    self.settle_record(number, true, None);
                }
                Item::Invalid(record) => {
                    control.count_record(0);
                    let is_dead_lettered = counter.count_invalid(&record);
                    self.settle_record(number, is_dead_lettered, Some(&record.reason));
                }
                Item::Ignored(origin, why) => {
                    control.count_record(0);
                    self.ignored += 1;
                    self.settle_record(number, true, None);
                    tracing::debug!(%origin, "record ignored: {why}");
                }
            }
        }
        match (self.failure(), &*self.destination) {
            (Some(failure), _) => ControlFlow::Break(ForwardEnd::Failed(failure)),
            (None, Destination::Preview { records: 0, .. }) => {
                ControlFlow::Break(ForwardEnd::PreviewComplete)
            }
            (None, _) => ControlFlow::Continue(()),
        }
    }

    /// Settles a record that the sink does not settle.
    fn settle_record(&self, number: Option<u64>, is_finished: bool, failure: Option<&str>) {
        if let Some(settlement) = self.settlement(number) {
            settlement.settle(is_finished, failure);
        }
    }

    fn settlement(&self, number: Option<u64>) -> Option<RecordSettlement> {
        let ForwardContext { checkpoint, feedback, .. } = self.context;
        Some(RecordSettlement {
            number: number?,
            tracker: checkpoint.map(|checkpoint| Arc::clone(checkpoint.tracker())),
            feedback: feedback.cloned(),
        })
    }

    fn observer(&self, number: Option<u64>, proposals: usize) -> Arc<dyn Observer> {
        match self.settlement(number) {
            Some(settlement) => {
                Arc::new(RecordObserver::new(Arc::clone(self.context.counter), settlement, proposals))
            }
            None => Arc::clone(&self.observer),
        }
    }

    /// Passes the records through the transformers. `None` if the run was stopped while they waited for a
    /// server.
    async fn transform(&mut self, items: VecDeque<NumberedItem>) -> Option<Vec<TransformedItem>> {
        let ForwardContext { metadata, control, clock, .. } = self.context;
        let mut pending = Vec::with_capacity(items.len());
        let mut records = Vec::with_capacity(items.len());
        for NumberedItem { mut item, number, is_finished } in items {
            let mut proposals = match &mut item {
                Item::Record { proposals, .. } => std::mem::take(proposals),
                Item::Invalid(_) | Item::Ignored(..) => Vec::new(),
            };
            if let Some(stateful) = &mut self.stateful {
                stateful.note(&proposals);
            }
            if let Some(metadata) = metadata {
                for proposal in &mut proposals {
                    metadata.apply(proposal);
                }
            }
            if is_finished {
                self.chain.observe(&proposals);
            } else {
                pending.push((item, number));
                records.push(proposals);
            }
        }
        if let Some(stateful) = &mut self.stateful
            && let Err(error) = stateful.keep_noted()
        {
            self.keeping_failed = Some(error);
            return None;
        }
        let transformed: Vec<Transformed> = if self.chain.is_empty() {
            records.into_iter().map(Transformed::unchanged).collect()
        } else {
            control.or_cancelled(self.chain.transform(records, clock.now())).await?
        };
        let pending = pending.into_iter().zip(transformed);
        Some(
            pending
                .map(|((item, number), transformed)| TransformedItem { item, number, transformed })
                .collect(),
        )
    }

    /// Forwards a `status` for each entity whose records had none, through the transformers. Returns whether
    /// it has come to its end.
    async fn forward_status(&mut self, result: &mut RunResult) -> bool {
        let ForwardContext { metadata, control, clock, .. } = self.context;
        while let Some(stateful) = &mut self.stateful {
            let mut proposals = match stateful.next_status() {
                Ok(proposals) if proposals.is_empty() => return true,
                Ok(proposals) => proposals,
                Err(error) => {
                    result.failure = Some(error);
                    result.is_complete = false;
                    return false;
                }
            };
            if let Some(metadata) = metadata {
                for proposal in &mut proposals {
                    metadata.apply(proposal);
                }
            }
            let transformed = if self.chain.is_empty() {
                Some(vec![Transformed::unchanged(proposals)])
            } else {
                control.or_cancelled(self.chain.transform(vec![proposals], clock.now())).await
            };
            for transformed in transformed.unwrap_or_default() {
                if let ControlFlow::Break(reason) = self.forward_record(transformed, None).await {
                    result.failure = reason.into_failure();
                }
            }
            result.failure = result.failure.take().or_else(|| self.failure());
            if result.failure.is_some() || control.is_stopped() {
                // Something remains to be added, so a later run has to read the records again.
                result.is_complete = false;
                result.is_interrupted |= control.is_stopped();
                return false;
            }
        }
        true
    }

    /// Forwards what the transformers add behind the last record.
    async fn forward_additions(&mut self, result: &mut RunResult) {
        let ForwardContext { metadata, control, clock, .. } = self.context;
        while let Some(next) = control.or_cancelled(self.chain.next_additions(clock.now())).await {
            let mut additions = match next {
                Ok(Some(additions)) => additions,
                Ok(None) => return,
                Err(error) => {
                    result.failure = Some(error);
                    break;
                }
            };
            if let Some(metadata) = metadata {
                for proposal in &mut additions.proposals {
                    metadata.apply(proposal);
                }
            }
            if let ControlFlow::Break(reason) = self.forward_record(additions, None).await {
                result.failure = reason.into_failure();
                break;
            }
            if let Some(failure) = self.failure() {
                result.failure = Some(failure);
                break;
            }
        }
        // Something remains to be added, so a later run has to read the records again.
        result.is_complete = false;
        result.is_interrupted |= control.is_stopped();
    }

    /// Why nothing more can be delivered.
    fn failure(&self) -> Option<Error> {
        let ForwardContext { counter, checkpoint, .. } = self.context;
        let failure = counter.failure().or_else(|| checkpoint.and_then(CheckpointWriter::failure));
        failure.or_else(|| match &*self.destination {
            Destination::Sink(sink) => sink.as_sink().stopped(),
            _ => None,
        })
    }

    async fn forward_record(
        &mut self,
        transformed: Transformed,
        number: Option<u64>,
    ) -> ControlFlow<ForwardEnd> {
        let ForwardContext { counter, control, .. } = self.context;
        let Transformed { mut proposals, omitted, mut failed, .. } = transformed;
        counter.count_filtered_by_source(omitted);
        if let Some(shard) = self.context.shard {
            let all = proposals.len() + failed.len();
            proposals.retain(|proposal| shard.owns(proposal.urn()));
            failed.retain(|failed| shard.owns(failed.original.urn()));
            counter.count_filtered_by_source((all - proposals.len() - failed.len()) as u64);
        }
        if proposals.is_empty() && failed.is_empty() {
            self.settle_record(number, true, None);
        }
        let observer = self.observer(number, proposals.len() + failed.len());
        let sends = matches!(self.destination, Destination::Sink(_));
        for failed in failed {
            counter.count_read();
            let message = format!("the transformer `{}`: {}", failed.transformer, failed.error);
            if !sends {
                counter.count_filtered();
                counter.list_untransformed(&failed.original, message);
            } else if failed.original.aspect().is_some() || number.is_some() {
                let reason = RejectionReason::Other("not-transformed");
                Delivery::observed(failed.original, Arc::clone(&observer))
                    .settle(Outcome::Rejected(Rejection::new(reason, message)));
            } else {
                // An addition has no record that could be a dead letter: a later run makes it again.
                let undelivered = Undelivered::new(UndeliveredReason::NotTransformed, message);
                Delivery::observed(failed.original, Arc::clone(&observer))
                    .settle(Outcome::Undelivered(undelivered));
            }
        }
        match self.destination {
            Destination::Sink(sink) => {
                for proposal in proposals {
                    counter.count_read();
                    let delivery = Delivery::observed(proposal, Arc::clone(&observer));
                    write(sink.as_sink(), delivery, control).await;
                }
                ControlFlow::Continue(())
            }
            Destination::DryRun => {
                for _ in proposals {
                    counter.count_read();
                    counter.count_filtered();
                }
                self.settle_record(number, true, None);
                ControlFlow::Continue(())
            }
            Destination::Preview { records, output } => {
                let mut lines = Vec::new();
                for proposal in proposals {
                    counter.count_read();
                    counter.count_filtered();
                    record::write_json_form(&proposal, &mut lines);
                    lines.push(b'\n');
                }
                *records = records.saturating_sub(1);
                let is_over = *records == 0;
                match output.write_all(&lines).and_then(|()| output.flush()) {
                    // The reader of the preview has seen enough.
                    Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {
                        ControlFlow::Break(ForwardEnd::PreviewComplete)
                    }
                    Err(error) => ControlFlow::Break(ForwardEnd::Failed(
                        Error::new(ErrorKind::Disk, "cannot write the preview").with_source(error),
                    )),
                    Ok(()) if is_over => ControlFlow::Break(ForwardEnd::PreviewComplete),
                    Ok(()) => {
                        self.settle_record(number, true, None);
                        ControlFlow::Continue(())
                    }
                }
            }
        }
    }
}

/// Writes one delivery to the sink. If the run is stopped while the sink has no capacity, the sink is closed,
/// which settles the delivery.
async fn write(sink: &dyn Sink, delivery: Delivery, control: &RunControl) {
    let mut writing = sink.write(delivery);
    let is_stopped = tokio::select! {
        biased;
        () = &mut writing => false,
        () = control.stopped() => true,
    };
    if is_stopped {
        // Both together: closing makes room for the delivery, or ends the wait for it. The sink is closed
        // again later, which then has nothing left to do.
        let both = async { tokio::join!(writing, sink.close(Some(STOP_DEADLINE))) };
        drop(tokio::time::timeout(STOP_DEADLINE + STOP_GRACE, both).await);
    }
}

#[cfg(test)]
mod tests;
