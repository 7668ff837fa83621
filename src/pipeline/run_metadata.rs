//! The system metadata that a run writes into its proposals.

use std::sync::Arc;

use crate::metadata::Proposal;

/// The run id and pipeline name in the system metadata of every proposal.
#[derive(Clone, Debug)]
pub(super) struct RunMetadata {
    pub(super) run_id: Arc<str>,
    pub(super) pipeline_name: PipelineName,
}

/// The treatment of the pipeline name that a record has.
#[derive(Clone, Debug)]
pub(super) enum PipelineName {
    /// The record's name stays.
    Keep,
    /// The run's name replaces it, also if the run has none.
    Replace(Option<Arc<str>>),
}

impl RunMetadata {
    /// Replaces the record's run id and pipeline name; the rest of its system metadata stays.
    pub(super) fn apply(&self, proposal: &mut Proposal) {
        let metadata = proposal.system_metadata_mut();
        metadata.run_id = Some(Arc::clone(&self.run_id));
        if let PipelineName::Replace(name) = &self.pipeline_name {
            metadata.pipeline_name.clone_from(name);
        }
    }
}
