//! The `file` source: metadata files as DataHub's own file sink writes them, and JSON Lines.

mod config;
mod detect;
mod extent;
mod identity;
mod open;
mod scan;
mod split;
#[cfg(test)]
mod tests;
mod window;

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub use config::FileSourceConfig;
use open::{OpenedFile, SourceFile};
use split::{RecordPiece, SplitRecord, Splitter};

use super::{Form, Input, InvalidRecord, Item, Position, Progress, RawRecord, Source};
use crate::metadata::Origin;
use crate::metadata::record::{Ignored, ParsedRecord, RecordLimits, RecordReader};
use crate::{Error, ErrorKind};

/// The reason why usage records are ignored.
const USAGE: &str = "GMS does not accept usage records (`bucket`, `metrics`) as metadata, and DataHub's file source drops them too";

/// Reads metadata files: one file, a directory's files in the order of their names, or standard input.
///
/// The content of a file determines its format: a JSON array of records, a single record, or records with
/// white space between them (JSON Lines); plain, or compressed with gzip. The memory that is needed depends
/// on the size of the largest record, not of the file.
pub struct FileSource {
    config: FileSourceConfig,
    reader: RecordReader,
    files: Vec<SourceFile>,
    /// The index of the file that is opened next.
    next: u32,
    current: Option<CurrentFile>,
    bytes_done: u64,
    total_bytes: Option<u64>,
    warnings: Vec<String>,
    warned_of_ignored: bool,
}

/// The file that is being read.
struct CurrentFile {
    number: u32,
    name: Arc<str>,
    splitter: Splitter<Box<dyn Read + Send>>,
    read: Arc<AtomicU64>,
    /// The file itself, to notice a change; `None` for a stream.
    file: Option<File>,
}

impl FileSource {
    /// Finds the files that `config` names. Files are opened when they are read.
    ///
    /// # Errors
    /// Of kind [`Input`](ErrorKind::Input), when there is no such file or directory, or the directory
    /// contains no file with the extension.
    pub fn open(config: FileSourceConfig) -> Result<Self, Error> {
        let mut warnings = Vec::new();
        let files = open::list(&config.path, config.file_extension.as_deref(), &mut warnings)?;
        let total_bytes = files.iter().map(|file| file.size).sum();
        Ok(Self { files, total_bytes, warnings, ..Self::without_files(config) })
    }

    /// Reads `stream`, which messages call `name`, instead of `config.path`.
    ///
    /// # Errors
    /// Of kind [`Input`](ErrorKind::Input), when its first bytes cannot be read.
    pub fn from_reader(
        config: FileSourceConfig,
        name: &str,
        stream: impl Read + Send + 'static,
    ) -> Result<Self, Error> {
        let opened = open::unpack(stream).map_err(|error| {
            Error::new(ErrorKind::Input, format!("cannot read {name:?}")).with_source(error)
        })?;
        let mut source = Self::without_files(config);
        source.begin(name.into(), opened, Position::default());
        Ok(source)
    }

    fn without_files(config: FileSourceConfig) -> Self {
        Self {
            reader: RecordReader::new(RecordLimits {
                max_bytes: config.max_record_bytes,
                max_depth: config.max_depth,
            }),
            config,
            files: Vec::new(),
            next: 0,
            current: None,
            bytes_done: 0,
            total_bytes: None,
            warnings: Vec::new(),
            warned_of_ignored: false,
        }
    }

    fn begin(&mut self, name: Arc<str>, opened: OpenedFile, at: Position) {
        self.current = Some(CurrentFile {
            number: at.file,
            name,
            splitter: Splitter::at(at, opened.text, self.config.max_record_bytes),
            read: opened.read,
            file: opened.file,
        });
    }

    fn file(&self, number: u32) -> Option<&SourceFile> {
        self.files.get(usize::try_from(number).ok()?)
    }

    fn end(&mut self) -> Result<(), Error> {
        let Some(ended) = self.current.take() else { return Ok(()) };
        self.bytes_done += ended.read.load(Ordering::Relaxed);
        if ended.splitter.is_blank() {
            self.warnings.push(format!("{} is empty: it contains no record", ended.name));
        }
        match (self.file(ended.number), &ended.file) {
            (Some(known), Some(file)) => known.check_unchanged(file),
            _ => Ok(()),
        }
    }
}

