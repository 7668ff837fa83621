//! Search over an index in the data file.
//!
//! Conditions that the index knows become SQL. The others are checked on the stored aspects of each entity
//! that is left.

mod document;
mod filter;
mod index;
mod order;
mod query;
mod type_name;

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::Range;

use rusqlite::{Connection, params_from_iter};

use crate::failure::Failure;
use crate::state::ServerState;
use crate::store::read;
use crate::tokens;
use crate::urn::Urn;
use document::Document;
use filter::ENTITY_TYPE;

pub(super) use filter::{Condition, Conjunction, Criterion, Filter};
pub(super) use index::{FACETS, update_all};
pub(super) use order::{Position, Slice, SortField};
pub(super) use query::Query;
pub(super) use type_name::normalized;

/// The prefix of internal types, which are found only if they are named, as in GMS.
const INTERNAL: &str = "datahub";

/// The number of entities that are indexed at a time, so that other writes do not wait long.
const INDEXED_AT_ONCE: usize = 1_000;

impl ServerState {
    /// Runs `work` on the committed data with an index that is up to date.
    pub(super) async fn read_indexed<T, F>(&self, work: F) -> Result<T, Failure>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, rusqlite::Error> + Send + 'static,
    {
        if !self.store.read(index::is_current).await? {
            let update = || self.store.write(|connection| Ok(index::update(connection, INDEXED_AT_ONCE)?));
            while update().await? {}
        }
        self.store.read(work).await
    }
}

/// A search request.
#[derive(Debug, Default)]
pub(super) struct Search {
    /// Entity types, in GMS's spelling (`dataJob`) or GraphQL's (`DATA_JOB`). None means all that are not
    /// internal.
    pub(super) types: Vec<String>,
    /// Words that must all occur in the URN, names, descriptions or columns, ignoring case; `*` in a word
    /// matches anything. After `/q`, a structured query.
    pub(super) text: String,
    pub(super) filter: Filter,
    /// Whether soft-deleted entities are found. They are also found if the filter uses their field.
    pub(super) soft_deleted_too: bool,
    /// Restricts the search to a slice.
    pub(super) slice: Option<Slice>,
}

/// A page of results.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) urns: Vec<String>,
    /// The total number of results.
    pub(super) total: usize,
    /// Whether there are more results.
    pub(super) more: bool,
}

/// A page of sorted results.
#[derive(Debug)]
pub(super) struct Sorted {
    pub(super) urns: Vec<String>,
    /// The total number of results.
    pub(super) total: usize,
    /// The end of this page; `None` on the last page.
    pub(super) next: Option<Position>,
}

/// The values of fields of an entity.
///
/// # Errors
/// When the store cannot be read.
pub(super) fn values(
    connection: &Connection,
    text: &str,
    fields: &[String],
) -> Result<Vec<Vec<String>>, rusqlite::Error> {
    let Ok(urn) = Urn::parse(text) else { return Ok(vec![Vec::new(); fields.len()]) };
    let document = Document::new(&urn, read::entity(connection, text)?);
    Ok(fields.iter().map(|field| document.values(field)).collect())
}

/// The conditions of a search on the table `document`, in SQL.
struct Plan {
    condition: String,
    values: Vec<String>,
    /// Whether the condition is complete.
    exact: bool,
}

impl Plan {
    fn add(&mut self, condition: &str, values: impl IntoIterator<Item = String>) {
        if !self.condition.is_empty() {
            self.condition.push_str(" AND ");
        }
        self.condition.push_str(condition);
        self.values.extend(values);
    }

    /// The URNs of a query of this form, with more values behind those of the condition.
    fn urns(
        &self,
        connection: &Connection,
        more: &str,
        values: impl IntoIterator<Item = String>,
    ) -> Result<Vec<String>, rusqlite::Error> {
        let sql = format!("SELECT urn FROM document WHERE {}{more}", self.condition);
        let values = self.values.iter().cloned().chain(values);
        connection.prepare_cached(&sql)?.query_map(params_from_iter(values), |row| row.get(0))?.collect()
    }

