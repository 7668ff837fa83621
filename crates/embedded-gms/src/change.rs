//! One change to one aspect, from any interface, with all checks that do not need the store.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::failure::Failure;
use crate::patch::Patch;
use crate::urn::Urn;
use crate::{json_text, keys, model, system_metadata};
use serde::Deserialize;
use serde_json::value::RawValue;

/// The longest URN in bytes of its URL-encoded form (`ValidationApiUtils.URN_NUM_BYTES_LIMIT`).
const MAX_ENCODED_URN: usize = 512;

/// The separator of key parts in GMS's search index.
const RESERVED: char = '␟';

/// The header of a proposal (not of HTTP) that makes the write conditional on a version.
pub(super) const IF_VERSION_MATCH: &str = "If-Version-Match";

/// The change types (`ChangeType.pdl`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum ChangeType {
    Upsert,
    Create,
    CreateEntity,
    Update,
    Restate,
    Patch,
    Delete,
}

#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) urn: Urn,
    pub(super) aspect: String,
    pub(super) operation: ChangeType,
    /// The entity's key aspect, as JSON text.
    pub(super) key: String,
    pub(super) content: Content,
    /// Compact JSON text of an object.
    pub(super) system_metadata: Option<String>,
    /// The version that the aspect must have (`If-Version-Match`).
    pub(super) expected_version: Option<String>,
}

/// The content of a change.
#[derive(Clone, Debug)]
pub(super) enum Content {
    /// Compact JSON text of an object.
    Aspect(String),
    Patch(Patch),
    /// For a delete.
    Nothing,
}

impl Content {
    /// The aspect's text, unless it is a patch or a delete.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Aspect(text) => Some(text),
            Self::Patch(_) | Self::Nothing => None,
        }
    }
}

impl Change {
    /// Creates a change. `system_metadata` and `headers` are the values from the request.
    ///
    /// # Errors
    /// If the URN's key does not fit its entity type, a time-series aspect would be changed other than by an
    /// UPSERT or DELETE, or `system_metadata` or `headers` are malformed.
    pub(super) fn new(
        urn: Urn,
        aspect: String,
        operation: ChangeType,
        content: Content,
        (system_metadata, headers): (Option<&RawValue>, Option<&RawValue>),
    ) -> Result<Self, Failure> {
        if model::is_timeseries(&aspect) && !matches!(operation, ChangeType::Upsert | ChangeType::Delete) {
            return Err(Failure::internal(format!(
                "java.lang.UnsupportedOperationException: ChangeType not supported: [{}] for aspect {aspect}",
                operation.name(),
            )));
        }
        Ok(Self {
            key: checked_key(&urn)?,
            urn,
            aspect,
            operation,
            content,
            system_metadata: object(system_metadata)?,
            expected_version: version(headers)?,
        })
    }
}

impl Change {
    /// The system metadata to store.
    pub(super) fn system_metadata(&self, time: i64) -> String {
        match &self.system_metadata {
            Some(text) => system_metadata::completed(text, time),
            None => system_metadata::default(time),
        }
    }
}

impl ChangeType {
    fn name(self) -> &'static str {
        match self {
            Self::Upsert => "UPSERT",
            Self::Create => "CREATE",
            Self::CreateEntity => "CREATE_ENTITY",
            Self::Update => "UPDATE",
            Self::Restate => "RESTATE",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

/// Parses a URN that GMS would store.
///
/// # Errors
/// For a URN that GMS drops silently on Rest.li (`AspectsBatchImpl`: "Invalid proposal, skipping and
/// proceeding with batch"). A server for tests should report it.
pub(super) fn checked_urn(text: &str) -> Result<Urn, Failure> {
    let invalid = |reason: &str| {
        let shown: String = text.chars().take(600).collect();
        Failure::bad_proposal(format!("Invalid urn: {shown}: {reason}"))
    };
    if text.trim() != text {
        return Err(invalid("Error: cannot provide an URN with leading or trailing whitespace"));
    }
    let urn = Urn::parse(text).map_err(|_| invalid("expected urn:li:<entity type>:<key>"))?;
    if text.contains(RESERVED) {
        return Err(invalid("Error: URN cannot contain ␟ character"));
    }
    let encoded: usize = url::form_urlencoded::byte_serialize(text.as_bytes()).map(str::len).sum();
    if encoded > MAX_ENCODED_URN && urn.entity_type() != "schemaField" {
        return Err(invalid(&format!(
            "Error: cannot provide an URN longer than {MAX_ENCODED_URN} bytes (when URL encoded), it has {encoded}"
        )));
    }
    Ok(urn)
}

/// The key aspect of an entity.
///
/// # Errors
/// If the URN's key does not fit its entity type.
pub(super) fn checked_key(urn: &Urn) -> Result<String, Failure> {
    keys::from_urn_key(urn.entity_type(), urn.key())
        .map_err(|reason| Failure::bad_proposal(format!("Invalid urn: {urn}: {reason}")))
}

/// System metadata as the text of an object. `datahub put --run-id` sends it as a string that contains the
/// JSON.
fn object(raw: Option<&RawValue>) -> Result<Option<String>, Failure> {
    let wrong = || Failure::bad_request("ERROR :: /systemMetadata :: expected a record");
    let Some(raw) = raw.map(RawValue::get).filter(|text| *text != "null") else {
        return Ok(None);
    };
    let text = if raw.starts_with('"') {
        Cow::Owned(serde_json::from_str::<String>(raw).map_err(|_| wrong())?)
    } else {
        Cow::Borrowed(raw)
    };
    let object = serde_json::from_str::<&RawValue>(&text).map_err(|_| wrong())?.get();
    if object.starts_with('{') { Ok(Some(json_text::compact(object))) } else { Err(wrong()) }
}

fn version(headers: Option<&RawValue>) -> Result<Option<String>, Failure> {
    let Some(headers) = headers else { return Ok(None) };
    let headers: Option<BTreeMap<String, String>> = serde_json::from_str(headers.get())
        .map_err(|_| Failure::bad_request("ERROR :: /headers :: expected a map of strings"))?;
    let found = headers.into_iter().flatten().find(|(name, _)| name.eq_ignore_ascii_case(IF_VERSION_MATCH));
    Ok(found.map(|(_, version)| version))
}
