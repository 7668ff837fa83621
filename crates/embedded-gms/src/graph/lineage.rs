//! Lineage: the entities that an entity comes from, and those that come from it.

use std::collections::HashMap;

use rusqlite::Connection;

/// The greatest number of entities in a result; further ones are not explored.
const MAX_EXPLORED: usize = 50_000;

/// The greatest number of paths to an entity.
const MAX_PATHS: usize = 20;

/// The direction in which lineage is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LineageDirection {
    Upstream,
    Downstream,
}

/// An entity in the lineage of another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LineageEntity {
    pub(crate) urn: String,
    /// The number of hops, from 1.
    pub(crate) degree: usize,
    /// Shortest paths, from the entity where the search starts to this one.
    pub(crate) paths: Vec<Vec<String>>,
}

/// A neighbour, with the relationship that leads to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Neighbour {
    pub(crate) urn: String,
    pub(crate) relationship: String,
    pub(crate) created_on: Option<i64>,
    pub(crate) created_by: Option<String>,
    pub(crate) updated_on: Option<i64>,
    pub(crate) updated_by: Option<String>,
}

/// The entities one hop away, ordered by URN, each once.
///
/// # Errors
/// When the store cannot be read.
pub(crate) fn neighbours(
    connection: &Connection,
    urn: &str,
    direction: LineageDirection,
) -> Result<Vec<Neighbour>, rusqlite::Error> {
    // A destination is upstream (1) or downstream (-1) of its source, and the source the other way round.
    let (to_destination, to_source) = match direction {
        LineageDirection::Upstream => (1, -1),
        LineageDirection::Downstream => (-1, 1),
    };
    connection
        .prepare_cached(
            "SELECT urn, min(relationship), max(created_on), created_by, max(updated_on), updated_by FROM (
                 SELECT destination AS urn, relationship, created_on, created_by, updated_on, updated_by
                 FROM edge WHERE source = ?1 AND lineage = ?2
                 UNION ALL
                 SELECT source, relationship, created_on, created_by, updated_on, updated_by
                 FROM edge WHERE destination = ?1 AND lineage = ?3)
             WHERE urn <> ?1 GROUP BY urn ORDER BY urn",
        )?
        .query_map((urn, to_destination, to_source), |row| {
            Ok(Neighbour {
                urn: row.get(0)?,
                relationship: row.get(1)?,
                created_on: row.get(2)?,
                created_by: row.get(3)?,
                updated_on: row.get(4)?,
                updated_by: row.get(5)?,
            })
        })?
        .collect()
}

/// The entities up to a number of hops away, ordered by their degree and URN.
///
/// # Errors
/// When the store cannot be read.
pub(crate) fn explore(
    connection: &Connection,
    start: &str,
    direction: LineageDirection,
    max_hops: usize,
) -> Result<Vec<LineageEntity>, rusqlite::Error> {
    // The entities from which each one was reached on a shortest path.
    let mut parents: HashMap<String, (usize, Vec<String>)> = HashMap::new();
    parents.insert(start.to_owned(), (0, Vec::new()));
    let mut level = vec![start.to_owned()];
    let mut found: Vec<(usize, String)> = Vec::new();
    for degree in 1..=max_hops {
        let mut next = Vec::new();
        for urn in &level {
            let full = parents.len() > MAX_EXPLORED;
            for neighbour in neighbours(connection, urn, direction)? {
                match parents.get_mut(&neighbour.urn) {
                    Some((known, from)) if *known == degree => from.push(urn.clone()),
                    Some(_) => {}
                    None if full => {}
                    None => {
                        parents.insert(neighbour.urn.clone(), (degree, vec![urn.clone()]));
                        next.push(neighbour.urn);
                    }
                }
            }
        }
        if next.is_empty() {
            break;
        }
        next.sort();
        found.extend(next.iter().map(|urn| (degree, urn.clone())));
        level = next;
    }
    Ok(found
        .into_iter()
        .map(|(degree, urn)| LineageEntity { paths: paths(&parents, &urn), urn, degree })
        .collect())
}

fn paths(parents: &HashMap<String, (usize, Vec<String>)>, urn: &str) -> Vec<Vec<String>> {
    let mut complete = Vec::new();
    let mut open = vec![vec![urn.to_owned()]];
    while let Some(path) = open.pop() {
        let last = path.last().map(String::as_str).unwrap_or_default();
        match parents.get(last) {
            Some((_, from)) if !from.is_empty() => {
                for parent in from.iter().rev() {
                    let mut longer = path.clone();
                    longer.push(parent.clone());
                    open.push(longer);
                }
            }
            _ => {
                complete.push(path.into_iter().rev().collect());
                if complete.len() == MAX_PATHS {
                    break;
                }
            }
        }
    }
    complete
}

#[cfg(test)]
mod tests {
    use super::*;

    /// a ← b ← d and a ← c ← d, and a job j between d and e.
    fn graph() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(
                "CREATE TABLE edge (source, relationship, destination, lineage, created_on, created_by, updated_on, updated_by);
                 INSERT INTO edge (source, relationship, destination, lineage) VALUES
                     ('b', 'DownstreamOf', 'a', 1), ('c', 'DownstreamOf', 'a', 1), ('d', 'DownstreamOf', 'b', 1),
                     ('d', 'DownstreamOf', 'c', 1), ('j', 'Consumes', 'd', 1), ('j', 'Produces', 'e', -1),
                     ('a', 'DownstreamOf', 'a', 1), ('b', 'TaggedWith', 't', 0);",
            )
            .unwrap();
        connection
    }

    fn found(start: &str, direction: LineageDirection, hops: usize) -> Vec<(String, usize)> {
        let found = explore(&graph(), start, direction, hops).unwrap();
        found.into_iter().map(|one| (one.urn, one.degree)).collect()
    }

    #[test]
    fn lineage_is_followed_through_jobs_in_both_directions() {
        let of = |list: &[(&str, usize)]| -> Vec<(String, usize)> {
            list.iter().map(|(urn, degree)| ((*urn).to_owned(), *degree)).collect()
        };
        assert_eq!(
            found("e", LineageDirection::Upstream, 9),
            of(&[("j", 1), ("d", 2), ("b", 3), ("c", 3), ("a", 4)])
        );
        assert_eq!(found("a", LineageDirection::Downstream, 2), of(&[("b", 1), ("c", 1), ("d", 2)]));
        assert_eq!(found("a", LineageDirection::Upstream, 9), []);
        assert_eq!(found("d", LineageDirection::Downstream, 0), []);
    }

    #[test]
    fn all_shortest_paths_are_given() {
        let all = explore(&graph(), "a", LineageDirection::Downstream, 9).unwrap();
        let d = all.iter().find(|one| one.urn == "d").unwrap();
        assert_eq!(d.paths, [["a", "b", "d"], ["a", "c", "d"]]);
    }
}
