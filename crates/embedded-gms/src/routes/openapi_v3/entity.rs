//! One entity: reading, existence, deletion.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::call::Call;
use crate::failure::Failure;
use crate::keys;
use crate::openapi::{self, AspectV3, EntityV3};
use crate::state::ServerState;
use crate::store::{read, write};
use crate::urn::Urn;

/// A requested entity.
#[derive(Debug)]
pub(super) struct RequestedEntity {
    pub(super) urn: Urn,
    /// The aspects with their versions, 0 for the latest; none means the latest of all.
    pub(super) aspects: BTreeMap<String, i64>,
}

/// Reads entities, in the requested order. An entity without any of the aspects is omitted.
pub(super) async fn load(
    server: &Arc<ServerState>,
    wanted: Vec<RequestedEntity>,
    with_system_metadata: bool,
) -> Result<Vec<EntityV3>, Failure> {
    let found = server
        .store
        .read(move |connection| {
            wanted
                .into_iter()
                .map(|RequestedEntity { urn, aspects }| {
                    let text = urn.as_str();
                    let stored = if aspects.is_empty() {
                        read::entity(connection, text)?.into_iter().map(|stored| (stored, 0)).collect()
                    } else {
                        let mut some = Vec::new();
                        for (name, version) in aspects {
                            some.extend(
                                read::aspect(connection, text, &name, version)?
                                    .map(|stored| (stored, version)),
                            );
                        }
                        some
                    };
                    let mut numbered = Vec::new();
                    for (stored, version) in stored {
                        let latest = read::number(connection, text, &stored.aspect)?.unwrap_or(1);
                        numbered.push((stored, if version == 0 { latest } else { version }));
                    }
                    Ok((urn, numbered))
                })
                .collect::<Result<Vec<_>, _>>()
        })
        .await?;
    let mut entities = Vec::new();
    for (urn, stored) in found.into_iter().filter(|(_, stored)| !stored.is_empty()) {
        let aspects = stored.into_iter().map(|(stored, number)| {
            let name = stored.aspect.clone();
            Ok((name, AspectV3::stored(stored, with_system_metadata.then_some(number))?))
        });
        entities.push(EntityV3 { urn: urn.to_string(), aspects: aspects.collect::<Result<_, Failure>>()? });
    }
    Ok(entities)
}

/// `GET …/{urn}?aspects=a,b&systemMetadata=false`: all aspects, or the selected ones. 404 if none is stored.
pub(super) async fn show(server: &Arc<ServerState>, call: &Call, urn: Urn) -> Result<Response, Failure> {
    let with_system_metadata = call.flag("systemMetadata", false)?;
    let only = openapi::names(&call.uri, &["aspects", "aspectNames"]);
    let aspects = only.into_iter().map(|name| (name, 0)).collect();
    let found = load(server, vec![RequestedEntity { urn, aspects }], with_system_metadata).await?;
    Ok(found.first().map_or_else(openapi::absent, |entity| openapi::respond(StatusCode::OK, entity)))
}

/// `HEAD …/{urn}`: 204 or 404; a soft-deleted entity does not exist.
pub(super) async fn exists(server: &Arc<ServerState>, urn: &Urn) -> Result<Response, Failure> {
    let key = keys::aspect_name(urn.entity_type());
    has(server, urn, &key).await
}

/// 204 if the aspect exists and the entity is not soft-deleted; otherwise 404.
pub(super) async fn has(server: &Arc<ServerState>, urn: &Urn, aspect: &str) -> Result<Response, Failure> {
    let (urn, aspect) = (urn.to_string(), aspect.to_owned());
    let found = server
        .store
        .read(move |connection| {
            Ok(read::aspect(connection, &urn, &aspect, 0)?.is_some() && !read::is_removed(connection, &urn)?)
        })
        .await?;
    Ok(if found { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND }.into_response())
}

/// `DELETE …/{urn}?aspects=a,b&clear=false`: the entity, or the selected aspects, or with `clear` all aspects
/// but the key.
pub(super) async fn delete(server: &Arc<ServerState>, call: &Call, urn: &Urn) -> Result<Response, Failure> {
    let key = keys::aspect_name(urn.entity_type());
    let clear = call.flag("clear", false)?;
    let only = openapi::names(&call.uri, &["aspects"]);
    let text = urn.to_string();
    server
        .store
        .write(move |connection| {
            if clear {
                for stored in read::entity(connection, &text)? {
                    if stored.aspect != key {
                        write::delete_aspect(connection, &text, &stored.aspect)?;
                    }
                }
            } else if only.is_empty() || only.iter().any(|name| *name == key) {
                write::delete_entity(connection, &text)?;
            } else {
                for name in &only {
                    write::delete_aspect(connection, &text, name)?;
                }
            }
            Ok(())
        })
        .await?;
    server.access_may_have_changed();
    Ok(StatusCode::OK.into_response())
}
