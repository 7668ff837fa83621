//! Time series: aspects of which all values are stored, by timestamp.

use std::ops::RangeInclusive;

use rusqlite::{Connection, OptionalExtension, params};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::row::{AspectRow, AuditStamp};
use crate::failure::Failure;

/// The parts of a value that identify its row (`TimeseriesAspectTransformer.getDocId`).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Key<'a> {
    timestamp_millis: i64,
    #[serde(borrow, default)]
    partition_spec: Option<&'a RawValue>,
    #[serde(borrow, default)]
    event_granularity: Option<&'a RawValue>,
    #[serde(borrow, default)]
    message_id: Option<&'a RawValue>,
}

/// Adds a value. It replaces a value with the same timestamp, partition, granularity and message id.
///
/// # Errors
/// If the value has no `timestampMillis`.
pub(super) fn add(
    connection: &Connection,
    urn: &str,
    aspect: &str,
    text: &str,
    system_metadata: &str,
    stamp: &AuditStamp,
) -> Result<(), Failure> {
    let key: Key<'_> = serde_json::from_str(text).map_err(|error| {
        Failure::unprocessable(format!(
            "Failed to validate record with class {aspect}: ERROR :: /timestampMillis :: {error} \
             EntityAspect:({urn},{aspect})"
        ))
    })?;
    let part = |raw: Option<&RawValue>| raw.map_or("null", RawValue::get).to_owned();
    let place =
        format!("[{},{},{}]", part(key.partition_spec), part(key.event_granularity), part(key.message_id));
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO timeseries
                 (urn, aspect, timestamp, place, metadata, system_metadata, created_on, created_by)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            urn,
            aspect,
            key.timestamp_millis,
            place,
            text,
            system_metadata,
            stamp.time,
            stamp.actor
        ])?;
    Ok(())
}

/// The newest value.
pub(crate) fn latest(
    connection: &Connection,
    urn: &str,
    aspect: &str,
) -> Result<Option<AspectRow>, rusqlite::Error> {
    connection
        .prepare_cached(
            "SELECT *, 0 AS version FROM timeseries WHERE urn = ?1 AND aspect = ?2
             ORDER BY timestamp DESC, created_on DESC, rowid DESC LIMIT 1",
        )?
        .query_row([urn, aspect], AspectRow::from_row)
        .optional()
}

/// The newest value of each time series of an entity, ordered by name.
pub(super) fn of_entity(connection: &Connection, urn: &str) -> Result<Vec<AspectRow>, rusqlite::Error> {
    let names: Vec<String> = connection
        .prepare_cached("SELECT DISTINCT aspect FROM timeseries WHERE urn = ?1 ORDER BY aspect")?
        .query_map([urn], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    names.iter().filter_map(|name| latest(connection, urn, name).transpose()).collect()
}

/// At most `limit` values in a range of timestamps that `wanted` accepts, newest first.
pub(crate) fn values(
    connection: &Connection,
    urn: &str,
    aspect: &str,
    times: RangeInclusive<i64>,
    limit: usize,
    wanted: impl Fn(&AspectRow) -> bool,
) -> Result<Vec<AspectRow>, rusqlite::Error> {
    let mut statement = connection.prepare_cached(
        "SELECT *, 0 AS version FROM timeseries
         WHERE urn = ?1 AND aspect = ?2 AND timestamp BETWEEN ?3 AND ?4
         ORDER BY timestamp DESC, created_on DESC, rowid DESC",
    )?;
    let rows = statement.query_map(params![urn, aspect, times.start(), times.end()], AspectRow::from_row)?;
    rows.filter(|row| row.as_ref().map_or(true, &wanted)).take(limit).collect()
}

/// Deletes the values in a range of timestamps. Returns their number.
pub(crate) fn delete(
    connection: &Connection,
    urn: &str,
    aspect: &str,
    times: RangeInclusive<i64>,
) -> Result<usize, rusqlite::Error> {
    connection
        .prepare_cached(
            "DELETE FROM timeseries WHERE urn = ?1 AND aspect = ?2 AND timestamp BETWEEN ?3 AND ?4",
        )?
        .execute(params![urn, aspect, times.start(), times.end()])
}

/// Deletes the values of all entities of a type up to a timestamp, or only counts them. Returns their number,
/// and the number of all values before.
pub(crate) fn truncate(
    connection: &Connection,
    entity_type: &str,
    aspect: &str,
    until: i64,
    dry_run: bool,
) -> Result<(i64, i64), rusqlite::Error> {
    // `;` is the character after `:`.
    let (first, last) = (format!("urn:li:{entity_type}:"), format!("urn:li:{entity_type};"));
    let counts = connection.query_row(
        "SELECT count(*) FILTER (WHERE timestamp <= ?4), count(*) FROM timeseries
         WHERE urn >= ?1 AND urn < ?2 AND aspect = ?3",
        params![first, last, aspect, until],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    if !dry_run {
        connection.execute(
            "DELETE FROM timeseries WHERE urn >= ?1 AND urn < ?2 AND aspect = ?3 AND timestamp <= ?4",
            params![first, last, aspect, until],
        )?;
    }
    Ok(counts)
}

/// Deletes the values with the newest timestamp.
pub(crate) fn delete_latest(
    connection: &Connection,
    urn: &str,
    aspect: &str,
) -> Result<usize, rusqlite::Error> {
    connection
        .prepare_cached(
            "DELETE FROM timeseries WHERE urn = ?1 AND aspect = ?2
             AND timestamp = (SELECT max(timestamp) FROM timeseries WHERE urn = ?1 AND aspect = ?2)",
        )?
        .execute([urn, aspect])
}

/// Deletes the values that a run wrote. Returns their number.
pub(super) fn delete_run(connection: &Connection, run: &str) -> Result<usize, rusqlite::Error> {
    connection
        .prepare_cached("DELETE FROM timeseries WHERE member(system_metadata, 'runId') = ?1")?
        .execute([run])
}

pub(super) fn delete_all(connection: &Connection, urn: &str) -> Result<usize, rusqlite::Error> {
    connection.prepare_cached("DELETE FROM timeseries WHERE urn = ?1")?.execute([urn])
}
