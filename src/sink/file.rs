//! The `file` sink: a metadata file, as DataHub's own file sink writes it, or JSON Lines.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::{NamedTempFile, TempPath};

use super::stream::Stream;
use super::writer::{Layout, Target};
use super::{BoxFuture, Sink, SinkSummary};
use crate::emitter::Delivery;
use crate::recipe::Fields;
use crate::{Error, ErrorKind};

/// Where the `file` sink writes. The keys are those of DataHub's own (`FileSinkConfig` in `ingestion/sink/file.py`).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileSinkConfig {
    /// The file. A name that ends in `.jsonl` gets a record a line, every other one a JSON array.
    pub filename: PathBuf,
}

impl FileSinkConfig {
    /// Writes to `filename`.
    pub fn new(filename: impl Into<PathBuf>) -> Self {
        Self { filename: filename.into() }
    }

    /// Takes the keys from a recipe; `None` when there is a mistake in them, which `fields` then knows.
    pub fn read(fields: &mut Fields<'_>) -> Option<Self> {
        if fields.boolean("legacy_nested_json_string") == Some(true) {
            fields.not_yet(
                "legacy_nested_json_string",
                "the aspect is written as JSON, which every version of DataHub since 2023 reads",
            );
        }
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
        Some(Self::new(filename))
    }
}

/// Writes proposals to a file, in constant memory.
///
/// A regular file is written under a temporary name beside it, and gets its name in [`close`](Sink::close): until
/// then, and for ever if the sink is dropped without that, an older file of this name stays as it is. Anything else
/// (`/dev/stdout`, a named pipe) is written to directly.
///
/// A proposal is settled as delivered when its bytes were handed to the operating system, which is before the file has
/// its name; if giving it the name fails, `close` says so.
#[derive(Debug)]
pub struct FileSink {
    stream: Stream,
}

impl FileSink {
    /// Creates the temporary file, or opens what is not a regular file.
    ///
    /// This may block: for a named pipe it waits until someone reads it.
    ///
    /// # Errors
    /// Of kind [`Disk`](ErrorKind::Disk), when the file cannot be written there.
    pub fn open(config: &FileSinkConfig) -> Result<Self, Error> {
        let shown = format!("{:?}", config.filename.to_string_lossy());
        let target = target(&config.filename).map_err(|error| {
            Error::new(ErrorKind::Disk, format!("cannot write the sink's file {shown}")).with_source(error)
        })?;
        let layout = if config.filename.extension().is_some_and(|extension| extension == "jsonl") {
            Layout::Lines
        } else {
            Layout::Array
        };
        Ok(Self { stream: Stream::start(format!("the sink's file {shown}"), target, layout)? })
    }
}

/// A file that gets its name when it is whole.
struct Whole {
    file: File,
    temporary: TempPath,
    name: PathBuf,
}

/// Something that is written as it comes.
struct Direct(File);

fn target(name: &Path) -> io::Result<Box<dyn Target>> {
    let existing = match fs::metadata(name) {
        Ok(metadata) if metadata.is_dir() => {
            return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a directory"));
        }
        Ok(metadata) if !metadata.is_file() => {
            return Ok(Box::new(Direct(File::options().write(true).open(name)?)));
        }
        Ok(metadata) => Some(metadata.permissions()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    // A link keeps pointing where it points; what it points to is replaced.
    let name = if existing.is_some() { fs::canonicalize(name)? } else { name.to_owned() };
    if existing.as_ref().is_some_and(fs::Permissions::readonly) {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is write-protected"));
    }
    let (file, temporary) = create_beside(&name, existing)?.into_parts();
    Ok(Box::new(Whole { file, temporary, name }))
}

/// An empty file in the directory of `name`, with the permissions that `name` has or would get.
fn create_beside(name: &Path, permissions: Option<fs::Permissions>) -> io::Result<NamedTempFile> {
    let file_name =
        name.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "it names no file"))?;
    let directory = match name.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut prefix = std::ffi::OsString::from(".");
    prefix.push(file_name);
    prefix.push(".");
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix).suffix(".part");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // As for every new file, the process's umask is applied to it.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let file = builder.tempfile_in(directory)?;
    if let Some(permissions) = permissions {
        file.as_file().set_permissions(permissions)?;
    }
    Ok(file)
}

impl Write for Whole {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Target for Whole {
    fn finish(self: Box<Self>) -> io::Result<()> {
        self.file.sync_all()?;
        self.temporary.persist(&self.name).map_err(|error| error.error)?;
        // The new name lasts when its directory is on the disk too. Not every file system can do that, and the file
        // is in its place already.
        if let Some(directory) = self.name.parent().and_then(|parent| File::open(parent).ok()) {
            drop(directory.sync_all());
        }
        Ok(())
    }

    fn is_prompt(&self) -> bool {
        true
    }
}

impl Write for Direct {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Target for Direct {
    fn finish(self: Box<Self>) -> io::Result<()> {
        Ok(())
    }

    fn is_prompt(&self) -> bool {
        false
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

    fn summary(&self) -> SinkSummary {
        Stream::summary()
    }
}
