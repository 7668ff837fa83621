//! One pass over a JSON value: the grammar, with an explicit stack, which reports the parts of the value to a
//! visitor.

use super::Kind;
use super::error::{JsonError, JsonErrorKind};
use super::scan;

/// Receives the parts of a value, in the order of the text. All positions are in bytes of the text.
///
/// Each method does nothing unless it is overridden.
pub(super) trait Visitor {
    /// Insignificant white space from `from` to `to`.
    fn white_space(&mut self, _from: usize, _to: usize) {}
    /// An object or an array opens at `at`.
    fn open(&mut self, _at: usize, _object: bool) {}
    /// A member's name, between its quotes.
    fn key(&mut self, _start: usize, _end: usize, _escaped: bool) {}
    /// A comma at `at`.
    fn comma(&mut self, _at: usize) {}
    /// A string, a number, a boolean or null, with its quotes.
    fn scalar(&mut self, _start: usize, _end: usize, _kind: Kind) {}
    /// The innermost object or array closes at `at`.
    fn close(&mut self, _at: usize, _object: bool) {}
}

/// Receives nothing: the walk only checks the value.
pub(super) struct Check;

impl Visitor for Check {}

/// The open objects and arrays, one bit each: 1 is an object.
#[derive(Default)]
struct Stack {
    bits: u64,
    depth: usize,
    /// The bits of 64 levels each, the outermost levels first.
    full: Vec<u64>,
}

impl Stack {
    fn push(&mut self, object: bool) {
        if self.depth > 0 && self.depth.is_multiple_of(64) {
            self.full.push(self.bits);
        }
        self.bits = self.bits << 1 | u64::from(object);
        self.depth += 1;
    }

    fn pop(&mut self) {
        self.depth -= 1;
        self.bits >>= 1;
        if self.depth > 0 && self.depth.is_multiple_of(64) {
            self.bits = self.full.pop().unwrap_or_default();
        }
    }

    fn in_object(&self) -> bool {
        self.bits & 1 == 1
    }
}

enum Expect {
    /// A value: the root, or that of a member or an item.
    Value,
    /// An item, or the end of the array that has just been opened.
    FirstItem,
    /// A name, or the end of the object that has just been opened.
    FirstKey,
    Key,
    /// A comma, or the end of the container.
    Next,
}

/// Checks the value that starts at `start` (not white space) and reports it to `visitor`; returns the end of
/// the value.
///
/// `room` is the number of levels that the value may nest, `limit` the number that the error names.
pub(super) fn walk<V: Visitor>(
    text: &[u8],
    start: usize,
    room: usize,
    limit: usize,
    visitor: &mut V,
) -> Result<usize, JsonError> {
    let mut stack = Stack::default();
    let mut at = start;
    let mut expect = Expect::Value;
    loop {
        let mut found = text.get(at).copied();
        if found.is_some_and(|byte| byte <= b' ') {
            let gap = scan::white_space(text.get(at..).unwrap_or_default());
            visitor.white_space(at, at + gap);
            at += gap;
            found = text.get(at).copied();
        }
        match expect {
            Expect::Value | Expect::FirstItem => match found {
                Some(b'"') => {
                    let close = scan::string(text, at + 1)?.close;
                    visitor.scalar(at, close + 1, Kind::String);
                    at = close + 1;
                    expect = Expect::Next;
                }
                Some(b @ (b'{' | b'[')) => {
                    if stack.depth >= room {
                        return Err(JsonErrorKind::TooDeep(limit).at(at));
                    }
                    let object = b == b'{';
                    stack.push(object);
                    visitor.open(at, object);
                    at += 1;
                    expect = if object { Expect::FirstKey } else { Expect::FirstItem };
                }
                Some(b']') if matches!(expect, Expect::FirstItem) => {
                    visitor.close(at, false);
                    stack.pop();
                    at += 1;
                    expect = Expect::Next;
                }
                Some(b']') if stack.depth > 0 && !stack.in_object() => {
                    return Err(JsonErrorKind::TrailingComma.at(at));
                }
                _ => {
                    let (end, kind) = plain_scalar(text, at)?;
                    visitor.scalar(at, end, kind);
                    at = end;
                    expect = Expect::Next;
                }
            },
            Expect::FirstKey | Expect::Key => match found {
                Some(b'"') => {
                    let key = scan::string(text, at + 1)?;
                    visitor.key(at + 1, key.close, key.escaped);
                    at = key.close + 1;
                    let mut colon = text.get(at).copied();
                    if colon.is_some_and(|byte| byte <= b' ') {
                        let gap = scan::white_space(text.get(at..).unwrap_or_default());
                        visitor.white_space(at, at + gap);
                        at += gap;
                        colon = text.get(at).copied();
                    }
                    if colon != Some(b':') {
                        return Err(JsonErrorKind::expected("`:`", colon).at(at));
                    }
                    at += 1;
                    expect = Expect::Value;
                }
                Some(b'}') if matches!(expect, Expect::FirstKey) => {
                    visitor.close(at, true);
                    stack.pop();
                    at += 1;
                    expect = Expect::Next;
                }
                Some(b'}') => return Err(JsonErrorKind::TrailingComma.at(at)),
                other if matches!(expect, Expect::FirstKey) => {
                    return Err(JsonErrorKind::expected("a name in quotes or `}`", other).at(at));
                }
                other => return Err(JsonErrorKind::expected("a name in quotes", other).at(at)),
            },
            Expect::Next => match (found, stack.in_object()) {
                (Some(b','), object) => {
                    visitor.comma(at);
                    at += 1;
                    expect = if object { Expect::Key } else { Expect::Value };
                }
                (Some(b'}'), true) | (Some(b']'), false) => {
                    visitor.close(at, stack.in_object());
                    stack.pop();
                    at += 1;
                }
                (other, true) => return Err(JsonErrorKind::expected("`,` or `}`", other).at(at)),
                (other, false) => return Err(JsonErrorKind::expected("`,` or `]`", other).at(at)),
            },
        }
        if stack.depth == 0 && matches!(expect, Expect::Next) {
            return Ok(at);
        }
    }
}

/// The end and the kind of the number, boolean or null at `at`.
pub(super) fn plain_scalar(text: &[u8], at: usize) -> Result<(usize, Kind), JsonError> {
    let rest = text.get(at..).unwrap_or_default();
    match rest.first() {
        Some(b'-' | b'0'..=b'9') => {
            let number = scan::number(text, at)?;
            let kind = if number.integer { Kind::Integer } else { Kind::Fraction };
            Ok((number.end, kind))
        }
        Some(b't') if rest.starts_with(b"true") => Ok((at + 4, Kind::Boolean)),
        Some(b'f') if rest.starts_with(b"false") => Ok((at + 5, Kind::Boolean)),
        Some(b'n') if rest.starts_with(b"null") => Ok((at + 4, Kind::Null)),
        _ => Err(scan::no_value(text, at)),
    }
}
