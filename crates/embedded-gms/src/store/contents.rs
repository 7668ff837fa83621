//! The contents of the store as a whole: removing, exporting and importing them.
//!
//! Access is not part of the contents: access tokens, and the users, groups and policies that
//! were set up at the start or by administration. Each of these has a mark. So a caller cannot lose access by
//! emptying the store, and an exported document has no secrets of the server's own.

use std::collections::{BTreeSet, HashMap};

use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::row::AuditStamp;
use super::timeseries;
use crate::actor::{self, SYSTEM_ACTOR};
use crate::failure::Failure;
use crate::tokens;
use axum::http::StatusCode;

/// The start of the names of the marks, in the table `meta`.
const MARK: &str = "setup:";

/// The greatest size of the stored text in a document, which has to fit the body of a request when it is sent
/// back.
const MAX_BYTES: i64 = 48 * 1024 * 1024;

/// One version of an aspect.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct StoredAspect {
    pub(crate) urn: String,
    pub(crate) aspect: String,
    /// 0 is the latest.
    #[serde(default)]
    pub(crate) version: u32,
    pub(crate) value: Box<RawValue>,
    #[serde(default)]
    pub(crate) system_metadata: Option<Box<RawValue>>,
    /// Milliseconds since 1970.
    #[serde(default)]
    pub(crate) created_on: Option<i64>,
    /// The URN of the user that wrote it.
    #[serde(default)]
    pub(crate) created_by: Option<String>,
}

/// All entities, ordered by URN.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    pub(crate) aspects: Vec<StoredAspect>,
    pub(crate) timeseries: Vec<StoredAspect>,
}

/// Marks an entity as set up at the start or by administration.
pub(crate) fn mark(connection: &Connection, urn: &str) -> Result<(), rusqlite::Error> {
    connection
        .prepare_cached("INSERT OR IGNORE INTO meta (name, value) VALUES (?1, '')")?
        .execute([format!("{MARK}{urn}")])
        .map(drop)
}

pub(super) fn remove_mark(connection: &Connection, urn: &str) -> Result<(), rusqlite::Error> {
    connection.prepare_cached("DELETE FROM meta WHERE name = ?1")?.execute([format!("{MARK}{urn}")]).map(drop)
}

/// An SQL condition on rows that belong to the contents.
fn condition() -> String {
    format!(
        "urn NOT LIKE 'urn:li:{}:%' AND NOT EXISTS
             (SELECT 1 FROM meta WHERE name = '{MARK}' || urn AND created_by = '{}')",
        tokens::ENTITY_TYPE,
        actor::user_urn(SYSTEM_ACTOR)
    )
}

/// Removes the contents.
pub(crate) fn clear(connection: &Connection) -> Result<(), rusqlite::Error> {
    connection.execute(&format!("DELETE FROM aspect WHERE {}", condition()), [])?;
    // An aspect of a marked entity may have been replaced by a caller. Its newest value of administration is
    // the latest again.
    connection.execute(
        "UPDATE aspect SET version = 0 WHERE version = (
             SELECT max(other.version) FROM aspect AS other
             WHERE other.urn = aspect.urn AND other.aspect = aspect.aspect)
         AND NOT EXISTS (
             SELECT 1 FROM aspect AS latest
             WHERE latest.urn = aspect.urn AND latest.aspect = aspect.aspect AND latest.version = 0)",
        [],
    )?;
    connection.execute("DELETE FROM timeseries", [])?;
    connection.execute(
        &format!(
            "DELETE FROM meta WHERE name LIKE 'password:%'
             AND '{MARK}' || substr(name, length('password:') + 1) NOT IN (SELECT name FROM meta)"
        ),
        [],
    )?;
    Ok(())
}

