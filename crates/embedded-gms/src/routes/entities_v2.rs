//! `/entitiesV2`: an entity as a map of its aspects.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use crate::actor::{self, SYSTEM_ACTOR};
use crate::authorization::{ApiOperation, Permissions, forbidden};
use crate::failure::Failure;
use crate::state::ServerState;
use crate::store::read;
use crate::store::row::{AspectRow, AuditStamp};
use crate::urn::Urn;
use crate::{keys, model, restli, snapshot, system_metadata, tokens};
use axum::Extension;
use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use serde::Serialize;
use serde_json::value::RawValue;

/// `EntityResponse.pdl`
#[derive(Serialize)]
struct EntityResponse<'a> {
    #[serde(rename = "entityName")]
    r#type: &'a str,
    urn: &'a str,
    aspects: BTreeMap<String, EnvelopedAspect>,
}

/// `EnvelopedAspect.pdl`
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EnvelopedAspect {
    name: String,
    r#type: &'static str,
    version: i64,
    value: Box<RawValue>,
    created: AuditStamp,
    system_metadata: Box<RawValue>,
}

/// `GET /entitiesV2/{urn}`; `aspects=List(a,b)` selects aspects beside the key. An entity that was never
/// written has its key.
pub(super) async fn show(
    State(server): State<Arc<ServerState>>,
    Extension(permissions): Extension<Permissions>,
    uri: Uri,
) -> Result<Response, Failure> {
    let urn = super::path::path_urn(&uri, "/entitiesV2/")?;
    permissions
        .check(ApiOperation::Read, &urn, |_| format!("User is unauthorized to get entity {urn}"))
        .await?;
    let aspects = enveloped(&server, &urn, restli::list(&uri, "aspects")).await?;
    Ok(restli::success(&EntityResponse { r#type: urn.entity_type(), urn: urn.as_str(), aspects }))
}

/// The greatest number of entities in a batch.
const MAX_BATCH: usize = 1_000;

/// `GET /entitiesV2?ids=List(urn,urn)&aspects=List(a,b)`: several entities, by URN.
pub(super) async fn list(
    State(server): State<Arc<ServerState>>,
    Extension(permissions): Extension<Permissions>,
    uri: Uri,
) -> Result<Response, Failure> {
    #[derive(Serialize)]
    struct BatchResponse<'a> {
        results: BTreeMap<&'a str, EntityResponse<'a>>,
        statuses: BTreeMap<&'a str, u16>,
        errors: BTreeMap<&'a str, u16>,
    }

    let ids = restli::urns(&uri, "ids").ok_or_else(|| Failure::bad_request("Parameter 'ids' is required"))?;
    if ids.len() > MAX_BATCH {
        return Err(Failure::bad_request(format!("ids: at most {MAX_BATCH} entities at a time")));
    }
    let urns = ids.iter().map(|text| Urn::parse(text)).collect::<Result<Vec<_>, _>>();
    let urns = urns.map_err(|error| Failure::bad_request(format!("Invalid urn: {error}")))?;
    let refused = permissions.refused(urns.iter().map(|urn| (ApiOperation::Read, urn.clone()))).await?;
    if !refused.is_empty() {
        return Err(forbidden("User is unauthorized to get entities."));
    }
    let only = restli::list(&uri, "aspects");
    let mut results = BTreeMap::new();
    for urn in &urns {
        let aspects = enveloped(&server, urn, only.clone()).await?;
        results
            .insert(urn.as_str(), EntityResponse { r#type: urn.entity_type(), urn: urn.as_str(), aspects });
    }
    let statuses = results.keys().map(|urn| (*urn, 200)).collect();
    Ok(restli::success(&BatchResponse { results, statuses, errors: BTreeMap::new() }))
}

async fn enveloped(
    server: &ServerState,
    urn: &Urn,
    only: Option<Vec<String>>,
) -> Result<BTreeMap<String, EnvelopedAspect>, Failure> {
    let stored = server.entity(urn, only).await?.into_iter();
    stored.map(|stored| Ok((stored.aspect.clone(), envelope(stored)?))).collect()
}

fn envelope(stored: AspectRow) -> Result<EnvelopedAspect, Failure> {
    Ok(EnvelopedAspect {
        r#type: if model::is_timeseries(&stored.aspect) { "TIMESERIES" } else { "VERSIONED" },
        name: stored.aspect,
        version: stored.version,
        value: snapshot::raw(stored.metadata)?,
        created: AuditStamp { actor: stored.created_by, time: stored.created_on },
        system_metadata: snapshot::raw(stored.system_metadata)?,
    })
}

impl ServerState {
    /// The latest aspects of an entity, always including its key, whether it is stored or not.
    pub(super) async fn entity(
        &self,
        urn: &Urn,
        only: Option<Vec<String>>,
    ) -> Result<Vec<AspectRow>, Failure> {
        let key_name = keys::aspect_name(urn.entity_type());
        let key = super::path::key_of(urn)?;
        let text = urn.to_string();
        let mut aspects = self.store.read(move |connection| read::entity(connection, &text)).await?;
        if !aspects.iter().any(|stored| stored.aspect == key_name) {
            let now = tokens::milliseconds(SystemTime::now());
            aspects.push(AspectRow {
                aspect: key_name.clone().into_owned(),
                version: 0,
                metadata: key,
                system_metadata: system_metadata::default(now),
                created_on: now,
                created_by: actor::user_urn(SYSTEM_ACTOR),
            });
        }
        if let Some(only) = only {
            aspects.retain(|stored| stored.aspect == key_name || only.contains(&stored.aspect));
        }
        Ok(aspects)
    }
}
