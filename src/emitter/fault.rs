//! Proposals that are not sent, with why.

use super::Rejection;
use crate::gms::Endpoint;
use crate::metadata::{Aspect, ChangeType, Proposal, model};

/// What GMS would drop in silence, so that it is refused here with the reason.
pub(super) fn fault(proposal: &Proposal, endpoint: Endpoint) -> Option<Rejection> {
    let (reason, message) = if let Some(fault) = proposal.urn().storage_problem() {
        ("urn-dropped-by-gms", fault)
    } else {
        let change_type = proposal.change_type();
        match proposal.aspect() {
            _ if !is_name(proposal.aspect_name()) || !is_name(proposal.entity_type()) => (
                "not-a-name",
                format!(
                    "the aspect's name is {:?} and the entity's type {:?}: each is letters, digits and `_`",
                    proposal.aspect_name(),
                    proposal.entity_type()
                ),
            ),
            // `MCPItem.isValidChangeType`
            _ if !matches!(change_type, ChangeType::Upsert | ChangeType::Delete)
                && model::is_timeseries(proposal.aspect_name()) =>
            {
                (
                    "change-type-not-supported",
                    format!(
                        "{} is a time series, of which GMS takes UPSERT and not {change_type}",
                        proposal.aspect_name()
                    ),
                )
            }
            None if endpoint == Endpoint::Openapi && proposal.change_type() != ChangeType::Delete => (
                "no-aspect",
                format!(
                    "the {} has no aspect, and OpenAPI has no form for that: give it one, or send it with `endpoint: restli`",
                    proposal.change_type()
                ),
            ),
            // A patch's type GMS does not look at.
            Some(aspect)
                if !matches!(change_type, ChangeType::Patch | ChangeType::Delete)
                    && *aspect.content_type() != Aspect::JSON =>
            {
                (
                    "content-type-dropped-by-gms",
                    format!(
                        "the aspect's content type is {:?}; GMS takes application/json and drops anything else without a word",
                        aspect.content_type()
                    ),
                )
            }
            _ => return None,
        }
    };
    Some(Rejection { reason, status: None, message, attempts: 0 })
}

/// What stands in a path or in a body as a name; anything else could make a request mean another resource.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
