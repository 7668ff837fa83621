//! Writing to the store.

use std::collections::HashSet;

use rusqlite::{Connection, params};

use super::row::AuditStamp;
use super::{access, contents, read, timeseries};
use crate::change::{Change, ChangeType, Content};
use crate::failure::Failure;
use crate::patch::PatchTarget;
use crate::{fields, keys, model, system_metadata};

/// The version of an aspect that does not exist (`UNVERSIONED_ASPECT_VERSION`).
const NO_VERSION: &str = "-1";

/// The result of a change.
#[derive(Clone, Debug)]
pub(crate) struct Applied {
    pub(crate) effect: Effect,
    /// The aspect's new text; `None` after a delete, and for a patch that was never applied.
    pub(crate) text: Option<String>,
    pub(crate) system_metadata: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// The aspect has a new value, with this version number.
    Written(i64),
    /// The aspect's value has not changed.
    Unchanged,
    /// A row was added to a time series.
    Row,
    Deleted,
}

/// Applies a batch, in order. If a change is refused, the caller rolls back the batch. With `check_fields`,
/// the new values are checked against the model.
///
/// # Errors
/// If the stored data does not allow a change, in GMS's wording (`CreateIfNotExistsValidator`,
/// `ConditionalWriteValidator`), or if a patch cannot be applied.
pub(crate) fn apply(
    connection: &Connection,
    changes: &[&Change],
    check_fields: bool,
    stamp: &AuditStamp,
) -> Result<Vec<Applied>, Failure> {
    let mut created = HashSet::new();
    changes
        .iter()
        .copied()
        .map(|change| apply_one(connection, change, check_fields, stamp, &mut created))
        .collect()
}

fn apply_one<'a>(
    connection: &Connection,
    change: &'a Change,
    check_fields: bool,
    stamp: &AuditStamp,
    created: &mut HashSet<&'a str>,
) -> Result<Applied, Failure> {
    let urn = change.urn.as_str();
    let key_name = keys::aspect_name(change.urn.entity_type());
    let system_metadata = change.system_metadata(stamp.time);
    if change.operation == ChangeType::CreateEntity
        && !created.contains(urn)
        && read::has(connection, urn, &key_name)?
    {
        return Err(Failure::unprocessable(about(
            "Cannot perform CREATE_ENTITY if not exists since the entity key already exists.",
            change,
        )));
    }
    if change.operation == ChangeType::Create && read::has(connection, urn, &change.aspect)? {
        return Err(Failure::unprocessable(about(
            "Cannot perform CREATE since the aspect already exists.",
            change,
        )));
    }
    check_version(connection, change)?;
    let text = match &change.content {
        Content::Nothing => {
            if change.aspect == key_name {
                delete_entity(connection, urn)?;
                created.remove(urn);
            } else {
                delete_aspect(connection, urn, &change.aspect)?;
            }
            return Ok(Applied { effect: Effect::Deleted, text: None, system_metadata });
        }
        Content::Aspect(text) => text.clone(),
        Content::Patch(patch) => {
            let latest = read::aspect(connection, urn, &change.aspect, 0)?;
            let current = latest.as_ref().map(|latest| latest.metadata.as_str());
            patch.apply(PatchTarget { urn, aspect: &change.aspect, current, time: stamp.time })?
        }
    };
    // A patch is checked by its result.
    if check_fields {
        fields::check(&change.urn, &change.aspect, &text)?;
    }
    let effect = if model::is_timeseries(&change.aspect) {
        timeseries::add(connection, urn, &change.aspect, &text, &system_metadata, stamp)?;
        Effect::Row
    } else {
        put(connection, urn, &change.aspect, &text, &system_metadata, stamp)?
    };
    if effect == Effect::Written(1) && change.aspect == key_name {
        created.insert(urn);
    }
    if ensure_key(connection, urn, &key_name, &change.key, &system_metadata, stamp)? {
        created.insert(urn);
    }
    Ok(Applied { effect, text: Some(text), system_metadata })
}

