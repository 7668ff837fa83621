//! Questions to the store.

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::Value;

use super::timeseries;
use crate::model;

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

/// One version of one aspect; 0 is the latest. A time series has no other version.
pub(crate) fn aspect(
    connection: &Connection,
    urn: &str,
    aspect: &str,
    version: i64,
) -> Result<Option<Stored>, rusqlite::Error> {
    if model::is_timeseries(aspect) {
        return if version == 0 { timeseries::latest(connection, urn, aspect) } else { Ok(None) };
    }
    connection
        .prepare_cached("SELECT * FROM aspect WHERE urn = ?1 AND aspect = ?2 AND version = ?3")?
        .query_row(params![urn, aspect, version], Stored::from_row)
        .optional()
}

/// The latest version of every aspect of an entity, in the order of their names.
pub(crate) fn entity(connection: &Connection, urn: &str) -> Result<Vec<Stored>, rusqlite::Error> {
    let mut aspects = connection
        .prepare_cached("SELECT * FROM aspect WHERE urn = ?1 AND version = 0")?
        .query_map([urn], Stored::from_row)?
        .collect::<Result<Vec<_>, _>>()?;
    aspects.extend(timeseries::of_entity(connection, urn)?);
    aspects.sort_by(|one, other| one.aspect.cmp(&other.aspect));
    Ok(aspects)
}

/// The number of an aspect's latest version, counted from 1, as system metadata give it (`SystemMetadata.version`);
/// `None` where the aspect is not there, or is a time series.
pub(crate) fn number(
    connection: &Connection,
    urn: &str,
    aspect: &str,
) -> Result<Option<i64>, rusqlite::Error> {
    connection
        .prepare_cached("SELECT max(version) + 1 FROM aspect WHERE urn = ?1 AND aspect = ?2")?
        .query_row([urn, aspect], |row| row.get(0))
}

/// The URNs of a type's entities, in their order, and how many there are.
pub(crate) fn urns(
    connection: &Connection,
    key: &str,
    start: i64,
    count: i64,
) -> Result<(Vec<String>, i64), rusqlite::Error> {
    let urns = connection
        .prepare_cached(
            "SELECT urn FROM aspect WHERE aspect = ?1 AND version = 0 ORDER BY urn LIMIT ?3 OFFSET ?2",
        )?
        .query_map(params![key, start, count], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    Ok((urns, self::count(connection, key, None)?))
}

/// How many entities have an aspect; with `like` those whose URN is like it, as SQL has it.
pub(crate) fn count(
    connection: &Connection,
    aspect: &str,
    like: Option<&str>,
) -> Result<i64, rusqlite::Error> {
    connection
        .prepare_cached(
            "SELECT count(*) FROM aspect WHERE aspect = ?1 AND version = 0 AND (?2 IS NULL OR urn LIKE ?2)",
        )?
        .query_row(params![aspect, like], |row| row.get(0))
}

/// How many aspects there are, as far as they have this name, this URN, and a URN like that, as SQL has it.
pub(crate) fn count_latest(
    connection: &Connection,
    aspect: Option<&str>,
    urn: Option<&str>,
    like: Option<&str>,
) -> Result<i64, rusqlite::Error> {
    connection
        .prepare_cached(
            "SELECT count(*) FROM aspect WHERE version = 0 AND (?1 IS NULL OR aspect = ?1)
             AND (?2 IS NULL OR urn = ?2) AND (?3 IS NULL OR urn LIKE ?3)",
        )?
        .query_row(params![aspect, urn, like], |row| row.get(0))
}

/// Whether the aspect is there.
pub(crate) fn has(connection: &Connection, urn: &str, aspect: &str) -> Result<bool, rusqlite::Error> {
    connection
        .prepare_cached("SELECT 1 FROM aspect WHERE urn = ?1 AND aspect = ?2 AND version = 0")?
        .exists([urn, aspect])
}

/// Whether an entity is soft-deleted.
pub(crate) fn is_removed(connection: &Connection, urn: &str) -> Result<bool, rusqlite::Error> {
    let status = aspect(connection, urn, "status", 0)?;
    Ok(status
        .and_then(|status| serde_json::from_str::<Value>(&status.metadata).ok())
        .and_then(|status| status.get("removed").and_then(Value::as_bool))
        .unwrap_or(false))
}