    fn count(&self, connection: &Connection) -> Result<usize, rusqlite::Error> {
        let sql = format!("SELECT count(*) FROM document WHERE {}", self.condition);
        let count: i64 =
            connection.prepare_cached(&sql)?.query_row(params_from_iter(&self.values), |row| row.get(0))?;
        Ok(usize::try_from(count).unwrap_or(0))
    }
}

impl Search {
    /// The page that starts at an index, ordered by URN.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(super) fn part(
        &self,
        connection: &Connection,
        start: usize,
        count: usize,
    ) -> Result<Page, rusqlite::Error> {
        self.page(connection, " ORDER BY urn", Vec::new(), start, count)
    }

    /// The page that starts at an index; the best names come first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(super) fn ranked(
        &self,
        connection: &Connection,
        start: usize,
        count: usize,
    ) -> Result<Page, rusqlite::Error> {
        if Query::parse(&self.text).is_all() {
            return self.part(connection, start, count);
        }
        let order = " ORDER BY relevance(?, name) DESC, urn";
        self.page(connection, order, vec![self.text.clone()], start, count)
    }

    fn page(
        &self,
        connection: &Connection,
        order: &str,
        values: Vec<String>,
        start: usize,
        count: usize,
    ) -> Result<Page, rusqlite::Error> {
        let plan = self.plan();
        if !plan.exact {
            let found = self.checked(connection, plan.urns(connection, order, values)?)?;
            return Ok(cut(&found, start..start.saturating_add(count)));
        }
        let total = plan.count(connection)?;
        let limits = [count, start].map(|number| number.min(1 << 40).to_string());
        // The limits are bound as text, so that the statement is the same for every page.
        let limited = format!("{order} LIMIT CAST(? AS INTEGER) OFFSET CAST(? AS INTEGER)");
        let urns = plan.urns(connection, &limited, values.into_iter().chain(limits))?;
        Ok(Page { more: start.saturating_add(urns.len()) < total, urns, total })
    }

    /// The page after a URN, which need not exist any more: deletions between two pages do not shift the
    /// results.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(super) fn after(
        &self,
        connection: &Connection,
        urn: Option<&str>,
        count: usize,
    ) -> Result<Page, rusqlite::Error> {
        let plan = self.plan();
        let Some(urn) = urn else { return self.part(connection, 0, count) };
        if !plan.exact {
            let found = self.found(connection)?;
            let start = found.partition_point(|found| found.as_str() <= urn);
            return Ok(cut(&found, start..start.saturating_add(count)));
        }
        let limit = count.saturating_add(1).min(1 << 40).to_string();
        let mut urns = plan.urns(
            connection,
            " AND urn > ? ORDER BY urn LIMIT CAST(? AS INTEGER)",
            [urn.to_owned(), limit],
        )?;
        let more = urns.len() > count;
        urns.truncate(count);
        Ok(Page { urns, total: plan.count(connection)?, more })
    }

    /// The page after a position in this order.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(super) fn ordered(
        &self,
        connection: &Connection,
        order: &[SortField],
        after: Option<&Position>,
        count: usize,
    ) -> Result<Sorted, rusqlite::Error> {
        let places = self.places(connection, order)?;
        let start = after.map_or(0, |after| {
            places.partition_point(|place| place.compare(after, order) != Ordering::Greater)
        });
        let end = start.saturating_add(count).min(places.len());
        let part = places.get(start..end).unwrap_or_default();
        Ok(Sorted {
            urns: part.iter().map(|place| place.urn().to_owned()).collect(),
            total: places.len(),
            next: part.last().filter(|_| end < places.len()).cloned(),
        })
    }

    /// The page that starts at an index in this order.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(super) fn ordered_part(
        &self,
        connection: &Connection,
        order: &[SortField],
        start: usize,
        count: usize,
    ) -> Result<Page, rusqlite::Error> {
        let places = self.places(connection, order)?;
        let urns: Vec<_> = places.iter().map(|place| place.urn().to_owned()).collect();
        Ok(cut(&urns, start..start.saturating_add(count)))
    }

    fn places(&self, connection: &Connection, order: &[SortField]) -> Result<Vec<Position>, rusqlite::Error> {
        let by_urn = order.iter().all(|order| order.field == "urn");
        let mut places = Vec::new();
        for text in self.found(connection)? {
            let Ok(urn) = Urn::parse(&text) else { continue };
            let stored = if by_urn { Vec::new() } else { read::entity(connection, &text)? };
            places.push(Position::of(&Document::new(&urn, stored), order));
        }
        places.sort_by(|one, other| one.compare(other, order));
        Ok(places)
    }

    /// The values of a field in all results, with their numbers; the most frequent come first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(super) fn facet(
        &self,
        connection: &Connection,
        field: &str,
        most: usize,
    ) -> Result<Vec<(String, usize)>, rusqlite::Error> {
        let plan = self.plan();
        let mut counts: Vec<(String, usize)> = if plan.exact {
            let sql = if field == ENTITY_TYPE {
                format!("SELECT kind, count(*) FROM document WHERE {} GROUP BY kind", plan.condition)
            } else {
                format!(
                    "SELECT value, count(*) FROM facet JOIN document ON document.id = facet.document
                     WHERE facet.name = ? AND {} GROUP BY value",
                    plan.condition
                )
            };
            let name = (field != ENTITY_TYPE).then(|| field.to_owned());
            let values = name.into_iter().chain(plan.values.iter().cloned());
            let mut statement = connection.prepare_cached(&sql)?;
            let rows = statement.query_map(params_from_iter(values), |row| {
                Ok((row.get(0)?, usize::try_from(row.get::<_, i64>(1)?).unwrap_or(0)))
            })?;
            rows.collect::<Result<_, _>>()?
        } else {
            let mut counts = BTreeMap::new();
            for text in self.found(connection)? {
                let Ok(urn) = Urn::parse(&text) else { continue };
                for value in Document::new(&urn, read::entity(connection, &text)?).values(field) {
                    *counts.entry(value).or_insert(0) += 1;
                }
            }
            counts.into_iter().collect()
        };
        counts.sort_by(|(one, one_count), (other, count)| count.cmp(one_count).then(one.cmp(other)));
        counts.truncate(most);
        Ok(counts)
    }

    /// Whether one entity, of any type, meets the filter.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(super) fn takes(&self, connection: &Connection, text: &str) -> Result<bool, rusqlite::Error> {
        let mut plan = self.plan();
        plan.add("urn = ?", [text.to_owned()]);
        let found = plan.urns(connection, "", [])?;
        Ok(!self.checked(connection, found)?.is_empty())
    }

    /// The URNs of all results, in order.
    fn found(&self, connection: &Connection) -> Result<Vec<String>, rusqlite::Error> {
        let urns = self.plan().urns(connection, " ORDER BY urn", [])?;
        self.checked(connection, urns)
    }

    /// Checks the conditions that the index does not know.
    fn checked(&self, connection: &Connection, urns: Vec<String>) -> Result<Vec<String>, rusqlite::Error> {
        if self.plan().exact {
            return Ok(urns);
        }
        let query = Query::parse(&self.text);
        let mut found = Vec::new();
        for text in urns {
            let Ok(urn) = Urn::parse(&text) else { continue };
            if self.slice.is_some_and(|slice| !slice.has(&text)) {
                continue;
            }
            let document = Document::new(&urn, read::entity(connection, &text)?);
            let in_field = |name: &str, pieces: &[String]| document.has(name, pieces);
            if query.matches(&document.text(), &in_field) && self.filter.takes(|field| document.values(field))
            {
                found.push(text);
            }
        }
        Ok(found)
    }

    fn plan(&self) -> Plan {
        let mut plan = Plan { condition: String::new(), values: Vec::new(), exact: self.slice.is_none() };
        let kinds: Vec<_> = self.types.iter().map(|name| normalized(name)).collect();
        if kinds.is_empty() {
            plan.add(&format!("kind NOT LIKE '{INTERNAL}%'"), []);
        } else {
            plan.add(&format!("kind IN ({})", places(kinds.len())), kinds);
            // Tokens have their own call, which checks the caller.
            plan.add("kind <> ?", [normalized(tokens::ENTITY_TYPE)]);
        }
        if !self.soft_deleted_too && !self.filter.is_about("removed") {
            plan.add("removed = 0", []);
        }
        let query = Query::parse(&self.text);
        if let Some(indexed) = query.indexed() {
            plan.add("id IN (SELECT rowid FROM document_text WHERE document_text MATCH ?)", [indexed]);
        }
        if !query.is_of_text() {
            plan.exact = false;
        } else if !query.is_all() {
            plan.add("matches(?, body)", [self.text.clone()]);
        }
        if !self.filter.is_empty() {
            let (condition, values, exact) = of_filter(&self.filter);
            plan.add(&format!("({condition})"), values);
            plan.exact &= exact;
        }
        plan
    }
}

