//! The result of reading a recipe in any format.

use super::problem::Problem;
use super::tree::{Entry, Node, Span};

/// The maximum nesting of lists and mappings.
pub(super) const MAX_DEPTH: usize = 64;

/// A tree, and the mistakes that were found while it was read.
pub(super) struct Parsed {
    pub(super) root: Node,
    pub(super) problems: Vec<Problem>,
    /// Values that are in the text but not in the tree, such as the second value of a key. They may contain
    /// secrets.
    pub(super) dropped: Vec<Entry>,
}

pub(super) fn too_deep(span: Span) -> Problem {
    Problem::new(span, format!("lists and mappings are nested deeper than {MAX_DEPTH} levels"))
}