/// Reads the contents.
///
/// # Errors
/// 413 if they are too large for a document.
pub(crate) fn export(connection: &Connection) -> Result<Contents, Failure> {
    let condition = condition();
    let bytes: i64 = connection.query_row(
        &format!(
            "SELECT coalesce(sum(bytes), 0) FROM (
                 SELECT octet_length(urn || metadata || system_metadata) AS bytes FROM aspect WHERE {condition}
                 UNION ALL SELECT octet_length(urn || metadata || system_metadata) FROM timeseries)"
        ),
        [],
        |row| row.get(0),
    )?;
    if bytes > MAX_BYTES {
        return Err(Failure::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!(
                "the store has {bytes} bytes, and a snapshot at most {MAX_BYTES}: copy the data file instead"
            ),
        ));
    }
    let aspects = rows(
        connection,
        &format!("SELECT * FROM aspect WHERE {condition} ORDER BY urn, aspect, version DESC"),
    )?;
    let timeseries = rows(
        connection,
        "SELECT *, 0 AS version FROM timeseries ORDER BY urn, aspect, timestamp, created_on, rowid",
    )?;
    Ok(Contents { aspects, timeseries })
}

fn rows(connection: &Connection, sql: &str) -> Result<Vec<StoredAspect>, Failure> {
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        all.push(StoredAspect {
            urn: row.get("urn")?,
            aspect: row.get("aspect")?,
            version: row.get("version")?,
            value: crate::snapshot::raw(row.get("metadata")?)?,
            system_metadata: Some(crate::snapshot::raw(row.get("system_metadata")?)?),
            created_on: row.get("created_on")?,
            created_by: row.get("created_by")?,
        });
    }
    Ok(all)
}

/// Replaces the contents. Names, values and system metadata have been checked; `stamp` and `system_metadata`
/// are for rows without.
///
/// # Errors
/// 400 if two rows are about the same version of an aspect, and 422 for a time series without timestamp.
pub(crate) fn import(
    connection: &Connection,
    contents: &Contents,
    stamp: &AuditStamp,
    system_metadata: &str,
) -> Result<(), Failure> {
    clear(connection)?;
    make_room(connection, contents)?;
    let mut statement = connection.prepare(
        "INSERT INTO aspect (urn, aspect, version, metadata, system_metadata, created_on, created_by)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING",
    )?;
    for (index, row) in contents.aspects.iter().enumerate() {
        let (stamp, system_metadata) = row.stamped(stamp, system_metadata);
        let text = crate::json_text::compact(row.value.get());
        let inserted = statement.execute(params![
            row.urn,
            row.aspect,
            row.version,
            text,
            system_metadata,
            stamp.time,
            stamp.actor
        ])?;
        if inserted == 0 {
            return Err(Failure::bad_request(format!(
                "aspects[{index}]: version {} of {} of {} is there twice",
                row.version, row.aspect, row.urn
            )));
        }
    }
    for row in &contents.timeseries {
        let (stamp, system_metadata) = row.stamped(stamp, system_metadata);
        let text = crate::json_text::compact(row.value.get());
        timeseries::add(connection, &row.urn, &row.aspect, &text, &system_metadata, &stamp)?;
    }
    Ok(())
}

/// Moves what was set up, and what a document replaces, into the history: to the first version that the
/// document leaves free.
fn make_room(connection: &Connection, contents: &Contents) -> Result<(), rusqlite::Error> {
    let mut versions: HashMap<(&str, &str), BTreeSet<u32>> = HashMap::new();
    for row in &contents.aspects {
        versions.entry((&row.urn, &row.aspect)).or_default().insert(row.version);
    }
    let mut statement = connection
        .prepare("UPDATE aspect SET version = ?3 WHERE urn = ?1 AND aspect = ?2 AND version = 0")?;
    for ((urn, aspect), taken) in versions {
        let free = (1..=u32::MAX).find(|version| !taken.contains(version));
        if let Some(free) = free.filter(|_| taken.contains(&0)) {
            statement.execute(params![urn, aspect, free])?;
        }
    }
    Ok(())
}

impl StoredAspect {
    fn stamped(&self, stamp: &AuditStamp, system_metadata: &str) -> (AuditStamp, String) {
        let own = AuditStamp {
            actor: self.created_by.clone().unwrap_or_else(|| stamp.actor.clone()),
            time: self.created_on.unwrap_or(stamp.time),
        };
        let text = self.system_metadata.as_ref().map(|raw| crate::json_text::compact(raw.get()));
        (own, text.unwrap_or_else(|| system_metadata.to_owned()))
    }
}
