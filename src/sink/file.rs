//! The `file` sink: a metadata file, as DataHub's own file sink writes it, or JSON Lines.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use super::stream::{Layout, Stream, StreamTarget};
use super::{BoxFuture, Sink, SinkDestination, SinkReport};
use crate::atomic_write::{AtomicFile, AtomicWrite, Durability};
use crate::emitter::Delivery;
use crate::platform::Platform;
use crate::recipe::Fields;
use crate::{Error, ErrorKind};

/// Where the `file` sink writes. The keys are those of DataHub's own (`FileSinkConfig` in
/// `ingestion/sink/file.py`).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileSinkConfig {
    /// The file. If its name ends in `.jsonl`, JSON Lines are written, otherwise a JSON array.
    pub filename: PathBuf,
    /// Each aspect is written as a string of JSON and its content type, for versions of DataHub before 2023.
    /// Default off.
    pub legacy_nested_json_string: bool,
}

impl FileSinkConfig {
    /// Writes to `filename`.
    pub fn new(filename: impl Into<PathBuf>) -> Self {
        Self { filename: filename.into(), legacy_nested_json_string: false }
    }

    /// Reads the keys from a recipe; `None` after a mistake, which `fields` has collected.
    pub fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let legacy_nested_json_string = fields.boolean("legacy_nested_json_string").unwrap_or_default();
        if !fields.has("filename") {
            fields.missing("filename", "the file to write");
            return None;
        }
        let filename = fields.string("filename")?;
        if filename.is_empty() {
            fields.mistake("filename", "expected the file to write, found an empty string");
            return None;
        }
        if filename.starts_with("s3:") {
            fields.mistake(
                "filename",
                "`s3:` paths are not supported yet: write a local file, and copy it there",
            );
            return None;
        }
        Some(Self { legacy_nested_json_string, ..Self::new(filename) })
    }
}

/// Writes proposals to a file, in constant memory.
///
/// A regular file is written under a temporary name beside it, which is renamed in [`close`](Sink::close):
/// until then, and if the sink is dropped before, an older file of this name stays as it is. Anything else
/// (`/dev/stdout`, a named pipe) is written directly.
///
/// A proposal is settled as delivered when its bytes were handed to the operating system, which is before the
/// file is renamed; if renaming fails, `close` reports it.
#[derive(Debug)]
pub struct FileSink {
    stream: Stream,
}

impl FileSink {
    /// Creates the temporary file, or opens a device or pipe.
    ///
    /// This may block: a named pipe can only be opened while another process reads it.
    ///
    /// # Errors
    /// Of kind [`Disk`](ErrorKind::Disk), when the file cannot be written there; of kind
    /// [`Internal`](ErrorKind::Internal) when the operating system refuses a thread.
    pub fn open(config: &FileSinkConfig, platform: &Platform) -> Result<Self, Error> {
        let shown = format!("{:?}", config.filename.to_string_lossy());
        let file = AtomicWrite::new(&platform.files, &*platform.clock, &config.filename).open().map_err(
            |error| {
                Error::new(ErrorKind::Disk, format!("cannot write the sink's file {shown}"))
                    .with_source(error)
            },
        )?;
        let is_lines = config.filename.extension().is_some_and(|extension| extension == "jsonl");
        let layout = match (is_lines, config.legacy_nested_json_string) {
            (false, false) => Layout::Array,
            (false, true) => Layout::ArrayOfNestedJson,
            (true, false) => Layout::Lines,
            (true, true) => Layout::LinesOfNestedJson,
        };
        let stream =
            Stream::start(format!("the sink's file {shown}"), Box::new(Output(file)), layout, platform)?;
        Ok(Self { stream })
    }
}

struct Output(AtomicFile);

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl StreamTarget for Output {
    fn finish(self: Box<Self>) -> io::Result<()> {
        self.0.commit(Durability::Power)
    }

    fn never_blocks_for_long(&self) -> bool {
        self.0.is_replacement()
    }
}

impl Sink for FileSink {
    fn write(&self, delivery: Delivery) -> BoxFuture<'_, ()> {
        Box::pin(self.stream.write(delivery))
    }

    fn stopped(&self) -> Option<Error> {
        self.stream.stopped()
    }

    fn close(&self, deadline: Option<Duration>) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(self.stream.close(deadline))
    }

    fn report(&self) -> SinkReport {
        SinkReport::of_destination(SinkDestination::written())
    }
}
