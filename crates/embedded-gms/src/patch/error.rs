//! Why a patch cannot be applied.

use crate::tree::NotText;
use std::fmt;

/// The limit of what the operations of one patch may copy, in bytes.
pub(super) const MAX_COPIED: usize = 64 * 1024 * 1024;

/// Why a patch cannot be applied.
#[derive(Debug)]
pub(super) enum PatchError {
    /// Nothing exists at the path.
    Absent,
    /// A value on the path, or the result, is not an object.
    NoObject,
    /// An element of an array does not have the form that its keys require.
    Shape(String),
    /// A `test` found another value.
    Different,
    /// A `move` of a value into itself.
    IntoItself,
    WholeDocument,
    TooLarge,
    Unreadable(NotText),
    At(String, Box<Self>),
}

impl PatchError {
    pub(super) fn at(self, path: &dyn fmt::Display) -> Self {
        match self {
            located @ (Self::At(..) | Self::NoObject) => located,
            error => Self::At(path.to_string(), Box::new(error)),
        }
    }
}

impl From<NotText> for PatchError {
    fn from(error: NotText) -> Self {
        Self::Unreadable(error)
    }
}

impl fmt::Display for PatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("the JSON value has no such name or index"),
            Self::NoObject => f.write_str("a value that is not an object cannot be cast to ObjectNode"),
            Self::Shape(what) => f.write_str(what),
            Self::Different => f.write_str("the `test` found another value"),
            Self::IntoItself => f.write_str("a value cannot be moved into itself"),
            Self::WholeDocument => f.write_str("the whole aspect cannot be removed by a patch"),
            Self::TooLarge => write!(f, "the patch copies more than {MAX_COPIED} bytes"),
            Self::Unreadable(error) => write!(f, "{error}"),
            Self::At(path, error) => write!(f, "{path}: {error}"),
        }
    }
}
