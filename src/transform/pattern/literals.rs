//! Finds the patterns that may match a text, by the literal texts that each of them requires.
//!
//! Many rules on one text would cost a search each. A set of expressions matched together is no remedy:
//! expressions that begin with `.*` make its automaton outgrow its cache. One search finds the literal texts
//! of all patterns instead, and only patterns whose literals all occur are matched.

use std::collections::HashMap;

use aho_corasick::AhoCorasick;
use regex_syntax::hir::{Hir, HirKind};

/// Literals of one pattern that are used: further ones hardly exclude more texts.
const MAX_LITERALS: usize = 4;

/// The literal texts that occur in every text that `pattern`, in Rust's dialect, matches. None are known of a
/// pattern with look-around or back references, nor of one that ignores case.
pub(super) fn required(pattern: &str) -> Vec<String> {
    let mut literals = Vec::new();
    if let Ok(hir) = regex_syntax::parse(pattern) {
        collect(&hir, &mut literals);
    }
    literals.sort_by_key(|literal| std::cmp::Reverse(literal.len()));
    literals.truncate(MAX_LITERALS);
    literals
}

fn collect(hir: &Hir, literals: &mut Vec<String>) {
    match hir.kind() {
        HirKind::Literal(literal) => {
            literals.extend(std::str::from_utf8(&literal.0).ok().map(str::to_owned));
        }
        HirKind::Concat(parts) => parts.iter().for_each(|part| collect(part, literals)),
        HirKind::Capture(group) => collect(&group.sub, literals),
        HirKind::Repetition(repetition) if repetition.min > 0 => collect(&repetition.sub, literals),
        _ => {}
    }
}

/// Says of each pattern whether it may match a text.
#[derive(Debug, Default)]
pub(in crate::transform) struct Candidates {
    /// `None` if no pattern requires a literal.
    finder: Option<AhoCorasick>,
    literals: usize,
    /// For each pattern, the indices of its literals.
    required: Vec<Vec<usize>>,
}

impl Candidates {
    /// The candidates among patterns with these literals.
    ///
    /// # Errors
    /// When there are too many literals.
    pub(in crate::transform) fn new<'a>(
        patterns: impl Iterator<Item = &'a [String]>,
    ) -> Result<Self, String> {
        let mut indices = HashMap::new();
        let mut literals = Vec::new();
        let required = patterns.map(|pattern| {
            let index_of = |literal: &'a String| {
                *indices.entry(literal).or_insert_with(|| {
                    literals.push(literal);
                    literals.len() - 1
                })
            };
            pattern.iter().map(index_of).collect()
        });
        let required = required.collect();
        let finder = (!literals.is_empty())
            .then(|| AhoCorasick::new(&literals))
            .transpose()
            .map_err(|error| format!("the rules are too large together: {error}"))?;
        Ok(Self { finder, literals: literals.len(), required })
    }

    /// The indices of the patterns that may match `text`, in order.
    pub(in crate::transform) fn of(&self, text: &str) -> impl Iterator<Item = usize> {
        let mut occurs = vec![false; self.literals];
        for found in self.finder.iter().flat_map(|finder| finder.find_overlapping_iter(text)) {
            if let Some(occurs) = occurs.get_mut(found.pattern().as_usize()) {
                *occurs = true;
            }
        }
        self.required.iter().enumerate().filter_map(move |(index, required)| {
            required.iter().all(|literal| occurs.get(*literal) == Some(&true)).then_some(index)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_those_that_every_match_contains() {
        for (pattern, literals) in [
            (r"\A(?:.*shop\.orders.*)", &["shop.orders"] as &[&str]),
            (r"a(?:bc)+d?", &["bc", "a"]),
            (r"(?:one|two)three", &["three"]),
            (r"(?i)abc", &[]),
            (r"(?=a)a", &[]),
            (r"x*y{0,2}", &[]),
        ] {
            assert_eq!(required(pattern), literals, "{pattern}");
        }
    }

    #[test]
    fn a_pattern_is_a_candidate_if_all_its_literals_occur() {
        let patterns = [vec!["ab".to_owned(), "c".to_owned()], vec!["bc".to_owned()], Vec::new()];
        let candidates = Candidates::new(patterns.iter().map(Vec::as_slice)).unwrap();
        let of = |text| candidates.of(text).collect::<Vec<_>>();
        assert_eq!(of("abc"), [0, 1, 2]);
        assert_eq!(of("c ab"), [0, 2]);
        assert_eq!(of(""), [2]);
    }
}
