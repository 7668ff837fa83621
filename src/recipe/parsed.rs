//! What every format's reader hands over.

use super::mistake::Problem;
use super::tree::{Entry, Node, Span};

/// How deep lists and mappings may nest.
pub(super) const MAX_DEPTH: usize = 64;

/// A tree, and what was wrong on the way to it.
pub(super) struct Parsed {
    pub(super) root: Node,
    pub(super) problems: Vec<Problem>,
    /// What stands in the text but not in the tree, such as the second value of a key. It may hold a secret all the same.
    pub(super) dropped: Vec<Entry>,
}

pub(super) fn too_deep(span: Span) -> Problem {
    Problem::new(span, format!("lists and mappings are nested deeper than {MAX_DEPTH} levels"))
}
