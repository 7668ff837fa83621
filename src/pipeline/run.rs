//! The run itself: from the source to the sink, and what it says in the end.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use super::checkpoint::{Admitted, Finished, Keeper, Tracker, Watch};
use super::control::RunControl;
use super::handover::{Giver, Numbered, Taken, handover};
use super::tally::Tally;
use crate::emitter::{Delivery, Observer};
use crate::metadata::{Proposal, record};
use crate::sink::Sink;
use crate::source::{Item, Source};
use crate::{Error, ErrorKind};

/// How long a run that is to stop waits for what is under way.
const STOP_DEADLINE: Duration = Duration::from_secs(20);

/// How much longer a sink may take than it was given, before it is left alone.
const STOP_GRACE: Duration = Duration::from_secs(5);

/// Records between two looks at how far the source is.
const PROGRESS_EVERY: u64 = 64;

/// What a run writes into the system metadata of every proposal.
#[derive(Clone, Debug)]
pub(super) struct Stamp {
    pub(super) run_id: Arc<str>,
    pub(super) pipeline_name: PipelineName,
}

/// What becomes of the pipeline's name that a file says.
#[derive(Clone, Debug)]
pub(super) enum PipelineName {
    /// It stays.
    Kept,
    /// The run's takes its place, also if the run has none.
    Set(Option<Arc<str>>),
}

impl Stamp {
    /// Run id and pipeline name of the run replace those of the file; everything else is kept.
    fn apply(&self, proposal: &mut Proposal) {
        let metadata = proposal.system_metadata_mut();
        metadata.run_id = Some(Arc::clone(&self.run_id));
        if let PipelineName::Set(name) = &self.pipeline_name {
            metadata.pipeline_name.clone_from(name);
        }
    }
}

/// Where the proposals of a run go.
pub(super) enum Destination {
    /// To a sink.
    Sink(Box<dyn Sink>),
    /// Nowhere: a dry run.
    Nowhere,
    /// To the eyes of a person, as JSON Lines, until this many records were shown.
    Preview { records: u64, output: Box<dyn Write + Send> },
}

/// What happened between the first record and the last outcome.
#[derive(Debug, Default)]
pub(super) struct Course {
    pub(super) ignored: u64,
    /// The source was read to its end.
    pub(super) complete: bool,
    /// Someone asked it to stop before it was at its end.
    pub(super) interrupted: bool,
    pub(super) failure: Option<Error>,
}

/// Reads `source` to its end on a thread of its own, and carries what it finds to `destination`, but for what an earlier
/// run has finished. `keeper` is told which records are finished.
pub(super) async fn carry(
    (source, finished): (Box<dyn Source>, Option<Finished>),
    destination: &mut Destination,
    stamp: Option<&Stamp>,
    tally: &Arc<Tally>,
    keeper: Option<&Keeper>,
    control: &RunControl,
) -> Course {
    let (giver, waiting) = handover();
    let reader = std::thread::Builder::new().name("source".into()).spawn({
        let (tracker, control) = (keeper.map(|keeper| Arc::clone(keeper.tracker())), control.clone());
        move || read(source, finished, giver, tracker.as_deref(), &control)
    });
    let mut course = Course::default();
    if let Err(error) = reader {
        course.failure =
            Some(Error::new(ErrorKind::Internal, "cannot start a thread for the source").with_source(error));
        return course;
    }
    let observer: Arc<dyn Observer> = Arc::clone(tally) as Arc<dyn Observer>;
    let mut carrier = Carrier { destination, stamp, tally, keeper, observer, control, ignored: 0 };
    loop {
        let taken = tokio::select! {
            biased;
            () = control.stopped() => {
                course.interrupted = true;
                break;
            }
            taken = waiting.take() => taken,
        };
        match taken {
            Taken::Ended(end) => {
                course.complete = end.is_ok();
                course.failure = end.err();
                break;
            }
            Taken::Items(items) => match carrier.carry(items).await {
                Step::On => {}
                Step::Enough => break,
                Step::Failed(error) => {
                    course.failure = Some(error);
                    break;
                }
            },
        }
    }
    course.ignored = carrier.ignored;
    if let Some(keeper) = keeper {
        keeper.tracker().close();
    }
    course
}

/// Settles everything that the sink took. A failure of the sink matters more than one that came before it.
pub(super) async fn close(
    sink: &dyn Sink,
    tally: &Tally,
    keeper: Option<&Keeper>,
    control: &RunControl,
    course: &mut Course,
) {
    let closed = if course.interrupted {
        in_time(sink.close(Some(STOP_DEADLINE))).await
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
            course.interrupted = true;
            // Half a close is none: it goes on, and the second one beside it is there for its deadline.
            let both = async { tokio::join!(closing, sink.close(Some(STOP_DEADLINE))).0 };
            in_time(both).await
        }
    };
    tally.sync_letters();
    let unkept = || keeper.and_then(Keeper::failure);
    if let Some(error) = sink.stopped().or(closed.err()).or_else(|| tally.broken()).or_else(unkept) {
        course.failure = Some(error);
    }
}

async fn in_time(closing: impl Future<Output = Result<(), Error>>) -> Result<(), Error> {
    let closed = tokio::time::timeout(STOP_DEADLINE + STOP_GRACE, closing).await;
    // What a sink did not settle by then counts as undelivered.
    closed.unwrap_or(Ok(()))
}

