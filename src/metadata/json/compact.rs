//! Removes insignificant white space.

use super::cursor::Cursor;
use super::error::JsonError;
use super::walk::Visitor;

/// Appends the next value to `out`, without insignificant white space and otherwise unchanged.
///
/// # Errors
/// When it is not valid JSON; `out` then ends with a part of it.
pub(crate) fn compact(cursor: &mut Cursor<'_>, out: &mut Vec<u8>) -> Result<(), JsonError> {
    let text = cursor.text();
    cursor.skip_white_space();
    let mut copy = Copy { text, out, copied: cursor.offset() };
    let (_, end) = cursor.walk(&mut copy)?;
    copy.copy_to(end);
    Ok(())
}

/// Copies the text between white space in as few pieces as possible.
struct Copy<'a> {
    text: &'a [u8],
    out: &'a mut Vec<u8>,
    /// Everything before this offset has been copied or skipped.
    copied: usize,
}

impl Copy<'_> {
    fn copy_to(&mut self, end: usize) {
        self.out.extend_from_slice(self.text.get(self.copied..end).unwrap_or_default());
        self.copied = end;
    }
}

impl Visitor for Copy<'_> {
    fn white_space(&mut self, from: usize, to: usize) {
        self.copy_to(from);
        self.copied = to;
    }
}
