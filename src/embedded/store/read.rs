//! Questions to the store.

use rusqlite::{Connection, OptionalExtension, Row, params};

/// One version of one aspect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) aspect: String,
    pub(crate) version: i64,
    pub(crate) metadata: String,
    pub(crate) system_metadata: String,
    /// Milliseconds since 1970.
    pub(crate) created_on: i64,
    /// The URN of who wrote it.
    pub(crate) created_by: String,
}

impl Stored {
    fn from_row(row: &Row<'_>) -> Result<Self, rusqlite::Error> {
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

/// One version of one aspect; 0 is the latest.
pub(crate) fn aspect(
    connection: &Connection,
    urn: &str,
    aspect: &str,
    version: i64,
) -> Result<Option<Stored>, rusqlite::Error> {
    connection
        .prepare_cached("SELECT * FROM aspect WHERE urn = ?1 AND aspect = ?2 AND version = ?3")?
        .query_row(params![urn, aspect, version], Stored::from_row)
        .optional()
}

/// The latest version of every aspect of an entity, in the order of their names.
pub(crate) fn entity(connection: &Connection, urn: &str) -> Result<Vec<Stored>, rusqlite::Error> {
    connection
        .prepare_cached("SELECT * FROM aspect WHERE urn = ?1 AND version = 0 ORDER BY aspect")?
        .query_map([urn], Stored::from_row)?
        .collect()
}

/// Whether the aspect is there.
pub(crate) fn has(connection: &Connection, urn: &str, aspect: &str) -> Result<bool, rusqlite::Error> {
    connection
        .prepare_cached("SELECT 1 FROM aspect WHERE urn = ?1 AND aspect = ?2 AND version = 0")?
        .exists([urn, aspect])
}
