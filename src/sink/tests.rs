use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use super::Sink;
use super::file::{FileSink, FileSinkConfig};
use super::stream::{Layout, Stream, StreamTarget};
use super::{DeliveredMeans, SinkDestination};
use crate::emitter::{Delivery, Observer, Outcome, Receipt, UndeliveredReason};
use crate::metadata::{Proposal, Urn, record};
use crate::platform::Platform;
use crate::{Error, ErrorKind};

/// One of any number of different proposals.
pub(super) fn proposal(number: usize) -> Proposal {
    let urn = Urn::parse(&format!("urn:li:dataset:(urn:li:dataPlatform:hive,db.t{number},PROD)")).unwrap();
    Proposal::upsert(urn, "status", r#"{"removed":false}"#).unwrap()
}

async fn write(sink: &dyn Sink, number: usize) -> Receipt {
    let (delivery, receipt) = Delivery::with_receipt(proposal(number));
    sink.write(delivery).await;
    receipt
}

fn open(path: &Path) -> FileSink {
    FileSink::open(&FileSinkConfig::new(path), &Platform::default()).unwrap()
}

fn reason(outcome: &Outcome) -> UndeliveredReason {
    match outcome {
        Outcome::Undelivered(undelivered) => undelivered.reason,
        other => panic!("expected an undelivered one, found {other:?}"),
    }
}

fn names_in(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn an_array_has_the_layout_of_datahubs_own_sink() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("out.json");
    let sink = open(&path);
    let receipts = [write(&sink, 0).await, write(&sink, 1).await];
    sink.close(None).await.unwrap();
    for receipt in receipts {
        assert_eq!(receipt.await, Outcome::Delivered);
    }
    let mut expected = b"[\n".to_vec();
    record::write_indented(&proposal(0), &mut expected);
    expected.extend_from_slice(b",\n");
    record::write_indented(&proposal(1), &mut expected);
    expected.extend_from_slice(b"\n]");
    assert_eq!(fs::read(&path).unwrap(), expected);
    let destination =
        SinkDestination { delivered_means: Some(DeliveredMeans::Written), ..Default::default() };
    assert_eq!(sink.report().destination, destination);

    let empty = directory.path().join("empty.json");
    open(&empty).close(None).await.unwrap();
    assert_eq!(fs::read_to_string(&empty).unwrap(), "[\n\n]");
}

#[tokio::test]
async fn an_aspect_can_be_a_string_of_json() {
    for name in ["out.json", "out.jsonl"] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(name);
        let mut config = FileSinkConfig::new(&path);
        config.legacy_nested_json_string = true;
        let sink = FileSink::open(&config, &Platform::default()).unwrap();
        drop([write(&sink, 0).await, write(&sink, 1).await]);
        sink.close(None).await.unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let records: Vec<serde_json::Value> = if name == "out.json" {
            serde_json::from_str(&text).unwrap()
        } else {
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
        };
        assert_eq!(records.len(), 2);
        for record in records {
            assert_eq!(record["aspect"]["contentType"], "application/json");
            let value = record["aspect"]["value"].as_str().unwrap();
            assert!(serde_json::from_str::<serde_json::Value>(value).unwrap().is_object(), "{value}");
        }
    }
}

#[tokio::test]
async fn a_name_that_ends_in_jsonl_gets_json_lines() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("out.jsonl");
    let sink = open(&path);
    for number in 0..3 {
        write(&sink, number).await;
    }
    sink.close(Some(Duration::from_secs(600))).await.unwrap();
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count(), 3);
    assert!(text.ends_with("}\n"));
    let mut first = Vec::new();
    record::write_json_form(&proposal(0), &mut first);
    assert_eq!(text.lines().next().unwrap().as_bytes(), first);
}

#[tokio::test]
async fn the_old_file_stays_until_the_new_one_is_complete() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("out.json");
    fs::write(&path, "old").unwrap();

    let sink = open(&path);
    assert_eq!(write(&sink, 0).await.await, Outcome::Delivered);
    assert_eq!(fs::read_to_string(&path).unwrap(), "old");
    drop(sink);
    assert_eq!(fs::read_to_string(&path).unwrap(), "old");
    assert_eq!(names_in(directory.path()), ["out.json"]);

    let sink = open(&path);
    write(&sink, 0).await;
    sink.close(None).await.unwrap();
    assert!(fs::read_to_string(&path).unwrap().starts_with("[\n{"));
    assert_eq!(names_in(directory.path()), ["out.json"]);
    sink.close(None).await.unwrap();
}

#[cfg(unix)]
#[tokio::test]
async fn permissions_and_links_stay() {
    use std::os::unix::fs::{PermissionsExt, symlink};

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("real.json");
    let link = directory.path().join("link.json");
    fs::write(&path, "old").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    symlink("real.json", &link).unwrap();
    open(&link).close(None).await.unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::read_to_string(&path).unwrap(), "[\n\n]");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
}

