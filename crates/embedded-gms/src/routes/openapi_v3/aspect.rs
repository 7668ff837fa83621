//! One aspect of one entity.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::call::{self, Call};
use super::{batch, entity};
use crate::change::{Change, ChangeType};
use crate::failure::Failure;
use crate::openapi::{self, AspectV3, EntityV3};
use crate::registry::Unregistered;
use crate::state::ServerState;
use crate::store::{read, timeseries, write};
use crate::urn::Urn;
use crate::{json_text, model, restli};

/// `GET …/{urn}/{aspect}?version=0&systemMetadata=false`.
pub(super) async fn show(
    server: &Arc<ServerState>,
    call: &Call,
    urn: Urn,
    name: String,
) -> Result<Response, Failure> {
    let with_system_metadata = call.flag("systemMetadata", false)?;
    let version = restli::parameter(&call.uri, "version").map_or(Ok(0), |text| text.parse::<i64>());
    let version = version.map_err(|_| Failure::bad_request("version: expected an integer"))?;
    let found = server
        .store
        .read(move |connection| {
            let stored = read::aspect(connection, urn.as_str(), &name, version)?;
            let latest = read::number(connection, urn.as_str(), &name)?.unwrap_or(1);
            Ok(stored.map(|stored| (stored, if version == 0 { latest } else { version })))
        })
        .await?;
    let Some((stored, number)) = found else { return Ok(openapi::absent()) };
    let aspect = AspectV3::stored(stored, with_system_metadata.then_some(number))?;
    Ok(openapi::respond(StatusCode::OK, &aspect))
}

/// `HEAD …/{urn}/{aspect}`: 204 or 404.
pub(super) async fn exists(server: &Arc<ServerState>, urn: &Urn, name: &str) -> Result<Response, Failure> {
    entity::has(server, urn, name).await
}

/// `DELETE …/{urn}/{aspect}`: succeeds whether the aspect exists or not. For a time series it deletes the
/// newest value.
pub(super) async fn delete(server: &Arc<ServerState>, urn: Urn, name: String) -> Result<Response, Failure> {
    server
        .store
        .write(move |connection| {
            if model::is_timeseries(&name) {
                timeseries::delete_latest(connection, urn.as_str(), &name)?;
            } else {
                write::delete_aspect(connection, urn.as_str(), &name)?;
            }
            Ok(())
        })
        .await?;
    server.access_may_have_changed();
    Ok(StatusCode::OK.into_response())
}

/// `POST …/{urn}/{aspect}?async=false&createIfNotExists=true&createIfEntityNotExists=false`: by default an
/// existing aspect is refused.
pub(super) async fn create(
    server: &Arc<ServerState>,
    mut call: Call,
    urn: Urn,
    name: String,
) -> Result<Response, Failure> {
    call.write.asynchronous = call.flag("async", false)?;
    let operation = if call.flag("createIfEntityNotExists", false)? {
        ChangeType::CreateEntity
    } else if call.flag("createIfNotExists", true)? {
        ChangeType::Create
    } else {
        ChangeType::Upsert
    };
    let name = registered(server, &urn, &name)?;
    let change = batch::change(urn, name, call.json()?, operation)?;
    let status = batch::status(call.write.asynchronous);
    write_one(server, call, change, status).await
}

/// `PATCH …/{urn}/{aspect}?async=false`; the body is an object with the patch.
pub(super) async fn patch(
    server: &Arc<ServerState>,
    mut call: Call,
    urn: Urn,
    name: String,
) -> Result<Response, Failure> {
    call.write.asynchronous = call.flag("async", false)?;
    let text = json_text::compact(call.json()?.get());
    let content = batch::patch_of(&text).map_err(|_| call::malformed())?;
    let name = registered(server, &urn, &name)?;
    let change = Change::new(urn, name, ChangeType::Patch, content, (None, None))?;
    write_one(server, call, change, StatusCode::OK).await
}

/// The model's spelling of an aspect.
///
/// # Errors
/// 500 if it is not registered, as in GMS.
fn registered(server: &ServerState, urn: &Urn, name: &str) -> Result<String, Failure> {
    server.registry.look_up(urn.entity_type(), name).map(str::to_owned).map_err(|unregistered| {
        match unregistered {
            Unregistered::EntityType(_) => Failure::bad_request(unregistered.to_string()),
            Unregistered::Aspect { .. } => {
                Failure::internal(format!("java.util.NoSuchElementException: {unregistered}"))
            }
        }
    })
}

async fn write_one(
    server: &Arc<ServerState>,
    call: Call,
    change: Change,
    status: StatusCode,
) -> Result<Response, Failure> {
    let with_system_metadata = call.flag("systemMetadata", false)?;
    let asynchronous = call.write.asynchronous;
    let accepted = server.ingest(vec![change], call.write).await?;
    let entities = EntityV3::group(accepted, with_system_metadata)?;
    Ok(match entities.first() {
        Some(entity) => openapi::respond(status, entity),
        None if asynchronous => StatusCode::ACCEPTED.into_response(),
        None => openapi::absent(),
    })
}
