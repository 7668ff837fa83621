//! The rows of the store, and who writes them.

use rusqlite::Row;
use serde::Serialize;

/// One version of one aspect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AspectRow {
    pub(crate) aspect: String,
    pub(crate) version: i64,
    pub(crate) metadata: String,
    pub(crate) system_metadata: String,
    /// Milliseconds since 1970.
    pub(crate) created_on: i64,
    /// The URN of the user that wrote it.
    pub(crate) created_by: String,
}

impl AspectRow {
    pub(super) fn from_row(row: &Row<'_>) -> Result<Self, rusqlite::Error> {
        Ok(Self {
            aspect: row.get("aspect")?,
            version: row.get("version")?,
            metadata: row.get("metadata")?,
            system_metadata: row.get("system_metadata")?,
            created_on: row.get("created_on")?,
            created_by: row.get("created_by")?,
        })
    }
}

/// The author and the time of a write (`AuditStamp.pdl`).
#[derive(Clone, Debug, Serialize)]
pub(crate) struct AuditStamp {
    /// A URN.
    pub(crate) actor: String,
    /// Milliseconds since 1970.
    pub(crate) time: i64,
}