/// The reader's thread.
fn read(
    mut source: Box<dyn Source>,
    mut finished: Option<Finished>,
    giver: Giver,
    tracker: Option<&Tracker>,
    control: &RunControl,
) {
    let mut until_progress = PROGRESS_EVERY;
    let end = loop {
        match source.next() {
            Ok(Some(item)) => {
                if finished.as_mut().is_some_and(Finished::has_next) {
                    continue;
                }
                let admitted = tracker.map(|tracker| tracker.admit(&item, source.position()));
                let number = match admitted {
                    None => None,
                    Some(Admitted::As(number)) => Some(number),
                    Some(Admitted::Finished) => continue,
                    Some(Admitted::Closed) => return,
                };
                if !giver.push(Numbered { item, number }) {
                    return;
                }
                until_progress -= 1;
                if until_progress == 0 {
                    until_progress = PROGRESS_EVERY;
                    control.source_is_at(source.progress(), source.take_warnings());
                }
            }
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    control.source_is_at(source.progress(), source.take_warnings());
    giver.end(end);
}

enum Step {
    On,
    Enough,
    Failed(Error),
}

struct Carrier<'a> {
    destination: &'a mut Destination,
    stamp: Option<&'a Stamp>,
    tally: &'a Arc<Tally>,
    keeper: Option<&'a Keeper>,
    observer: Arc<dyn Observer>,
    control: &'a RunControl,
    ignored: u64,
}

impl Carrier<'_> {
    async fn carry(&mut self, items: VecDeque<Numbered>) -> Step {
        for Numbered { item, number } in items {
            // Here and not in the middle of a record: what was begun is told whole.
            if self.control.is_stopped() {
                return Step::On;
            }
            match item {
                Item::Record { proposals, filtered } => {
                    self.control.read_record(proposals.len());
                    self.tally.filtered_by_source(filtered);
                    if let step @ (Step::Enough | Step::Failed(_)) = self.record(proposals, number).await {
                        return step;
                    }
                }
                Item::Invalid(record) => {
                    self.control.read_record(0);
                    let kept = self.tally.invalid(&record);
                    self.settle(number, kept);
                }
                Item::Ignored(origin, why) => {
                    self.control.read_record(0);
                    self.ignored += 1;
                    self.settle(number, true);
                    tracing::debug!(%origin, "record passed over: {why}");
                }
            }
        }
        if let Some(error) = self.tally.broken().or_else(|| self.keeper.and_then(Keeper::failure)) {
            return Step::Failed(error);
        }
        match &*self.destination {
            Destination::Sink(sink) => sink.stopped().map_or(Step::On, Step::Failed),
            Destination::Preview { records: 0, .. } => Step::Enough,
            _ => Step::On,
        }
    }

    /// Says how a record ended that needs no sink for that.
    fn settle(&self, number: Option<u64>, finished: bool) {
        if let (Some(keeper), Some(number)) = (self.keeper, number) {
            keeper.tracker().settle(number, finished);
        }
    }

    /// Who is told of the ends of a record's proposals.
    fn observer(&self, number: Option<u64>, proposals: usize) -> Arc<dyn Observer> {
        match (self.keeper, number) {
            (Some(keeper), Some(number)) => {
                let tracker = Arc::clone(keeper.tracker());
                Arc::new(Watch::new(Arc::clone(self.tally), tracker, number, proposals))
            }
            _ => Arc::clone(&self.observer),
        }
    }

    async fn record(&mut self, mut proposals: Vec<Proposal>, number: Option<u64>) -> Step {
        if let Some(stamp) = self.stamp {
            for proposal in &mut proposals {
                stamp.apply(proposal);
            }
        }
        if proposals.is_empty() {
            self.settle(number, true);
        }
        let observer = self.observer(number, proposals.len());
        match self.destination {
            Destination::Sink(sink) => {
                for proposal in proposals {
                    self.tally.read();
                    write(&**sink, Delivery::observed(proposal, Arc::clone(&observer)), self.control).await;
                }
                Step::On
            }
            Destination::Nowhere => {
                for _ in proposals {
                    self.tally.read();
                    self.tally.filtered();
                }
                Step::On
            }
            Destination::Preview { records, output } => {
                let mut line = Vec::new();
                for proposal in proposals {
                    self.tally.read();
                    self.tally.filtered();
                    record::write_json_form(&proposal, &mut line);
                    line.push(b'\n');
                }
                *records = records.saturating_sub(1);
                match output.write_all(&line).and_then(|()| output.flush()) {
                    // No one reads on: enough was seen.
                    Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Step::Enough,
                    Err(error) => Step::Failed(
                        Error::new(ErrorKind::Disk, "cannot write the preview").with_source(error),
                    ),
                    Ok(()) if *records == 0 => Step::Enough,
                    Ok(()) => Step::On,
                }
            }
        }
    }
}

/// Gives the sink one delivery. A stop while it waits for room closes the sink, which settles it.
async fn write(sink: &dyn Sink, delivery: Delivery, control: &RunControl) {
    let mut writing = sink.write(delivery);
    let stopped = tokio::select! {
        biased;
        () = &mut writing => false,
        () = control.stopped() => true,
    };
    if stopped {
        // Waited for together: closing is what makes room, or ends the wait. The sink is closed again later, which
        // finds nothing left to do.
        let both = async { tokio::join!(writing, sink.close(Some(STOP_DEADLINE))) };
        drop(tokio::time::timeout(STOP_DEADLINE + STOP_GRACE, both).await);
    }
}

#[cfg(test)]
mod tests;
