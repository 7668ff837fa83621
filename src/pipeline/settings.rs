//! The settings of a run. They do not change during the run.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::config::EmbeddedTarget;
use super::control::RunControl;
use super::datahub_report::ReportedRecipe;
use super::limits::FailureLimits;
use super::lock::IfRunning;
use super::options::Start;
use super::replay::Replay;
use super::report::RunsIn;
use super::run_metadata::RunMetadata;
use super::shard::Shard;
use super::state_directory::PipelineKey;
use super::stateful::{StateKey, StatefulConfig};
use crate::diagnosis::SharedRenderer;
use crate::platform::Platform;
use crate::sink::{OnWait, SinkContext};
use crate::{Error, ErrorKind};

/// The settings of a run.
pub(super) struct RunSettings {
    pub(super) run_id: String,
    pub(super) started_at: Timestamp,
    pub(super) source_type: String,
    pub(super) source_runs_in: RunsIn,
    /// The types of the transformers that run in a child process.
    pub(super) python_transformers: Vec<String>,
    /// The maximum number of bytes of a spool.
    pub(super) spool_max_bytes: u64,
    pub(super) sink_type: String,
    pub(super) pipeline_name: Option<String>,
    pub(super) metadata: Option<RunMetadata>,
    pub(super) key: PipelineKey,
    /// The directory that holds the state directories of all pipelines; `None` without a home directory.
    pub(super) state_root: Option<PathBuf>,
    /// The server's address without credentials, or the sink's type.
    pub(super) writes_to: String,
    /// False for a dry run and a preview.
    pub(super) sends: bool,
    pub(super) start: Start,
    /// The part of the input that the run delivers.
    pub(super) shard: Option<Shard>,
    pub(super) if_running: IfRunning,
    pub(super) deadline: Option<Duration>,
    pub(super) limits: FailureLimits,
    pub(super) report_paths: Vec<PathBuf>,
    /// The recipe for the report in DataHub; `None` if none is sent.
    pub(super) reported: Option<ReportedRecipe>,
    pub(super) stateful: StatefulConfig,
    /// Whose state is kept, if one is.
    pub(super) state_key: Option<StateKey>,
    pub(super) metrics_path: Option<PathBuf>,
    /// Where dead letters are written; `None` for the file in the state directory.
    pub(super) dead_letters: Option<PathBuf>,
    pub(super) resume_command: String,
    /// Dead letters take the place of the recipe's source.
    pub(super) replay: Option<Replay>,
    /// The embedded GMS, if the sink writes to it.
    pub(super) embedded: Option<EmbeddedTarget>,
    pub(super) on_wait: OnWait,
    pub(super) renderer: SharedRenderer,
    pub(super) control: RunControl,
    pub(super) platform: Platform,
}

impl RunSettings {
    pub(super) fn state_directory(&self) -> Result<PathBuf, Error> {
        let root = self.state_root.as_ref().ok_or_else(|| {
            Error::new(
                ErrorKind::Disk,
                "there is no home directory to keep state in; --state-dir names a place",
            )
        })?;
        Ok(self.key.directory(root))
    }

    pub(super) fn sink_context(&self) -> SinkContext {
        let mut context = SinkContext::new(self.run_id.as_str());
        context.pipeline_name = self.pipeline_name.as_deref().map(Arc::from);
        context.on_wait = self.on_wait.clone();
        context.renderer = self.renderer.clone();
        context.platform = self.platform.clone();
        context
    }
}