/// The condition of a filter, which finds at least everything that the filter takes, its values, and whether
/// it finds nothing else.
fn of_filter(filter: &Filter) -> (String, Vec<String>, bool) {
    let mut alternatives = Vec::new();
    let mut values = Vec::new();
    let mut exact = true;
    for list in filter.lists() {
        let mut parts = Vec::new();
        for criterion in list {
            match of_criterion(criterion) {
                Some((condition, more)) => {
                    parts.push(if criterion.negated { format!("NOT {condition}") } else { condition });
                    values.extend(more);
                }
                None => exact = false,
            }
        }
        alternatives.push(if parts.is_empty() { "1".to_owned() } else { parts.join(" AND ") });
    }
    (alternatives.join(" OR "), values, exact)
}

/// The condition of a criterion without its negation; `None` if the index does not know it.
fn of_criterion(criterion: &Criterion) -> Option<(String, Vec<String>)> {
    use Condition::{Equal, Exists, In, IsNull};
    let field = criterion.field();
    let wanted = criterion.wanted();
    match (field, criterion.condition) {
        ("urn", Equal | In) => Some((format!("urn IN ({})", places(wanted.len())), wanted)),
        (ENTITY_TYPE, Equal | In) => Some((format!("kind IN ({})", places(wanted.len())), wanted)),
        ("removed", Equal | In) if wanted == ["true"] => Some(("(removed = 1)".to_owned(), Vec::new())),
        (field, condition) if FACETS.contains(&field) => {
            let values = std::iter::once(field.to_owned());
            let all = "SELECT document FROM facet WHERE name = ?";
            match condition {
                Equal | In => Some((
                    format!("id IN ({all} AND value IN ({}))", places(wanted.len())),
                    values.chain(wanted).collect(),
                )),
                Exists => Some((format!("id IN ({all})"), values.collect())),
                IsNull => Some((format!("id NOT IN ({all})"), values.collect())),
                _ => None,
            }
        }
        _ => None,
    }
}

