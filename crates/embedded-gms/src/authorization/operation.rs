//! Operations on entities and the privileges that allow them (`PoliciesConfig.API_PRIVILEGE_MAP` and
//! `API_ENTITY_PRIVILEGE_MAP`).

use super::privilege::{
    CREATE_ENTITY, CREATE_USERS_AND_GROUPS, DELETE_ENTITY, EDIT_ENTITY, EXISTS_ENTITY, GET_COUNTS,
    GET_ENTITY, GET_TIMESERIES_ASPECT, MANAGE_ACCESS_TOKENS, MANAGE_INGESTION, MANAGE_POLICIES,
    MANAGE_SECRETS, MANAGE_USERS_AND_GROUPS, SEARCH, UPDATE_USERS_AND_GROUPS, VIEW_ENTITY_PAGE,
};
use crate::change;

/// An operation on an entity (`ApiOperation`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ApiOperation {
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

impl ApiOperation {
    /// The operation of a change (`AuthUtil.isAPIAuthorizedUrns`). An UPSERT is an update, even if the aspect
    /// does not exist yet.
    pub(super) fn of(change: change::ChangeType) -> Self {
        use change::ChangeType::{Create, CreateEntity, Delete, Patch, Restate, Update, Upsert};
        match change {
            CreateEntity => Self::Create,
            Delete => Self::Delete,
            Create | Upsert | Update | Restate | Patch => Self::Update,
        }
    }

    /// The name in OpenAPI's messages.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Read | Self::ReadTimeseries | Self::Count => "READ",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Exists => "EXISTS",
        }
    }

    /// Any one of these privileges is enough.
    pub(super) fn privileges(self, entity_type: &str) -> &'static [&'static str] {
        use ApiOperation::{Count, Create, Delete, Exists, Read, ReadTimeseries, Update};
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
