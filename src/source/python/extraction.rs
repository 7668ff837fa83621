//! Receives the records of the child on a thread of its own, and stores them until they are read.

use std::io::{self, BufReader};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::thread::{self, JoinHandle};

use super::acknowledgements::Acknowledgements;
use super::child::{Child, disconnect};
use super::messages::{ChildError, ChildReport, Description, Message, read_line};
use crate::spool::{AppendError, Frame, FrameKind, SpoolWriter};

/// Where records are stored until they are read.
#[derive(Debug)]
pub(super) enum Store {
    /// On disk.
    Spool(SpoolWriter),
    /// In a short queue, which makes the child wait.
    Queue(SyncSender<Frame>),
}

/// Why a record was not stored.
#[derive(Debug)]
enum StoreError {
    /// No one reads any more.
    ReaderGone,
    Append(AppendError),
}

impl Store {
    fn put(&mut self, kind: FrameKind, content: &[u8]) -> Result<(), StoreError> {
        match self {
            Self::Spool(writer) => writer.append(kind, content).map_err(StoreError::Append),
            Self::Queue(sender) => {
                let frame = Frame { kind, content: content.to_vec() };
                sender.send(frame).map_err(|_| StoreError::ReaderGone)
            }
        }
    }
}

/// How an extraction has ended.
#[derive(Debug)]
pub(super) struct EndedExtraction {
    pub(super) end: ExtractionEnd,
    pub(super) report: Option<ChildReport>,
    /// The reply to a question about the source.
    pub(super) description: Option<Description>,
    /// The report of a connection test.
    pub(super) connection: Option<serde_json::Value>,
}

/// How an extraction has ended.
#[derive(Debug)]
pub(super) enum ExtractionEnd {
    /// The source has reached its end.
    Complete,
    /// The source has reported why it cannot run.
    Error(ChildError),
    /// The process has ended before.
    Died(Option<ExitStatus>),
    /// A message of the child is not one of the protocol.
    Protocol(String),
    /// The spool has reached its limit.
    SpoolFull,
    /// The spool cannot be written.
    SpoolFailed(io::Error),
    /// Reading has ended before the source did.
    ReaderGone,
}

/// The thread that receives records.
#[derive(Debug)]
pub(super) struct Extraction(JoinHandle<EndedExtraction>);

impl Extraction {
    /// Receives what `child` sends over `connection` until it ends. Outcomes go back over the same
    /// connection.
    ///
    /// # Errors
    /// When the operating system refuses a thread.
    pub(super) fn start(
        child: Arc<Child>,
        connection: UnixStream,
        store: Store,
        acknowledgements: Arc<Acknowledgements>,
    ) -> io::Result<Self> {
        let mut replies = connection.try_clone()?;
        let sending = Arc::clone(&acknowledgements);
        thread::Builder::new().name("source-outcomes".into()).spawn(move || sending.send(&mut replies))?;
        let work = move || {
            let mut receiver = Receiver {
                store,
                acknowledgements,
                records: 0,
                report: None,
                description: None,
                connection: None,
            };
            let end = receiver.receive(&mut BufReader::with_capacity(256 << 10, &connection));
            if !matches!(end, ExtractionEnd::Complete | ExtractionEnd::Error(_) | ExtractionEnd::Died(_)) {
                child.terminate();
            }
            receiver.acknowledgements.close();
            let is_complete = matches!(end, ExtractionEnd::Complete);
            disconnect(&connection);
            let status = child.wait();
            let end = match end {
                ExtractionEnd::Died(_) => ExtractionEnd::Died(status),
                end => end,
            };
            let end = match (receiver.store, end) {
                (Store::Spool(writer), end) => match (writer.finish(is_complete), end) {
                    (Err(error), ExtractionEnd::Complete) => ExtractionEnd::SpoolFailed(error),
                    (_, end) => end,
                },
                (Store::Queue(_), end) => end,
            };
            let Receiver { report, description, connection, .. } = receiver;
            EndedExtraction { end, report, description, connection }
        };
        thread::Builder::new().name("source-records".into()).spawn(work).map(Self)
    }

    /// Waits for the end.
    pub(super) fn join(self) -> EndedExtraction {
        self.0.join().unwrap_or_else(|_| EndedExtraction {
            end: ExtractionEnd::Protocol("the thread that receives records has failed".into()),
            report: None,
            description: None,
            connection: None,
        })
    }
}

struct Receiver {
    store: Store,
    acknowledgements: Arc<Acknowledgements>,
    /// Records received so far.
    records: u64,
    report: Option<ChildReport>,
    description: Option<Description>,
    connection: Option<serde_json::Value>,
}

impl Receiver {
    fn receive(&mut self, input: &mut BufReader<&UnixStream>) -> ExtractionEnd {
        let mut line = Vec::new();
        loop {
            match read_line(input, &mut line) {
                Ok(true) => {}
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    return ExtractionEnd::Protocol(error.to_string());
                }
                // Its end, also without reading everything that it was sent.
                Ok(false) | Err(_) => return ExtractionEnd::Died(None),
            }
            let message = Message::parse(&line);
            let (kind, content): (_, &[u8]) = match &message {
                Some(Message::Record { seq, json }) if *seq == self.records => {
                    (FrameKind::Record, json.as_bytes())
                }
                Some(Message::Invalid { seq, reason }) if *seq == self.records => {
                    (FrameKind::Invalid, reason.as_bytes())
                }
                Some(Message::Flush(number)) => {
                    self.acknowledgements.flush(*number, self.records);
                    continue;
                }
                Some(Message::Report(report)) => {
                    self.report = Some(report.clone());
                    continue;
                }
                Some(Message::Description(description)) => {
                    self.description = Some(description.clone());
                    continue;
                }
                Some(Message::Connection(report)) => {
                    self.connection = Some(report.clone());
                    continue;
                }
                Some(Message::Error(error)) => return ExtractionEnd::Error(error.clone()),
                Some(Message::End) => return ExtractionEnd::Complete,
                Some(Message::Record { seq, .. } | Message::Invalid { seq, .. }) => {
                    let expected = self.records;
                    return ExtractionEnd::Protocol(format!(
                        "record {seq} came in place of record {expected}"
                    ));
                }
                None => {
                    return ExtractionEnd::Protocol("the bridge sent a line that is not a message".into());
                }
            };
            match self.store.put(kind, content) {
                Ok(()) => {
                    self.records += 1;
                    self.acknowledgements.received();
                }
                Err(StoreError::ReaderGone) => return ExtractionEnd::ReaderGone,
                Err(StoreError::Append(AppendError::Full)) => return ExtractionEnd::SpoolFull,
                Err(StoreError::Append(AppendError::Io(error))) => return ExtractionEnd::SpoolFailed(error),
            }
        }
    }
}

/// The signal that has ended a process.
pub(super) fn signal_of(status: Option<ExitStatus>) -> Option<i32> {
    status.and_then(|status| status.signal())
}
