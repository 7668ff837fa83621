//! Runs any source of DataHub's Python client in a child process.
//!
//! ```text
//! child: Pipeline ─ source ─ transformers ─ sink of bridge.py
//!                                            │ ▲
//!                                    records │ │ outcomes              one socket
//!                                            ▼ │
//!          Extraction ─ spool ─ PythonSource ─ run ─ Acknowledgements
//! ```
//!
//! The child starts with the first call of [`Source::next`], when the run has checked its server and its
//! token.
//! A thread receives its records and appends them to the spool. The source reads them there, so a checkpoint
//! is a position in the spool, and a later run can deliver the rest without the child. The child learns the
//! outcome of each record. It has at most 5,000 records without an outcome, which slows it
//! down to the speed of the delivery.
//!
//! When delivery stops, the child is notified and continues into the spool. Without a spool it is ended.

mod acknowledgements;
mod child;
mod config;
mod extraction;
mod failure;
mod fed;
mod feedback;
mod interpreter;
mod launcher;
mod messages;
mod options;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

use serde_json::{Value, json};

pub use config::PythonSourceConfig;
pub use fed::FedPythonSource;
pub use options::{ChildOutput, PythonOptions};

use child::Child;
use extraction::{EndedExtraction, Extraction, Store};
use feedback::{Feedback, spool_position};

use super::services::{ChildServices, RecordFeedback, SpoolSettings, SpoolStart};
use super::{Input, InputFile, InvalidRecord, Item, Position, Progress, RawRecord, Source};
use crate::metadata::Origin;
use crate::metadata::record::{Ignored, ParsedRecord, RecordLimits, RecordReader};
use crate::spool::{Frame, FrameKind, Spool, SpoolIdentity, SpoolPosition, SpoolReader};
use crate::{Error, ErrorKind};

/// Records that the child may send before their outcome is known.
const WINDOW: u32 = 5_000;

/// Records between the child and the reader if there is no spool.
const QUEUE: usize = 64;

/// Why usage records are ignored.
const USAGE: &str =
    "GMS does not accept usage aggregations as metadata; newer sources send datasetUsageStatistics";

/// A source that runs in a child process.
pub struct PythonSource {
    config: PythonSourceConfig,
    options: PythonOptions,
    python: PathBuf,
    services: Option<Arc<dyn ChildServices>>,
    phase: Phase,
    feedback: Arc<Feedback>,
    reader: RecordReader,
    name: Arc<str>,
    records: u64,
    bytes: u64,
    position: SpoolPosition,
    warnings: Vec<String>,
    report: Option<Value>,
    warned_of_ignored: bool,
}

/// The state of the source.
enum Phase {
    /// It has not started. With settings, it will write a spool.
    Planned(Option<SpoolSettings>),
    /// It delivers a spool that an earlier run has left.
    Resumed { spool: Arc<Spool>, reader: SpoolReader, is_complete: bool },
    /// The child runs.
    Running { records: Records, extraction: Extraction },
    /// Nothing more comes.
    Ended,
}

/// Where the records of the child are read.
enum Records {
    Spool(SpoolReader),
    Queue(Receiver<Frame>),
}

impl PythonSource {
    /// Finds the interpreter. Nothing is started.
    ///
    /// # Errors
    /// Of kind [`ErrorKind::Input`], with the diagnosis `source.python-missing`.
    pub fn open(config: PythonSourceConfig, options: PythonOptions) -> Result<Self, Error> {
        let python =
            interpreter::find(options.interpreter.as_deref(), &config.environment, &config.source_type)?;
        Ok(Self {
            name: config.source_type.as_str().into(),
            config,
            options,
            python,
            services: None,
            phase: Phase::Planned(None),
            feedback: Arc::default(),
            reader: RecordReader::new(RecordLimits::default()),
            records: 0,
            bytes: 0,
            position: SpoolPosition::default(),
            warnings: Vec::new(),
            report: None,
            warned_of_ignored: false,
        })
    }

    /// Reads this file with Python's `file` source in place of the recipe's source.
    fn read_file(&mut self, path: String) {
        self.config.read_file(path);
    }

    /// Whether it delivers what an earlier run has extracted.
    fn is_resumed(&self) -> bool {
        matches!(self.phase, Phase::Resumed { .. })
    }

    /// The interpreter.
    pub fn python(&self) -> &std::path::Path {
        &self.python
    }

