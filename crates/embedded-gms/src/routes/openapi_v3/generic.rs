//! Entities of several types at once: `{"dataset": […], "tag": […]}`, and answers of the same form
//! (`EntityController`, `/entity/generic`).

use std::collections::HashMap;
use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::Response;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;

use super::{Call, Members, batch};
use crate::Server;
use crate::authorization::{Operation as Wanted, Rights};
use crate::change::Operation;
use crate::failure::Failure;
use crate::openapi::{self, Entity};

/// Entities by the name that the request has for their type, in its order.
struct ByType(Vec<(String, Vec<Entity>)>);

/// `POST /openapi/v3/entity/generic?async=true&systemMetadata=false`: upserts, all of them or none.
pub(super) async fn upsert(
    server: &Arc<Server>,
    rights: &Rights,
    mut call: Call,
) -> Result<Response, Failure> {
    call.write.asynchronous = call.flag("async", true)?;
    let with_system_metadata = call.flag("systemMetadata", false)?;
    let mut answer = Vec::new();
    let mut changes = Vec::new();
    let mut place_of = HashMap::new();
    for (entity_type, list) in lists(&call)? {
        rights.check_type(Wanted::Create, &entity_type)?;
        for change in batch::changes(server, list, Operation::Upsert)? {
            place_of.entry(change.urn.to_string()).or_insert(answer.len());
            changes.push(change);
        }
        answer.push((entity_type, Vec::new()));
    }
    let status = batch::status(call.write.asynchronous);
    let accepted = server.ingest(changes, call.write).await?;
    for entity in Entity::group(accepted, with_system_metadata)? {
        let place = place_of.get(&entity.urn).and_then(|place| answer.get_mut(*place));
        if let Some((_, entities)) = place {
            entities.push(entity);
        }
    }
    Ok(openapi::answer(status, &ByType(answer)))
}

/// `PATCH /openapi/v3/entity/generic`: one type after another, each of them as a whole or not at all. Of one that does not
/// wait the answer names the types alone.
pub(super) async fn patch(
    server: &Arc<Server>,
    rights: &Rights,
    mut call: Call,
) -> Result<Response, Failure> {
    call.write.asynchronous = call.flag("async", true)?;
    let with_system_metadata = call.flag("systemMetadata", false)?;
    let mut answer = Vec::new();
    for (entity_type, list) in lists(&call)? {
        rights.check_type(Wanted::Update, &entity_type)?;
        let changes = batch::changes(server, list, Operation::Patch)?;
        let accepted = server.ingest(changes, call.write.clone()).await?;
        let entities =
            if call.write.asynchronous { Vec::new() } else { Entity::group(accepted, with_system_metadata)? };
        answer.push((entity_type, entities));
    }
    Ok(openapi::answer(batch::status(call.write.asynchronous), &ByType(answer)))
}

/// `POST /openapi/v3/entity/generic/batchGet?systemMetadata=false`.
pub(super) async fn get(server: &Arc<Server>, rights: &Rights, call: &Call) -> Result<Response, Failure> {
    let mut answer = Vec::new();
    for (entity_type, list) in lists(call)? {
        answer.push((entity_type, batch::found(server, rights, call, list).await?));
    }
    Ok(openapi::answer(StatusCode::OK, &ByType(answer)))
}

/// The lists of a body by their types; of two under one name the last.
///
/// # Errors
/// 500 when it is no object, and 400 when what stands under a name is no array.
fn lists(call: &Call) -> Result<Vec<(String, &RawValue)>, Failure> {
    let body = call.json()?;
    if !body.get().starts_with('{') {
        return Err(Failure::internal("java.lang.ClassCastException: the body is no object"));
    }
    let Members(members) =
        serde_json::from_str(body.get()).map_err(|error| Failure::json(error.to_string()))?;
    last_of_each(members)
}

/// Checks that lists are what stands under the names, and keeps of each name the last, in the place of the first.
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
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn of_many_names_the_last_lists_are_kept_without_looking_at_all_for_each() {
        let [first, last]: [&RawValue; 2] = ["[1]", "[2]"].map(|text| serde_json::from_str(text).unwrap());
        let names = || (0..200_000).map(|number| format!("type{number}"));
        let members = names().map(|name| (name, first)).chain([("type7".to_owned(), last)]).collect();
        let start = Instant::now();
        let lists = last_of_each(members).unwrap();
        // Looking through all names for each takes minutes.
        assert!(start.elapsed() < Duration::from_secs(30));
        assert!(lists.iter().map(|(name, _)| name.clone()).eq(names()));
        assert_eq!((lists[6].1.get(), lists[7].1.get()), ("[1]", "[2]"));
    }
}
