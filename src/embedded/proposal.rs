//! Reads proposals off the wire.
//!
//! This is the server's own decoder: it shares nothing with the client's encoder, so that a mistake there does not
//! agree with itself here. Aspects stay text; nothing turns a number into another.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::Error as _;
use serde_json::value::RawValue;

use super::restli::Failure;
use super::{compact, keys};
use crate::metadata::Urn;

/// The longest URN that is stored, in bytes of its URL-encoded form (GMS: `ValidationApiUtils.URN_NUM_BYTES_LIMIT`).
const MAX_ENCODED_URN: usize = 512;

/// What GMS separates the parts of a key with in its search index.
const RESERVED: char = '␟';

/// One change, checked as far as it can be without looking at what is stored.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) urn: Urn,
    pub(super) aspect: String,
    pub(super) operation: Operation,
    /// The key aspect of the entity, as text.
    pub(super) key: String,
    /// Compact JSON text; `None` for a delete.
    pub(super) text: Option<String>,
    pub(super) content_type: String,
    /// Compact JSON text of an object.
    pub(super) system_metadata: Option<String>,
}

/// The change types (`ChangeType.pdl`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum Operation {
    Upsert,
    Create,
    CreateEntity,
    Update,
    Restate,
    Patch,
    Delete,
}

#[derive(Deserialize)]
struct One<'a> {
    #[serde(borrow)]
    proposal: Proposal<'a>,
}

#[derive(Deserialize)]
struct Batch<'a> {
    #[serde(borrow)]
    proposals: Vec<Proposal<'a>>,
}

/// `MetadataChangeProposal.pdl`
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Proposal<'a> {
    #[serde(borrow)]
    entity_type: Cow<'a, str>,
    #[serde(borrow, default)]
    entity_urn: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    entity_key_aspect: Option<Generic<'a>>,
    change_type: Operation,
    #[serde(borrow, default)]
    aspect_name: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    aspect: Option<Generic<'a>>,
    #[serde(borrow, default)]
    system_metadata: Option<&'a RawValue>,
}

/// `GenericAspect.pdl`
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Generic<'a> {
    #[serde(borrow)]
    value: Cow<'a, str>,
    #[serde(borrow)]
    content_type: Cow<'a, str>,
}

/// Reads the body of `ingestProposal`.
///
/// # Errors
/// With the answer that GMS gives: see [`change`].
pub(super) fn single(body: &[u8]) -> Result<Vec<Change>, Failure> {
    let One { proposal } = parse(body)?;
    Ok(vec![change(&proposal)?])
}

/// Reads the body of `ingestProposalBatch`.
///
/// # Errors
/// As [`single`]; one bad proposal refuses them all.
pub(super) fn batch(body: &[u8]) -> Result<Vec<Change>, Failure> {
    let Batch { proposals } = parse(body)?;
    proposals.iter().map(change).collect()
}

/// Reads a body as JSON.
///
/// # Errors
/// 400 when it is not JSON, or not what the call wants.
pub(super) fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Failure> {
    serde_json::from_slice(body).map_err(|error| {
        let message: String = error.to_string().chars().take(400).collect();
        Failure::bad_request(format!("Cannot parse request entity: {message}"))
    })
}

fn change(proposal: &Proposal<'_>) -> Result<Change, Failure> {
    for generic in [&proposal.aspect, &proposal.entity_key_aspect].into_iter().flatten() {
        one_byte_a_character(&generic.value, proposal)?;
    }
    let urn = urn_of(proposal)?;
    if urn.entity_type() != proposal.entity_type {
        return Err(refused(
            &format!(
                "URN entity type does not match MCP entity type. {} != {}",
                urn.entity_type(),
                proposal.entity_type
            ),
            proposal,
        ));
    }
    let key = checked_key(&urn)?;
    let aspect = match proposal.aspect_name.as_deref() {
        Some(name) if !name.is_empty() => name.to_owned(),
        // GMS answers 500 here, although the caller is at fault.
        _ => {
            return Err(Failure::internal(
                "java.lang.UnsupportedOperationException: Aspect name is required for create and update operations",
            ));
        }
    };
    let mut content_type = String::new();
    let text = match (&proposal.aspect, proposal.change_type) {
        (_, Operation::Delete) => None,
        (None, _) => {
            return Err(refused("Aspect is required, and the proposal has none.", proposal));
        }
        (Some(generic), operation) => {
            content_type.push_str(&generic.content_type);
            Some(aspect_text(generic, operation, &aspect, proposal)?)
        }
    };
    Ok(Change {
        urn,
        aspect,
        operation: proposal.change_type,
        key,
        text,
        content_type,
        system_metadata: system_metadata(proposal.system_metadata)?,
    })
}

