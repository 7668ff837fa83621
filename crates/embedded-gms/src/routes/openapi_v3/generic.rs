//! Entities of several types at once: `{"dataset": […], "tag": […]}`, with responses of the same form
//! (`EntityController`, `/entity/generic`).

use std::collections::HashMap;
use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::Response;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;

use super::batch;
use super::call::Call;
use super::members::Members;
use crate::authorization::{ApiOperation, Permissions};
use crate::change::ChangeType;
use crate::failure::Failure;
use crate::openapi::{self, EntityV3};
use crate::state::ServerState;

/// Entities by their type in the request's spelling, in its order.
struct ByType(Vec<(String, Vec<EntityV3>)>);

/// `POST /openapi/v3/entity/generic?async=true&systemMetadata=false`: upserts, atomically.
pub(super) async fn upsert(
    server: &Arc<ServerState>,
    permissions: &Permissions,
    mut call: Call,
) -> Result<Response, Failure> {
    call.write.asynchronous = call.flag("async", true)?;
    let with_system_metadata = call.flag("systemMetadata", false)?;
    let mut response = Vec::new();
    let mut changes = Vec::new();
    let mut place_of = HashMap::new();
    for (entity_type, list) in lists(&call)? {
        permissions.check_type(ApiOperation::Create, &entity_type)?;
        for change in batch::changes(server, list, ChangeType::Upsert)? {
            place_of.entry(change.urn.to_string()).or_insert(response.len());
            changes.push(change);
        }
        response.push((entity_type, Vec::new()));
    }
    let status = batch::status(call.write.asynchronous);
    let accepted = server.ingest(changes, call.write).await?;
    for entity in EntityV3::group(accepted, with_system_metadata)? {
        let place = place_of.get(&entity.urn).and_then(|place| response.get_mut(*place));
        if let Some((_, entities)) = place {
            entities.push(entity);
        }
    }
    Ok(openapi::respond(status, &ByType(response)))
}

/// `PATCH /openapi/v3/entity/generic`: one type after another, each atomically. The response to an
/// asynchronous request has only the types.
pub(super) async fn patch(
    server: &Arc<ServerState>,
    permissions: &Permissions,
    mut call: Call,
) -> Result<Response, Failure> {
    call.write.asynchronous = call.flag("async", true)?;
    let with_system_metadata = call.flag("systemMetadata", false)?;
    let mut response = Vec::new();
    for (entity_type, list) in lists(&call)? {
        permissions.check_type(ApiOperation::Update, &entity_type)?;
        let changes = batch::changes(server, list, ChangeType::Patch)?;
        let accepted = server.ingest(changes, call.write.clone()).await?;
        let entities = if call.write.asynchronous {
            Vec::new()
        } else {
            EntityV3::group(accepted, with_system_metadata)?
        };
        response.push((entity_type, entities));
    }
    Ok(openapi::respond(batch::status(call.write.asynchronous), &ByType(response)))
}

/// `POST /openapi/v3/entity/generic/batchGet?systemMetadata=false`.
pub(super) async fn get(
    server: &Arc<ServerState>,
    permissions: &Permissions,
    call: &Call,
) -> Result<Response, Failure> {
    let mut response = Vec::new();
    for (entity_type, list) in lists(call)? {
        response.push((entity_type, batch::found(server, permissions, call, list).await?));
    }
    Ok(openapi::respond(StatusCode::OK, &ByType(response)))
}

/// The lists of a body by type; the last of each name.
///
/// # Errors
/// 500 if the body is not an object, and 400 if a member is not an array.
fn lists(call: &Call) -> Result<Vec<(String, &RawValue)>, Failure> {
    let body = call.json()?;
    if !body.get().starts_with('{') {
        return Err(Failure::internal("java.lang.ClassCastException: the body is not an object"));
    }
    let Members(members) =
        serde_json::from_str(body.get()).map_err(|error| Failure::json(error.to_string()))?;
    last_of_each(members)
}

/// Checks that the members are arrays, and keeps the last of each name, at the position of the first.
fn last_of_each(members: Vec<(String, &RawValue)>) -> Result<Vec<(String, &RawValue)>, Failure> {
    let mut lists: Vec<(String, &RawValue)> = Vec::new();
    let mut place_of = HashMap::new();
    for (name, list) in members {
        if !list.get().starts_with('[') {
            return Err(Failure::bad_request(format!("Value of property '{name}' must be an array")));
        }
        let place = *place_of.entry(name.clone()).or_insert(lists.len());
        match lists.get_mut(place) {
            Some((_, known)) => *known = list,
            None => lists.push((name, list)),
        }
    }
    Ok(lists)
}

impl Serialize for ByType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (entity_type, entities) in &self.0 {
            map.serialize_entry(entity_type, entities)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_list_of_each_name_is_kept() {
        let [first, last]: [&RawValue; 2] = ["[1]", "[2]"].map(|text| serde_json::from_str(text).unwrap());
        let names = || (0..20).map(|number| format!("type{number}"));
        let members = names().map(|name| (name, first)).chain([("type7".to_owned(), last)]).collect();
        let lists = last_of_each(members).unwrap();
        assert!(lists.iter().map(|(name, _)| name.clone()).eq(names()));
        assert_eq!((lists[6].1.get(), lists[7].1.get()), ("[1]", "[2]"));
    }
}
