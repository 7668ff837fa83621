//! `POST` and `PATCH` on the entities of a type, and `batchGet`: aspects of several entities at once.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::call::Call;
use super::entity;
use super::members::Members;
use crate::authorization::{ApiOperation, Permissions};
use crate::change::{self, Change, ChangeType, Content};
use crate::failure::Failure;
use crate::json_text;
use crate::openapi::{self, EntityV3};
use crate::patch::Patch;
use crate::registry::Unregistered;
use crate::state::ServerState;
use crate::urn::Urn;

/// `POST /openapi/v3/entity/{type}?async=true&systemMetadata=false`: upserts. The response has the accepted
/// aspects.
pub(super) async fn upsert(server: &Arc<ServerState>, mut call: Call) -> Result<Response, Failure> {
    call.write.asynchronous = call.flag("async", true)?;
    let with_system_metadata = call.flag("systemMetadata", false)?;
    let changes = changes(server, call.json()?, ChangeType::Upsert)?;
    let status = status(call.write.asynchronous);
    let accepted = server.ingest(changes, call.write).await?;
    Ok(openapi::respond(status, &EntityV3::group(accepted, with_system_metadata)?))
}

/// `PATCH /openapi/v3/entity/{type}`: like [`upsert`], but the response to an asynchronous request has no
/// body.
pub(super) async fn patch(server: &Arc<ServerState>, mut call: Call) -> Result<Response, Failure> {
    call.write.asynchronous = call.flag("async", true)?;
    let with_system_metadata = call.flag("systemMetadata", false)?;
    let changes = changes(server, call.json()?, ChangeType::Patch)?;
    let asynchronous = call.write.asynchronous;
    let accepted = server.ingest(changes, call.write).await?;
    if asynchronous {
        return Ok(StatusCode::ACCEPTED.into_response());
    }
    Ok(openapi::respond(StatusCode::OK, &EntityV3::group(accepted, with_system_metadata)?))
}

/// `POST /openapi/v3/entity/{type}/batchGet?systemMetadata=false`: the entities in a list, of any type, each
/// with the aspects that the list names, or all. Absent entities and aspects are omitted.
pub(super) async fn get(
    server: &Arc<ServerState>,
    permissions: &Permissions,
    call: &Call,
) -> Result<Response, Failure> {
    let found = found(server, permissions, call, call.json()?).await?;
    Ok(openapi::respond(StatusCode::OK, &found))
}

/// The entities that a list of `batchGet` requests.
pub(super) async fn found(
    server: &Arc<ServerState>,
    permissions: &Permissions,
    call: &Call,
    body: &RawValue,
) -> Result<Vec<EntityV3>, Failure> {
    let with_system_metadata = call.flag("systemMetadata", false)?;
    let wanted = wanted(server, body)?;
    let urns: Vec<_> = wanted.iter().map(|wanted| wanted.urn.clone()).collect();
    permissions.check_entities(ApiOperation::Read, urns).await?;
    entity::load(server, wanted, with_system_metadata).await
}

/// Parses the list. The header `If-Version-Match` selects a version of an aspect; unregistered aspects are
/// ignored.
fn wanted(server: &ServerState, body: &RawValue) -> Result<Vec<entity::RequestedEntity>, Failure> {
    let mut all: Vec<entity::RequestedEntity> = Vec::new();
    let mut places = HashMap::new();
    for entity in elements(body)? {
        let Members(members) = serde_json::from_str(entity.get()).unwrap_or_default();
        let urn = members.iter().rfind(|(name, _)| name == "urn").map(|(_, urn)| *urn);
        let text = text_of(urn.ok_or_else(missing_urn)?);
        let urn = Urn::parse(&text)
            .map_err(|_| Failure::bad_request(format!("Invalid urn: {text}: Invalid urn!")))?;
        let place = *places.entry(text).or_insert(all.len());
        if place == all.len() {
            all.push(entity::RequestedEntity { urn: urn.clone(), aspects: BTreeMap::new() });
        }
        let Some(wanted) = all.get_mut(place) else { continue };
        for (aspect, value) in members.iter().filter(|(name, _)| name != "urn") {
            match server.registry.look_up(urn.entity_type(), aspect) {
                Ok(name) => drop(wanted.aspects.insert(name.to_owned(), version_of(value)?)),
                Err(Unregistered::Aspect { .. }) => {}
                Err(unregistered) => return Err(Failure::bad_request(unregistered.to_string())),
            }
        }
    }
    Ok(all)
}

