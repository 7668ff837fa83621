//! A source of this crate whose records run through transformers in Python.
//!
//! ```text
//! native source ─ records ─▶ KEY/source-records.json ─▶ child: file source ─ transformers ─▶ PythonSource
//!       └ invalid records ──────────────────────────────────────────────────────────────────▶ run
//! ```
//!
//! The source is read to its end first, so that nothing is lost that it can read and Python's own `file`
//! source cannot: a record that is not valid costs only itself.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;

use super::{PythonOptions, PythonSource, PythonSourceConfig};
use crate::box_future::BoxFuture;
use crate::metadata::record;
use crate::source::{ChildServices, Input, Item, OpenSource, Position, Progress, RecordFeedback, Source};
use crate::{Error, ErrorKind};

/// The name of the file in the pipeline's state directory.
const FILE_NAME: &str = "source-records.json";

/// A source of this crate whose records run through transformers in Python.
pub struct FedPythonSource {
    native: Box<dyn Source>,
    python: PythonSource,
    feeding: Feeding,
    feedback: Arc<ShiftedFeedback>,
}

enum Feeding {
    /// The file is not open yet.
    Planned(FeedFile),
    Running(FeedFile, BufWriter<File>, bool),
    /// The child reads the file.
    Ended {
        _file: Option<FeedFile>,
    },
}

/// The file between the source and the child. It is removed when it is dropped.
struct FeedFile(PathBuf);

impl Drop for FeedFile {
    fn drop(&mut self) {
        // There is none if the source was not read.
        drop(std::fs::remove_file(&self.0));
    }
}

impl FedPythonSource {
    /// Opens the source, and finds the interpreter. Nothing is started.
    ///
    /// # Errors
    /// As the source, and as [`PythonSource::open`].
    pub fn open(
        native: OpenSource,
        config: PythonSourceConfig,
        options: PythonOptions,
    ) -> Result<Self, Error> {
        let native = native()?;
        let python = PythonSource::open(config, options)?;
        let feedback = ShiftedFeedback { inner: python.feedback(), shift: AtomicU64::new(0) };
        // Replaced by the place that the run provides.
        let place = std::env::temp_dir().join(format!("datahub-emit-{}-{FILE_NAME}", std::process::id()));
        Ok(Self { native, python, feeding: Feeding::Planned(FeedFile(place)), feedback: Arc::new(feedback) })
    }

    /// Reads the source until there is an item that the child does not need; `None` at its end.
    fn feed(&mut self) -> Result<Option<Item>, Error> {
        if let Feeding::Planned(_) = &self.feeding
            && let Feeding::Planned(file) =
                std::mem::replace(&mut self.feeding, Feeding::Ended { _file: None })
        {
            let mut writer = BufWriter::new(create(&file.0).map_err(|error| disk(&file, error))?);
            writer.write_all(b"[").map_err(|error| disk(&file, error))?;
            self.feeding = Feeding::Running(file, writer, true);
        }
        let Feeding::Running(file, writer, is_first) = &mut self.feeding else { return Ok(None) };
        let mut line = Vec::new();
        match self.native.next()? {
            Some(Item::Record { proposals, filtered }) => {
                for proposal in proposals {
                    line.extend_from_slice(if std::mem::take(is_first) { b"\n" } else { b",\n" });
                    record::write_json_form(&proposal, &mut line);
                }
                writer.write_all(&line).map_err(|error| disk(file, error))?;
                // Filtered proposals count now; the others count when they come back.
                Ok(Some(Item::Record { proposals: Vec::new(), filtered }))
            }
            Some(other) => Ok(Some(other)),
            None => {
                let written = writer.write_all(b"\n]\n").and_then(|()| writer.flush());
                written.map_err(|error| disk(file, error))?;
                let path = file.0.display().to_string();
                if let Feeding::Running(file, ..) =
                    std::mem::replace(&mut self.feeding, Feeding::Ended { _file: None })
                {
                    self.feeding = Feeding::Ended { _file: Some(file) };
                }
                self.python.read_file(path);
                Ok(None)
            }
        }
    }
}

