//! JSON as text: read, checked, compacted and escaped without a tree.
//!
//! Metadata is mostly passed on, so what matters is that numbers and escapes stay as they were written and that a byte
//! is looked at as few times as possible. The grammar is RFC 8259's, strictly; a duplicated name inside a value is
//! allowed and kept.

mod compact;
mod cursor;
mod error;
mod escape;
mod indent;
mod rewrite;
mod scan;
#[cfg(test)]
mod tests;
mod walk;

pub(crate) use compact::compact;
pub(crate) use cursor::{Cursor, Inside, Kind, Text};
pub(crate) use error::JsonError;
pub(crate) use escape::{
    push_ascii_json, push_embedded_json, push_json_string, push_string_map, push_strings,
};
pub(crate) use indent::indent;
pub(crate) use rewrite::Rewriter;

/// How deep values may be nested unless the caller says otherwise.
pub(crate) const DEFAULT_MAX_DEPTH: usize = 256;
