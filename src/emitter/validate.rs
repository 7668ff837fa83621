//! Validation of a proposal before it is sent.
//!
//! For some proposals GMS responds with success and writes nothing. They are rejected here, with the reason.

use super::outcome::{Rejection, RejectionReason};
use crate::gms::Endpoint;
use crate::metadata::{Aspect, ChangeType, Proposal, model};

/// Why GMS would drop `proposal` silently or cannot receive it over `endpoint`, if so.
pub(crate) fn validate(proposal: &Proposal, endpoint: Endpoint) -> Result<(), Rejection> {
    let reject = |reason, message| Err(Rejection::new(reason, message));
    if let Some(fault) = proposal.urn().storage_problem() {
        return reject(RejectionReason::UrnDroppedByGms, fault);
    }
    let change_type = proposal.change_type();
    match proposal.aspect() {
        _ if !is_name(proposal.aspect_name()) || !is_name(proposal.entity_type()) => reject(
            RejectionReason::NotAName,
            format!(
                "the aspect's name is {:?} and the entity's type {:?}: a name contains only ASCII letters, digits and `_`",
                proposal.aspect_name(),
                proposal.entity_type()
            ),
        ),
        // `MCPItem.isValidChangeType`
        _ if !matches!(change_type, ChangeType::Upsert | ChangeType::Delete)
            && model::is_timeseries(proposal.aspect_name()) =>
        {
            reject(
                RejectionReason::ChangeTypeNotSupported,
                format!(
                    "{} is a timeseries aspect, for which GMS supports UPSERT and not {change_type}",
                    proposal.aspect_name()
                ),
            )
        }
        None if endpoint == Endpoint::Openapi && change_type != ChangeType::Delete => reject(
            RejectionReason::NoAspect,
            format!(
                "the {change_type} has no aspect, which OpenAPI cannot express: add the aspect, or use the Rest.li endpoint"
            ),
        ),
        // GMS ignores the content type of a patch.
        Some(aspect)
            if !matches!(change_type, ChangeType::Patch | ChangeType::Delete)
                && *aspect.content_type() != Aspect::JSON =>
        {
            reject(
                RejectionReason::ContentTypeDroppedByGms,
                format!(
                    "the aspect's content type is {:?}; GMS accepts application/json and silently drops anything else",
                    aspect.content_type()
                ),
            )
        }
        _ => Ok(()),
    }
}

/// Names become part of paths and bodies; any other text could make a request address another resource.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
