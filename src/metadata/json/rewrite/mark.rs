//! Names that have a meaning as the only member of an object.

use super::Kind;
use crate::metadata::json::Cursor;
use crate::metadata::model::PYTHON_NAMESPACE;

/// The meaning of a name as the only member of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    None,
    /// A class in Python's namespace.
    PythonClass,
    /// An Avro type without a name of its own.
    Text,
    Integer,
    Number,
    Boolean,
    Array,
}

impl Mark {
    pub(super) fn of(name: &[u8]) -> Self {
        match name {
            b"string" => Self::Text,
            b"int" | b"long" => Self::Integer,
            b"float" | b"double" => Self::Number,
            b"boolean" => Self::Boolean,
            b"array" => Self::Array,
            name if name.starts_with(PYTHON_NAMESPACE.as_bytes()) => Self::PythonClass,
            _ => Self::None,
        }
    }

    /// Whether the name is the type of the value.
    pub(super) fn fits(self, kind: Kind) -> bool {
        match self {
            Self::None | Self::PythonClass => false,
            Self::Text => kind == Kind::String,
            Self::Integer => kind == Kind::Integer,
            Self::Number => matches!(kind, Kind::Integer | Kind::Fraction),
            Self::Boolean => kind == Kind::Boolean,
            Self::Array => kind == Kind::Array,
        }
    }
}

/// A name with its escapes decoded; `None` if it is not valid Unicode.
pub(super) fn decode(raw: &[u8]) -> Option<Vec<u8>> {
    let mut quoted = Vec::with_capacity(raw.len() + 2);
    quoted.push(b'"');
    quoted.extend_from_slice(raw);
    quoted.push(b'"');
    let name = Cursor::new(&quoted, 0).ok()?.string().ok()?.decode().ok()?;
    Some(name.into_owned().into_bytes())
}

/// Whether two names are equal once their escapes are decoded.
pub(super) fn same_name(one: &[u8], other: &[u8]) -> bool {
    one == other
        || (one.contains(&b'\\') || other.contains(&b'\\'))
            && decode(one).zip(decode(other)).is_some_and(|(one, other)| one == other)
}
