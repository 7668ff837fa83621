//! The services that a run provides to its source.

use std::fmt;
use std::path::PathBuf;

use super::Position;
use crate::Error;

/// The services of a run for a source that runs in a child process: where its records are spooled, and how it
/// reaches DataHub. A source gets them by [`Source::connect`](super::Source::connect).
pub trait ChildServices: Send + Sync {
    /// The run.
    fn run(&self) -> &ChildRun;

    /// Where the records are spooled; `None` for a run that spools nothing.
    fn spool(&self) -> Option<&SpoolSettings>;

    /// The address at which the child reaches the run's GMS. `None` for a run without one. It is called once
    /// the run's sink is open, so the server and the token have been checked.
    ///
    /// # Errors
    /// When the address cannot be opened.
    fn graph(&self) -> Result<Option<GraphAddress>, Error>;
}

/// The run that a source reads for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ChildRun {
    /// The run id.
    pub run_id: String,
    /// When the run started, RFC 3339.
    pub started_at: String,
    /// False for a dry run and a preview.
    pub sends: bool,
}

/// Where the records of a source are spooled.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SpoolSettings {
    /// The directory of the spool.
    pub directory: PathBuf,
    /// The maximum number of bytes on disk.
    pub max_bytes: u64,
    /// The treatment of a spool that an earlier run has left.
    pub start: SpoolStart,
}

/// The treatment of a spool that an earlier run has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SpoolStart {
    /// It stays, and this run does without a spool.
    Keep,
    /// Its records are delivered, and nothing is extracted.
    Deliver,
    /// It is removed.
    Discard,
}

/// An address of this process that passes requests on to the run's GMS.
#[derive(Clone)]
#[non_exhaustive]
pub struct GraphAddress {
    /// The URL.
    pub url: String,
    /// The token that this address expects. GMS does not know it.
    pub token: String,
}

impl GraphAddress {
    /// An address with its token.
    pub fn new(url: impl Into<String>, token: impl Into<String>) -> Self {
        Self { url: url.into(), token: token.into() }
    }
}

/// Shows no token.
impl fmt::Debug for GraphAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GraphAddress").field("url", &self.url).finish_non_exhaustive()
    }
}

/// Receives what happens to the records of a source. The methods may be called from any thread, and do not
/// block.
pub trait RecordFeedback: fmt::Debug + Send + Sync {
    /// A record, by its number in this run, has its outcome: delivered, or the reason why it is not.
    fn settled(&self, record: u64, failure: Option<&str>);

    /// A later run would continue at `position` or behind it.
    fn checkpointed(&self, position: Position);

    /// Nothing more is delivered in this run. A source that spools reads on.
    fn delivery_stopped(&self, reason: &str);

    /// The run is interrupted: reading ends as soon as possible.
    fn interrupted(&self);

    /// Every record has its final outcome, and no later run continues this one.
    fn completed(&self);

    /// The progress of an extraction that runs beside the run. `None`, the default, for a source that reads
    /// only what the run asks for.
    fn extraction(&self) -> Option<ExtractionProgress> {
        None
    }
}

/// The progress of an extraction, in records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExtractionProgress {
    /// Records that the source has emitted.
    pub extracted: u64,
    /// Records of these without an outcome. They are in the spool, if there is one.
    pub waiting: u64,
    /// Records of these that are delivered.
    pub delivered: u64,
}
