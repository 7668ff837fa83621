//! A cursor that reads the members of objects and the items of arrays one after another.

use std::borrow::Cow;

use super::error::{JsonError, JsonErrorKind};
use super::kind::Kind;
use super::scan;
use super::walk::{self, Check, Visitor};

/// A string as it is written, without its quotes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text<'a> {
    raw: &'a str,
    escaped: bool,
    /// The offset of `raw` in the text.
    start: usize,
}

impl<'a> Text<'a> {
    /// The offset of the opening quote.
    pub(crate) fn offset(&self) -> usize {
        self.start - 1
    }

    /// The string with its escapes decoded.
    ///
    /// # Errors
    /// When an escape is half a surrogate pair.
    pub(crate) fn decode(&self) -> Result<Cow<'a, str>, JsonError> {
        if !self.escaped {
            return Ok(Cow::Borrowed(self.raw));
        }
        let mut decoded = String::with_capacity(self.raw.len());
        self.decode_into(&mut decoded)?;
        Ok(Cow::Owned(decoded))
    }

    /// Appends the string with its escapes decoded to `out`.
    ///
    /// # Errors
    /// When an escape is half a surrogate pair.
    pub(crate) fn decode_into(&self, out: &mut String) -> Result<(), JsonError> {
        let mut rest = self.raw;
        while let Some((plain, escape)) = rest.split_once('\\') {
            out.push_str(plain);
            let at = self.start + self.raw.len() - escape.len() - 1;
            let (character, length) = unescape(escape).ok_or_else(|| JsonErrorKind::LoneSurrogate.at(at))?;
            out.push(character);
            rest = escape.get(length..).unwrap_or_default();
        }
        out.push_str(rest);
        Ok(())
    }
}

/// The character of a valid escape, and the length of the escape after its backslash; `None` for half a
/// surrogate pair.
fn unescape(escape: &str) -> Option<(char, usize)> {
    let character = match escape.as_bytes().first()? {
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => {
            let first = unit(escape.get(1..5)?)?;
            if let Some(character) = char::from_u32(first) {
                return Some((character, 5));
            }
            let second = unit(escape.get(5..)?.strip_prefix("\\u")?.get(..4)?)?;
            let is_pair = (0xd800..0xdc00).contains(&first) && (0xdc00..0xe000).contains(&second);
            let pair = is_pair.then(|| 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00))?;
            return Some((char::from_u32(pair)?, 11));
        }
        plain => char::from(*plain),
    };
    Some((character, 1))
}

fn unit(digits: &str) -> Option<u32> {
    u32::from_str_radix(digits, 16).ok()
}

/// A place in a JSON text.
#[derive(Clone, Debug)]
pub(crate) struct Cursor<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    max_depth: usize,
}

/// The members or items of a container that is being read; see [`Cursor::object`] and [`Cursor::array`].
#[derive(Debug)]
pub(crate) struct Inside {
    first: bool,
}

impl<'a> Cursor<'a> {
    /// A cursor at the start of `text`, after a byte order mark if there is one.
    ///
    /// # Errors
    /// When `text` is not UTF-8.
    pub(crate) fn new(text: &'a [u8], max_depth: usize) -> Result<Self, JsonError> {
        let text = std::str::from_utf8(text).map_err(|error| JsonErrorKind::Utf8.at(error.valid_up_to()))?;
        Ok(Self { text, at: if text.starts_with('\u{feff}') { 3 } else { 0 }, depth: 0, max_depth })
    }

    /// The number of bytes before the cursor.
    pub(crate) fn offset(&self) -> usize {
        self.at
    }

