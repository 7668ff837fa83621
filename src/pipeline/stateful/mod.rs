//! Stateful ingestion: entities that a source no longer has are marked as removed in DataHub.
//!
//! ```text
//! records ─ note ─▶ SeenEntities ─ sort ─▶ status of entities without one ─▶ transformers ─▶ sink
//!                                      └─▶ compared with the earlier state ─▶ removals ────▶ sink
//!                                                                         └─▶ new state checkpoint
//! ```
//!
//! The state is never ahead of delivery: the removals are sent when every record has its outcome, and the
//! state checkpoint is written when every removal has its outcome. If anything was not delivered, nothing is
//! removed, and the entities of the earlier state stay in the new one.
//!
//! The *state checkpoint* is DataHub's aspect. The local file that `--resume` reads is the resume checkpoint.

mod base85;
mod conclusion;
mod config;
mod entities;
mod payload;
mod store;
mod unfinished;

use std::io;

pub(super) use conclusion::{Conclusion, ConclusionContext};
pub(super) use config::{StateConfig, StatefulConfig};
pub(super) use store::{StateKey, StateStore};
pub(super) use unfinished::UnfinishedEntities;

use self::entities::{SeenEntities, SortedEntities};
use crate::metadata::{Aspect, ChangeType, Proposal, Urn};
use crate::{Error, ErrorKind};

/// Proposals for entities without a `status` that are made at the same time.
const STATUS_PROPOSALS: usize = 256;

/// The stateful ingestion of a run.
pub(super) struct Stateful {
    config: StatefulConfig,
    seen: Seen,
    /// The aspect `status` is patched, so that a removal date in DataHub stays.
    patches_status: bool,
    /// `None` if no state is kept.
    unfinished: Option<UnfinishedEntities>,
    /// Whether the entities of this run are kept before they are delivered.
    keeps_noted: bool,
}

enum Seen {
    Noting(Box<SeenEntities>),
    Sorted(Box<SortedEntities>),
    Ended,
}

impl Stateful {
    /// `None` if the recipe has no section `stateful_ingestion`.
    pub(super) fn new(
        config: StatefulConfig,
        unfinished: Option<UnfinishedEntities>,
        sends: bool,
    ) -> Option<Self> {
        let keeps_state = config.state.as_ref().is_some_and(|state| !state.ignore_new_state);
        config.adds_status.then(|| Self {
            config,
            seen: Seen::Noting(Box::default()),
            patches_status: false,
            unfinished,
            keeps_noted: sends && keeps_state,
        })
    }

    /// Patches the aspect `status` in place of replacing it, for a server that can do so.
    pub(super) fn patch_status(&mut self, patches: bool) {
        self.patches_status = patches;
    }

    /// Notes the entities of a record, as the source has emitted it. They may be delivered after
    /// [`keep_noted`](Self::keep_noted).
    pub(super) fn note(&mut self, proposals: &[Proposal]) {
        if let Some(unfinished) = self.unfinished.as_mut().filter(|_| self.keeps_noted) {
            unfinished.note(proposals);
        }
        if let Seen::Noting(seen) = &mut self.seen {
            for proposal in proposals {
                seen.note(proposal.urn(), proposal.aspect_name() == "status");
            }
        }
    }

    /// Keeps the noted entities for the case that this run does not commit its state.
    ///
    /// # Errors
    /// Of kind [`ErrorKind::Disk`] when they cannot be written.
    pub(super) fn keep_noted(&mut self) -> Result<(), Error> {
        self.unfinished.as_mut().map_or(Ok(()), UnfinishedEntities::flush)
    }

    /// The next proposals for entities whose records had no `status`; none at the end. The source is at its
    /// end.
    ///
    /// # Errors
    /// Of kind [`ErrorKind::Disk`] when a temporary file cannot be written or read.
    pub(super) fn next_status(&mut self) -> Result<Vec<Proposal>, Error> {
        let (change_type, aspect) = if self.patches_status {
            let patch = serde_json::json!([{"op": "add", "path": "/removed", "value": false}]);
            (ChangeType::Patch, Aspect::from(patch).with_content_type(Aspect::JSON_PATCH))
        } else {
            (ChangeType::Upsert, Aspect::from(serde_json::json!({"removed": false})))
        };
        let mut proposals = Vec::new();
        let sorted = self.sorted()?;
        while proposals.len() < STATUS_PROPOSALS
            && let Some((urn, _)) = sorted.without_status.next_pair().map_err(sorting_failed)?
        {
            let urn = String::from_utf8(urn).map_err(io::Error::other).map_err(sorting_failed)?;
            let urn = Urn::parse_lenient(&urn).map_err(io::Error::other).map_err(sorting_failed)?;
            proposals.push(Proposal::new(change_type, urn, "status", Some(aspect.clone())));
        }
        Ok(proposals)
    }

    fn sorted(&mut self) -> Result<&mut SortedEntities, Error> {
        if let Seen::Noting(seen) = &mut self.seen {
            let sorted = std::mem::take(&mut **seen).sort().map_err(sorting_failed)?;
            self.seen = Seen::Sorted(Box::new(sorted));
        }
        match &mut self.seen {
            Seen::Sorted(sorted) => Ok(sorted),
            _ => Err(Error::new(ErrorKind::Internal, "the entities of the run were compared before")),
        }
    }

    fn take_sorted(&mut self) -> Result<SortedEntities, Error> {
        self.sorted()?;
        match std::mem::replace(&mut self.seen, Seen::Ended) {
            Seen::Sorted(sorted) => Ok(*sorted),
            _ => Err(Error::new(ErrorKind::Internal, "the entities of the run were compared before")),
        }
    }
}

fn sorting_failed(error: io::Error) -> Error {
    let message = "cannot sort the entities of the run in a temporary file";
    Error::new(ErrorKind::Disk, message).with_source(error)
}
