//! Search over the store.
//!
//! There is no index and no ranking. A search reads every entity of its types, so it finds what was just
//! written, and returns URNs in order.

mod document;
mod filter;
mod order;
mod type_name;

use std::cmp::Ordering;
use std::ops::Range;

use rusqlite::Connection;

use crate::store::read;
use crate::tokens;
use crate::urn::Urn;
use document::Document;

pub(super) use filter::{Condition, Conjunction, Criterion, Filter};
pub(super) use order::{Position, Slice, SortField};
pub(super) use type_name::normalized;

/// The prefix of internal types, which are found only if they are named, as in GMS.
const INTERNAL: &str = "dataHub";

/// Tokens have their own call, which checks the caller.
const NEVER_FOUND: &str = tokens::ENTITY_TYPE;

/// A search request.
#[derive(Debug, Default)]
pub(super) struct Search {
    /// Entity types, in GMS's spelling (`dataJob`) or GraphQL's (`DATA_JOB`). None means all that are not
    /// internal.
    pub(super) types: Vec<String>,
    /// Words that must all occur in the URN or the names, ignoring case; `*` in a word matches anything.
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

impl Search {
    /// The page that starts at an index.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(super) fn part(
        &self,
        connection: &Connection,
        start: usize,
        count: usize,
    ) -> Result<Page, rusqlite::Error> {
        let found = self.found(connection)?;
        Ok(cut(&found, start..start.saturating_add(count)))
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
        let found = self.found(connection)?;
        let start = urn.map_or(0, |urn| found.partition_point(|found| found.as_str() <= urn));
        Ok(cut(&found, start..start.saturating_add(count)))
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
        let by_urn = order.iter().all(|order| order.field == "urn");
        let mut places = Vec::new();
        for text in self.found(connection)? {
            let Ok(urn) = Urn::parse(&text) else { continue };
            let stored = if by_urn { Vec::new() } else { read::entity(connection, &text)? };
            places.push(Position::of(&Document::new(&urn, stored), order));
        }
        places.sort_by(|one, other| one.compare(other, order));
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

    fn found(&self, connection: &Connection) -> Result<Vec<String>, rusqlite::Error> {
        let mut statement =
            connection.prepare_cached("SELECT DISTINCT urn FROM aspect WHERE version = 0 ORDER BY urn")?;
        let mut rows = statement.query([])?;
        let words = words(&self.text);
        let removed_too = self.soft_deleted_too || self.filter.is_about("removed");
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let text: String = row.get(0)?;
            let Ok(urn) = Urn::parse(&text) else { continue };
            if !is_of(&self.types, urn.entity_type())
                || self.slice.is_some_and(|slice| !slice.has(&text))
                || !removed_too && read::is_removed(connection, &text)?
            {
                continue;
            }
            if !words.is_empty() || !self.filter.is_empty() {
                let document = Document::new(&urn, read::entity(connection, &text)?);
                let found = document.text();
                if !words.iter().all(|word| is_in(word, &found))
                    || !self.filter.takes(|field| document.values(field))
                {
                    continue;
                }
            }
            found.push(text);
        }
        Ok(found)
    }
}

/// The words of a search, each split at its stars. A word of stars only is dropped.
fn words(text: &str) -> Vec<Vec<String>> {
    let pieces = |word: &str| -> Vec<String> {
        word.split('*').filter(|piece| !piece.is_empty()).map(str::to_lowercase).collect()
    };
    text.split_whitespace().map(pieces).filter(|word| !word.is_empty()).collect()
}

/// Whether all pieces of a word occur in the text, in order.
fn is_in(word: &[String], text: &str) -> bool {
    let mut rest = Some(text);
    for piece in word {
        rest = rest.and_then(|rest| rest.split_once(piece.as_str())).map(|(_, rest)| rest);
    }
    rest.is_some()
}

fn is_of(types: &[String], entity_type: &str) -> bool {
    if entity_type == NEVER_FOUND {
        return false;
    }
    if types.is_empty() {
        return !entity_type.starts_with(INTERNAL);
    }
    let entity_type = normalized(entity_type);
    types.iter().any(|name| normalized(name) == entity_type)
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
    fn tokens_are_never_found_and_internal_types_only_by_name() {
        assert!(is_of(&[], "dataset"));
        assert!(!is_of(&[], "dataHubPolicy"));
        assert!(
            is_of(&["DATAHUB_POLICY".into()], "dataHubPolicy")
                && is_of(&["dataHubRole".into()], "dataHubRole")
        );
        assert!(!is_of(&["role".into()], "dataHubRole") && is_of(&["ROLE".into()], "role"));
        assert!(!is_of(&["ROLE".into()], "dataHubRole") && !is_of(&["DATAHUB_ROLE".into()], "role"));
        assert!(!is_of(&[NEVER_FOUND.into()], NEVER_FOUND));
        assert!(!is_of(&["DATASET".into()], "chart"));
    }

    #[test]
    fn words_may_contain_stars() {
        let found =
            |question: &str| words(question).iter().all(|word| is_in(word, "urn:li:tag:pools\nlido pools"));
        for question in ["", "*", " * ** ", "POOL", "lido*", "*l*do*ools", "pools lido", "urn:li:tag:pools"] {
            assert!(found(question), "{question}");
        }
        for question in ["pond", "lido pond", "lido*tag"] {
            assert!(!found(question), "{question}");
        }
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