    fn bytes(&self) -> &'a [u8] {
        self.text.as_bytes()
    }

    /// Moves to the next byte that is not white space.
    pub(super) fn skip_white_space(&mut self) {
        self.next();
    }

    /// The next byte that is not white space.
    fn next(&mut self) -> Option<u8> {
        let next = self.bytes().get(self.at).copied();
        if !next.is_some_and(scan::is_white_space) {
            return next;
        }
        self.at += scan::white_space(self.bytes().get(self.at..).unwrap_or_default());
        self.bytes().get(self.at).copied()
    }

    /// The kind of the next value.
    ///
    /// # Errors
    /// When the next bytes are not the start of a value.
    pub(crate) fn kind(&mut self) -> Result<Kind, JsonError> {
        Ok(match self.next() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'"') => Kind::String,
            _ => walk::plain_scalar(self.bytes(), self.at)?.1,
        })
    }

    /// Enters the next value, an object.
    ///
    /// # Errors
    /// When the next value is something else, or when it would be nested too deeply.
    pub(crate) fn object(&mut self) -> Result<Inside, JsonError> {
        self.enter(b'{', "`{`")
    }

    /// Enters the next value, an array.
    ///
    /// # Errors
    /// When the next value is something else, or when it would be nested too deeply.
    pub(crate) fn array(&mut self) -> Result<Inside, JsonError> {
        self.enter(b'[', "`[`")
    }

    fn enter(&mut self, open: u8, expected: &'static str) -> Result<Inside, JsonError> {
        let next = self.next();
        if next != Some(open) {
            return Err(JsonErrorKind::expected(expected, next).at(self.at));
        }
        if self.depth >= self.max_depth {
            return Err(JsonErrorKind::TooDeep(self.max_depth).at(self.at));
        }
        self.depth += 1;
        self.at += 1;
        Ok(Inside { first: true })
    }

    /// Reads the name of the next member of the object, and stops before the value; `None` at the end of the
    /// object.
    ///
    /// # Errors
    /// When the text is not JSON.
    pub(crate) fn key(&mut self, object: &mut Inside) -> Result<Option<Text<'a>>, JsonError> {
        if !self.more(object, b'}', "`,` or `}`", "a name in quotes or `}`")? {
            return Ok(None);
        }
        let next = self.next();
        if next != Some(b'"') {
            return Err(JsonErrorKind::expected("a name in quotes", next).at(self.at));
        }
        let key = self.string()?;
        let colon = self.next();
        if colon != Some(b':') {
            return Err(JsonErrorKind::expected("`:`", colon).at(self.at));
        }
        self.at += 1;
        Ok(Some(key))
    }

    /// Whether the array has another item. The cursor then stands before it.
    ///
    /// # Errors
    /// When the text is not JSON.
    pub(crate) fn item(&mut self, array: &mut Inside) -> Result<bool, JsonError> {
        self.more(array, b']', "`,` or `]`", "a value or `]`")
    }

    fn more(
        &mut self,
        inside: &mut Inside,
        close: u8,
        expected: &'static str,
        at_first: &'static str,
    ) -> Result<bool, JsonError> {
        let first = std::mem::replace(&mut inside.first, false);
        match self.next() {
            Some(byte) if byte == close => {
                self.at += 1;
                self.depth = self.depth.saturating_sub(1);
                Ok(false)
            }
            None if first => Err(JsonErrorKind::Ends(at_first).at(self.at)),
            Some(_) if first => Ok(true),
            Some(b',') => {
                self.at += 1;
                if self.next() == Some(close) {
                    return Err(JsonErrorKind::TrailingComma.at(self.at));
                }
                Ok(true)
            }
            other => Err(JsonErrorKind::expected(expected, other).at(self.at)),
        }
    }

    /// Reads the next value, a string.
    ///
    /// # Errors
    /// When the next value is something else, or not valid JSON.
    pub(crate) fn string(&mut self) -> Result<Text<'a>, JsonError> {
        let next = self.next();
        if next != Some(b'"') {
            return Err(JsonErrorKind::expected("a string", next).at(self.at));
        }
        let start = self.at + 1;
        let span = scan::string(self.bytes(), start)?;
        self.at = span.close + 1;
        Ok(Text { raw: self.text.get(start..span.close).unwrap_or_default(), escaped: span.escaped, start })
    }

    /// Skips the next value, and returns its text.
    ///
    /// # Errors
    /// When it is not valid JSON.
    pub(crate) fn skip(&mut self) -> Result<&'a str, JsonError> {
        let (start, end) = self.walk(&mut Check)?;
        Ok(self.text.get(start..end).unwrap_or_default())
    }

    /// Reports the parts of the next value to `visitor`; returns the start and the end of the value.
    pub(super) fn walk<V: Visitor>(&mut self, visitor: &mut V) -> Result<(usize, usize), JsonError> {
        self.next();
        let start = self.at;
        let room = self.max_depth.saturating_sub(self.depth);
        self.at = walk::walk(self.bytes(), start, room, self.max_depth, visitor)?;
        Ok((start, self.at))
    }

    /// The whole text.
    pub(super) fn text(&self) -> &'a [u8] {
        self.bytes()
    }

    /// A cursor at `offset`, one level deeper than this one; for a member that was skipped.
    pub(crate) fn inside_at(&self, offset: usize) -> Self {
        Self { at: offset, depth: self.depth + 1, ..*self }
    }

    /// Checks that nothing but white space follows.
    ///
    /// # Errors
    /// When something else follows.
    pub(crate) fn end(&mut self) -> Result<(), JsonError> {
        self.next()
            .map_or(Ok(()), |byte| Err(JsonErrorKind::Expected("the end of the text", byte).at(self.at)))
    }
}
