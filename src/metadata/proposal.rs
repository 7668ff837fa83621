//! The metadata change proposal.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use super::json::{Cursor, DEFAULT_MAX_DEPTH, JsonError, compact};
use super::{SystemMetadata, Urn};

/// The name of an aspect or of an entity type; names that DataHub's model knows cost no memory.
pub type Name = Cow<'static, str>;

/// One change to one aspect of one entity, as it travels from a source to a sink.
///
/// The aspect is compact JSON text, made once where the proposal is made; nothing on the way parses it again.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    /// The entity's type, for example `dataset`.
    pub entity_type: Name,
    /// The entity.
    pub urn: Urn,
    /// The key that the entity was named by where a record has `entityKeyAspect` and no URN; [`urn`](Self::urn) was made of
    /// it.
    pub key_aspect: Option<Aspect>,
    /// What is to be done.
    pub change_type: ChangeType,
    /// The aspect's name, for example `datasetProperties`.
    pub aspect_name: Name,
    /// The aspect; `None` for a DELETE, or where a record says `"aspect": null`.
    pub aspect: Option<Aspect>,
    /// Which run wrote it, and when.
    pub system_metadata: Option<Box<SystemMetadata>>,
    /// Headers of this proposal (not of the HTTP request), for example `If-Version-Match`; in the order given.
    pub headers: Vec<(String, String)>,
    /// Where it was read.
    pub origin: Option<Origin>,
}

/// An aspect's text and what the text is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aspect {
    /// Valid JSON without insignificant white space, UTF-8; numbers and escapes as they were written.
    pub value: Bytes,
    /// `application/json`, but for patches.
    pub content_type: ContentType,
}

/// The media type of an aspect's text.
pub type ContentType = Cow<'static, str>;

/// What a proposal asks GMS to do (`ChangeType.pdl`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChangeType {
    /// Writes the aspect, whether it is there or not.
    Upsert,
    /// Writes the aspect; an error if it is there.
    Create,
    /// Writes the aspect only if the entity is new.
    CreateEntity,
    /// Writes the aspect; an error if it is not there.
    Update,
    /// Applies a JSON Patch, or a generic patch.
    Patch,
    /// Deletes the aspect, or with a key aspect the entity.
    Delete,
    /// Writes the aspect again so that the indexes follow.
    Restate,
}

/// A text that names no change type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown changeType {0:?}: expected UPSERT, CREATE, CREATE_ENTITY, UPDATE, PATCH, DELETE or RESTATE")]
pub struct UnknownChangeType(pub String);

impl ChangeType {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Upsert => "UPSERT",
            Self::Create => "CREATE",
            Self::CreateEntity => "CREATE_ENTITY",
            Self::Update => "UPDATE",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Restate => "RESTATE",
        }
    }
}

impl fmt::Display for ChangeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for ChangeType {
    type Err = UnknownChangeType;

    fn from_str(text: &str) -> Result<Self, UnknownChangeType> {
        Ok(match text {
            "UPSERT" => Self::Upsert,
            "CREATE" => Self::Create,
            "CREATE_ENTITY" => Self::CreateEntity,
            "UPDATE" => Self::Update,
            "PATCH" => Self::Patch,
            "DELETE" => Self::Delete,
            "RESTATE" => Self::Restate,
            _ => return Err(UnknownChangeType(text.chars().take(80).collect())),
        })
    }
}

/// A text that is no aspect's, because it is no JSON.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an aspect's JSON: {reason} (at byte {offset})")]
pub struct InvalidAspect {
    /// What is wrong.
    pub reason: String,
    /// Where, in bytes from the start of the text.
    pub offset: usize,
}

impl From<JsonError> for InvalidAspect {
    fn from(error: JsonError) -> Self {
        Self { reason: error.fault.to_string(), offset: error.offset }
    }
}

/// Where a record was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The file, as its source names it; `-` for standard input.
    pub file: Arc<str>,
    /// The record's number in the file, from 0.
    pub index: u64,
    /// Where the record starts, in bytes of the (uncompressed) file.
    pub offset: u64,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.file, self.index)
    }
}

impl Proposal {
    /// An UPSERT of one aspect of `urn`, `aspect` being its JSON text. The text is compacted, and otherwise kept as it
    /// is.
    ///
    /// # Errors
    /// When `aspect` is no JSON.
    pub fn upsert(urn: Urn, aspect_name: impl Into<Name>, aspect: &str) -> Result<Self, InvalidAspect> {
        let mut value = Vec::with_capacity(aspect.len());
        let mut cursor = Cursor::new(aspect.as_bytes(), DEFAULT_MAX_DEPTH)?;
        compact(&mut cursor, &mut value)?;
        cursor.end()?;
        let value = value.into();
        Ok(Self {
            entity_type: super::model::intern_entity_type(urn.entity_type()),
            urn,
            key_aspect: None,
            change_type: ChangeType::Upsert,
            aspect_name: aspect_name.into(),
            aspect: Some(Aspect { value, content_type: Aspect::JSON }),
            system_metadata: None,
            headers: Vec::new(),
            origin: None,
        })
    }
}

impl Aspect {
    /// The content type of everything that is not a patch.
    pub const JSON: ContentType = Cow::Borrowed("application/json");
    /// The content type of an RFC 6902 patch.
    pub const JSON_PATCH: ContentType = Cow::Borrowed("application/json-patch+json");
}