    /// Asks the interpreter for its version and whether it has the source. Nothing is extracted. It blocks
    /// until the child has imported the source.
    ///
    /// # Errors
    /// When the interpreter does not reply. An interpreter without the source is not an error: see
    /// [`PythonDescription::problem`].
    pub fn describe(&self) -> Result<PythonDescription, Error> {
        let ended = self.ask("describe")?;
        let description = ended.description.ok_or_else(|| no_reply("described the source"))?;
        Ok(PythonDescription {
            interpreter: self.python.clone(),
            version: description.python,
            package: description.package,
            problem: description.error.map(|error| failure::of_child(&error, &self.config, &self.python)),
        })
    }

    /// Runs the connection test that the source brings along, and returns its report as the source makes it
    /// (`TestConnectionReport` of DataHub's Python client), with secrets masked. Nothing is extracted. It
    /// blocks until the test has ended.
    ///
    /// # Errors
    /// When the source cannot run: `source.plugin-missing` and the like. A test that fails is not an error.
    pub fn test_connection(&self) -> Result<Value, Error> {
        let ended = self.ask("connection")?;
        ended.connection.map(|report| self.mask_all(&report)).ok_or_else(|| no_reply("tested the source"))
    }

    /// Starts a child that replies to one question and ends.
    fn ask(&self, mode: &str) -> Result<EndedExtraction, Error> {
        let recipe = self.config.recipe("", None, true);
        let start =
            json!({"start": {"mode": mode, "recipe": recipe, "parent": std::process::id(), "window": 1}});
        let (child, connection) = self.start_child(&start)?;
        let (sender, _frames) = sync_channel(1);
        let extraction = Extraction::start(Arc::new(child), connection, Store::Queue(sender), Arc::default())
            .map_err(|error| self.cannot_start(error))?;
        let ended = extraction.join();
        failure::of_extraction(&ended, &self.config, &self.python)?;
        Ok(ended)
    }

    fn start_child(&self, start: &Value) -> Result<(Child, std::os::unix::net::UnixStream), Error> {
        let (secrets, output) = (self.config.secrets.clone(), self.options.output.clone());
        let masked = ChildOutput::new(move |line| output.call(&secrets.mask(line)));
        Child::start(&self.python, &self.config.environment, start, masked)
            .map_err(|error| self.cannot_start(error))
    }

    fn cannot_start(&self, error: std::io::Error) -> Error {
        let message = format!("cannot start {}", self.python.display());
        Error::new(ErrorKind::Input, message).with_source(error)
    }

    /// Starts the child.
    fn start(&mut self, spool: Option<SpoolSettings>) -> Result<Phase, Error> {
        let Some(services) = &self.services else {
            return Err(Error::new(ErrorKind::Internal, "the source was not connected to its run"));
        };
        if self.feedback.is_over() {
            return Ok(Phase::Ended);
        }
        let graph = services.graph()?.map(|graph| json!({"server": graph.url, "token": graph.token}));
        let run = services.run();
        let start = json!({"start": {
            "mode": "run",
            "recipe": self.config.recipe(&run.run_id, graph, run.sends),
            "preview_workunits": self.options.preview_workunits,
            "parent": std::process::id(),
            "window": WINDOW,
        }});
        let (store, records) = match spool {
            None => {
                let (sender, receiver) = sync_channel(QUEUE);
                (Store::Queue(sender), Records::Queue(receiver))
            }
            Some(settings) => {
                let created = Spool::create(&settings.directory, identity(&**services), settings.max_bytes);
                let (spool, writer) = created.map_err(|error| disk(&settings.directory, error))?;
                self.feedback.spool.get_or_init(|| Arc::clone(&spool));
                (Store::Spool(writer), Records::Spool(SpoolReader::new(spool, SpoolPosition::default())))
            }
        };
        let (child, connection) = self.start_child(&start)?;
        let child = self.feedback.child.get_or_init(|| Arc::new(child));
        let acknowledgements = Arc::clone(&self.feedback.acknowledgements);
        let extraction = Extraction::start(Arc::clone(child), connection, store, acknowledgements)
            .map_err(|error| self.cannot_start(error))?;
        self.feedback.terminate_if_over();
        Ok(Phase::Running { records, extraction })
    }

