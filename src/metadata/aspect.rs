//! An aspect as it travels: compact JSON text and its media type.

use std::borrow::Cow;
use std::convert::Infallible;

use bytes::Bytes;
use serde::Serialize;

use super::json::{self, Cursor, DEFAULT_MAX_DEPTH, JsonError, Kind};

/// The media type of an aspect's text.
pub type ContentType = Cow<'static, str>;

/// The JSON text of an aspect, and its media type (`GenericAspect.pdl`).
///
/// The text is valid UTF-8 JSON without insignificant white space; numbers and escapes are as they were
/// written. It is made once, and nothing parses it again on the way to GMS.
///
/// ```
/// use datahub_emitter::metadata::Aspect;
/// use serde_json::json;
///
/// #[derive(serde::Serialize)]
/// struct Status {
///     removed: bool,
/// }
///
/// let from_text = Aspect::from_json(r#"{ "removed": false }"#)?;
/// let from_value = Aspect::from(json!({"removed": false}));
/// let from_struct = Aspect::from_serialize(&Status { removed: false })?;
/// assert_eq!(from_text.as_str(), r#"{"removed":false}"#);
/// assert_eq!(from_text, from_value);
/// assert_eq!(from_text, from_struct);
/// # Ok::<_, datahub_emitter::metadata::InvalidAspect>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aspect {
    /// Compact JSON, UTF-8.
    pub(super) value: Bytes,
    pub(super) content_type: ContentType,
}

/// The aspect is not valid JSON, or not a patch where one is expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the aspect is not valid: {reason} (at byte {offset})")]
pub struct InvalidAspect {
    reason: String,
    offset: usize,
}

impl InvalidAspect {
    /// The mistake.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// The place of the mistake, in bytes from the start of the text; 0 when the aspect was not given as
    /// text.
    pub fn offset(&self) -> usize {
        self.offset
    }
}

impl From<JsonError> for InvalidAspect {
    fn from(error: JsonError) -> Self {
        Self { reason: error.kind.to_string(), offset: error.offset }
    }
}

// An `Aspect` or a `serde_json::Value` converts without an error; `?` must accept both.
impl From<Infallible> for InvalidAspect {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl Aspect {
    /// The content type of every aspect that is not a patch: `application/json`.
    pub const JSON: ContentType = Cow::Borrowed("application/json");
    /// The content type of an RFC 6902 patch: `application/json-patch+json`.
    pub const JSON_PATCH: ContentType = Cow::Borrowed("application/json-patch+json");

    /// The aspect with this JSON text, which is compacted and otherwise kept as it is. The content type is
    /// [`JSON`](Self::JSON).
    ///
    /// # Errors
    /// When `text` is not valid JSON, or nested more than 256 levels deep.
    pub fn from_json(text: &str) -> Result<Self, InvalidAspect> {
        let mut value = Vec::with_capacity(text.len());
        let mut cursor = Cursor::new(text.as_bytes(), DEFAULT_MAX_DEPTH)?;
        json::compact(&mut cursor, &mut value)?;
        cursor.end()?;
        Ok(Self::from_compact(value))
    }

    /// The aspect that `value` serialises to. The content type is [`JSON`](Self::JSON).
    ///
    /// # Errors
    /// When `value` cannot be serialised as JSON, or is nested more than 256 levels deep.
    pub fn from_serialize(value: &(impl Serialize + ?Sized)) -> Result<Self, InvalidAspect> {
        let text = serde_json::to_string(value)
            .map_err(|error| InvalidAspect { reason: error.to_string(), offset: 0 })?;
        // A `RawValue` inside may bring white space.
        Self::from_json(&text)
    }

    /// The aspect with this text, which is known to be compact JSON.
    pub(super) fn from_compact(value: Vec<u8>) -> Self {
        Self { value: value.into(), content_type: Self::JSON }
    }

    /// The same aspect with another content type. GMS silently drops an aspect whose content type is not
    /// [`JSON`](Self::JSON), unless it is a patch.
    #[must_use]
    pub fn with_content_type(self, content_type: impl Into<ContentType>) -> Self {
        Self { content_type: content_type.into(), ..self }
    }

    /// The text as shared bytes: compact UTF-8 JSON.
    pub fn value(&self) -> &Bytes {
        &self.value
    }