/// In the model `aspect.value` has the type `bytes`, and Rest.li reads each character of the string as one byte. So
/// what is not ASCII arrives broken, and a character above U+00FF is refused; here all that would break is refused.
fn one_byte_a_character(value: &str, proposal: &Proposal<'_>) -> Result<(), Failure> {
    match value.chars().find(|c| !c.is_ascii()) {
        None => Ok(()),
        Some(found) => Err(Failure::bad_request(format!(
            "ERROR :: /aspect/value :: the type is bytes, one byte a character, and the value holds U+{:04X}: write \
             it as \\u{:04x} in the JSON text of aspect {} of {}",
            u32::from(found),
            u32::from(found),
            proposal.aspect_name.as_deref().unwrap_or("(none)"),
            proposal.entity_urn.as_deref().unwrap_or("(no URN)"),
        ))),
    }
}

fn urn_of(proposal: &Proposal<'_>) -> Result<Urn, Failure> {
    let text = match (proposal.entity_urn.as_deref(), &proposal.entity_key_aspect) {
        (Some(urn), _) => Cow::Borrowed(urn),
        (None, Some(key)) => Cow::Owned(
            keys::to_urn(&proposal.entity_type, &key.value)
                .map_err(|reason| refused(&format!("Invalid entityKeyAspect: {reason}"), proposal))?,
        ),
        (None, None) => return Err(refused("Cannot validate null URN.", proposal)),
    };
    checked_urn(&text)
}

/// Takes a URN that GMS would store.
///
/// # Errors
/// 422 for what GMS drops without a word (`AspectsBatchImpl`: "Invalid proposal, skipping and proceeding with batch"):
/// a server for tests serves better by saying so.
pub(super) fn checked_urn(text: &str) -> Result<Urn, Failure> {
    let invalid = |reason: &str| {
        let shown: String = text.chars().take(600).collect();
        Failure::unprocessable(format!("Invalid urn: {shown}: {reason}"))
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
/// 422 when the URN's key is not one that the entity type has.
pub(super) fn checked_key(urn: &Urn) -> Result<String, Failure> {
    keys::from_urn_key(urn.entity_type(), urn.key())
        .map_err(|reason| Failure::unprocessable(format!("Invalid urn: {urn}: {reason}")))
}

fn aspect_text(
    generic: &Generic<'_>,
    operation: Operation,
    aspect: &str,
    proposal: &Proposal<'_>,
) -> Result<String, Failure> {
    let supported = match generic.content_type.as_ref() {
        "application/json" => true,
        "application/json-patch+json" => operation == Operation::Patch,
        _ => false,
    };
    if !supported {
        return Err(refused(
            &format!("{} is not supported: an aspect is application/json", generic.content_type),
            proposal,
        ));
    }
    let text = serde_json::from_str::<&RawValue>(&generic.value)
        .and_then(|raw| {
            // An aspect is a record; a patch may be the list of its operations.
            if operation == Operation::Patch || raw.get().starts_with('{') {
                Ok(raw.get())
            } else {
                Err(serde_json::Error::custom("expected an object"))
            }
        })
        .map_err(|error| {
            Failure::internal(format!(
                "java.lang.RuntimeException: Could not deserialize {} for aspect {aspect}: {error}",
                generic.value.chars().take(200).collect::<String>()
            ))
        })?;
    Ok(compact::compact(text))
}

/// The system metadata as an object's text. `datahub put --run-id` sends it as a string that holds the JSON.
///
/// # Errors
/// 400 when it is anything else.
pub(super) fn system_metadata(raw: Option<&RawValue>) -> Result<Option<String>, Failure> {
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
    if object.starts_with('{') { Ok(Some(compact::compact(object))) } else { Err(wrong()) }
}

fn refused(reason: &str, proposal: &Proposal<'_>) -> Failure {
    Failure::unprocessable(format!(
        "{reason} EntityAspect:({},{})",
        proposal.entity_urn.as_deref().unwrap_or("null"),
        proposal.aspect_name.as_deref().unwrap_or("null"),
    ))
}