/// GMS compares the header as text with the version number in the system metadata.
fn check_version(connection: &Connection, change: &Change) -> Result<(), Failure> {
    let Some(expected) = &change.expected_version else { return Ok(()) };
    let actual = match change.operation {
        ChangeType::Restate => return Ok(()),
        ChangeType::Create | ChangeType::CreateEntity => None,
        _ => read::number(connection, change.urn.as_str(), &change.aspect)?,
    };
    let actual = actual.map_or_else(|| NO_VERSION.to_owned(), |number| number.to_string());
    if *expected == actual {
        return Ok(());
    }
    Err(Failure::precondition(about(
        &format!("Expected version {expected}, actual version {actual}"),
        change,
    )))
}

/// Writes an aspect's latest version.
///
/// An unchanged value does not create a version: only the observation is recorded, as in GMS.
pub(crate) fn put(
    connection: &Connection,
    urn: &str,
    aspect: &str,
    text: &str,
    system_metadata: &str,
    stamp: &AuditStamp,
) -> Result<Effect, Failure> {
    let Some(latest) = read::aspect(connection, urn, aspect, 0)? else {
        insert(connection, urn, aspect, text, system_metadata, stamp)?;
        return Ok(Effect::Written(1));
    };
    if latest.metadata == text {
        connection
            .prepare_cached(
                "UPDATE aspect SET system_metadata = ?3 WHERE urn = ?1 AND aspect = ?2 AND version = 0",
            )?
            .execute(params![
                urn,
                aspect,
                system_metadata::observed_again(&latest.system_metadata, system_metadata)
            ])?;
        return Ok(Effect::Unchanged);
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
    Ok(Effect::Written(read::number(connection, urn, aspect)?.unwrap_or(1)))
}

/// Adds a value to a time series.
///
/// # Errors
/// If the value has no timestamp.
pub(crate) fn add_row(
    connection: &Connection,
    urn: &str,
    aspect: &str,
    text: &str,
    system_metadata: &str,
    stamp: &AuditStamp,
) -> Result<(), Failure> {
    timeseries::add(connection, urn, aspect, text, system_metadata, stamp)
}

/// Creates the entity's key aspect, by which the entity exists, if it is missing. Returns whether it was
/// created.
pub(crate) fn ensure_key(
    connection: &Connection,
    urn: &str,
    key_name: &str,
    key: &str,
    system_metadata: &str,
    stamp: &AuditStamp,
) -> Result<bool, Failure> {
    let made = insert(connection, urn, key_name, key, system_metadata, stamp)?;
    Ok(made > 0)
}

/// The number of deleted rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Deleted {
    pub(crate) rows: usize,
    pub(crate) timeseries_rows: usize,
}

/// Deletes an entity with all versions of all aspects.
pub(crate) fn delete_entity(connection: &Connection, urn: &str) -> Result<Deleted, Failure> {
    let rows = connection.prepare_cached("DELETE FROM aspect WHERE urn = ?1")?.execute([urn])?;
    access::forget_password(connection, urn)?;
    contents::remove_mark(connection, urn)?;
    Ok(Deleted { rows, timeseries_rows: timeseries::delete_all(connection, urn)? })
}

/// Deletes all versions of an aspect, or a whole time series. Returns the number of rows.
pub(crate) fn delete_aspect(connection: &Connection, urn: &str, aspect: &str) -> Result<usize, Failure> {
    if model::is_timeseries(aspect) {
        return Ok(timeseries::delete(connection, urn, aspect, i64::MIN..=i64::MAX)?);
    }
    Ok(connection
        .prepare_cached("DELETE FROM aspect WHERE urn = ?1 AND aspect = ?2")?
        .execute([urn, aspect])?)
}

fn insert(
    connection: &Connection,
    urn: &str,
    aspect: &str,
    text: &str,
    system_metadata: &str,
    stamp: &AuditStamp,
) -> Result<usize, rusqlite::Error> {
    connection
        .prepare_cached(
            "INSERT OR IGNORE INTO aspect (urn, aspect, version, metadata, system_metadata, created_on, created_by)
             VALUES (?1, ?2, 0, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![urn, aspect, text, system_metadata, stamp.time, stamp.actor])
}

fn about(reason: &str, change: &Change) -> String {
    format!("{reason} EntityAspect:({},{})", change.urn, change.aspect)
}
