//! Decodes proposals from Rest.li requests.
//!
//! The decoder shares no code with the client's encoder, so that an encoding mistake is not hidden by the
//! same mistake here. Aspects stay text: numbers keep their spelling.

use std::borrow::Cow;

use crate::change::{self, Change, ChangeType, Content};
use crate::failure::{Cause, Failure};
use crate::patch::Patch;
use crate::registry::Registry;
use crate::urn::Urn;
use crate::{json_text, keys};
use serde::Deserialize;
use serde::de::Error as _;
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct SingleIngest<'a> {
    #[serde(borrow)]
    proposal: Proposal<'a>,
    #[serde(borrow, default)]
    r#async: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct BatchIngest<'a> {
    #[serde(borrow)]
    proposals: Vec<Proposal<'a>>,
    #[serde(borrow, default)]
    r#async: Option<Cow<'a, str>>,
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
    entity_key_aspect: Option<GenericAspect<'a>>,
    change_type: ChangeType,
    #[serde(borrow, default)]
    aspect_name: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    aspect: Option<GenericAspect<'a>>,
    #[serde(borrow, default)]
    system_metadata: Option<&'a RawValue>,
    #[serde(borrow, default)]
    headers: Option<&'a RawValue>,
}

/// A decoded request.
pub(super) struct IngestRequest<'a> {
    proposals: Vec<Proposal<'a>>,
    /// Whether the request is asynchronous.
    pub(super) asynchronous: bool,
}

/// `GenericAspect.pdl`
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GenericAspect<'a> {
    #[serde(borrow)]
    value: Cow<'a, str>,
    #[serde(borrow)]
    content_type: Cow<'a, str>,
}

