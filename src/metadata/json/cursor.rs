//! Reading an object's members one after another.

use std::borrow::Cow;

use super::error::{JsonError, JsonFault};
use super::scan;
use super::walk::{self, Check, Visitor};

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Object,
    Array,
    String,
    /// A number with neither fraction nor exponent.
    Integer,
    /// Any other number.
    Fraction,
    Boolean,
    Null,
}

impl Kind {
    /// The kind with its article, for messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Object => "an object",
            Self::Array => "an array",
            Self::String => "a string",
            Self::Integer | Self::Fraction => "a number",
            Self::Boolean => "a boolean",
            Self::Null => "null",
        }
    }
}

/// A string as it is written, without its quotes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text<'a> {
    raw: &'a str,
    escaped: bool,
    /// Where `raw` starts.
    start: usize,
}

impl<'a> Text<'a> {
    /// Where the string's opening quote is.
    pub(crate) fn offset(&self) -> usize {
        self.start - 1
    }

    /// The characters that are meant.
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

    /// Appends the characters that are meant to `out`.
    ///
    /// # Errors
    /// When an escape is half a surrogate pair.
    pub(crate) fn decode_into(&self, out: &mut String) -> Result<(), JsonError> {
        let mut rest = self.raw;
        while let Some((plain, escape)) = rest.split_once('\\') {
            out.push_str(plain);
            let at = self.start + self.raw.len() - escape.len() - 1;
            let (character, length) = unescape(escape).ok_or_else(|| JsonFault::LoneSurrogate.at(at))?;
            out.push(character);
            rest = escape.get(length..).unwrap_or_default();
        }
        out.push_str(rest);
        Ok(())
    }
}

/// The character of a valid escape, and the length of what follows its backslash; `None` for half a surrogate pair.
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

/// A place in a JSON text, from which it is read on.
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
    /// A cursor at the start of `text`, behind a byte order mark if there is one.
    ///
    /// # Errors
    /// When `text` is not UTF-8.
    pub(crate) fn new(text: &'a [u8], max_depth: usize) -> Result<Self, JsonError> {
        let text = std::str::from_utf8(text).map_err(|error| JsonFault::Utf8.at(error.valid_up_to()))?;
        Ok(Self { text, at: if text.starts_with('\u{feff}') { 3 } else { 0 }, depth: 0, max_depth })
    }

    /// How many bytes are before the cursor.
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

    /// What the next value is.
    ///
    /// # Errors
    /// When no value can start with what comes next.
    pub(crate) fn kind(&mut self) -> Result<Kind, JsonError> {
        Ok(match self.next() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'"') => Kind::String,
            _ => walk::plain_scalar(self.bytes(), self.at)?.1,
        })
    }

    /// Enters the object that comes next.
    ///
    /// # Errors
    /// When something else comes next, or when it would be nested too deep.
    pub(crate) fn object(&mut self) -> Result<Inside, JsonError> {
        self.enter(b'{', "`{`")
    }

    /// Enters the array that comes next.
    ///
    /// # Errors
    /// When something else comes next, or when it would be nested too deep.
    pub(crate) fn array(&mut self) -> Result<Inside, JsonError> {
        self.enter(b'[', "`[`")
    }

    fn enter(&mut self, open: u8, expected: &'static str) -> Result<Inside, JsonError> {
        let next = self.next();
        if next != Some(open) {
            return Err(JsonFault::expected(expected, next).at(self.at));
        }
        if self.depth >= self.max_depth {
            return Err(JsonFault::TooDeep(self.max_depth).at(self.at));
        }
        self.depth += 1;
        self.at += 1;
        Ok(Inside { first: true })
    }

    /// The name of the object's next member; its value comes next. `None` at the end of the object.
    ///
    /// # Errors
    /// When the text is not JSON.
    pub(crate) fn key(&mut self, object: &mut Inside) -> Result<Option<Text<'a>>, JsonError> {
        if !self.more(object, b'}', "`,` or `}`", "a name in quotes or `}`")? {
            return Ok(None);
        }
        let next = self.next();
        if next != Some(b'"') {
            return Err(JsonFault::expected("a name in quotes", next).at(self.at));
        }
        let key = self.string()?;
        let colon = self.next();
        if colon != Some(b':') {
            return Err(JsonFault::expected("`:`", colon).at(self.at));
        }
        self.at += 1;
        Ok(Some(key))
    }

    /// Whether the array has another item, which then comes next.
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
            None if first => Err(JsonFault::Ends(at_first).at(self.at)),
            Some(_) if first => Ok(true),
            Some(b',') => {
                self.at += 1;
                if self.next() == Some(close) {
                    return Err(JsonFault::TrailingComma.at(self.at));
                }
                Ok(true)
            }
            other => Err(JsonFault::expected(expected, other).at(self.at)),
        }
    }

    /// Takes the string that comes next.
    ///
    /// # Errors
    /// When something else comes next, or the string is not JSON.
    pub(crate) fn string(&mut self) -> Result<Text<'a>, JsonError> {
        let next = self.next();
        if next != Some(b'"') {
            return Err(JsonFault::expected("a string", next).at(self.at));
        }
        let start = self.at + 1;
        let span = scan::string(self.bytes(), start)?;
        self.at = span.close + 1;
        Ok(Text { raw: self.text.get(start..span.close).unwrap_or_default(), escaped: span.escaped, start })
    }

    /// Passes over the value that comes next, and returns it as it is written.
    ///
    /// # Errors
    /// When it is not JSON.
    pub(crate) fn skip(&mut self) -> Result<&'a str, JsonError> {
        let (start, end) = self.walk(&mut Check)?;
        Ok(self.text.get(start..end).unwrap_or_default())
    }

    /// Tells `visitor` of the value that comes next; returns where it starts and ends.
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

    /// A cursor at `offset`, nested one level deeper than this one; for a member that was passed over before.
    pub(crate) fn inside_at(&self, offset: usize) -> Self {
        Self { at: offset, depth: self.depth + 1, ..*self }
    }

    /// Takes the end of the text.
    ///
    /// # Errors
    /// When there is more than white space.
    pub(crate) fn end(&mut self) -> Result<(), JsonError> {
        self.next().map_or(Ok(()), |byte| Err(JsonFault::Expected("the end of the text", byte).at(self.at)))
    }
}