#[test]
fn a_path_that_cannot_be_written_is_an_error_that_names_it() {
    let directory = tempfile::tempdir().unwrap();
    for path in [directory.path().join("no").join("out.json"), directory.path().to_owned()] {
        let error = FileSink::open(&FileSinkConfig::new(&path), &Platform::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Disk);
        assert!(error.to_string().contains(&*path.to_string_lossy()), "{error}");
        assert!(std::error::Error::source(&error).is_some());
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_device_is_written_directly_and_a_full_disk_stops_the_sink() {
    open(Path::new("/dev/null")).close(None).await.unwrap();
    assert!(!fs::metadata("/dev/null").unwrap().is_file());

    let sink = open(Path::new("/dev/full"));
    let outcome = write(&sink, 0).await.await;
    assert_eq!(reason(&outcome), UndeliveredReason::Disk);
    let check = |error: Error| {
        assert_eq!(error.kind(), ErrorKind::Disk);
        assert!(error.to_string().contains("/dev/full"), "{error}");
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains("No space left"), "{cause}");
    };
    check(sink.stopped().unwrap());
    assert_eq!(reason(&write(&sink, 1).await.await), UndeliveredReason::Disk);
    check(sink.close(None).await.unwrap_err());
}

/// A target that blocks until the test opens it.
#[derive(Clone, Default)]
struct Gate {
    state: Arc<(Mutex<GateState>, Condvar)>,
}

#[derive(Default)]
struct GateState {
    open: bool,
    fails_to_finish: bool,
    bytes: usize,
    largest_write: usize,
}

impl Write for Gate {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (state, wake) = &*self.state;
        let mut state = wake.wait_while(state.lock().unwrap(), |state| !state.open).unwrap();
        state.bytes += bytes.len();
        state.largest_write = state.largest_write.max(bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl StreamTarget for Gate {
    fn finish(self: Box<Self>) -> io::Result<()> {
        if self.state.0.lock().unwrap().fails_to_finish {
            return Err(io::Error::other("the rename failed"));
        }
        Ok(())
    }

    fn never_blocks_for_long(&self) -> bool {
        false
    }
}

impl Gate {
    fn open(&self) {
        self.state.0.lock().unwrap().open = true;
        self.state.1.notify_all();
    }
}

/// Counts how often each proposal was settled, and as what.
#[derive(Default)]
struct Counts(Mutex<(usize, usize)>);

impl Observer for Counts {
    fn settled(&self, _: Proposal, outcome: Outcome) {
        let mut counts = self.0.lock().unwrap();
        match outcome {
            Outcome::Delivered => counts.0 += 1,
            _ => counts.1 += 1,
        }
    }
}

#[tokio::test]
async fn nothing_is_delivered_before_it_is_written_and_a_deadline_settles_the_rest() {
    let gate = Gate::default();
    let stream =
        Stream::start("a pipe".into(), Box::new(gate.clone()), Layout::Lines, &Platform::default()).unwrap();
    let counts = Arc::new(Counts::default());
    let observer: Arc<dyn Observer> = Arc::<Counts>::clone(&counts);
    for number in 0..10 {
        stream.write(Delivery::observed(proposal(number), Arc::clone(&observer))).await;
    }
    assert_eq!(*counts.0.lock().unwrap(), (0, 0));
    let error = stream.close(Some(Duration::from_millis(1))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Disk);
    // The thread may be writing one, which it settles as soon as the write returns.
    gate.open();
    drop(observer);
    drop(stream);
    let settled = loop {
        let counts = counts.0.lock().unwrap();
        if counts.0 + counts.1 == 10 {
            break *counts;
        }
        drop(counts);
        std::thread::yield_now();
    };
    assert_eq!(settled, (0, 10));
}

#[tokio::test]
async fn a_slow_reader_slows_the_source_down() {
    let gate = Gate::default();
    let stream =
        Stream::start("a pipe".into(), Box::new(gate.clone()), Layout::Lines, &Platform::default()).unwrap();
    let big = |number| {
        let text = format!("\"{}\"", "x".repeat(1024 * 1024));
        Delivery::with_receipt(Proposal::upsert(proposal(number).urn(), "status", text).unwrap())
    };
    let mut receipts = Vec::new();
    for number in 0..3 {
        let (delivery, receipt) = big(number);
        stream.write(delivery).await;
        receipts.push(receipt);
    }
    let (delivery, receipt) = big(3);
    let mut fourth = Box::pin(stream.write(delivery));
    // There is no capacity for a fourth one while none was written.
    let waits =
        std::future::poll_fn(|context| std::task::Poll::Ready(fourth.as_mut().poll(context).is_pending()))
            .await;
    assert!(waits);
    gate.open();
    fourth.await;
    receipts.push(receipt);
    stream.close(None).await.unwrap();
    for receipt in receipts {
        assert_eq!(receipt.await, Outcome::Delivered);
    }
    assert!(gate.state.0.lock().unwrap().bytes > 4 * 1024 * 1024);
}

#[tokio::test]
async fn a_rename_that_fails_fails_the_close() {
    let gate = Gate::default();
    gate.open();
    gate.state.0.lock().unwrap().fails_to_finish = true;
    let stream =
        Stream::start("the file".into(), Box::new(gate), Layout::Array, &Platform::default()).unwrap();
    let (delivery, receipt) = Delivery::with_receipt(proposal(0));
    stream.write(delivery).await;
    assert_eq!(receipt.await, Outcome::Delivered);
    let error = stream.close(None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Disk);
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "the rename failed");
    let (delivery, receipt) = Delivery::with_receipt(proposal(1));
    stream.write(delivery).await;
    assert_eq!(reason(&receipt.await), UndeliveredReason::Disk);
}

#[tokio::test]
async fn records_are_written_in_large_chunks_and_each_is_settled_once() {
    let gate = Gate::default();
    let stream =
        Stream::start("a pipe".into(), Box::new(gate.clone()), Layout::Lines, &Platform::default()).unwrap();
    let counts = Arc::new(Counts::default());
    let opens = gate.clone();
    std::thread::spawn(move || opens.open());
    for number in 0..5000 {
        let observer: Arc<dyn Observer> = Arc::<Counts>::clone(&counts);
        stream.write(Delivery::observed(proposal(number), observer)).await;
    }
    stream.close(None).await.unwrap();
    assert_eq!(*counts.0.lock().unwrap(), (5000, 0));
    assert!(gate.state.0.lock().unwrap().largest_write < 300 * 1024);
}
