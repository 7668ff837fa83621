//! The services of a run for a source in a child process.

use super::control::RunControl;
use super::options::Start;
use super::settings::RunSettings;
use crate::Error;
use crate::source::{ChildRun, ChildServices, GraphAddress, SpoolSettings, SpoolStart};

/// The directory of the spool in a pipeline's state directory.
pub(super) const SPOOL_DIRECTORY: &str = "spool";

/// The services of a run.
pub(super) struct RunServices {
    run: ChildRun,
    spool: Option<SpoolSettings>,
    #[cfg_attr(not(unix), expect(dead_code, reason = "only Unix has sources in a child process"))]
    control: RunControl,
}

impl RunServices {
    pub(super) fn new(settings: &RunSettings) -> Result<Self, Error> {
        let run = ChildRun {
            run_id: settings.run_id.clone(),
            started_at: settings.started_at.to_string(),
            sends: settings.sends,
        };
        let is_spooled = settings.sends && settings.replay.is_none();
        let spool = if is_spooled {
            Some(SpoolSettings {
                directory: settings.state_directory()?.join(SPOOL_DIRECTORY),
                max_bytes: settings.spool_max_bytes,
                start: match settings.start {
                    Start::Beginning => SpoolStart::Keep,
                    Start::Resume => SpoolStart::Deliver,
                    Start::Restart => SpoolStart::Discard,
                },
            })
        } else {
            None
        };
        Ok(Self { run, spool, control: settings.control.clone() })
    }
}

impl ChildServices for RunServices {
    fn run(&self) -> &ChildRun {
        &self.run
    }

    fn spool(&self) -> Option<&SpoolSettings> {
        self.spool.as_ref()
    }

    #[cfg(unix)]
    fn graph(&self) -> Result<Option<GraphAddress>, Error> {
        self.control.gms().map(|gms| super::graph_proxy::start(gms.clone())).transpose()
    }

    #[cfg(not(unix))]
    fn graph(&self) -> Result<Option<GraphAddress>, Error> {
        Ok(None)
    }
}