    /// The text: compact JSON.
    pub fn as_str(&self) -> &str {
        // Every constructor has checked it.
        std::str::from_utf8(&self.value).unwrap_or_default()
    }

    /// The media type of the text.
    pub fn content_type(&self) -> &ContentType {
        &self.content_type
    }

    /// The aspect as a patch, with the content type of one.
    pub(super) fn into_patch(self) -> Result<Self, InvalidAspect> {
        check_patch(&self.value).map_err(|reason| InvalidAspect { reason, offset: 0 })?;
        Ok(self.with_content_type(Self::JSON_PATCH))
    }
}

/// Checks that compact JSON text is a patch: a list of operations (RFC 6902), or an object that has one as
/// its member `patch` (`GenericJsonPatch`).
pub(super) fn check_patch(compact: &[u8]) -> Result<(), String> {
    let expected = "the patch: expected a list of operations or an object with `patch`, found";
    let mut cursor = Cursor::new(compact, usize::MAX).map_err(|error| error.to_string())?;
    match cursor.kind().map_err(|error| error.to_string())? {
        Kind::Array => return Ok(()),
        Kind::Object => {}
        other => return Err(format!("{expected} {}", other.name())),
    }
    match last_member(&mut cursor, "patch").map_err(|error| error.to_string())? {
        Some(Kind::Array) => Ok(()),
        Some(other) => {
            Err(format!("`patch` of the patch: expected a list of operations, found {}", other.name()))
        }
        None => Err(format!("{expected} an object without it")),
    }
}

/// The kind of the last member with this name in the object that comes next.
fn last_member(cursor: &mut Cursor<'_>, name: &str) -> Result<Option<Kind>, JsonError> {
    let mut object = cursor.object()?;
    let mut found = None;
    while let Some(key) = cursor.key(&mut object)? {
        let kind = cursor.kind()?;
        if key.decode().is_ok_and(|key| key == name) {
            found = Some(kind);
        }
        cursor.skip()?;
    }
    Ok(found)
}

impl From<serde_json::Value> for Aspect {
    fn from(value: serde_json::Value) -> Self {
        // `Display` of a JSON value is its compact text.
        Self::from_compact(value.to_string().into_bytes())
    }
}

impl TryFrom<&str> for Aspect {
    type Error = InvalidAspect;

    fn try_from(text: &str) -> Result<Self, InvalidAspect> {
        Self::from_json(text)
    }
}

impl TryFrom<&String> for Aspect {
    type Error = InvalidAspect;

    fn try_from(text: &String) -> Result<Self, InvalidAspect> {
        Self::from_json(text)
    }
}

impl TryFrom<String> for Aspect {
    type Error = InvalidAspect;

    fn try_from(text: String) -> Result<Self, InvalidAspect> {
        Self::from_json(&text)
    }
}

impl std::str::FromStr for Aspect {
    type Err = InvalidAspect;

    fn from_str(text: &str) -> Result<Self, InvalidAspect> {
        Self::from_json(text)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{json, value::RawValue};

    use super::*;

    #[test]
    fn text_is_compacted_and_otherwise_kept() {
        let aspect = Aspect::from_json("{ \"n\": 1.0e2,\n\"s\": \"\\u00e9\" }").unwrap();
        assert_eq!(aspect.as_str(), r#"{"n":1.0e2,"s":"\u00e9"}"#);
        assert_eq!(aspect.content_type(), "application/json");
        let raw = RawValue::from_string("{ \"a\" : 1 }".to_owned()).unwrap();
        assert_eq!(Aspect::from_serialize(&raw).unwrap().as_str(), r#"{"a":1}"#);
        assert_eq!(Aspect::from(json!({"a": [1, null]})).as_str(), r#"{"a":[1,null]}"#);
    }

    #[test]
    fn invalid_json_is_refused_with_its_place() {
        let error = Aspect::from_json(r#"{"a":nul}"#).unwrap_err();
        assert_eq!(error.offset(), 5);
        assert!(error.to_string().starts_with("the aspect is not valid: "), "{error}");
        assert!(Aspect::from_json(&"[".repeat(300)).is_err());
        assert!(Aspect::from_json("{} {}").is_err());
        let unserialisable = std::collections::BTreeMap::from([(vec![1], 2)]);
        assert!(Aspect::from_serialize(&unserialisable).unwrap_err().reason().contains("key"));
    }
}