    /// Ends the extraction, and takes its report.
    fn end(&mut self, extraction: Extraction) -> Result<(), Error> {
        let ended = extraction.join();
        if let Some(report) = &ended.report {
            let source_type = &self.config.source_type;
            let warnings = report
                .warnings
                .iter()
                .map(|warning| format!("{source_type}: {}", self.config.secrets.mask(warning)));
            self.warnings.extend(warnings);
            self.report = Some(self.mask_all(&report.report));
        }
        if self.feedback.is_over() {
            // The child was ended on purpose.
            return Ok(());
        }
        failure::of_extraction(&ended, &self.config, &self.python)
    }

    /// The report of the source with secrets masked.
    fn mask_all(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.config.secrets.mask(text)),
            Value::Array(items) => items.iter().map(|item| self.mask_all(item)).collect(),
            Value::Object(entries) => {
                entries.iter().map(|(key, value)| (key.clone(), self.mask_all(value))).collect()
            }
            other => other.clone(),
        }
    }

    fn item(&mut self, frame: &Frame) -> Item {
        let origin = Origin::new(Arc::clone(&self.name), self.records, 0);
        self.records += 1;
        self.bytes += frame.content.len() as u64;
        if frame.kind == FrameKind::Invalid {
            let end = frame.content.iter().position(|byte| *byte == b'\n').unwrap_or(frame.content.len());
            let (reason, record) = frame.content.split_at(end);
            let reason = self.config.secrets.mask(&String::from_utf8_lossy(reason));
            return Item::Invalid(InvalidRecord {
                origin,
                reason,
                raw: RawRecord::of(record.trim_ascii_start()),
            });
        }
        match self.reader.read(&frame.content, origin.clone()) {
            Ok(ParsedRecord::Proposals(proposals)) => Item::Record { proposals, filtered: 0 },
            Ok(ParsedRecord::Ignored(Ignored::Usage)) => {
                if !std::mem::replace(&mut self.warned_of_ignored, true) {
                    self.warnings
                        .push(format!("{origin} is ignored, and so are all others of its kind: {USAGE}"));
                }
                Item::Ignored(origin, USAGE)
            }
            Err(error) => Item::Invalid(InvalidRecord {
                reason: error.reason,
                origin,
                raw: RawRecord::of(&frame.content),
            }),
        }
    }

    /// The next frame, or `None` when nothing more comes.
    fn frame(&mut self) -> Result<Option<Frame>, Error> {
        let read = match &mut self.phase {
            Phase::Planned(_) | Phase::Ended => return Ok(None),
            Phase::Running { records: Records::Queue(queue), .. } => return Ok(queue.recv().ok()),
            Phase::Running { records: Records::Spool(reader), .. } | Phase::Resumed { reader, .. } => {
                let frame = reader.next();
                self.position = reader.position();
                frame
            }
        };
        read.map_err(|error| {
            let message = "the spool cannot be read; --restart removes it and extracts again";
            Error::new(ErrorKind::Input, message).with_source(error)
        })
    }
}

impl Source for PythonSource {
    fn connect(&mut self, services: Arc<dyn ChildServices>) -> Result<(), Error> {
        let settings = services.spool().filter(|_| !self.options.no_spool).cloned();
        self.phase = match (&settings, services.spool()) {
            (Some(settings), _) => {
                let directory = settings.directory.as_path();
                let left = Spool::open(directory);
                match (left, settings.start) {
                    (_, SpoolStart::Discard) => {
                        Spool::remove(directory).map_err(|error| disk(directory, error))?;
                        Phase::Planned(Some(settings.clone()))
                    }
                    (Err(error), _) => {
                        let message = format!(
                            "the spool {} that an earlier run has left cannot be read; --restart removes it",
                            directory.display()
                        );
                        return Err(Error::new(ErrorKind::Input, message).with_source(error));
                    }
                    (Ok(None), _) => Phase::Planned(Some(settings.clone())),
                    (Ok(Some(spool)), SpoolStart::Deliver) => {
                        self.feedback.spool.get_or_init(|| Arc::clone(&spool));
                        let reader = SpoolReader::new(Arc::clone(&spool), SpoolPosition::default());
                        Phase::Resumed { spool, reader, is_complete: false }
                    }
                    (Ok(Some(spool)), SpoolStart::Keep) => {
                        self.warnings.push(format!(
                            "run {} has left extracted records in {} that are not delivered. They stay there, and this run \
                             extracts again without a spool: --resume delivers them, --restart removes them",
                            spool.identity().run_id,
                            directory.display()
                        ));
                        Phase::Planned(None)
                    }
                }
            }
            (None, _) => Phase::Planned(None),
        };
        self.services = Some(services);
        Ok(())
    }

