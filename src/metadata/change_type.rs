//! The kinds of change that a proposal can ask for.

use std::fmt;

/// The change that a proposal asks GMS to make (`ChangeType.pdl`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ChangeType {
    /// Writes the aspect, whether it exists or not.
    Upsert,
    /// Writes the aspect; an error if it exists.
    Create,
    /// Writes the aspect; an error if the entity exists.
    CreateEntity,
    /// Writes the aspect; an error if it does not exist.
    Update,
    /// Applies a JSON Patch (RFC 6902), or DataHub's generic patch.
    Patch,
    /// Deletes the aspect, or with a key aspect the entity.
    Delete,
    /// Writes the aspect again, so that GMS indexes it again.
    Restate,
}

/// The text is not the name of a change type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown changeType {found:?}: expected UPSERT, CREATE, CREATE_ENTITY, UPDATE, PATCH, DELETE or RESTATE"
)]
pub struct UnknownChangeType {
    /// At most 80 characters of the text.
    found: String,
}

impl ChangeType {
    /// The name on the wire, for example `CREATE_ENTITY`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Upsert => "UPSERT",
            Self::Create => "CREATE",
            Self::CreateEntity => "CREATE_ENTITY",
            Self::Update => "UPDATE",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Restate => "RESTATE",
        }
    }
}

impl fmt::Display for ChangeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for ChangeType {
    type Err = UnknownChangeType;

    fn from_str(text: &str) -> Result<Self, UnknownChangeType> {
        Ok(match text {
            "UPSERT" => Self::Upsert,
            "CREATE" => Self::Create,
            "CREATE_ENTITY" => Self::CreateEntity,
            "UPDATE" => Self::Update,
            "PATCH" => Self::Patch,
            "DELETE" => Self::Delete,
            "RESTATE" => Self::Restate,
            _ => return Err(UnknownChangeType { found: text.chars().take(80).collect() }),
        })
    }
}
