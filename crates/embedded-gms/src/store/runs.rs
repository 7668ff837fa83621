//! Ingestion runs: listing and rolling back the latest writes of a run, or of an entity registry.

use std::collections::BTreeSet;

use rusqlite::{Connection, Row, params};

use super::row::AuditStamp;
use super::write::{self, Deleted};
use super::{read, timeseries};
use crate::failure::Failure;
use crate::urn::Urn;
use crate::{keys, system_metadata};

/// The latest version of every aspect, with the time of its last observation. The text may be extended by
/// `AND …`.
const LATEST: &str = "
    SELECT urn, aspect, metadata, system_metadata, member(system_metadata, 'runId') AS run,
           member(system_metadata, 'registryName') || ':' || member(system_metadata, 'registryVersion') AS registry,
           CAST(CAST(coalesce(member(system_metadata, 'lastObserved'), created_on) AS NUMERIC) AS INTEGER) AS seen,
           EXISTS (SELECT 1 FROM aspect AS status
                   WHERE status.urn = aspect.urn AND status.aspect = 'status' AND status.version = 0
                     AND member(status.metadata, 'removed') = 'true') AS removed
    FROM aspect WHERE version = 0";

/// The common origin of aspects that are rolled back together.
#[derive(Clone, Debug)]
pub(crate) enum Origin {
    /// A run, by its id.
    Run(String),
    /// An entity registry, as `name:version`.
    Registry(String),
}

impl Origin {
    fn name(&self) -> &str {
        match self {
            Self::Run(name) | Self::Registry(name) => name,
        }
    }

    /// The column of [`LATEST`] with this origin.
    fn column(&self) -> &'static str {
        match self {
            Self::Run(_) => "run",
            Self::Registry(_) => "registry",
        }
    }

    /// The SQL expression of this origin, for any version.
    fn expression(&self) -> &'static str {
        match self {
            Self::Run(_) => "member(system_metadata, 'runId')",
            Self::Registry(_) => {
                "member(system_metadata, 'registryName') || ':' || member(system_metadata, 'registryVersion')"
            }
        }
    }
}

/// A run, with the aspects whose latest version it wrote.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) id: String,
    /// Milliseconds since 1970.
    pub(crate) timestamp: i64,
    pub(crate) rows: i64,
}

/// The latest version of an aspect.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) urn: String,
    pub(crate) aspect: String,
    /// `None` if the system metadata has no run id.
    pub(crate) run: Option<String>,
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

/// The runs, newest first. Without `soft_deleted_too`, runs with only soft-deleted entities are omitted.
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

/// The aspects whose latest version has this origin, ordered by URN.
pub(crate) fn describe(
    connection: &Connection,
    origin: &Origin,
    start: i64,
    count: i64,
    soft_deleted_too: bool,
) -> Result<Vec<Written>, rusqlite::Error> {
    connection
        .prepare_cached(&format!(
            "SELECT * FROM ({LATEST}) WHERE {} = ?1 AND (?4 OR NOT removed)
             ORDER BY urn, aspect LIMIT ?3 OFFSET ?2",
            origin.column()
        ))?
        .query_map(params![origin.name(), start, count, soft_deleted_too], Written::from_row)?
        .collect()
}

/// The aspects that other runs wrote for the entities that a run created. A hard rollback deletes them too.
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

/// The result of a rollback.
#[derive(Debug, Default)]
pub(crate) struct RolledBack {
    pub(crate) aspects: usize,
    pub(crate) urns: BTreeSet<String>,
}

/// Rolls back everything of this origin. An aspect is restored to its latest value of another origin, or
/// deleted. Entities that the origin created are deleted or soft-deleted
/// (`EntityServiceImpl.deleteAspectWithoutMCL`).
pub(crate) fn rollback(
    connection: &Connection,
    written: &[Written],
    origin: &Origin,
    hard: bool,
    stamp: &AuditStamp,
) -> Result<RolledBack, Failure> {
    let mut done = RolledBack::default();
    // Keys come last: deleting a key deletes the entity.
    let (keys, aspects): (Vec<_>, Vec<_>) = written.iter().partition(|written| written.is_key());
    for written in aspects {
        revert(connection, &written.urn, &written.aspect, origin)?;
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
    if let Origin::Run(run) = origin {
        done.aspects += timeseries::delete_run(connection, run)?;
    }
    Ok(done)
}

/// Restores the newest value of another origin, or deletes the aspect if there is none.
fn revert(connection: &Connection, urn: &str, aspect: &str, origin: &Origin) -> Result<(), rusqlite::Error> {
    let survivor: Option<i64> = connection
        .prepare_cached(&format!(
            "SELECT max(version) FROM aspect WHERE urn = ?1 AND aspect = ?2 AND version > 0
             AND coalesce({}, '') <> ?3",
            origin.expression()
        ))?
        .query_row(params![urn, aspect, origin.name()], |row| row.get(0))?;
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