impl Source for FileSource {
    fn next(&mut self) -> Result<Option<Item>, Error> {
        loop {
            if let Some(current) = &mut self.current {
                match current.splitter.next() {
                    Ok(Some(found)) => {
                        let guessed = found.guessed;
                        let item = parse_record(
                            &found,
                            &current.name,
                            &mut self.reader,
                            self.config.aspect.as_deref(),
                        );
                        if guessed && matches!(item, Item::Invalid(_)) {
                            current.splitter.retract_guess();
                            continue;
                        }
                        if let Item::Ignored(origin, why) = &item
                            && !self.warned_of_ignored
                        {
                            self.warned_of_ignored = true;
                            self.warnings.push(format!(
                                "{origin} is ignored, and so are all others of its kind: {why}"
                            ));
                        }
                        return Ok(Some(item));
                    }
                    Ok(None) => self.end()?,
                    Err(error) => {
                        let place = current.splitter.offset();
                        let name = &current.name;
                        return Err(Error::new(
                            ErrorKind::Input,
                            format!("reading {name:?} failed in the record at byte {place}"),
                        )
                        .with_source(error));
                    }
                }
            } else if let Some(file) = self.file(self.next) {
                let opened = file.open()?;
                let name = Arc::clone(&file.name);
                self.begin(name, opened, Position { file: self.next, ..Position::default() });
                self.next += 1;
            } else {
                return Ok(None);
            }
        }
    }

    fn progress(&self) -> Progress {
        let current = self.current.as_ref();
        Progress {
            bytes: self.bytes_done + current.map_or(0, |file| file.read.load(Ordering::Relaxed)),
            total_bytes: self.total_bytes,
            file: current.map(|file| Arc::clone(&file.name)),
        }
    }

    fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    fn input(&self) -> Result<Option<Input>, Error> {
        identity::of(&self.config.path, &self.files)
    }

    fn position(&self) -> Position {
        match &self.current {
            Some(current) => current.splitter.position(current.number),
            None => Position { file: self.next, ..Position::default() },
        }
    }

    fn seek(&mut self, position: Position) -> Result<(), Error> {
        let before = usize::try_from(position.file).ok().and_then(|before| self.files.get(..before));
        let Some(before) = before else {
            return Err(Error::new(ErrorKind::Input, "there are fewer files than in the last run"));
        };
        self.bytes_done = before.iter().filter_map(|file| file.size).sum();
        self.next = position.file;
        if position.form == Form::Start {
            return Ok(());
        }
        let file = self.file(position.file).ok_or_else(|| {
            Error::new(ErrorKind::Input, "the file in which the last run stopped no longer exists")
        })?;
        let name = Arc::clone(&file.name);
        let opened =
            if position.form == Form::End { open::ended(file.size) } else { file.open_at(position.offset)? };
        self.begin(name, opened, position);
        self.next += 1;
        Ok(())
    }
}

/// Parses a record of the file. With `aspect`, only proposals for that aspect are kept.
fn parse_record(
    found: &SplitRecord<'_>,
    file: &Arc<str>,
    reader: &mut RecordReader,
    aspect: Option<&str>,
) -> Item {
    let origin = Origin { file: Arc::clone(file), index: found.index, offset: found.offset };
    let text = match &found.piece {
        RecordPiece::Record(text) => *text,
        RecordPiece::Broken { reason, at, raw } => {
            return Item::Invalid(InvalidRecord {
                origin,
                reason: with_place(reason, *at),
                raw: raw.clone(),
            });
        }
    };
    match reader.read(text, origin.clone()) {
        Ok(ParsedRecord::Proposals(mut proposals)) => {
            let all = proposals.len();
            if let Some(aspect) = aspect {
                proposals.retain(|proposal| proposal.aspect_name() == aspect);
            }
            Item::Record { filtered: (all - proposals.len()) as u64, proposals }
        }
        Ok(ParsedRecord::Ignored(Ignored::Usage)) => Item::Ignored(origin, USAGE),
        Err(error) => Item::Invalid(InvalidRecord {
            reason: with_place(&error.reason, found.offset + error.offset as u64),
            origin,
            raw: RawRecord::of(text),
        }),
    }
}

/// A reason with its place in the uncompressed text of the file.
fn with_place(reason: &str, at: u64) -> String {
    format!("{reason} (byte {at} of the file)")
}

impl fmt::Debug for FileSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileSource")
            .field("config", &self.config)
            .field("progress", &self.progress())
            .finish_non_exhaustive()
    }
}
