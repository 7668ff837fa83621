//! The options of a run besides its recipe.

use std::fmt;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::lock::IfRunning;
use super::shard::Shard;
use crate::auth::TokenProvider;
use crate::diagnosis::SharedRenderer;
use crate::platform::Platform;
use crate::sink::{OnWait, SinkRegistry};
use crate::source::SourceRegistry;
#[cfg(unix)]
use crate::source::python::PythonOptions;
use crate::transform::TransformerRegistry;

/// The options of a run besides its recipe.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Options {
    /// The sources that a recipe may name.
    pub sources: SourceRegistry,
    /// The transformers that a recipe may name.
    pub transformers: TransformerRegistry,
    /// The sinks that a recipe may name.
    pub sinks: SinkRegistry,
    /// The server of a `datahub-rest` sink, in place of the recipe's; `embedded` for the GMS in this process.
    pub server: Option<String>,
    /// Where the tokens of a `datahub-rest` sink come from, in place of the recipe's.
    pub tokens: Option<Arc<dyn TokenProvider>>,
    /// Reads everything and sends nothing; opens no connection, takes no lock and writes no dead letters.
    pub dry_run: bool,
    /// Prints the first records and sends nothing.
    pub preview: Option<Preview>,
    /// Writes the report to this file, besides those that the recipe names. It takes the place of the report
    /// to DataHub, unless the recipe's `reporting` asks for that too.
    pub report_to: Option<PathBuf>,
    /// Sends no report to DataHub, unless the recipe's `reporting` asks for one. By default a run that writes
    /// to a GMS reports to it.
    pub no_default_report: bool,
    /// Writes dead letters to this file. The default is the recipe's `failure_log`, else a file in the state
    /// directory.
    pub dead_letters: Option<PathBuf>,
    /// Holds the state directories of pipelines. The default is `$XDG_STATE_HOME/datahub-emit`, else
    /// `~/.local/state/datahub-emit`.
    pub state_dir: Option<PathBuf>,
    /// Where the run starts.
    pub start: Start,
    /// The part of the input that this run delivers; the proposals of other shards are filtered. The default
    /// is all of it.
    pub shard: Option<Shard>,
    /// The command that resumes this run, for the report.
    pub resume_command: String,
    /// The reaction to another run of this pipeline that is in progress.
    pub if_running: IfRunning,
    /// Called when the run waits for a server. The default writes to the log.
    pub on_wait: OnWait,
    /// Words the diagnoses in the report. The default names the builders of this crate.
    pub renderer: SharedRenderer,
    /// The run ends after this time: nothing more is read, proposals in flight have 20 seconds to be settled,
    /// and the others are undelivered. The default is no deadline.
    pub deadline: Option<Duration>,
    /// The file that [`write_metrics`](super::write_metrics) will write: the run does not start if it cannot
    /// be written.
    pub metrics_file: Option<PathBuf>,
    /// How sources of DataHub's Python client run.
    #[cfg(unix)]
    pub python: PythonOptions,
    /// Clock, files, threads and network. The default is this machine.
    pub platform: Platform,
}

/// Where a run starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Start {
    /// At the beginning of its source. If there is a checkpoint, the run warns and replaces it.
    #[default]
    Beginning,
    /// Where the last run stopped. Without a checkpoint, at the beginning.
    Resume,
    /// At the beginning; the checkpoint is discarded, even if it is damaged.
    Restart,
}

/// The size of a preview, and where it is printed.
#[non_exhaustive]
pub struct Preview {
    /// This many records; reading ends after them.
    pub records: u64,
    /// Takes them as JSON Lines, one for each proposal.
    pub output: Box<dyn Write + Send>,
}

impl Preview {
    /// Prints the first `records` records to `output`.
    pub fn new(records: u64, output: impl Write + Send + 'static) -> Self {
        Self { records, output: Box::new(output) }
    }
}

impl fmt::Debug for Preview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Preview").field("records", &self.records).finish_non_exhaustive()
    }
}