/// Decodes the body of `ingestProposal`.
///
/// # Errors
/// 400 if it is malformed.
pub(super) fn single(body: &[u8]) -> Result<IngestRequest<'_>, Failure> {
    let SingleIngest { proposal, r#async } = parse(body)?;
    Ok(IngestRequest { proposals: vec![proposal], asynchronous: is_true(r#async.as_deref()) })
}

/// Decodes the body of `ingestProposalBatch`.
///
/// # Errors
/// As [`single`].
pub(super) fn batch(body: &[u8]) -> Result<IngestRequest<'_>, Failure> {
    let BatchIngest { proposals, r#async } = parse(body)?;
    Ok(IngestRequest { proposals, asynchronous: is_true(r#async.as_deref()) })
}

impl IngestRequest<'_> {
    /// The change types and URNs. GMS checks permissions before the rest (`AspectResource.ingestProposals`);
    /// a proposal without a URN is refused later.
    pub(super) fn targets(&self) -> impl Iterator<Item = (ChangeType, Urn)> {
        self.proposals.iter().filter_map(|proposal| {
            let urn = Urn::parse(&urn_text(proposal).ok()?).ok()?;
            Some((proposal.change_type, urn))
        })
    }

    /// The changes. With `silent`, invalid proposals are dropped, as in GMS (`AspectsBatchImpl`: "Invalid
    /// proposal, skipping and proceeding with batch"); unregistered aspects are refused even then.
    ///
    /// # Errors
    /// The failure in GMS's form, see [`change`]. One invalid proposal refuses the batch.
    pub(super) fn changes(&self, registry: &Registry, silent: bool) -> Result<Vec<Change>, Failure> {
        let skipped = |failure: &Failure| silent && failure.cause() == Cause::Proposal;
        let changes = self.proposals.iter().map(|proposal| change(proposal, registry));
        changes.filter(|change| !change.as_ref().is_err_and(skipped)).collect()
    }
}

/// The parameter is a string, which GMS reads with Java's `parseBoolean`.
fn is_true(text: Option<&str>) -> bool {
    text.is_some_and(|text| text.eq_ignore_ascii_case("true"))
}

/// Parses a body as JSON.
///
/// # Errors
/// 400 if it is not JSON, or not of type `T`.
pub(super) fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Failure> {
    serde_json::from_slice(body).map_err(|error| {
        let message: String = error.to_string().chars().take(400).collect();
        Failure::bad_request(format!("Cannot parse request entity: {message}"))
    })
}

fn change(proposal: &Proposal<'_>, registry: &Registry) -> Result<Change, Failure> {
    for generic in [&proposal.aspect, &proposal.entity_key_aspect].into_iter().flatten() {
        one_byte_a_character(&generic.value, proposal)?;
    }
    let urn = change::checked_urn(&urn_text(proposal)?)?;
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
    change::checked_key(&urn)?;
    let aspect = match proposal.aspect_name.as_deref() {
        Some(name) if !name.is_empty() => name.to_owned(),
        // GMS answers 500 here, although the caller is at fault.
        _ => {
            return Err(Failure::internal(
                "java.lang.UnsupportedOperationException: Aspect name is required for create and update operations",
            ));
        }
    };
    registry.check(urn.entity_type(), &aspect)?;
    let content = match (&proposal.aspect, proposal.change_type) {
        (_, ChangeType::Delete) => Content::Nothing,
        (None, _) => {
            return Err(refused("Aspect is required, and the proposal has none.", proposal));
        }
        (Some(generic), operation) => content(generic, operation, &aspect, proposal)?,
    };
    Change::new(urn, aspect, proposal.change_type, content, (proposal.system_metadata, proposal.headers))
}

/// In the model `aspect.value` is `bytes`, and Rest.li reads each character of the string as one byte.
/// Non-ASCII text would be corrupted, and a character above U+00FF is refused; here all non-ASCII text is
/// refused.
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

fn urn_text<'a>(proposal: &'a Proposal<'_>) -> Result<Cow<'a, str>, Failure> {
    match (proposal.entity_urn.as_deref(), &proposal.entity_key_aspect) {
        (Some(urn), _) => Ok(Cow::Borrowed(urn)),
        (None, Some(key)) => keys::to_urn(&proposal.entity_type, &key.value)
            .map(Cow::Owned)
            .map_err(|reason| refused(&format!("Invalid entityKeyAspect: {reason}"), proposal)),
        (None, None) => Err(refused("Cannot validate null URN.", proposal)),
    }
}

fn content(
    generic: &GenericAspect<'_>,
    operation: ChangeType,
    aspect: &str,
    proposal: &Proposal<'_>,
) -> Result<Content, Failure> {
    let supported = match generic.content_type.as_ref() {
        "application/json" => true,
        "application/json-patch+json" => operation == ChangeType::Patch,
        _ => false,
    };
    if !supported {
        return Err(Failure::bad_proposal(about(
            &format!("{} is not supported: an aspect is application/json", generic.content_type),
            proposal,
        )));
    }
    let text = serde_json::from_str::<&RawValue>(&generic.value)
        .and_then(|raw| {
            // An aspect is a record; a patch may be a list of operations.
            if operation == ChangeType::Patch || raw.get().starts_with('{') {
                Ok(raw.get())
            } else {
                Err(serde_json::Error::custom("expected an object"))
            }
        })
        .map_err(|error| {
            Failure::json(format!(
                "java.lang.RuntimeException: Could not deserialize {} for aspect {aspect}: {error}",
                generic.value.chars().take(200).collect::<String>()
            ))
        })?;
    let text = json_text::compact(text);
    Ok(if operation == ChangeType::Patch {
        Content::Patch(Patch::read(&text)?)
    } else {
        Content::Aspect(text)
    })
}

fn refused(reason: &str, proposal: &Proposal<'_>) -> Failure {
    Failure::unprocessable(about(reason, proposal))
}

fn about(reason: &str, proposal: &Proposal<'_>) -> String {
    format!(
        "{reason} EntityAspect:({},{})",
        proposal.entity_urn.as_deref().unwrap_or("null"),
        proposal.aspect_name.as_deref().unwrap_or("null"),
    )
}
