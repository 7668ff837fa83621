//! JSON as text: reading, checking, compacting and escaping without building a tree.
//!
//! Most metadata is passed on unchanged. Numbers and escapes therefore stay as they were written, and each
//! byte is inspected as few times as possible. The grammar is strictly that of RFC 8259; a duplicate name
//! inside a value is allowed and kept.

mod compact;
mod cursor;
mod error;
mod escape;
mod indent;
mod kind;
mod rewrite;
mod scan;
#[cfg(test)]
mod tests;
mod walk;

pub(crate) use compact::compact;
pub(crate) use cursor::{Cursor, Inside, Text};
pub(crate) use error::JsonError;
pub(crate) use escape::{
    push_ascii_json, push_embedded_json, push_json_string, push_string_map, push_strings,
};
pub(crate) use indent::indent;
pub(crate) use kind::Kind;
pub(crate) use rewrite::Rewriter;

/// The default limit of nested objects and arrays.
pub(crate) const DEFAULT_MAX_DEPTH: usize = 256;