fn version_of(aspect: &RawValue) -> Result<i64, Failure> {
    #[derive(Deserialize)]
    struct Asked {
        #[serde(default)]
        headers: HashMap<String, String>,
    }
    let Ok(Asked { headers }) = serde_json::from_str(aspect.get()) else { return Ok(0) };
    let version = headers.get(change::IF_VERSION_MATCH).map_or(Ok(0), |text| text.parse());
    version.map_err(|_| Failure::bad_request(format!("{}: expected an integer", change::IF_VERSION_MATCH)))
}

pub(super) fn status(asynchronous: bool) -> StatusCode {
    if asynchronous { StatusCode::ACCEPTED } else { StatusCode::OK }
}

/// The elements of a body; none if it is not an array.
fn elements(body: &RawValue) -> Result<Vec<&RawValue>, Failure> {
    if !body.get().starts_with('[') {
        return Ok(Vec::new());
    }
    serde_json::from_str(body.get()).map_err(|error| Failure::json(error.to_string()))
}

/// Parses a batch. An unregistered aspect refuses the batch, or is dropped if the server drops silently
/// (`EntityController.toMCPBatch`).
pub(super) fn changes(
    server: &ServerState,
    body: &RawValue,
    operation: ChangeType,
) -> Result<Vec<Change>, Failure> {
    let mut changes = Vec::new();
    for entity in elements(body)? {
        let Members(members) = serde_json::from_str(entity.get()).unwrap_or_default();
        let urn = members.iter().rfind(|(name, _)| name == "urn").map(|(_, urn)| *urn);
        let urn = change::checked_urn(&text_of(urn.ok_or_else(missing_urn)?))?;
        for (aspect, value) in members {
            if aspect == "urn" {
                continue;
            }
            match server.registry.look_up(urn.entity_type(), &aspect) {
                Ok(name) => changes.push(change(urn.clone(), name.to_owned(), value, operation)?),
                Err(Unregistered::Aspect { .. }) if server.silent_drops => {}
                Err(unregistered @ Unregistered::Aspect { .. }) => return Err(unregistered.into()),
                Err(unregistered) => return Err(Failure::bad_request(unregistered.to_string())),
            }
        }
    }
    Ok(changes)
}

fn missing_urn() -> Failure {
    Failure::bad_request("Missing `urn` field")
}

/// A value that is not a string is replaced by its JSON text.
fn text_of(raw: &RawValue) -> String {
    serde_json::from_str::<String>(raw.get()).unwrap_or_else(|_| raw.get().to_owned())
}

/// The change of one aspect: the value of a member, or the body of a request.
pub(super) fn change(
    urn: Urn,
    aspect: String,
    raw: &RawValue,
    operation: ChangeType,
) -> Result<Change, Failure> {
    let Members(members) = serde_json::from_str(raw.get()).unwrap_or_default();
    let member = |wanted: &str| members.iter().rfind(|(name, _)| name == wanted).map(|(_, value)| *value);
    let no_value = || {
        Failure::internal(format!("java.lang.NullPointerException: aspect {aspect} of {urn} has no `value`"))
    };
    let text = json_text::compact(member("value").ok_or_else(no_value)?.get());
    let content = if operation == ChangeType::Patch {
        patch_of(&text)?
    } else if text.starts_with('{') {
        Content::Aspect(text)
    } else {
        return Err(Failure::json(format!("the value of aspect {aspect} of {urn} is not an object")));
    };
    Change::new(urn, aspect, operation, content, (member("systemMetadata"), member("headers")))
}

/// # Errors
/// If the value is not an object with a patch.
pub(super) fn patch_of(text: &str) -> Result<Content, Failure> {
    let Members(members) = serde_json::from_str(text).unwrap_or_default();
    if !members.iter().any(|(name, _)| name == "patch") {
        return Err(Failure::bad_request("Missing `patch` field."));
    }
    Patch::read(text).map(Content::Patch)
}
