//! Encodes proposals for OpenAPI v3 (`EntityController.java`, `GenericEntitiesController.java`).
//!
//! An aspect travels as JSON inside JSON, in a body that is ASCII as the Python client's is. Method and path
//! say what is done: `POST` upserts, `PATCH` patches, `POST` to the aspect's own path creates, `DELETE`
//! deletes.

use bytes::Bytes;

use super::OutgoingProposal;
use super::system_metadata::push_system_metadata;
use crate::metadata::json::{push_json_string, push_strings};
use crate::metadata::{ChangeType, Proposal, Urn, model, push_openapi_value};

/// Makes GMS answer only when its search index is up to date (`Constants.SYNC_INDEX_UPDATE_HEADER_NAME`). It
/// is a header of the aspect, not of the request.
const SYNC_INDEX_UPDATE: &str = "X-DataHub-Sync-Index-Update";

/// One proposal as an element of a list: `{"urn": …, "<aspect>": {"value": …, "systemMetadata": …, "headers":
/// {}}}`.
pub(super) fn push_item(out: &mut Vec<u8>, proposal: &Proposal, now: i64, wait_for_index: bool) {
    out.extend_from_slice(br#"{"urn":"#);
    push_json_string(out, proposal.urn().as_str());
    out.push(b',');
    push_json_string(out, proposal.aspect_name());
    out.push(b':');
    push_aspect(out, proposal, now, wait_for_index);
    out.push(b'}');
}

/// The body of a request to an aspect's own path.
pub(super) fn aspect_body(one: &OutgoingProposal, wait_for_index: bool) -> Bytes {
    let mut body = Vec::with_capacity(one.encoded_len);
    push_aspect(&mut body, &one.proposal, one.now, wait_for_index);
    body.into()
}

fn push_aspect(out: &mut Vec<u8>, proposal: &Proposal, now: i64, wait_for_index: bool) {
    out.extend_from_slice(br#"{"value":"#);
    push_value(out, proposal);
    out.extend_from_slice(br#","systemMetadata":"#);
    push_system_metadata(out, proposal.system_metadata(), now);
    out.extend_from_slice(br#","headers":"#);
    let own = proposal.headers().iter().map(|(name, value)| (name.as_str(), value.as_str()));
    push_strings(out, own.chain(wait_for_index.then_some((SYNC_INDEX_UPDATE, "true"))));
    out.push(b'}');
}

/// A patch is an object here; in a proposal it may be the list of RFC 6902 operations alone.
fn push_value(out: &mut Vec<u8>, proposal: &Proposal) {
    let is_list = proposal.aspect().is_some_and(|aspect| aspect.value().starts_with(b"["));
    if proposal.change_type() == ChangeType::Patch && is_list {
        out.extend_from_slice(br#"{"patch":"#);
        push_openapi_value(out, proposal);
        out.push(b'}');
    } else {
        push_openapi_value(out, proposal);
    }
}

/// Where a list of proposals about entities of one type goes.
pub(super) fn entities_path(entity_type: &str, asynchronous: bool) -> String {
    format!("/openapi/v3/entity/{}?async={asynchronous}", segment(entity_type))
}

/// Where an aspect is created that must not be there yet; with `entity` its entity must not be there either.
pub(super) fn create_path(proposal: &Proposal, asynchronous: bool, entity: bool) -> String {
    format!(
        "{}/{}?async={asynchronous}&createIfNotExists={}&createIfEntityNotExists={entity}",
        entity_path(proposal),
        segment(proposal.aspect_name()),
        !entity
    )
}

/// Where an aspect is deleted, or with the key aspect the entity.
pub(super) fn delete_path(proposal: &Proposal) -> String {
    let entity = entity_path(proposal);
    if model::is_key_aspect(proposal.entity_type(), proposal.aspect_name()) {
        return entity;
    }
    format!("{entity}/{}", segment(proposal.aspect_name()))
}

fn entity_path(proposal: &Proposal) -> String {
    format!("/openapi/v3/entity/{}/{}", segment(proposal.entity_type()), proposal.urn().path_segment())
}

fn segment(name: &str) -> String {
    Urn::path_segment_of(name)
}
