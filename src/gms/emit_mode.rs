//! The interface of GMS, and how far a write has come when GMS answers.

use serde::{Serialize, Serializer};

/// The interface of GMS that proposals go through: `endpoint` in a recipe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Endpoint {
    /// Rest.li: `/aspects?action=ingestProposal` and `ingestProposalBatch`. Every version of GMS has it, and
    /// one batch may hold any entity types. The default, as in DataHub's own sink.
    #[default]
    Restli,
    /// OpenAPI v3: `/openapi/v3/entity/…`. Its response lists the accepted aspects, and queued writes can be
    /// traced.
    Openapi,
}

impl Endpoint {
    /// The endpoint's name in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Restli => "restli",
            Self::Openapi => "openapi",
        }
    }
}

/// Serialised, it is its [name](Endpoint::as_str).
impl Serialize for Endpoint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// How far GMS has processed a proposal when it counts as delivered. The names are those of DataHub's Python
/// client (`EmitMode` in `rest_emitter.py`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EmitMode {
    /// `SYNC_PRIMARY`: GMS has written it to its database. Search and lineage follow later.
    SyncPrimary,
    /// `SYNC_WAIT`: GMS has updated its search index as well. Over Rest.li this is the same as
    /// [`SyncPrimary`](Self::SyncPrimary), as in DataHub's client.
    SyncWait,
    /// `ASYNC`: GMS has queued it. A later rejection is not reported.
    Async,
    /// `ASYNC_WAIT`: GMS has queued it, and a trace has shown that it was written and indexed. Only over
    /// [`Endpoint::Openapi`], and only with GMS 1.0.1 or later.
    AsyncWait,
}

impl EmitMode {
    /// The mode's name in recipes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SyncPrimary => "SYNC_PRIMARY",
            Self::SyncWait => "SYNC_WAIT",
            Self::Async => "ASYNC",
            Self::AsyncWait => "ASYNC_WAIT",
        }
    }

    /// Whether GMS answers as soon as it has queued a proposal.
    pub fn is_asynchronous(self) -> bool {
        matches!(self, Self::Async | Self::AsyncWait)
    }
}
