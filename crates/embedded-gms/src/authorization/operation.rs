//! What is done to an entity, and which privileges allow it (`PoliciesConfig.API_PRIVILEGE_MAP` and
//! `API_ENTITY_PRIVILEGE_MAP`).

use super::privilege::{
    CREATE_ENTITY, CREATE_USERS_AND_GROUPS, DELETE_ENTITY, EDIT_ENTITY, EXISTS_ENTITY, GET_COUNTS,
    GET_ENTITY, GET_TIMESERIES_ASPECT, MANAGE_ACCESS_TOKENS, MANAGE_INGESTION, MANAGE_POLICIES,
    MANAGE_SECRETS, MANAGE_USERS_AND_GROUPS, SEARCH, UPDATE_USERS_AND_GROUPS, VIEW_ENTITY_PAGE,
};
use crate::change;

/// What is done to an entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Create,
    Read,
    Update,
    Delete,
    Exists,
    /// Reads a time series.
    ReadTimeseries,
    /// Counts entities.
    Count,
}

impl Operation {
    /// What a change of this type needs (`AuthUtil.isAPIAuthorizedUrns`). An UPSERT is an update, also of what is not
    /// there yet.
    pub(super) fn of(change: change::Operation) -> Self {
        use change::Operation::{Create, CreateEntity, Delete, Patch, Restate, Update, Upsert};
        match change {
            CreateEntity => Self::Create,
            Delete => Self::Delete,
            Create | Upsert | Update | Restate | Patch => Self::Update,
        }
    }

    /// The name by which OpenAPI refuses it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Read | Self::ReadTimeseries | Self::Count => "READ",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Exists => "EXISTS",
        }
    }

    /// The privileges of which one is enough.
    pub(super) fn privileges(self, entity_type: &str) -> &'static [&'static str] {
        use Operation::{Count, Create, Delete, Exists, Read, ReadTimeseries, Update};
        match (entity_type, self) {
            ("dataHubPolicy", Create | Update | Delete) => &[MANAGE_POLICIES],
            ("corpuser" | "corpGroup", Create) => &[CREATE_USERS_AND_GROUPS, MANAGE_USERS_AND_GROUPS],
            ("corpuser" | "corpGroup", Update) => &[UPDATE_USERS_AND_GROUPS, MANAGE_USERS_AND_GROUPS],
            ("corpuser" | "corpGroup", Delete) => &[MANAGE_USERS_AND_GROUPS],
            ("dataHubIngestionSource", Create | Update) => &[MANAGE_INGESTION, EDIT_ENTITY],
            ("dataHubIngestionSource", Delete) => &[MANAGE_INGESTION],
            ("dataHubSecret", Create | Read | Update | Delete) => &[MANAGE_SECRETS],
            ("dataHubAccessToken", Create) => &[MANAGE_ACCESS_TOKENS, CREATE_ENTITY, EDIT_ENTITY],
            ("dataHubAccessToken", Read) => {
                &[MANAGE_ACCESS_TOKENS, VIEW_ENTITY_PAGE, GET_ENTITY, EDIT_ENTITY, DELETE_ENTITY]
            }
            ("dataHubAccessToken", Update) => &[MANAGE_ACCESS_TOKENS, EDIT_ENTITY],
            ("dataHubAccessToken", Delete) => &[MANAGE_ACCESS_TOKENS, DELETE_ENTITY],
            (_, Create) => &[CREATE_ENTITY, EDIT_ENTITY],
            (_, Read) => &[VIEW_ENTITY_PAGE, GET_ENTITY, EDIT_ENTITY, DELETE_ENTITY],
            (_, Update) => &[EDIT_ENTITY],
            (_, Delete) => &[DELETE_ENTITY],
            (_, Exists) => &[EXISTS_ENTITY, EDIT_ENTITY, DELETE_ENTITY, VIEW_ENTITY_PAGE, SEARCH],
            (_, ReadTimeseries) => &[GET_TIMESERIES_ASPECT, EDIT_ENTITY, DELETE_ENTITY],
            (_, Count) => &[GET_COUNTS],
        }
    }
}
