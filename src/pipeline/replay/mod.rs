//! Replays dead letters: a source that reads them in the order of their file, and omits those that GMS has
//! overwritten.
//!
//! ```text
//! line ─▶ dead letter ─▶ proposals ─▶ when was the aspect last written? ─┬ before the dead letter ─▶ sink
//!                                                                       └ after it ─▶ filtered (superseded)
//! ```
//!
//! Each aspect is looked up once, at its first dead letter: a write of this run must not supersede later
//! dead letters. The writes of an interrupted replay are recognised by a property of their system metadata.

mod dead_letter_reader;
mod lines;
mod superseded;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

use self::dead_letter_reader::{DeadLetterContent, DeadLetterReader};
use self::lines::Lines;
use self::superseded::KnownWriteTimes;
use super::control::RunControl;
use crate::file_system::{Access, FileType, OpenFile};
use crate::gms::DEAD_LETTER_TIME_PROPERTY;
use crate::metadata::Proposal;
use crate::platform::Platform;
use crate::source::{Item, Progress, Source};
use crate::{Error, ErrorKind};

/// The `source.type` in the report of a replay.
pub(super) const SOURCE_TYPE: &str = "dead-letters";

/// Dead letters that are looked up together, and the most bytes of them.
const LOOKUP_BATCH: usize = 256;
const LOOKUP_BATCH_BYTES: u64 = 4 * 1024 * 1024;

/// The dead letters of a replay.
#[derive(Clone, Debug)]
pub(super) struct Replay {
    platform: Platform,
    path: PathBuf,
    /// Superseded dead letters are sent, too.
    force: bool,
}

impl Replay {
    pub(super) fn new(platform: Platform, path: PathBuf, force: bool) -> Self {
        Self { platform, path, force }
    }

    /// The dead-letter file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Checks that there is a file to read.
    pub(super) fn check(&self) -> Result<(), Error> {
        match self.platform.files.metadata(&self.path) {
            Ok(metadata) if metadata.file_type == FileType::Directory => Err(Error::new(
                ErrorKind::Input,
                format!("{} is a directory: expected a dead-letter file", self.path.display()),
            )),
            Ok(_) => Ok(()),
            Err(error) => Err(self.unreadable(error)),
        }
    }

    /// Whether `path` is the file that is being read.
    pub(super) fn reads(&self, path: &Path) -> bool {
        let canonical = |path: &Path| self.platform.files.canonicalize(path).ok();
        canonical(path).is_some_and(|path| canonical(&self.path) == Some(path))
    }

    /// The file beside the one that is read, for dead letters that fail again.
    pub(super) fn path_beside(&self) -> PathBuf {
        let stem = self.path.file_stem().unwrap_or_default().to_string_lossy();
        self.path.with_file_name(format!("{stem}-again.jsonl"))
    }

    /// Opens the file.
    pub(super) fn open(self, control: RunControl) -> Result<Box<dyn Source>, Error> {
        let file =
            self.platform.files.open(&self.path, Access::Read).map_err(|error| self.unreadable(error))?;
        let metadata = file.metadata().ok();
        let modified =
            metadata.and_then(|metadata| metadata.modified).unwrap_or_else(|| self.platform.clock.now());
        let total_bytes = metadata
            .filter(|metadata| metadata.file_type == FileType::Regular)
            .map(|metadata| metadata.length);
        let name: Arc<str> = self.path.to_string_lossy().into();
        let mut lines = Lines::new(file);
        if lines.peek().map_err(|error| self.unreadable(error))? == Some(b'[') {
            return Err(Error::new(
                ErrorKind::Input,
                format!(
                    "{name} is a JSON array, and not a dead-letter file, which has one dead letter per line; `ingest` reads \
                     metadata files"
                ),
            ));
        }
        Ok(Box::new(ReplaySource {
            reader: DeadLetterReader::new(self.platform.files, Arc::clone(&name), modified),
            lines,
            write_times: (!self.force).then(|| KnownWriteTimes::new(control)),
            ready: VecDeque::new(),
            superseded: 0,
            warnings: Vec::new(),
            ended: false,
            total_bytes,
            name,
        }))
    }

