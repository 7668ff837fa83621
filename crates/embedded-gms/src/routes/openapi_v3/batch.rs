//! `POST` and `PATCH` on all entities of a type, and `batchGet`: aspects of several entities at once.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Call, Members, entity};
use crate::Urn;
use crate::authorization::{Operation as Wanted, Rights};
use crate::change::{self, Change, Content, Operation};
use crate::failure::Failure;
use crate::openapi::{self, Entity};
use crate::patch::Patch;
use crate::registry::Unregistered;
use crate::{Server, compact};

/// `POST /openapi/v3/entity/{type}?async=true&systemMetadata=false`: upserts. It answers with what was accepted.
pub(super) async fn upsert(server: &Arc<Server>, mut call: Call) -> Result<Response, Failure> {
    call.write.asynchronous = call.flag("async", true)?;
    let with_system_metadata = call.flag("systemMetadata", false)?;
    let changes = changes(server, call.json()?, Operation::Upsert)?;
    let status = status(call.write.asynchronous);
    let accepted = server.ingest(changes, call.write).await?;
    Ok(openapi::answer(status, &Entity::group(accepted, with_system_metadata)?))
}

/// `PATCH /openapi/v3/entity/{type}`: as [`upsert`]; but one that does not wait is answered without a body.
pub(super) async fn patch(server: &Arc<Server>, mut call: Call) -> Result<Response, Failure> {
    call.write.asynchronous = call.flag("async", true)?;
    let with_system_metadata = call.flag("systemMetadata", false)?;
    let changes = changes(server, call.json()?, Operation::Patch)?;
    let asynchronous = call.write.asynchronous;
    let accepted = server.ingest(changes, call.write).await?;
    if asynchronous {
        return Ok(StatusCode::ACCEPTED.into_response());
    }
    Ok(openapi::answer(StatusCode::OK, &Entity::group(accepted, with_system_metadata)?))
}

/// `POST /openapi/v3/entity/{type}/batchGet?systemMetadata=false`: the entities that a list names, of whatever type, each
/// with the aspects that it names, or all. What is not there is left out.
pub(super) async fn get(server: &Arc<Server>, rights: &Rights, call: &Call) -> Result<Response, Failure> {
    let found = found(server, rights, call, call.json()?).await?;
    Ok(openapi::answer(StatusCode::OK, &found))
}

/// What a list of `batchGet` asks for.
pub(super) async fn found(
    server: &Arc<Server>,
    rights: &Rights,
    call: &Call,
    body: &RawValue,
) -> Result<Vec<Entity>, Failure> {
    let with_system_metadata = call.flag("systemMetadata", false)?;
    let wanted = wanted(server, body)?;
    let urns: Vec<_> = wanted.iter().map(|wanted| wanted.urn.clone()).collect();
    rights.check_entities(Wanted::Read, urns).await?;
    entity::load(server, wanted, with_system_metadata).await
}

/// Reads the list. Of an aspect the version may be named, in the header by which a write counts on one; one that is not
/// registered is not asked for.
fn wanted(server: &Server, body: &RawValue) -> Result<Vec<entity::Wanted>, Failure> {
    let mut all: Vec<entity::Wanted> = Vec::new();
    let mut places = HashMap::new();
    for entity in elements(body)? {
        let Members(members) = serde_json::from_str(entity.get()).unwrap_or_default();
        let urn = members.iter().rfind(|(name, _)| name == "urn").map(|(_, urn)| *urn);
        let text = text_of(urn.ok_or_else(missing_urn)?);
        let urn = Urn::parse(&text)
            .map_err(|_| Failure::bad_request(format!("Invalid urn: {text}: Invalid urn!")))?;
        let place = *places.entry(text).or_insert(all.len());
        if place == all.len() {
            all.push(entity::Wanted { urn: urn.clone(), aspects: BTreeMap::new() });
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

/// The elements of a body. One that is no array has none.
fn elements(body: &RawValue) -> Result<Vec<&RawValue>, Failure> {
    if !body.get().starts_with('[') {
        return Ok(Vec::new());
    }
    serde_json::from_str(body.get()).map_err(|error| Failure::json(error.to_string()))
}

/// Reads a batch. An aspect that is not registered refuses it all, or is left out where the server drops in silence
/// (`EntityController.toMCPBatch`).
pub(super) fn changes(
    server: &Server,
    body: &RawValue,
    operation: Operation,
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

/// What is no string is taken for the text that stands there.
fn text_of(raw: &RawValue) -> String {
    serde_json::from_str::<String>(raw.get()).unwrap_or_else(|_| raw.get().to_owned())
}

/// One aspect, as it stands under its name or is the body of a request.
pub(super) fn change(
    urn: Urn,
    aspect: String,
    raw: &RawValue,
    operation: Operation,
) -> Result<Change, Failure> {
    let Members(members) = serde_json::from_str(raw.get()).unwrap_or_default();
    let member = |wanted: &str| members.iter().rfind(|(name, _)| name == wanted).map(|(_, value)| *value);
    let no_value = || {
        Failure::internal(format!("java.lang.NullPointerException: aspect {aspect} of {urn} has no `value`"))
    };
    let text = compact::compact(member("value").ok_or_else(no_value)?.get());
    let content = if operation == Operation::Patch {
        patch_of(&text)?
    } else if text.starts_with('{') {
        Content::Aspect(text)
    } else {
        return Err(Failure::json(format!("the value of aspect {aspect} of {urn} is no object")));
    };
    Change::new(urn, aspect, operation, content, (member("systemMetadata"), member("headers")))
}

/// # Errors
/// When the value is no object that has a patch.
pub(super) fn patch_of(text: &str) -> Result<Content, Failure> {
    let Members(members) = serde_json::from_str(text).unwrap_or_default();
    if !members.iter().any(|(name, _)| name == "patch") {
        return Err(Failure::bad_request("Missing `patch` field."));
    }
    Patch::read(text).map(Content::Patch)
}
