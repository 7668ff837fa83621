//! One aspect of one entity.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::{Call, batch, entity};
use crate::Urn;
use crate::change::{Change, Operation};
use crate::failure::Failure;
use crate::openapi::{self, Aspect, Entity};
use crate::registry::Unregistered;
use crate::store::{read, timeseries, write};
use crate::{Server, compact, model, restli};

/// `GET …/{urn}/{aspect}?version=0&systemMetadata=false`.
pub(super) async fn show(
    server: &Arc<Server>,
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
    let aspect = Aspect::stored(stored, with_system_metadata.then_some(number))?;
    Ok(openapi::answer(StatusCode::OK, &aspect))
}

/// `HEAD …/{urn}/{aspect}`: 204 or 404.
pub(super) async fn exists(server: &Arc<Server>, urn: &Urn, name: &str) -> Result<Response, Failure> {
    entity::has(server, urn, name).await
}

/// `DELETE …/{urn}/{aspect}`: whether there is one or not; of a time series the newest value goes.
pub(super) async fn delete(server: &Arc<Server>, urn: Urn, name: String) -> Result<Response, Failure> {
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

/// `POST …/{urn}/{aspect}?async=false&createIfNotExists=true&createIfEntityNotExists=false`: by default it is refused
/// where there is one already.
pub(super) async fn create(
    server: &Arc<Server>,
    mut call: Call,
    urn: Urn,
    name: String,
) -> Result<Response, Failure> {
    call.write.asynchronous = call.flag("async", false)?;
    let operation = if call.flag("createIfEntityNotExists", false)? {
        Operation::CreateEntity
    } else if call.flag("createIfNotExists", true)? {
        Operation::Create
    } else {
        Operation::Upsert
    };
    let name = registered(server, &urn, &name)?;
    let change = batch::change(urn, name, call.json()?, operation)?;
    let status = batch::status(call.write.asynchronous);
    write_one(server, call, change, status).await
}

/// `PATCH …/{urn}/{aspect}?async=false`; the body is an object that has the patch.
pub(super) async fn patch(
    server: &Arc<Server>,
    mut call: Call,
    urn: Urn,
    name: String,
) -> Result<Response, Failure> {
    call.write.asynchronous = call.flag("async", false)?;
    let text = compact::compact(call.json()?.get());
    let content = batch::patch_of(&text).map_err(|_| super::malformed())?;
    let name = registered(server, &urn, &name)?;
    let change = Change::new(urn, name, Operation::Patch, content, (None, None))?;
    write_one(server, call, change, StatusCode::OK).await
}

/// The name of an aspect as the model writes it.
///
/// # Errors
/// 500 when it is not registered, at which GMS stumbles here.
fn registered(server: &Server, urn: &Urn, name: &str) -> Result<String, Failure> {
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
    server: &Arc<Server>,
    call: Call,
    change: Change,
    status: StatusCode,
) -> Result<Response, Failure> {
    let with_system_metadata = call.flag("systemMetadata", false)?;
    let asynchronous = call.write.asynchronous;
    let accepted = server.ingest(vec![change], call.write).await?;
    let entities = Entity::group(accepted, with_system_metadata)?;
    Ok(match entities.first() {
        Some(entity) => openapi::answer(status, entity),
        None if asynchronous => StatusCode::ACCEPTED.into_response(),
        None => openapi::absent(),
    })
}