    fn unreadable(&self, error: io::Error) -> Error {
        Error::new(ErrorKind::Input, format!("cannot read the dead letters {}", self.path.display()))
            .with_source(error)
    }
}

/// Reads dead letters.
struct ReplaySource {
    name: Arc<str>,
    lines: Lines<Box<dyn OpenFile>>,
    reader: DeadLetterReader,
    /// `None` if superseded dead letters are sent, too.
    write_times: Option<KnownWriteTimes>,
    ready: VecDeque<Item>,
    superseded: u64,
    warnings: Vec<String>,
    ended: bool,
    total_bytes: Option<u64>,
}

impl ReplaySource {
    /// Reads some dead letters, and looks them up together. False if the run was stopped before the responses
    /// came.
    fn read_batch(&mut self) -> Result<bool, Error> {
        let mut contents = Vec::new();
        let start = self.lines.offset();
        while contents.len() < LOOKUP_BATCH && self.lines.offset() - start < LOOKUP_BATCH_BYTES {
            let line = self.lines.next().map_err(|error| {
                Error::new(ErrorKind::Input, format!("reading {} failed", self.name)).with_source(error)
            })?;
            let Some(line) = line else {
                self.ended = true;
                break;
            };
            self.reader.read(&line, &mut contents);
        }
        if let Some(write_times) = &mut self.write_times {
            let proposals = contents.iter().flat_map(DeadLetterContent::proposals);
            if !write_times.look_up(proposals)? {
                return Ok(false);
            }
        }
        for content in contents {
            let item = self.item(content);
            self.ready.push_back(item);
        }
        if self.ended && self.superseded > 0 {
            self.warnings.push(format!(
                "{} superseded: GMS has written {} since; --force sends {} anyway",
                with_count(self.superseded, "dead letter is", "dead letters are"),
                if self.superseded == 1 { "its aspect" } else { "their aspects" },
                if self.superseded == 1 { "it" } else { "them" }
            ));
        }
        Ok(true)
    }

    fn item(&mut self, content: DeadLetterContent) -> Item {
        match content {
            DeadLetterContent::Invalid(record) => Item::Invalid(record),
            DeadLetterContent::Ignored(origin, why) => Item::Ignored(origin, why),
            DeadLetterContent::Proposals { mut proposals, at } => {
                let all = proposals.len();
                proposals.retain(|proposal| !self.is_superseded(proposal, at));
                let filtered = (all - proposals.len()) as u64;
                self.superseded += filtered;
                for proposal in &mut proposals {
                    mark(proposal, at);
                }
                Item::Record { proposals, filtered }
            }
        }
    }

    fn is_superseded(&self, proposal: &Proposal, at: Timestamp) -> bool {
        let superseded = self.write_times.as_ref().is_some_and(|times| times.supersedes(proposal, at));
        if superseded {
            tracing::info!(
                urn = %proposal.urn(),
                aspect = %proposal.aspect_name(),
                %at,
                "the dead letter is superseded: GMS has written the aspect since"
            );
        }
        superseded
    }
}

/// Notes in the system metadata from which dead letter a proposal comes. If a replay is interrupted after it
/// has written some dead letters of an aspect, the next replay can tell that the others are newer.
fn mark(proposal: &mut Proposal, at: Timestamp) {
    let metadata = proposal.system_metadata_mut();
    metadata.properties.retain(|(name, _)| name != DEAD_LETTER_TIME_PROPERTY);
    metadata.properties.push((DEAD_LETTER_TIME_PROPERTY.into(), at.to_string()));
    // The proposal was observed at that time, not now.
    if metadata.last_observed.is_none_or(|observed| observed == 0) {
        metadata.last_observed = Some(at.as_millisecond());
    }
}

fn with_count(count: u64, one: &str, many: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {many}") }
}

impl Source for ReplaySource {
    fn next(&mut self) -> Result<Option<Item>, Error> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Ok(Some(item));
            }
            if self.ended || !self.read_batch()? {
                return Ok(None);
            }
        }
    }

    fn progress(&self) -> Progress {
        Progress {
            bytes: self.lines.offset(),
            total_bytes: self.total_bytes,
            file: (!self.ended).then(|| Arc::clone(&self.name)),
        }
    }

    fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }
}
