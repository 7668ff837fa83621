//! DataHub's privileges, and the operations that require them.

use std::fmt;

/// An operation on entities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operation {
    /// It reads them.
    Read,
    /// It writes aspects.
    Write,
    /// It creates entities.
    Create,
    /// It deletes them.
    Delete,
}

/// An operation on access tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AccessTokenOperation {
    /// It creates a token of the caller.
    CreateOwn,
    /// It creates a token of this user.
    CreateFor(String),
    /// It lists tokens.
    List,
    /// It revokes the token of this id, which another user made.
    Revoke(String),
}

/// A privilege, by the name that DataHub shows (`PoliciesConfig`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Privilege {
    /// Writes aspects of an entity.
    EditEntity,
    /// Writes aspects over OpenAPI, where either of two privileges is enough.
    CreateOrEditEntity,
    /// Deletes an entity.
    DeleteEntity,
    /// Reads an entity.
    ViewEntityPage,
    /// Manages users and groups.
    ManageUsersAndGroups,
    /// Manages policies.
    ManagePolicies,
    /// Manages ingestion sources.
    ManageMetadataIngestion,
    /// Manages secrets.
    ManageSecrets,
    /// Manages the access tokens of every user.
    ManageAllAccessTokens,
    /// Makes access tokens for oneself.
    GeneratePersonalAccessTokens,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Create => "create",
            Self::Delete => "delete",
        })
    }
}

impl fmt::Display for AccessTokenOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CreateOwn => f.write_str("make a token"),
            Self::CreateFor(actor) => write!(f, "make a token for {actor}"),
            Self::List => f.write_str("list tokens"),
            Self::Revoke(id) => write!(f, "revoke the token {id}, which another user made"),
        }
    }
}

impl fmt::Display for Privilege {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EditEntity => "Edit Entity",
            Self::CreateOrEditEntity => "Create Entity or Edit Entity",
            Self::DeleteEntity => "Delete Entity",
            Self::ViewEntityPage => "View Entity Page",
            Self::ManageUsersAndGroups => "Manage Users & Groups",
            Self::ManagePolicies => "Manage Policies",
            Self::ManageMetadataIngestion => "Manage Metadata Ingestion",
            Self::ManageSecrets => "Manage Secrets",
            Self::ManageAllAccessTokens => "Manage All Access Tokens",
            Self::GeneratePersonalAccessTokens => "Generate Personal Access Tokens",
        })
    }
}
