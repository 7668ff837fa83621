//! Changes to the store.

use std::collections::HashSet;

use rusqlite::{Connection, params};
use serde_json::{Map, Value};

use super::read;
use crate::embedded::keys;
use crate::embedded::proposal::{Change, Operation};
use crate::embedded::restli::Failure;

/// Who writes, and when.
#[derive(Clone, Debug)]
pub(crate) struct Stamp {
    /// A URN.
    pub(crate) actor: String,
    /// Milliseconds since 1970.
    pub(crate) time: i64,
}

/// Applies a batch, in order. The caller takes all of it back if one change is refused.
///
/// # Errors
/// 422 for a change that what is stored forbids, in the words of GMS (`CreateIfNotExistsValidator`).
pub(crate) fn apply(connection: &Connection, changes: &[Change], stamp: &Stamp) -> Result<(), Failure> {
    let mut created = HashSet::new();
    for change in changes {
        let urn = change.urn.as_str();
        let key_name = keys::aspect_name(change.urn.entity_type());
        if change.operation == Operation::Delete {
            if change.aspect == key_name {
                delete_entity(connection, urn)?;
                created.remove(urn);
            } else {
                delete_aspect(connection, urn, &change.aspect)?;
            }
            continue;
        }
        if change.operation == Operation::CreateEntity
            && !created.contains(urn)
            && read::has(connection, urn, &key_name)?
        {
            return Err(refused(
                "Cannot perform CREATE_ENTITY if not exists since the entity key already exists.",
                change,
            ));
        }
        if change.operation == Operation::Create && read::has(connection, urn, &change.aspect)? {
            return Err(refused("Cannot perform CREATE since the aspect already exists.", change));
        }
        let system_metadata = match &change.system_metadata {
            Some(text) => text.clone(),
            None => default_system_metadata(stamp.time),
        };
        let Some(text) = &change.text else { continue };
        if change.operation == Operation::Patch {
            keep_patch(connection, change, text, &system_metadata, stamp)?;
        } else if put(connection, urn, &change.aspect, text, &system_metadata, stamp)?
            && change.aspect == key_name
        {
            created.insert(urn);
        }
        if ensure_key(connection, urn, &key_name, &change.key, &system_metadata, stamp)? {
            created.insert(urn);
        }
    }
    Ok(())
}

/// Writes an aspect's latest version. Returns whether the aspect is new.
///
/// The same value again makes no new version: only who saw it last is noted, as GMS does.
pub(crate) fn put(
    connection: &Connection,
    urn: &str,
    aspect: &str,
    text: &str,
    system_metadata: &str,
    stamp: &Stamp,
) -> Result<bool, Failure> {
    let Some(latest) = read::aspect(connection, urn, aspect, 0)? else {
        insert(connection, urn, aspect, text, system_metadata, stamp)?;
        return Ok(true);
    };
    if latest.metadata == text {
        connection
            .prepare_cached(
                "UPDATE aspect SET system_metadata = ?3 WHERE urn = ?1 AND aspect = ?2 AND version = 0",
            )?
            .execute(params![urn, aspect, seen_again(&latest.system_metadata, system_metadata)])?;
        return Ok(false);
    }
    connection
        .prepare_cached(
            "INSERT INTO aspect (urn, aspect, version, metadata, system_metadata, created_on, created_by)
             SELECT urn, aspect,
                    (SELECT max(version) + 1 FROM aspect WHERE urn = ?1 AND aspect = ?2),
                    metadata, system_metadata, created_on, created_by
             FROM aspect WHERE urn = ?1 AND aspect = ?2 AND version = 0",
        )?
        .execute([urn, aspect])?;
    connection
        .prepare_cached(
            "UPDATE aspect SET metadata = ?3, system_metadata = ?4, created_on = ?5, created_by = ?6
             WHERE urn = ?1 AND aspect = ?2 AND version = 0",
        )?
        .execute(params![urn, aspect, text, system_metadata, stamp.time, stamp.actor])?;
    Ok(false)
}

/// Makes the entity's key aspect where there is none, by which the entity exists. Returns whether it made one.
pub(crate) fn ensure_key(
    connection: &Connection,
    urn: &str,
    key_name: &str,
    key: &str,
    system_metadata: &str,
    stamp: &Stamp,
) -> Result<bool, Failure> {
    let made = insert(connection, urn, key_name, key, system_metadata, stamp)?;
    Ok(made > 0)
}

/// Deletes an entity with all its aspects. Returns how many rows of the latest versions that were.
pub(crate) fn delete_entity(connection: &Connection, urn: &str) -> Result<usize, Failure> {
    connection.prepare_cached("DELETE FROM patch WHERE urn = ?1")?.execute([urn])?;
    Ok(connection.prepare_cached("DELETE FROM aspect WHERE urn = ?1")?.execute([urn])?)
}

/// Deletes an aspect in all its versions. Returns how many rows that were.
pub(crate) fn delete_aspect(connection: &Connection, urn: &str, aspect: &str) -> Result<usize, Failure> {
    connection.prepare_cached("DELETE FROM patch WHERE urn = ?1 AND aspect = ?2")?.execute([urn, aspect])?;
    Ok(connection
        .prepare_cached("DELETE FROM aspect WHERE urn = ?1 AND aspect = ?2")?
        .execute([urn, aspect])?)
}

/// What GMS notes for a write that brings no system metadata.
pub(crate) fn default_system_metadata(time: i64) -> String {
    format!(r#"{{"lastObserved":{time},"runId":"no-run-id-provided","lastRunId":"no-run-id-provided"}}"#)
}

fn insert(
    connection: &Connection,
    urn: &str,
    aspect: &str,
    text: &str,
    system_metadata: &str,
    stamp: &Stamp,
) -> Result<usize, rusqlite::Error> {
    connection
        .prepare_cached(
            "INSERT OR IGNORE INTO aspect (urn, aspect, version, metadata, system_metadata, created_on, created_by)
             VALUES (?1, ?2, 0, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![urn, aspect, text, system_metadata, stamp.time, stamp.actor])
}

/// A patch is kept as it came, in the order of arrival; it does not change the aspect.
fn keep_patch(
    connection: &Connection,
    change: &Change,
    text: &str,
    system_metadata: &str,
    stamp: &Stamp,
) -> Result<(), rusqlite::Error> {
    connection
        .prepare_cached(
            "INSERT INTO patch (urn, aspect, content_type, body, system_metadata, created_on, created_by)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            change.urn.as_str(),
            change.aspect,
            change.content_type,
            text,
            system_metadata,
            stamp.time,
            stamp.actor
        ])
        .map(drop)
}

/// The stored system metadata with the new observation: its time, and its run as the last one.
fn seen_again(stored: &str, new: &str) -> String {
    let record = |text| serde_json::from_str::<Map<String, Value>>(text).unwrap_or_default();
    let (mut stored, mut new) = (record(stored), record(new));
    if let Some(time) = new.remove("lastObserved") {
        stored.insert("lastObserved".into(), time);
    }
    if let Some(run) = new.remove("runId") {
        stored.insert("lastRunId".into(), run);
    }
    Value::from(stored).to_string()
}

fn refused(reason: &str, change: &Change) -> Failure {
    Failure::unprocessable(format!("{reason} EntityAspect:({},{})", change.urn, change.aspect))
}
