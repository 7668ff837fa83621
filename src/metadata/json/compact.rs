//! A value without its insignificant white space.

use super::cursor::Cursor;
use super::error::JsonError;
use super::walk::Visitor;

/// Copies the value that comes next to the end of `out`, without insignificant white space and otherwise as it is
/// written.
///
/// # Errors
/// When it is not JSON; `out` then ends with a part of it.
pub(crate) fn compact(cursor: &mut Cursor<'_>, out: &mut Vec<u8>) -> Result<(), JsonError> {
    let text = cursor.text();
    cursor.skip_white_space();
    let mut copy = Copy { text, out, copied: cursor.offset() };
    let (_, end) = cursor.walk(&mut copy)?;
    copy.copy_to(end);
    Ok(())
}

/// Copies what is between white space, in as few pieces as that leaves.
struct Copy<'a> {
    text: &'a [u8],
    out: &'a mut Vec<u8>,
    /// What is before this is in `out`, or left out.
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