fn places(count: usize) -> String {
    vec!["?"; count].join(",")
}

fn cut(found: &[String], range: Range<usize>) -> Page {
    let end = range.end.min(found.len());
    let urns = found.get(range.start.min(end)..end).unwrap_or_default().to_vec();
    Page { urns, total: found.len(), more: end < found.len() }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::registry::Registry;

    #[test]
    fn a_type_has_several_spellings() {
        for (one, other) in [
            ("dataJob", "DATA_JOB"),
            ("corpuser", "CORP_USER"),
            ("mlFeatureTable", "MLFEATURE_TABLE"),
            ("dataHubPolicy", "DATAHUB_POLICY"),
            ("dataHubIngestionSource", "INGESTION_SOURCE"),
            ("ownershipType", "CUSTOM_OWNERSHIP_TYPE"),
        ] {
            assert_eq!(normalized(one), normalized(other));
        }
        assert_ne!(normalized("dataset"), normalized("DATA_JOB"));
        let registry = Registry::standard().unwrap();
        let all: HashSet<_> = registry.types().map(|known| normalized(known.name())).collect();
        assert_eq!(all.len(), registry.types().count(), "no two types are one");
    }

    #[test]
    fn a_page_ends_with_the_results() {
        let found: Vec<_> = ["a", "b", "c"].map(str::to_owned).into();
        let page = cut(&found, 1..2);
        assert_eq!((page.urns, page.total, page.more), (vec!["b".to_owned()], 3, true));
        let page = cut(&found, 2..9);
        assert_eq!((page.urns, page.more), (vec!["c".to_owned()], false));
        assert!(cut(&found, 7..9).urns.is_empty());
    }
}
