//! Where the proposals of a run go.

use std::io::Write;

use super::options::Preview;
use super::settings::RunSettings;
use crate::Error;
use crate::sink::{GmsSink, OpenSink, OpenedSink};

/// Where the proposals of a planned run will go.
pub(super) enum PlannedDestination {
    Sink(OpenSink),
    DryRun,
    Preview(Preview),
}

/// Where the proposals of a run go.
pub(super) enum Destination {
    /// To a sink.
    Sink(OpenedSink),
    /// Nowhere: all proposals are filtered.
    DryRun,
    /// To a writer as JSON Lines, until this many records were printed; all proposals are filtered.
    Preview { records: u64, output: Box<dyn Write + Send> },
}

impl Destination {
    /// The sink, if it writes to a GMS.
    pub(super) fn as_gms_sink(&self) -> Option<&dyn GmsSink> {
        match self {
            Self::Sink(sink) => sink.as_gms_sink(),
            Self::DryRun | Self::Preview { .. } => None,
        }
    }
}

impl PlannedDestination {
    /// Opens the sink.
    pub(super) async fn open(self, settings: &RunSettings) -> Result<Destination, Error> {
        match self {
            Self::Sink(open) => open(settings.sink_context()).await.map(Destination::Sink),
            Self::DryRun => Ok(Destination::DryRun),
            Self::Preview(Preview { records, output }) => Ok(Destination::Preview { records, output }),
        }
    }
}
