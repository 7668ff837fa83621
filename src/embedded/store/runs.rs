//! Ingestion runs: what a run wrote last, and taking it back.

use std::collections::BTreeSet;

use rusqlite::{Connection, Row, params};

use super::write::{self, Deleted, Stamp};
use super::{read, timeseries};
use crate::embedded::failure::Failure;
use crate::embedded::{keys, system_metadata};
use crate::metadata::Urn;

/// The aspects whose latest version is of a run, with the time at which it was last observed. `WHERE` may follow.
const LATEST: &str = "
    SELECT urn, aspect, metadata, system_metadata, CAST(system_metadata ->> '$.runId' AS TEXT) AS run,
           CAST(coalesce(system_metadata ->> '$.lastObserved', created_on) AS INTEGER) AS seen,
           EXISTS (SELECT 1 FROM aspect AS status
                   WHERE status.urn = aspect.urn AND status.aspect = 'status' AND status.version = 0
                     AND status.metadata ->> '$.removed' = 1) AS removed
    FROM aspect WHERE version = 0";

/// A run, as far as its aspects are the latest ones.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) id: String,
    /// Milliseconds since 1970.
    pub(crate) timestamp: i64,
    pub(crate) rows: i64,
}

/// An aspect whose latest version is of a run.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) urn: String,
    pub(crate) aspect: String,
    pub(crate) run: String,
    pub(crate) timestamp: i64,
    pub(crate) metadata: String,
    pub(crate) system_metadata: String,
}

impl Written {
    fn from_row(row: &Row<'_>) -> Result<Self, rusqlite::Error> {
        Ok(Self {
            urn: row.get("urn")?,
            aspect: row.get("aspect")?,
            run: row.get("run")?,
            timestamp: row.get("seen")?,
            metadata: row.get("metadata")?,
            system_metadata: row.get("system_metadata")?,
        })
    }

    pub(crate) fn is_key(&self) -> bool {
        Urn::parse(&self.urn).is_ok_and(|urn| keys::aspect_name(urn.entity_type()) == self.aspect)
    }
}

/// The runs, the newest first. Without `soft_deleted_too` a run is left out of which nothing but soft-deleted entities is
/// left.
pub(crate) fn list(
    connection: &Connection,
    start: i64,
    count: i64,
    soft_deleted_too: bool,
) -> Result<Vec<Run>, rusqlite::Error> {
    connection
        .prepare_cached(&format!(
            "SELECT run, max(seen), count(*) FROM ({LATEST}) WHERE run IS NOT NULL
             GROUP BY run HAVING ?3 OR sum(removed) < count(*)
             ORDER BY 2 DESC, 1 LIMIT ?2 OFFSET ?1"
        ))?
        .query_map(params![start, count, soft_deleted_too], |row| {
            Ok(Run { id: row.get(0)?, timestamp: row.get(1)?, rows: row.get(2)? })
        })?
        .collect()
}

/// The aspects of a run, in the order of their URNs.
pub(crate) fn describe(
    connection: &Connection,
    run: &str,
    start: i64,
    count: i64,
    soft_deleted_too: bool,
) -> Result<Vec<Written>, rusqlite::Error> {
    connection
        .prepare_cached(&format!(
            "SELECT * FROM ({LATEST}) WHERE run = ?1 AND (?4 OR NOT removed)
             ORDER BY urn, aspect LIMIT ?3 OFFSET ?2"
        ))?
        .query_map(params![run, start, count, soft_deleted_too], Written::from_row)?
        .collect()
}

/// What other runs wrote of the entities that a run made: it would go with them.
pub(crate) fn others(
    connection: &Connection,
    written: &[Written],
    run: &str,
) -> Result<Vec<Written>, rusqlite::Error> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT * FROM ({LATEST} AND urn = ?1) WHERE run <> ?2 AND aspect <> 'status' AND NOT removed ORDER BY aspect"
    ))?;
    let mut others = Vec::new();
    for key in written.iter().filter(|written| written.is_key()) {
        for other in statement.query_map(params![key.urn, run], Written::from_row)? {
            others.push(other?);
        }
    }
    others.retain(|other| !other.is_key());
    Ok(others)
}

/// What was taken back.
#[derive(Debug, Default)]
pub(crate) struct RolledBack {
    pub(crate) aspects: usize,
    pub(crate) urns: BTreeSet<String>,
}

/// Takes a run back: its aspects get the latest value that is of another run, or go; entities that it made go, or are
/// soft-deleted (`EntityServiceImpl.deleteAspectWithoutMCL`).
pub(crate) fn rollback(
    connection: &Connection,
    written: &[Written],
    run: &str,
    hard: bool,
    stamp: &Stamp,
) -> Result<RolledBack, Failure> {
    let mut done = RolledBack::default();
    // Keys last: with a key all of its entity goes.
    let (keys, aspects): (Vec<_>, Vec<_>) = written.iter().partition(|written| written.is_key());
    for written in aspects {
        revert(connection, &written.urn, &written.aspect, run)?;
        done.aspects += 1;
        done.urns.insert(written.urn.clone());
    }
    for key in keys {
        if hard {
            let Deleted { rows, timeseries_rows } = write::delete_entity(connection, &key.urn)?;
            done.aspects += rows + timeseries_rows;
            done.urns.insert(key.urn.clone());
        } else if !read::is_removed(connection, &key.urn)? {
            let system_metadata = system_metadata::default(stamp.time);
            write::put(connection, &key.urn, "status", r#"{"removed":true}"#, &system_metadata, stamp)?;
        }
    }
    done.aspects += timeseries::delete_run(connection, run)?;
    Ok(done)
}

/// Gives an aspect its newest value of another run, or deletes it where there is none.
fn revert(connection: &Connection, urn: &str, aspect: &str, run: &str) -> Result<(), rusqlite::Error> {
    let survivor: Option<i64> = connection
        .prepare_cached(
            "SELECT max(version) FROM aspect WHERE urn = ?1 AND aspect = ?2 AND version > 0
             AND coalesce(system_metadata ->> '$.runId', '') <> ?3",
        )?
        .query_row(params![urn, aspect, run], |row| row.get(0))?;
    let newer = survivor.unwrap_or(0);
    connection
        .prepare_cached(
            "DELETE FROM aspect WHERE urn = ?1 AND aspect = ?2 AND (version = 0 OR version > ?3)",
        )?
        .execute(params![urn, aspect, newer])?;
    if newer > 0 {
        connection
            .prepare_cached("UPDATE aspect SET version = 0 WHERE urn = ?1 AND aspect = ?2 AND version = ?3")?
            .execute(params![urn, aspect, newer])?;
    }
    Ok(())
}
