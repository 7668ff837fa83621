//! Errors in JSON text.

use std::fmt;

/// The text is not valid JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JsonError {
    /// The place of the error, in bytes from the start of the text.
    pub(crate) offset: usize,
    pub(crate) kind: JsonErrorKind,
}

/// The kinds of errors in JSON text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JsonErrorKind {
    /// The text ends, but this was expected.
    Ends(&'static str),
    /// This was expected, but another byte was found.
    Expected(&'static str, u8),
    /// `NaN`, `Infinity` or `-Infinity`, which Python writes and reads although JSON does not have them.
    NotFinite(&'static str),
    TrailingComma,
    LeadingZero,
    Number,
    ControlCharacter(u8),
    UnfinishedString,
    Escape,
    LoneSurrogate,
    Utf8,
    TooDeep(usize),
}

impl JsonErrorKind {
    pub(super) fn at(self, offset: usize) -> JsonError {
        JsonError { offset, kind: self }
    }

    /// The error when `found`, or the end of the text, stands in the place of `expected`.
    pub(super) fn expected(expected: &'static str, found: Option<u8>) -> Self {
        found.map_or(Self::Ends(expected), |byte| Self::Expected(expected, byte))
    }
}

impl fmt::Display for JsonErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Ends(expected) => write!(f, "expected {expected}, but the text ends"),
            Self::Expected(expected, found) if found.is_ascii_graphic() => {
                write!(f, "expected {expected}, found `{}`", char::from(found))
            }
            Self::Expected(expected, 0) => write!(f, "expected {expected}, found a NUL byte"),
            Self::Expected(expected, found) => write!(f, "expected {expected}, found the byte 0x{found:02x}"),
            Self::NotFinite(word) => write!(f, "{word} is not JSON: expected a finite number, a string or null"),
            Self::TrailingComma => f.write_str("a comma before a closing bracket is not JSON: remove the comma"),
            Self::LeadingZero => f.write_str("a number with a leading zero is not JSON"),
            Self::Number => f.write_str("not a number in JSON syntax"),
            Self::ControlCharacter(byte) => {
                write!(f, "control character 0x{byte:02x} in a string: expected it as \\u{byte:04x}")
            }
            Self::UnfinishedString => f.write_str("a string without its closing quote"),
            Self::Escape => f.write_str(
                "unknown escape in a string: expected \\\", \\\\, \\/, \\b, \\f, \\n, \\r, \\t or \\u and four hexadecimal digits",
            ),
            Self::LoneSurrogate => {
                f.write_str("half a surrogate pair in a string that must be text: expected both halves")
            }
            Self::Utf8 => f.write_str("invalid UTF-8"),
            Self::TooDeep(limit) => write!(f, "nested deeper than {limit} levels"),
        }
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at byte {})", self.kind, self.offset)
    }
}

impl std::error::Error for JsonError {}
