//! The kinds of JSON values.

/// The kind of a JSON value.
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