/// Only the user may read it: metadata may be confidential.
fn create(path: &std::path::Path) -> std::io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory)?;
    }
    // A file that another run has left is of no use.
    drop(std::fs::remove_file(path));
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

fn disk(file: &FeedFile, error: std::io::Error) -> Error {
    let message = format!("cannot write the records for the transformers to {}", file.0.display());
    Error::new(ErrorKind::Disk, message).with_source(error)
}

impl Source for FedPythonSource {
    fn connect(&mut self, services: Arc<dyn ChildServices>) -> Result<(), Error> {
        if let Some(directory) = services.spool().and_then(|spool| spool.directory.parent()) {
            self.feeding = Feeding::Planned(FeedFile(directory.join(FILE_NAME)));
        }
        self.python.connect(services)?;
        if self.python.is_resumed() {
            // The records of an earlier run have passed the transformers.
            self.feeding = Feeding::Ended { _file: None };
        }
        Ok(())
    }

    fn feedback(&self) -> Option<Arc<dyn RecordFeedback>> {
        Some(Arc::clone(&self.feedback) as Arc<dyn RecordFeedback>)
    }

    fn prepare_next(&mut self) -> Option<BoxFuture<'_, Result<(), Error>>> {
        if matches!(self.feeding, Feeding::Ended { .. }) {
            self.python.prepare_next()
        } else {
            self.native.prepare_next()
        }
    }

    fn next(&mut self) -> Result<Option<Item>, Error> {
        while !matches!(self.feeding, Feeding::Ended { .. }) {
            match self.feed()? {
                Some(Item::Record { filtered: 0, .. }) => {}
                Some(item) => {
                    self.feedback.shift.fetch_add(1, Ordering::Release);
                    return Ok(Some(item));
                }
                None => break,
            }
        }
        self.python.next()
    }

    fn close(&mut self) {
        self.native.close();
        self.python.close();
        // The child has ended, and the file is removed.
        self.feeding = Feeding::Ended { _file: None };
    }

    fn progress(&self) -> Progress {
        self.native.progress()
    }

    fn take_warnings(&mut self) -> Vec<String> {
        let mut warnings = self.native.take_warnings();
        warnings.append(&mut self.python.take_warnings());
        warnings
    }

    fn report(&self) -> Option<Value> {
        self.python.report()
    }

    fn input(&self) -> Result<Option<Input>, Error> {
        self.python.input()
    }

    fn position(&self) -> Position {
        self.python.position()
    }

    fn seek(&mut self, position: Position) -> Result<(), Error> {
        self.python.seek(position)
    }
}

impl std::fmt::Debug for FedPythonSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FedPythonSource").field("python", &self.python).finish_non_exhaustive()
    }
}

/// Passes outcomes on to the child, whose first record comes behind the items that it has not seen.
#[derive(Debug)]
struct ShiftedFeedback {
    inner: Option<Arc<dyn RecordFeedback>>,
    shift: AtomicU64,
}

impl RecordFeedback for ShiftedFeedback {
    fn settled(&self, record: u64, failure: Option<&str>) {
        if let (Some(inner), Some(record)) =
            (&self.inner, record.checked_sub(self.shift.load(Ordering::Acquire)))
        {
            inner.settled(record, failure);
        }
    }

    fn checkpointed(&self, position: Position) {
        if let Some(inner) = &self.inner {
            inner.checkpointed(position);
        }
    }

    fn delivery_stopped(&self, reason: &str) {
        if let Some(inner) = &self.inner {
            inner.delivery_stopped(reason);
        }
    }

    fn interrupted(&self) {
        if let Some(inner) = &self.inner {
            inner.interrupted();
        }
    }

    fn completed(&self) {
        if let Some(inner) = &self.inner {
            inner.completed();
        }
    }
}