    fn feedback(&self) -> Option<Arc<dyn RecordFeedback>> {
        Some(Arc::clone(&self.feedback) as Arc<dyn RecordFeedback>)
    }

    fn next(&mut self) -> Result<Option<Item>, Error> {
        if let Phase::Planned(spool) = &mut self.phase {
            let spool = spool.take();
            self.phase = Phase::Ended;
            self.phase = self.start(spool)?;
        }
        if let Some(frame) = self.frame()? {
            if frame.kind != FrameKind::End {
                return Ok(Some(self.item(&frame)));
            }
            if let Phase::Resumed { is_complete, .. } = &mut self.phase {
                *is_complete = true;
            }
        }
        if self.feedback.is_stopped() {
            // The child may continue into the spool: `close` waits for it.
            return Ok(None);
        }
        match std::mem::replace(&mut self.phase, Phase::Ended) {
            Phase::Running { records, extraction } => {
                drop(records);
                self.end(extraction)?;
            }
            Phase::Resumed { is_complete, spool, .. } => self.warnings.push(if is_complete {
                format!(
                    "the records are those that run {} extracted; the state checkpoint is not committed, which the next \
                     full run does",
                    spool.identity().run_id
                )
            } else {
                format!(
                    "the extraction of run {} was not complete: only what it extracted is delivered, and a full run is \
                     needed for the rest",
                    spool.identity().run_id
                )
            }),
            Phase::Planned(_) | Phase::Ended => {}
        }
        Ok(None)
    }

    fn close(&mut self) {
        if let Phase::Running { records, extraction } = std::mem::replace(&mut self.phase, Phase::Ended) {
            // A child that waits for the queue learns that no one reads it.
            drop(records);
            if let Err(error) = self.end(extraction) {
                self.warnings.push(error.full_message());
            }
        }
    }

    fn progress(&self) -> Progress {
        Progress { bytes: self.bytes, total_bytes: None, file: None }
    }

    fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    fn report(&self) -> Option<Value> {
        self.report.clone()
    }

    fn input(&self) -> Result<Option<Input>, Error> {
        let (directory, identity) = match (&self.phase, &self.services) {
            (Phase::Planned(Some(settings)), Some(services)) => {
                (settings.directory.as_path(), identity(&**services))
            }
            (Phase::Resumed { spool, .. }, _) => (spool.directory(), spool.identity().clone()),
            _ => return Ok(None),
        };
        Ok(Some(Input {
            path: directory.display().to_string(),
            // Segments come and go; the run that wrote them is what identifies the spool.
            files: vec![InputFile {
                name: identity.run_id,
                size: 0,
                modified: identity.started_at,
                ends: String::new(),
            }],
        }))
    }

    fn position(&self) -> Position {
        let SpoolPosition { segment, frames, offset } = self.position;
        Position { file: segment, record: frames, offset, ..Position::default() }
    }

    fn seek(&mut self, position: Position) -> Result<(), Error> {
        if let Phase::Resumed { spool, reader, .. } = &mut self.phase {
            self.position = spool_position(position);
            *reader = SpoolReader::new(Arc::clone(spool), self.position);
        }
        Ok(())
    }
}

/// The interpreter that would run a source.
#[derive(Debug)]
#[non_exhaustive]
pub struct PythonDescription {
    /// The interpreter.
    pub interpreter: PathBuf,
    /// Its version.
    pub version: String,
    /// The version of `acryl-datahub`.
    pub package: Option<String>,
    /// Why the source cannot run: `source.plugin-missing` and the like. `None` if it can.
    pub problem: Option<Error>,
}

fn no_reply(missing: &str) -> Error {
    Error::new(
        ErrorKind::Internal,
        format!("the bridge has not {missing}; this is a fault of datahub-emitter"),
    )
}

fn identity(services: &dyn ChildServices) -> SpoolIdentity {
    let run = services.run();
    SpoolIdentity { run_id: run.run_id.clone(), started_at: run.started_at.clone() }
}

fn disk(directory: &std::path::Path, error: std::io::Error) -> Error {
    let message = format!("cannot write the spool {}", directory.display());
    Error::new(ErrorKind::Disk, message).with_source(error)
}

impl fmt::Debug for PythonSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PythonSource")
            .field("source_type", &self.config.source_type)
            .field("python", &self.python)
            .finish_non_exhaustive()
    }
}
