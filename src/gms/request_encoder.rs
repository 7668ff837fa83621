//! Encodes proposals as requests: which proposals may share one, and its method, path and body.

use reqwest::Method;

use super::OutgoingProposal;
use super::request_body::List;
use super::{EmitMode, Endpoint, RequestBody, openapi, restli};
use crate::auth::RequestKind;
use crate::metadata::{ChangeType, Name, Proposal, model};

/// Encodes proposals for one GMS.
#[derive(Clone, Debug)]
pub(crate) struct RequestEncoder {
    pub(crate) endpoint: Endpoint,
    pub(crate) emit_mode: EmitMode,
    /// Several proposals share a request.
    pub(crate) batches: bool,
    /// A request with a proposal whose `emitModeMarker` is `sync` is written before GMS answers
    /// (`respect_mcp_sync_marker` of DataHub's sink).
    pub(crate) respect_sync_marker: bool,
}

/// The kind of request that carries a proposal. Proposals share a request only if they have the same route
/// and lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// Rest.li, a list of proposals.
    Batch,
    /// Rest.li, one proposal.
    Single,
    /// Rest.li, one entity.
    DeleteEntity,
    /// OpenAPI, a list.
    Upsert,
    /// OpenAPI, a list.
    Patch,
    /// OpenAPI, one aspect.
    Create,
    /// OpenAPI, one aspect of a new entity.
    CreateEntity,
    /// OpenAPI, one aspect or entity.
    Delete,
}

/// A request that carries proposals, but for its [body](RequestEncoder::body).
#[derive(Clone, Debug)]
pub(crate) struct WriteRequest {
    pub(crate) method: Method,
    /// With its query, below the server's address.
    pub(crate) path: String,
    /// GMS answers when it has queued the proposals.
    pub(crate) asynchronous: bool,
    /// The purpose of the request, for a diagnosis.
    pub(crate) kind: RequestKind,
    route: Route,
}

impl Route {
    /// Whether a request may hold several proposals.
    pub(crate) fn takes_many(self) -> bool {
        matches!(self, Self::Batch | Self::Upsert | Self::Patch)
    }

    /// Whether GMS may queue the request. It deletes at once.
    pub(crate) fn may_be_queued(self) -> bool {
        !matches!(self, Self::DeleteEntity | Self::Delete)
    }

    /// Whether the response lists the accepted aspects. The response to an asynchronous PATCH is empty.
    pub(crate) fn is_answered_with_aspects(self) -> bool {
        matches!(self, Self::Upsert | Self::Patch)
    }
}

impl RequestEncoder {
    /// Only proposals of the same lane share a batch: over OpenAPI the lane is the entity type.
    pub(crate) fn lane(&self, proposal: &Proposal) -> Name {
        match self.endpoint {
            Endpoint::Restli => Name::default(),
            Endpoint::Openapi => proposal.entity_type_name().clone(),
        }
    }

    /// The kind of request that `proposal` goes in. `batches` is false where they are not wanted, or not
    /// known to GMS.
    pub(crate) fn route(&self, proposal: &Proposal, batches: bool) -> Route {
        let deletes_entity = proposal.change_type() == ChangeType::Delete
            && model::is_key_aspect(proposal.entity_type(), proposal.aspect_name());
        match (self.endpoint, proposal.change_type()) {
            // DataHub's client sends deletions in a batch like other proposals.
            (Endpoint::Restli, _) if batches => Route::Batch,
            (Endpoint::Restli, _) if deletes_entity => Route::DeleteEntity,
            (Endpoint::Restli, _) => Route::Single,
            (Endpoint::Openapi, ChangeType::Patch) => Route::Patch,
            (Endpoint::Openapi, ChangeType::Create) => Route::Create,
            (Endpoint::Openapi, ChangeType::CreateEntity) => Route::CreateEntity,
            (Endpoint::Openapi, ChangeType::Delete) => Route::Delete,
            // GMS itself does for UPDATE and RESTATE what it does for UPSERT (`ChangeItemImpl.java`).
            (Endpoint::Openapi, ChangeType::Upsert | ChangeType::Update | ChangeType::Restate) => {
                Route::Upsert
            }
        }
    }

