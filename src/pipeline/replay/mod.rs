//! Dead letters as a source: they are sent again, unless GMS has something newer.
//!
//! ```text
//! line ─▶ letter ─▶ proposals ─▶ when was the aspect last written? ─┬ before the letter ─▶ sink
//!                                                                  └ after it ─▶ filtered (superseded)
//! ```
//!
//! GMS is asked once for each aspect, at its first letter: what this run itself writes must not speak against the
//! letters that follow. What an earlier replay wrote that was broken off is known by a property of its system metadata.

mod letter;
mod lines;
#[cfg(test)]
mod tests;
mod written;

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

use self::letter::{Content, Letters};
use self::lines::Lines;
use self::written::WrittenSince;
use super::RunControl;
use crate::gms::DEAD_LETTER_TIME_PROPERTY;
use crate::metadata::{Proposal, record};
use crate::source::{Item, Progress, Source};
use crate::{Error, ErrorKind};

/// The `source.type` in the report of a replay.
pub(super) const SOURCE_TYPE: &str = "dead-letters";

/// Letters that are read before GMS is asked about them, and the most bytes of them.
const WINDOW: usize = 256;
const WINDOW_BYTES: u64 = 4 * 1024 * 1024;

/// Dead letters that are to be sent again.
#[derive(Clone, Debug)]
pub(super) struct Replay {
    /// The dead-letter file.
    pub(super) letters: PathBuf,
    /// Letters are sent whatever GMS has.
    pub(super) force: bool,
}

impl Replay {
    /// Finds out that there is something to read.
    pub(super) fn check(&self) -> Result<(), Error> {
        match std::fs::metadata(&self.letters) {
            Ok(metadata) if metadata.is_dir() => Err(Error::new(
                ErrorKind::Input,
                format!("{} is a directory: expected a dead-letter file", self.letters.display()),
            )),
            Ok(_) => Ok(()),
            Err(error) => Err(self.unreadable(error)),
        }
    }

    /// Whether `path` is the file that is being read.
    pub(super) fn reads(&self, path: &Path) -> bool {
        let whole = |path: &Path| std::fs::canonicalize(path).ok();
        whole(path).is_some_and(|path| whole(&self.letters) == Some(path))
    }

    /// Where letters are kept that fail again, where that would be the file that is being read: beside it.
    pub(super) fn beside(&self) -> PathBuf {
        let stem = self.letters.file_stem().unwrap_or_default().to_string_lossy();
        self.letters.with_file_name(format!("{stem}-again.jsonl"))
    }

    /// Opens the file.
    pub(super) fn open(self, control: RunControl) -> Result<Box<dyn Source>, Error> {
        let file = File::open(&self.letters).map_err(|error| self.unreadable(error))?;
        let metadata = file.metadata().ok();
        let changed = metadata.as_ref().and_then(|metadata| metadata.modified().ok());
        let changed = changed.and_then(|time| Timestamp::try_from(time).ok()).unwrap_or_else(Timestamp::now);
        let total_bytes = metadata.filter(std::fs::Metadata::is_file).map(|metadata| metadata.len());
        let name: Arc<str> = self.letters.to_string_lossy().into();
        let mut lines = Lines::new(file);
        if lines.peek().map_err(|error| self.unreadable(error))? == Some(b'[') {
            return Err(Error::new(
                ErrorKind::Input,
                format!(
                    "{name} is a JSON array, and no dead-letter file, which has a letter on each line; metadata files are what \
                     `ingest` reads"
                ),
            ));
        }
        Ok(Box::new(ReplaySource {
            letters: Letters::new(Arc::clone(&name), changed),
            lines,
            written: (!self.force).then(|| WrittenSince::new(control)),
            ready: VecDeque::new(),
            superseded: 0,
            warnings: Vec::new(),
            ended: false,
            total_bytes,
            name,
        }))
    }

    fn unreadable(&self, error: io::Error) -> Error {
        Error::new(ErrorKind::Input, format!("cannot read the dead letters {}", self.letters.display()))
            .with_source(error)
    }
}

/// Reads dead letters.
struct ReplaySource {
    name: Arc<str>,
    lines: Lines<File>,
    letters: Letters,
    /// `None` where no one is asked.
    written: Option<WrittenSince>,
    ready: VecDeque<Item>,
    superseded: u64,
    warnings: Vec<String>,
    ended: bool,
    total_bytes: Option<u64>,
}

impl ReplaySource {
    /// Reads some letters, and asks about them together. False when the run was stopped meanwhile.
    fn fill(&mut self) -> Result<bool, Error> {
        let mut contents = Vec::new();
        let start = self.lines.offset();
        while contents.len() < WINDOW && self.lines.offset() - start < WINDOW_BYTES {
            let line = self.lines.next().map_err(|error| {
                Error::new(ErrorKind::Input, format!("reading {} failed", self.name)).with_source(error)
            })?;
            let Some(line) = line else {
                self.ended = true;
                break;
            };
            self.letters.read(&line, &mut contents);
        }
        if let Some(written) = &mut self.written {
            let proposals = contents.iter().flat_map(Content::proposals);
            if !written.ask(proposals)? {
                return Ok(false);
            }
        }
        for content in contents {
            let item = self.item(content);
            self.ready.push_back(item);
        }
        if self.ended && self.superseded > 0 {
            self.warnings.push(format!(
                "{} superseded: GMS has written {} since; --force sends {} all the same",
                words(self.superseded, "letter is", "letters are"),
                if self.superseded == 1 { "its aspect" } else { "their aspects" },
                if self.superseded == 1 { "it" } else { "them" }
            ));
        }
        Ok(true)
    }

    fn item(&mut self, content: Content) -> Item {
        match content {
            Content::Invalid(record) => Item::Invalid(record),
            Content::Ignored(origin, why) => Item::Ignored(origin, why),
            Content::Proposals { mut proposals, at } => {
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
        let superseded = self.written.as_ref().is_some_and(|written| written.supersedes(proposal, at));
        if superseded {
            tracing::info!(
                urn = %proposal.urn(),
                aspect = %proposal.aspect_name(),
                %at,
                "the letter is superseded: GMS has written the aspect since"
            );
        }
        superseded
    }
}

/// Notes in the system metadata which letter a proposal is of. A replay that is broken off in the middle has written some
/// letters of an aspect then, and the next one can tell that the others are newer.
fn mark(proposal: &mut Proposal, at: Timestamp) {
    let metadata = proposal.system_metadata_mut();
    metadata.properties.retain(|(name, _)| name != DEAD_LETTER_TIME_PROPERTY);
    metadata.properties.push((DEAD_LETTER_TIME_PROPERTY.into(), at.to_string()));
    // It was observed then, and not now.
    if metadata.last_observed.is_none_or(|observed| observed == 0) {
        metadata.last_observed = Some(at.as_millisecond());
    }
}

fn words(count: u64, one: &str, many: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {many}") }
}

impl Source for ReplaySource {
    fn next(&mut self) -> Result<Option<Item>, Error> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Ok(Some(item));
            }
            if self.ended || !self.fill()? {
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

/// The limits of a letter's record: those of the `file` source.
fn limits() -> record::RecordLimits {
    record::RecordLimits::default()
}
