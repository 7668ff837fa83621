use std::collections::VecDeque;
use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use proptest::prelude::*;

use super::*;
use crate::box_future::BoxFuture;
use crate::clock::SystemClock;
use crate::emitter::{Outcome, Undelivered, UndeliveredReason};
use crate::metadata::Proposal;
use crate::metadata::{Origin, SystemMetadata, Urn};
use crate::pipeline::dead_letter::DeadLetterWriter;
use crate::pipeline::report::ProposalCounts;
use crate::pipeline::run_metadata::PipelineName;
use crate::platform::Platform;
use crate::sink::{OpenedSink, SinkReport};
use crate::source::{InvalidRecord, Progress, RawRecord};

fn proposal(number: usize) -> Proposal {
    let urn = Urn::parse(&format!("urn:li:tag:t{number}")).unwrap();
    Proposal::upsert(urn, "status", "{\"removed\":false}").unwrap()
}

fn record(number: usize) -> Item {
    Item::Record { proposals: vec![proposal(number)], filtered: 0 }
}

fn invalid() -> Item {
    Item::Invalid(InvalidRecord {
        origin: Origin { file: "f".into(), index: 0, offset: 0 },
        reason: "no JSON".into(),
        raw: RawRecord::Text("x".into()),
    })
}

/// Yields its items, and then ends, fails, or waits forever as standard input may.
struct Given {
    items: VecDeque<Item>,
    then: Then,
}

enum Then {
    End,
    Fail,
    Wait(std::sync::mpsc::Receiver<()>),
}

impl Source for Given {
    fn next(&mut self) -> Result<Option<Item>, Error> {
        match (self.items.pop_front(), &self.then) {
            (Some(item), _) => Ok(Some(item)),
            (None, Then::End) => Ok(None),
            (None, Then::Fail) => Err(Error::new(ErrorKind::Input, "the disk was pulled out")),
            (None, Then::Wait(receiver)) => {
                // The sender is dropped when the test is over.
                receiver.recv().ok();
                Ok(None)
            }
        }
    }

    fn progress(&self) -> Progress {
        Progress::default()
    }

    fn take_warnings(&mut self) -> Vec<String> {
        Vec::new()
    }
}

fn given(items: impl IntoIterator<Item = Item>, then: Then) -> Box<dyn Source> {
    Box::new(Given { items: items.into_iter().collect(), then })
}

/// Delivers at once; after `until` proposals, stops for good. With `holds`, it settles nothing until it is
/// closed.
struct Scripted {
    until: usize,
    holds: bool,
    seen: AtomicUsize,
    closed: AtomicBool,
    held: Mutex<Vec<Delivery>>,
    last: Arc<Mutex<Option<Proposal>>>,
}

impl Scripted {
    fn new(until: usize, holds: bool) -> Self {
        Self {
            until,
            holds,
            seen: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
            held: Mutex::default(),
            last: Arc::default(),
        }
    }
}

fn undelivered() -> Outcome {
    Outcome::Undelivered(Undelivered::new(UndeliveredReason::Closed, ""))
}

impl Sink for Scripted {
    fn write(&self, delivery: Delivery) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            *self.last.lock().unwrap() = Some(delivery.proposal().clone());
            let seen = self.seen.fetch_add(1, Ordering::Relaxed);
            if seen >= self.until || self.closed.load(Ordering::Relaxed) {
                delivery.settle(undelivered());
            } else if self.holds {
                self.held.lock().unwrap().push(delivery);
            } else {
                delivery.settle(Outcome::Delivered);
            }
        })
    }

    fn stopped(&self) -> Option<Error> {
        (self.seen.load(Ordering::Relaxed) > self.until).then(|| Error::new(ErrorKind::Refused, "401"))
    }

    fn close(&self, _: Option<Duration>) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            self.closed.store(true, Ordering::Relaxed);
            for delivery in self.held.lock().unwrap().drain(..) {
                delivery.settle(undelivered());
            }
            Ok(())
        })
    }

    fn report(&self) -> SinkReport {
        SinkReport::default()
    }
}