    /// The bytes that `proposal` has in a list. `now` is the time in milliseconds that one without
    /// `lastObserved` gets.
    pub(crate) fn encoded_len(&self, proposal: &Proposal, now: i64, scratch: &mut Vec<u8>) -> usize {
        match self.endpoint {
            Endpoint::Restli => restli::encoded_len(proposal, now, scratch),
            Endpoint::Openapi => {
                scratch.clear();
                openapi::push_item(scratch, proposal, now, self.waits_for_index());
                scratch.len()
            }
        }
    }

    /// The most bytes of a list without its proposals and commas.
    pub(crate) fn envelope_bytes(&self) -> usize {
        match self.endpoint {
            // The longer of two: a marked proposal may make a batch synchronous.
            Endpoint::Restli => List::restli(false),
            Endpoint::Openapi => List::openapi(self.waits_for_index()),
        }
        .envelope_bytes()
    }

    /// The request for `proposals`, which all have this route and lane; `None` without any.
    pub(crate) fn write<'a>(
        &self,
        route: Route,
        mut proposals: impl Iterator<Item = &'a Proposal> + Clone,
    ) -> Option<WriteRequest> {
        let marked = self.respect_sync_marker && proposals.clone().any(is_marked_sync);
        let asynchronous = self.emit_mode.is_asynchronous() && !marked && route.may_be_queued();
        let first = proposals.next()?;
        let (method, path) = match route {
            Route::Batch => (Method::POST, restli::INGEST_PROPOSAL_BATCH.to_owned()),
            Route::Single => (Method::POST, restli::INGEST_PROPOSAL.to_owned()),
            Route::DeleteEntity => (Method::POST, restli::DELETE.to_owned()),
            Route::Upsert => (Method::POST, openapi::entities_path(first.entity_type(), asynchronous)),
            Route::Patch => (Method::PATCH, openapi::entities_path(first.entity_type(), asynchronous)),
            Route::Create => (Method::POST, openapi::create_path(first, asynchronous, false)),
            Route::CreateEntity => (Method::POST, openapi::create_path(first, asynchronous, true)),
            Route::Delete => (Method::DELETE, openapi::delete_path(first)),
        };
        let kind = match self.endpoint {
            Endpoint::Restli => RequestKind::RestliWrite,
            Endpoint::Openapi => RequestKind::OpenapiWrite { entity_type: first.entity_type().to_owned() },
        };
        Some(WriteRequest { method, path, asynchronous, kind, route })
    }

    /// The body of `write` for the proposals that it was made for; `None` where there is none.
    pub(crate) fn body(
        &self,
        write: &WriteRequest,
        mut proposals: impl Iterator<Item = OutgoingProposal>,
    ) -> Option<RequestBody> {
        let wait = self.waits_for_index();
        Some(match write.route {
            Route::Batch => RequestBody::list(List::restli(write.asynchronous), proposals.collect()),
            Route::Upsert | Route::Patch => RequestBody::list(List::openapi(wait), proposals.collect()),
            Route::Single => restli::single_body(&proposals.next()?, write.asynchronous).into(),
            Route::DeleteEntity => restli::delete_body(proposals.next()?.proposal.urn()).into(),
            Route::Create | Route::CreateEntity => openapi::aspect_body(&proposals.next()?, wait).into(),
            Route::Delete => return None,
        })
    }

    fn waits_for_index(&self) -> bool {
        self.emit_mode == EmitMode::SyncWait
    }
}

/// The marker is DataHub's own (`emitter/mcp.py`), which ignores case and white space as well.
fn is_marked_sync(proposal: &Proposal) -> bool {
    let properties = proposal.system_metadata().map_or(&[][..], |metadata| &*metadata.properties);
    properties
        .iter()
        .any(|(name, value)| name == "emitModeMarker" && value.trim().eq_ignore_ascii_case("sync"))
}

#[cfg(test)]
mod tests;
