//! Relationships between entities, and lineage. The edges are part of the index (`search::index`), which has
//! to be up to date.

pub(super) mod lineage;

use rusqlite::{Connection, Row, ToSql, params_from_iter};

use crate::urn::Urn;

/// Whether an entity is the source of a relationship, or its destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// The entity is the destination.
    Incoming,
    /// The entity is the source.
    Outgoing,
    Undirected,
}

impl Direction {
    pub(super) fn parse(name: &str) -> Option<Self> {
        match name.to_ascii_uppercase().as_str() {
            "INCOMING" => Some(Self::Incoming),
            "OUTGOING" => Some(Self::Outgoing),
            "UNDIRECTED" => Some(Self::Undirected),
            _ => None,
        }
    }
}

/// A related entity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Related {
    pub(super) urn: String,
    pub(super) relationship: String,
    /// Whether the relationship leads to the related entity.
    pub(super) outgoing: bool,
    pub(super) created_on: Option<i64>,
    pub(super) created_by: Option<String>,
    pub(super) via: Option<String>,
}

/// A page of related entities.
#[derive(Debug)]
pub(super) struct RelatedPage {
    pub(super) entities: Vec<Related>,
    pub(super) total: usize,
}

/// Which related entities are wanted.
#[derive(Clone, Debug)]
pub(super) struct RelatedQuery {
    pub(super) urn: String,
    pub(super) direction: Direction,
    /// The names of relationships; none means all.
    pub(super) types: Vec<String>,
    pub(super) start: usize,
    pub(super) count: usize,
    pub(super) soft_deleted_too: bool,
}

impl RelatedQuery {
    /// The related entities, ordered by URN. Two entities have at most one relationship of each name.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(super) fn read(&self, connection: &Connection) -> Result<RelatedPage, rusqlite::Error> {
        let names = vec!["?"; self.types.len()].join(",");
        let of_types =
            if names.is_empty() { String::new() } else { format!("AND relationship IN ({names})") };
        let mut sides = Vec::new();
        let mut values: Vec<&dyn ToSql> = Vec::new();
        let wanted = [
            (Direction::Outgoing, "source", "destination", 1),
            (Direction::Incoming, "destination", "source", 0),
        ];
        for (direction, own, other, outgoing) in wanted {
            if self.direction == direction || self.direction == Direction::Undirected {
                sides.push(format!(
                    "SELECT {other} AS urn, relationship, {outgoing} AS outgoing, created_on, created_by, via
                     FROM edge WHERE {own} = ? {of_types}"
                ));
                values.push(&self.urn);
                values.extend(self.types.iter().map(|name| name as &dyn ToSql));
            }
        }
        let living = if self.soft_deleted_too {
            ""
        } else {
            "WHERE NOT EXISTS (SELECT 1 FROM document WHERE document.urn = found.urn AND removed)"
        };
        let distinct = format!(
            "SELECT urn, relationship, outgoing, max(created_on) AS created_on, created_by, via
             FROM ({}) AS found {living} GROUP BY urn, relationship, outgoing",
            sides.join(" UNION ALL ")
        );
        let total: i64 = connection
            .prepare_cached(&format!("SELECT count(*) FROM ({distinct})"))?
            .query_row(params_from_iter(values.iter()), |row| row.get(0))?;
        let number = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        let (count, start) = (number(self.count), number(self.start));
        values.push(&count);
        values.push(&start);
        let entities = connection
            .prepare_cached(&format!("{distinct} ORDER BY urn, relationship, outgoing LIMIT ? OFFSET ?"))?
            .query_map(params_from_iter(values.iter()), Related::from_row)?
            .collect::<Result<_, _>>()?;
        Ok(RelatedPage { entities, total: usize::try_from(total).unwrap_or(0) })
    }
}

impl Related {
    fn from_row(row: &Row<'_>) -> Result<Self, rusqlite::Error> {
        Ok(Self {
            urn: row.get("urn")?,
            relationship: row.get("relationship")?,
            outgoing: row.get("outgoing")?,
            created_on: row.get("created_on")?,
            created_by: row.get("created_by")?,
            via: row.get("via")?,
        })
    }
}

/// An edge between two entities.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct StoredEdge {
    pub(super) source: String,
    pub(super) relationship: String,
    pub(super) destination: String,
    /// 1 if the destination is upstream, -1 if it is downstream, and 0 without lineage.
    pub(super) lineage: i64,
}

impl StoredEdge {
    /// The place of the edge in the order of a scroll.
    pub(super) fn place(&self) -> [&str; 3] {
        [&self.source, &self.relationship, &self.destination]
    }

    pub(super) fn source_type(&self) -> String {
        type_of(&self.source)
    }

    pub(super) fn destination_type(&self) -> String {
        type_of(&self.destination)
    }
}

fn type_of(urn: &str) -> String {
    Urn::parse(urn).map(|urn| urn.entity_type().to_owned()).unwrap_or_default()
}

/// The edges after a place that `wanted` takes, at most `count`, and whether there are more.
///
/// # Errors
/// When the store cannot be read.
pub(super) fn scroll(
    connection: &Connection,
    after: Option<&[String; 3]>,
    count: usize,
    soft_deleted_too: bool,
    wanted: impl Fn(&StoredEdge) -> bool,
) -> Result<(Vec<StoredEdge>, bool), rusqlite::Error> {
    let mut statement = connection.prepare_cached(
        "SELECT source, relationship, destination, max(abs(lineage)) * sign(sum(lineage)) AS lineage FROM edge
         WHERE (source, relationship, destination) > (?1, ?2, ?3)
           AND (?4 OR NOT EXISTS (SELECT 1 FROM document WHERE urn IN (source, destination) AND removed))
         GROUP BY source, relationship, destination ORDER BY source, relationship, destination",
    )?;
    let [source, relationship, destination] =
        after.map_or(["", "", ""], |after| after.each_ref().map(String::as_str));
    let mut rows = statement.query((source, relationship, destination, soft_deleted_too))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let edge = StoredEdge {
            source: row.get(0)?,
            relationship: row.get(1)?,
            destination: row.get(2)?,
            lineage: row.get(3)?,
        };
        if wanted(&edge) {
            if found.len() == count {
                return Ok((found, true));
            }
            found.push(edge);
        }
    }
    Ok((found, false))
}
