//! Which of GMS's two interfaces is used, and when GMS answers.

/// The interface of GMS that proposals go through: `endpoint` in a recipe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// Rest.li: `/aspects?action=ingestProposal` and `ingestProposalBatch`. Every version of GMS has it, and one batch may
    /// hold any entity types. The default, as in DataHub's own sink.
    #[default]
    Restli,
    /// OpenAPI v3: `/openapi/v3/entity/…`. It says what it took, and what becomes of a queued write can be followed.
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

/// What GMS has done with a proposal when it counts as delivered; the names are those of DataHub's Python client
/// (`EmitMode` in `rest_emitter.py`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EmitMode {
    /// `SYNC_PRIMARY`: it has written it to its database. Search and lineage follow later.
    SyncPrimary,
    /// `SYNC_WAIT`: it has brought its search index up to date as well. Over Rest.li this is no more than
    /// [`SyncPrimary`](Self::SyncPrimary), because DataHub's client says no more there.
    SyncWait,
    /// `ASYNC`: it has queued it. What it rejects after that, nobody learns.
    Async,
    /// `ASYNC_WAIT`: it has queued it, and its trace says afterwards that it is written and indexed. Only over
    /// [`Endpoint::Openapi`], and only with a GMS from 1.0.1 on.
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

    /// Whether GMS answers when it has queued a proposal, and not only when it has written it.
    pub fn is_asynchronous(self) -> bool {
        matches!(self, Self::Async | Self::AsyncWait)
    }
}
