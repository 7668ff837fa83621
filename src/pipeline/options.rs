//! What a run is asked to do beside its recipe.

use std::fmt;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::lock::IfRunning;
use crate::auth::TokenProvider;
use crate::diagnosis::SharedRenderer;
use crate::sink::{OnWait, SinkRegistry};
use crate::source::SourceRegistry;

/// What a run is asked to do beside its recipe.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Options {
    /// The sources that a recipe may name.
    pub sources: SourceRegistry,
    /// The sinks that a recipe may name.
    pub sinks: SinkRegistry,
    /// The server of a `datahub-rest` sink, in place of the recipe's; `embedded` for the one in this process.
    pub server: Option<String>,
    /// Where the tokens of a `datahub-rest` sink come from, in place of the recipe's.
    pub tokens: Option<Arc<dyn TokenProvider>>,
    /// Reads everything and sends nothing; opens no connection, takes no lock and leaves no dead letters.
    pub dry_run: bool,
    /// Shows the first records and sends nothing.
    pub preview: Option<Preview>,
    /// Writes the report to this file, beside those that the recipe names.
    pub report_to: Option<PathBuf>,
    /// Keeps dead letters in this file; else in the recipe's `failure_log`, else in the state directory.
    pub dead_letters: Option<PathBuf>,
    /// Keeps the state of pipelines below this directory; else below `$XDG_STATE_HOME/datahub-emit`, else below
    /// `~/.local/state/datahub-emit`.
    pub state_dir: Option<PathBuf>,
    /// Where the run begins.
    pub start: Start,
    /// The words of a command that resumes this run, for the report: the program and its arguments.
    pub resume_command: Vec<String>,
    /// What to do when another run of this pipeline is under way.
    pub if_running: IfRunning,
    /// Told when a server is away that the run waits for; by default the log is.
    pub on_wait: OnWait,
    /// Words the diagnoses in the report. The default names the builders of this crate.
    pub renderer: SharedRenderer,
    /// The run ends after this time: nothing more is read, what is under way gets 20 seconds to be settled, and the rest is
    /// left for a later run.
    pub deadline: Option<Duration>,
    /// A file that [`write_metrics`](super::write_metrics) is going to write: a run that finds that it cannot be written
    /// does not begin.
    pub metrics_file: Option<PathBuf>,
}

/// Where a run begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// At the beginning of its source; a checkpoint that is there is a warning, and is replaced.
    #[default]
    Beginning,
    /// Where the last run stopped. Without a checkpoint, at the beginning.
    Resume,
    /// At the beginning; a checkpoint that is there is discarded, whatever is in it.
    Restart,
}

/// What a preview shows, and where.
pub struct Preview {
    /// This many records; reading ends after them.
    pub records: u64,
    /// Takes them as JSON Lines, one for each proposal.
    pub output: Box<dyn Write + Send>,
}

impl fmt::Debug for Preview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Preview").field("records", &self.records).finish_non_exhaustive()
    }
}
