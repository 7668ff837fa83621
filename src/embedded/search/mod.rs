//! Search over the store: what GMS asks its index, answered from the aspects themselves.
//!
//! There is no index and no ranking here. A search looks at every entity of its types, so it finds what was written just
//! before, and gives URNs in their order.

mod document;
mod filter;

use std::ops::Range;

use rusqlite::Connection;

use super::store::read;
use super::tokens;
use crate::metadata::Urn;
use document::Document;

pub(super) use filter::{Condition, Conjunction, Criterion, Filter};

/// The types that are found only where they are asked for by name, as in GMS, start so.
const INTERNAL: &str = "dataHub";

/// Tokens are listed by a call of their own, which looks at who asks.
const NEVER_FOUND: &str = tokens::ENTITY_TYPE;

/// A question.
#[derive(Debug, Default)]
pub(super) struct Search {
    /// Entity types, in GMS's spelling (`dataJob`) or GraphQL's (`DATA_JOB`); none is all that are not internal.
    pub(super) types: Vec<String>,
    /// Words that must all be in the URN or the names, whatever their case; `*` in a word is anything.
    pub(super) text: String,
    pub(super) filter: Filter,
    /// Without it soft-deleted entities are left out, unless the filter is about them.
    pub(super) soft_deleted_too: bool,
}

/// A part of what was found.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) urns: Vec<String>,
    /// How many were found in all.
    pub(super) total: usize,
    /// Whether there are more behind these.
    pub(super) more: bool,
}

impl Search {
    /// The part that starts at a place.
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

    /// The part after a URN, which need not be there any more: what is deleted between two pages moves no other.
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

    fn found(&self, connection: &Connection) -> Result<Vec<String>, rusqlite::Error> {
        let mut statement =
            connection.prepare_cached("SELECT DISTINCT urn FROM aspect WHERE version = 0 ORDER BY urn")?;
        let mut rows = statement.query([])?;
        let types: Vec<_> = self.types.iter().map(|name| plain(name)).collect();
        let words = words(&self.text);
        let removed_too = self.soft_deleted_too || self.filter.is_about("removed");
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let text: String = row.get(0)?;
            let Ok(urn) = Urn::parse(&text) else { continue };
            if !is_of(&types, urn.entity_type()) || !removed_too && read::is_removed(connection, &text)? {
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

/// The words of a question, each as the pieces between its stars. A word of stars alone is none.
fn words(text: &str) -> Vec<Vec<String>> {
    let pieces = |word: &str| -> Vec<String> {
        word.split('*').filter(|piece| !piece.is_empty()).map(str::to_lowercase).collect()
    };
    text.split_whitespace().map(pieces).filter(|word| !word.is_empty()).collect()
}

/// Whether all pieces of a word are in the text, one after the other.
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
    types.contains(&plain(entity_type))
}

/// What the spellings of a type have in common: `dataHubPolicy`, `DATAHUB_POLICY` and `POLICY`.
pub(super) fn plain(entity_type: &str) -> String {
    let plain = entity_type.replace('_', "").to_lowercase();
    match plain.strip_prefix("datahub") {
        Some(rest) => rest.to_owned(),
        None if plain == "customownershiptype" => "ownershiptype".to_owned(),
        None => plain,
    }
}

fn cut(found: &[String], range: Range<usize>) -> Page {
    let end = range.end.min(found.len());
    let urns = found.get(range.start.min(end)..end).unwrap_or_default().to_vec();
    Page { urns, total: found.len(), more: end < found.len() }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert_eq!(plain(one), plain(other));
        }
        assert_ne!(plain("dataset"), plain("DATA_JOB"));
    }

    #[test]
    fn tokens_are_never_found_and_what_is_internal_only_by_name() {
        assert!(is_of(&[], "dataset"));
        assert!(!is_of(&[], "dataHubPolicy"));
        assert!(is_of(&[plain("DATAHUB_POLICY")], "dataHubPolicy"));
        assert!(!is_of(&[plain(NEVER_FOUND)], NEVER_FOUND));
        assert!(!is_of(&[plain("DATASET")], "chart"));
    }

    #[test]
    fn words_are_looked_for_with_their_stars() {
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
    fn a_part_ends_where_the_rest_ends() {
        let found: Vec<_> = ["a", "b", "c"].map(str::to_owned).into();
        let page = cut(&found, 1..2);
        assert_eq!((page.urns, page.total, page.more), (vec!["b".to_owned()], 3, true));
        let page = cut(&found, 2..9);
        assert_eq!((page.urns, page.more), (vec!["c".to_owned()], false));
        assert!(cut(&found, 7..9).urns.is_empty());
    }
}