struct Ran {
    result: RunResult,
    counts: ProposalCounts,
    records: u64,
    invalid: u64,
}

async fn run(
    source: Box<dyn Source>,
    sink: Scripted,
    metadata: Option<&RunMetadata>,
    control: &RunControl,
) -> Ran {
    let directory = tempfile::tempdir().unwrap();
    let platform = Platform::default();
    let threads = Arc::clone(&platform.threads);
    let dead_letters =
        DeadLetterWriter::new(platform, directory.path().join("dead-letters.jsonl"), "run".into());
    let counter = Arc::new(OutcomeCounter::new(Some(dead_letters)));
    let mut destination = Destination::Sink(OpenedSink::plain(sink));
    let context = ForwardContext {
        metadata,
        counter: &counter,
        checkpoint: None,
        feedback: None,
        control,
        shard: None,
        threads: &*threads,
        clock: &SystemClock,
    };
    let records = Records { source, finished: None, reread: 0 };
    let (mut result, _) =
        forward(records, &mut Chain::new(Vec::new()), None, &mut destination, context).await;
    if let Destination::Sink(sink) = &destination {
        close(sink.as_sink(), &counter, None, control, &mut result).await;
    }
    Ran {
        result,
        counts: counter.counts(),
        records: control.progress().records,
        invalid: counter.invalid_records(),
    }
}

#[tokio::test]
async fn everything_is_delivered_and_counted() {
    let items = (0..3_000).map(record).chain([invalid()]);
    let control = RunControl::default();
    let ran = run(given(items, Then::End), Scripted::new(usize::MAX, false), None, &control).await;
    assert!(ran.result.is_complete && ran.result.failure.is_none());
    assert_eq!((ran.counts.read, ran.counts.delivered), (3_000, 3_000));
    assert_eq!((ran.records, ran.invalid), (3_001, 1));
}

#[tokio::test]
async fn a_sink_that_stops_ends_the_reading() {
    let control = RunControl::default();
    let items = (0..100_000).map(record);
    let ran = run(given(items, Then::End), Scripted::new(10, false), None, &control).await;
    assert_eq!(ran.result.failure.unwrap().kind(), ErrorKind::Refused);
    assert!(!ran.result.is_complete);
    assert_eq!(ran.counts.delivered, 10);
    assert!(ran.counts.read < 100_000, "{:?}", ran.counts);
    assert_eq!(ran.counts.read, ran.counts.delivered + ran.counts.undelivered);
}

#[tokio::test]
async fn a_source_that_fails_keeps_what_was_delivered() {
    let control = RunControl::default();
    let items = (0..7).map(record);
    let ran = run(given(items, Then::Fail), Scripted::new(usize::MAX, false), None, &control).await;
    assert!(!ran.result.is_complete);
    assert_eq!(ran.result.failure.unwrap().to_string(), "the disk was pulled out");
    assert_eq!(ran.counts.delivered, 7);
}

#[tokio::test]
async fn a_stop_does_not_wait_for_a_source_that_waits() {
    let (sender, receiver) = std::sync::mpsc::channel();
    let control = RunControl::default();
    let stopper = {
        let control = control.clone();
        async move {
            while control.progress().records < 5 {
                tokio::task::yield_now().await;
            }
            control.stop();
        }
    };
    let items = (0..5).map(record);
    let sink = Scripted::new(usize::MAX, true);
    let (ran, ()) = tokio::join!(run(given(items, Then::Wait(receiver)), sink, None, &control), stopper);
    assert!(ran.result.is_interrupted && !ran.result.is_complete);
    assert_eq!((ran.counts.read, ran.counts.undelivered), (5, 5));
    drop(sender);
}

/// Ends when it is closed with a deadline, unless the first close was dropped before.
#[derive(Default)]
struct Patient {
    closing: tokio::sync::Notify,
    hurried: tokio::sync::Notify,
    hurries: AtomicBool,
}

