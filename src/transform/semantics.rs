//! The keys that most transformers share, and how a computed list is combined with others.

use super::list_item::{ListItem, deduplicated};
use crate::recipe::Fields;

/// `semantics`, `replace_existing` and `compatibility`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Semantics {
    /// Keeps the items of the server (`semantics: PATCH`).
    pub(super) is_patch: bool,
    /// Drops the items of the record (`replace_existing`).
    pub(super) replaces: bool,
    /// Writes what Python's transformers write, also where that replaces more than was asked for
    /// (`compatibility: strict`).
    pub(super) is_strict: bool,
}

const COMPATIBILITY: &str = "compatibility";

/// Checks the key `compatibility`, which every transformer of this crate has.
pub(super) fn check_compatibility(fields: &mut Fields<'_>) {
    fields.choice(COMPATIBILITY, &[("safe", false), ("strict", true)]);
}

/// Whether the recipe asks for `compatibility: strict`. [`check_compatibility`] reports a wrong value.
pub(super) fn is_strict(fields: &mut Fields<'_>) -> bool {
    let given = fields.node(COMPATIBILITY).and_then(|node| node.as_str());
    given.is_some_and(|word| word.eq_ignore_ascii_case("strict"))
}

/// Why PATCH needs a server.
pub(super) const PATCH_NEEDS_GRAPH: &str = "`semantics: PATCH` keeps what the server has";

impl Semantics {
    /// Reads the keys.
    pub(super) fn read(fields: &mut Fields<'_>) -> Self {
        let is_patch = fields.choice("semantics", &[("OVERWRITE", false), ("PATCH", true)]);
        let replaces = fields.boolean("replace_existing");
        Self {
            is_patch: is_patch.unwrap_or_default(),
            replaces: replaces.unwrap_or_default(),
            is_strict: is_strict(fields),
        }
    }

    /// The lookup of the aspect that is combined with the one on the server.
    pub(super) fn lookups(self, aspect_name: &'static str) -> Vec<&'static str> {
        if self.is_patch { vec![aspect_name] } else { Vec::new() }
    }

    /// As [`Transformer::needs_graph`](super::Transformer::needs_graph).
    pub(super) fn needs_graph(self) -> Option<&'static str> {
        self.is_patch.then_some(PATCH_NEEDS_GRAPH)
    }

    /// Combines the items of a record, the configured ones and those of the server. `None` when there is
    /// nothing to write.
    pub(super) fn combine(
        self,
        record: Option<Vec<ListItem>>,
        configured: Vec<ListItem>,
        server: impl FnOnce() -> Vec<ListItem>,
    ) -> Option<Vec<ListItem>> {
        let has_record = record.is_some();
        let mut items = if self.replaces { Vec::new() } else { record.unwrap_or_default() };
        items.extend(configured);
        if self.is_patch {
            if items.is_empty() {
                return None;
            }
            // A configured item takes the place of the same item of the server.
            let mut all = server();
            all.extend(items);
            return Some(deduplicated(all));
        }
        // An empty list would remove what the server has.
        (has_record || self.is_strict || !items.is_empty()).then(|| deduplicated(items))
    }
}
