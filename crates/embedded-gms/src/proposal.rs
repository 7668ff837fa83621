//! Reads proposals off the wire.
//!
//! This is the server's own decoder: it shares nothing with the client's encoder, so that a mistake there does not
//! agree with itself here. Aspects stay text; nothing turns a number into another.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::Error as _;
use serde_json::value::RawValue;

use super::change::{self, Change, Content, Operation};
use super::failure::{Cause, Failure};
use super::patch::Patch;
use super::registry::Registry;
use super::{compact, keys};
use crate::Urn;

#[derive(Deserialize)]
struct One<'a> {
    #[serde(borrow)]
    proposal: Proposal<'a>,
    #[serde(borrow, default)]
    r#async: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Several<'a> {
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
    entity_key_aspect: Option<Generic<'a>>,
    change_type: Operation,
    #[serde(borrow, default)]
    aspect_name: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    aspect: Option<Generic<'a>>,
    #[serde(borrow, default)]
    system_metadata: Option<&'a RawValue>,
    #[serde(borrow, default)]
    headers: Option<&'a RawValue>,
}

/// What a request asks for.
pub(super) struct Request<'a> {
    proposals: Vec<Proposal<'a>>,
    /// Whether the caller does not wait for it.
    pub(super) asynchronous: bool,
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
/// 400 when it is not one.
pub(super) fn single(body: &[u8]) -> Result<Request<'_>, Failure> {
    let One { proposal, r#async } = parse(body)?;
    Ok(Request { proposals: vec![proposal], asynchronous: is_true(r#async.as_deref()) })
}

/// Reads the body of `ingestProposalBatch`.
///
/// # Errors
/// As [`single`].
pub(super) fn batch(body: &[u8]) -> Result<Request<'_>, Failure> {
    let Several { proposals, r#async } = parse(body)?;
    Ok(Request { proposals, asynchronous: is_true(r#async.as_deref()) })
}

impl Request<'_> {
    /// What is to be done to which entities. GMS asks whether it may be done before it looks closer
    /// (`AspectResource.ingestProposals`); what names no entity is refused then.
    pub(super) fn targets(&self) -> impl Iterator<Item = (Operation, Urn)> {
        self.proposals.iter().filter_map(|proposal| {
            let urn = Urn::parse(&urn_text(proposal).ok()?).ok()?;
            Some((proposal.change_type, urn))
        })
    }

    /// The changes. With `silent` what GMS cannot build a proposal of is left out, as GMS does (`AspectsBatchImpl`:
    /// "Invalid proposal, skipping and proceeding with batch"); what is not registered is refused even then.
    ///
    /// # Errors
    /// With the answer that GMS gives: see [`change`]. One bad proposal refuses them all.
    pub(super) fn changes(&self, registry: &Registry, silent: bool) -> Result<Vec<Change>, Failure> {
        let skipped = |failure: &Failure| silent && failure.cause() == Cause::Proposal;
        let changes = self.proposals.iter().map(|proposal| change(proposal, registry));
        changes.filter(|change| !change.as_ref().is_err_and(skipped)).collect()
    }
}

/// The parameter is a string; GMS reads it as Java's `parseBoolean` does.
fn is_true(text: Option<&str>) -> bool {
    text.is_some_and(|text| text.eq_ignore_ascii_case("true"))
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
        (_, Operation::Delete) => Content::Nothing,
        (None, _) => {
            return Err(refused("Aspect is required, and the proposal has none.", proposal));
        }
        (Some(generic), operation) => content(generic, operation, &aspect, proposal)?,
    };
    Change::new(urn, aspect, proposal.change_type, content, (proposal.system_metadata, proposal.headers))
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
    generic: &Generic<'_>,
    operation: Operation,
    aspect: &str,
    proposal: &Proposal<'_>,
) -> Result<Content, Failure> {
    let supported = match generic.content_type.as_ref() {
        "application/json" => true,
        "application/json-patch+json" => operation == Operation::Patch,
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
            // An aspect is a record; a patch may be the list of its operations.
            if operation == Operation::Patch || raw.get().starts_with('{') {
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
    let text = compact::compact(text);
    Ok(if operation == Operation::Patch {
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
