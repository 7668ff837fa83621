//! Reading from the store.

use rusqlite::{Connection, OptionalExtension, params};
use serde_json::Value;

use super::row::AspectRow;
use super::timeseries;
use crate::model;

/// One version of one aspect; 0 is the latest. A time series has only version 0.
pub(crate) fn aspect(
    connection: &Connection,
    urn: &str,
    aspect: &str,
    version: i64,
) -> Result<Option<AspectRow>, rusqlite::Error> {
    if model::is_timeseries(aspect) {
        return if version == 0 { timeseries::latest(connection, urn, aspect) } else { Ok(None) };
    }
    connection
        .prepare_cached("SELECT * FROM aspect WHERE urn = ?1 AND aspect = ?2 AND version = ?3")?
        .query_row(params![urn, aspect, version], AspectRow::from_row)
        .optional()
}

/// The latest version of every aspect of an entity, ordered by name.
pub(crate) fn entity(connection: &Connection, urn: &str) -> Result<Vec<AspectRow>, rusqlite::Error> {
    let mut aspects = connection
        .prepare_cached("SELECT * FROM aspect WHERE urn = ?1 AND version = 0")?
        .query_map([urn], AspectRow::from_row)?
        .collect::<Result<Vec<_>, _>>()?;
    aspects.extend(timeseries::of_entity(connection, urn)?);
    aspects.sort_by(|one, other| one.aspect.cmp(&other.aspect));
    Ok(aspects)
}

/// The number of the latest version, from 1, as in `SystemMetadata.version`; `None` if the aspect does not
/// exist or is a time series.
pub(crate) fn number(
    connection: &Connection,
    urn: &str,
    aspect: &str,
) -> Result<Option<i64>, rusqlite::Error> {
    connection
        .prepare_cached("SELECT max(version) + 1 FROM aspect WHERE urn = ?1 AND aspect = ?2")?
        .query_row([urn, aspect], |row| row.get(0))
}

/// The URNs of the entities of a type, in order, and their number.
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

/// The number of entities with an aspect; `like` is a pattern of SQL's `LIKE` for their URNs.
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

/// The number of aspects that match the name, the URN and the pattern (SQL's `LIKE`) that are given.
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

/// Whether the aspect exists.
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