impl Sink for Patient {
    fn write(&self, delivery: Delivery) -> BoxFuture<'_, ()> {
        delivery.settle(Outcome::Delivered);
        Box::pin(std::future::ready(()))
    }

    fn stopped(&self) -> Option<Error> {
        None
    }

    fn close(&self, deadline: Option<Duration>) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            if deadline.is_some() {
                self.hurries.store(true, Ordering::Relaxed);
                self.hurried.notify_one();
                return Err(Error::new(ErrorKind::Disk, "it was closed before"));
            }
            self.closing.notify_one();
            self.hurried.notified().await;
            Ok(())
        })
    }

    fn report(&self) -> SinkReport {
        SinkReport::default()
    }
}

#[tokio::test]
async fn a_stop_during_the_close_sets_a_deadline_and_does_not_drop_it() {
    let control = RunControl::default();
    let counter = OutcomeCounter::new(None);
    let sink = Patient::default();
    let mut result = RunResult { is_complete: true, ..RunResult::default() };
    tokio::join!(close(&sink, &counter, None, &control, &mut result), async {
        sink.closing.notified().await;
        control.stop();
    });
    assert!(sink.hurries.load(Ordering::Relaxed) && result.is_interrupted);
    assert!(result.failure.is_none(), "{:?}", result.failure);
}

#[tokio::test]
async fn the_run_metadata_replaces_that_of_the_file() {
    let marked = proposal(0).with_system_metadata(SystemMetadata {
        last_observed: Some(17),
        run_id: Some("old".into()),
        pipeline_name: Some("old".into()),
        ..SystemMetadata::default()
    });
    let sink = Scripted::new(usize::MAX, false);
    let last = Arc::clone(&sink.last);
    let metadata = RunMetadata { run_id: "new".into(), pipeline_name: PipelineName::Replace(None) };
    let item = Item::Record { proposals: vec![marked], filtered: 0 };
    run(given([item], Then::End), sink, Some(&metadata), &RunControl::default()).await;
    let sent = last.lock().unwrap().take().unwrap().system_metadata().unwrap().clone();
    assert_eq!(sent.run_id.as_deref(), Some("new"));
    assert_eq!(sent.pipeline_name, None);
    assert_eq!(sent.last_observed, Some(17));
}

/// A writer whose text can be read afterwards.
#[derive(Clone, Default)]
struct Text(Arc<Mutex<Vec<u8>>>);

impl Write for Text {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_preview_prints_the_first_records_and_reads_no_further() {
    let text = Text::default();
    let mut destination = Destination::Preview { records: 3, output: Box::new(text.clone()) };
    let counter = Arc::new(OutcomeCounter::new(None));
    let source = given((0..50).map(record), Then::End);
    let (control, threads) = (RunControl::default(), Platform::default().threads);
    let context = ForwardContext {
        metadata: None,
        counter: &counter,
        checkpoint: None,
        feedback: None,
        control: &control,
        shard: None,
        threads: &*threads,
        clock: &SystemClock,
    };
    let records = Records { source, finished: None, reread: 0 };
    forward(records, &mut Chain::new(Vec::new()), None, &mut destination, context).await;
    let shown = text.0.lock().unwrap().clone();
    let lines: Vec<serde_json::Value> = shown
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[2]["entityUrn"], "urn:li:tag:t2");
    assert_eq!((counter.counts().read, counter.counts().filtered), (3, 3));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn the_outcomes_add_up_to_what_was_read(
        proposals in prop::collection::vec(0_usize..4, 0..60),
        left_out in 0_u64..5,
        until in 0_usize..100,
        holds: bool,
        fails: bool,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let items: Vec<Item> = proposals
            .iter()
            .map(|count| Item::Record { proposals: (0..*count).map(proposal).collect(), filtered: left_out })
            .collect();
        let then = if fails { Then::Fail } else { Then::End };
        let control = RunControl::default();
        let ran = runtime.block_on(run(given(items, then), Scripted::new(until, holds), None, &control));
        let counts = ran.counts;
        prop_assert_eq!(counts.read, counts.delivered + counts.rejected + counts.undelivered + counts.filtered);
        prop_assert_eq!(counts.filtered, left_out * ran.records);
        if ran.result.is_complete {
            prop_assert_eq!(counts.read, proposals.iter().sum::<usize>() as u64 + counts.filtered);
        }
    }
}
