//! The index: a document for each entity, the values by which searches filter, and the edges between
//! entities.
//!
//! Writes only note which entities have changed (triggers in `store::schema`); a search first brings the
//! index up to date. So a burst of writes to an entity is indexed once, and a search finds what was just
//! written.

use rusqlite::{Connection, params};

use super::document::Document;
use super::type_name::normalized;
use crate::references::edges;
use crate::store::read;
use crate::urn::Urn;

/// The fields whose values are in the table `facet`.
pub(crate) const FACETS: &[&str] = &[
    "platform",
    "platformInstance",
    "typeNames",
    "origin",
    "tags",
    "owners",
    "glossaryTerms",
    "domains",
    "container",
    "browsePathV2",
];

/// Whether the index is up to date.
pub(crate) fn is_current(connection: &Connection) -> Result<bool, rusqlite::Error> {
    Ok(!connection.prepare_cached("SELECT 1 FROM unindexed LIMIT 1")?.exists([])?)
}

/// Indexes at most `count` changed entities. Returns whether there are more.
pub(crate) fn update(connection: &Connection, count: usize) -> Result<bool, rusqlite::Error> {
    let urns: Vec<String> = connection
        .prepare_cached("SELECT urn FROM unindexed LIMIT ?1")?
        .query_map([i64::try_from(count).unwrap_or(i64::MAX)], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for urn in &urns {
        forget(connection, urn)?;
        add(connection, urn)?;
        connection.prepare_cached("DELETE FROM unindexed WHERE urn = ?1")?.execute([urn])?;
    }
    Ok(urns.len() == count)
}

/// Indexes all changed entities.
pub(crate) fn update_all(connection: &Connection) -> Result<(), rusqlite::Error> {
    update(connection, usize::MAX).map(drop)
}

fn forget(connection: &Connection, urn: &str) -> Result<(), rusqlite::Error> {
    for statement in [
        "DELETE FROM document_text WHERE rowid IN (SELECT id FROM document WHERE urn = ?1)",
        "DELETE FROM facet WHERE document IN (SELECT id FROM document WHERE urn = ?1)",
        "DELETE FROM document WHERE urn = ?1",
        "DELETE FROM edge WHERE owner = ?1",
    ] {
        connection.prepare_cached(statement)?.execute([urn])?;
    }
    Ok(())
}

fn add(connection: &Connection, text: &str) -> Result<(), rusqlite::Error> {
    let Ok(urn) = Urn::parse(text) else { return Ok(()) };
    let stored = read::entity(connection, text)?;
    if stored.is_empty() {
        return Ok(());
    }
    for stored in &stored {
        for edge in edges::of(&urn, stored) {
            connection
                .prepare_cached(
                    "INSERT OR REPLACE INTO edge
                         (owner, aspect, source, relationship, destination, lineage, created_on, created_by,
                          updated_on, updated_by, via)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
                )?
                .execute(params![
                    text,
                    stored.aspect,
                    edge.source,
                    edge.relationship,
                    edge.destination,
                    edge.lineage,
                    edge.created.time,
                    edge.created.actor,
                    edge.updated.time,
                    edge.updated.actor,
                    edge.via,
                ])?;
        }
    }
    let document = Document::new(&urn, stored);
    let body = document.text();
    connection
        .prepare_cached("INSERT INTO document (urn, kind, removed, name, body) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![
            text,
            normalized(urn.entity_type()),
            document.values("removed").iter().any(|value| value == "true"),
            document.name().to_lowercase(),
            body
        ])?;
    let id = connection.last_insert_rowid();
    connection
        .prepare_cached("INSERT INTO document_text (rowid, body) VALUES (?1, ?2)")?
        .execute(params![id, body])?;
    let mut statement = connection
        .prepare_cached("INSERT OR IGNORE INTO facet (document, name, value) VALUES (?1, ?2, ?3)")?;
    for name in FACETS {
        for value in document.values(name) {
            statement.execute(params![id, name, value])?;
        }
    }
    Ok(())
}
