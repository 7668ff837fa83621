//! `/entities`: snapshots, deletes, existence and search.

use std::sync::Arc;
use std::time::SystemTime;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::runs;
use crate::actor::{self, SYSTEM_ACTOR};
use crate::authorization::{ApiOperation, Permissions, forbidden};
use crate::failure::Failure;
use crate::ingest::WriteRequest;
use crate::search::{Filter, Search, SortField};
use crate::state::ServerState;
use crate::store::row::AuditStamp;
use crate::store::{read, timeseries, write};
use crate::{change, keys, model, proposal, references, restli, search, snapshot, tokens};

pub(super) const RESOURCE: &str = "com.linkedin.metadata.resources.entity.EntityResource";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Delete {
    urn: String,
    aspect_name: Option<String>,
    start_time_millis: Option<i64>,
    end_time_millis: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Exists {
    urn: String,
    include_soft_delete: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DeleteReferences {
    urn: String,
    dry_run: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SearchRequest {
    entity: String,
    input: String,
    start: u32,
    count: u32,
    filter: Option<Filter>,
    search_flags: Option<RestliSearchFlags>,
    sort: Option<SortCriterion>,
    sort_criteria: Option<Vec<SortCriterion>>,
}

/// `SortCriterion.pdl`
#[derive(Deserialize)]
struct SortCriterion {
    field: String,
    #[serde(default)]
    order: SortOrder,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum SortOrder {
    #[default]
    Ascending,
    Descending,
}

/// Only one flag has an effect; the others concern an index (`SearchFlags.pdl`).
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RestliSearchFlags {
    include_soft_deleted: Option<bool>,
}

#[derive(Deserialize)]
struct ListUrns {
    entity: String,
    start: u32,
    count: Option<u32>,
}

/// `POST /entities?action=…`.
pub(super) async fn act(
    State(server): State<Arc<ServerState>>,
    Extension(write): Extension<WriteRequest>,
    Extension(permissions): Extension<Permissions>,
    uri: Uri,
    body: Bytes,
) -> Result<Response, Failure> {
    let response = match restli::parameter(&uri, "action").as_deref() {
        Some("ingest") => {
            let changes = snapshot::single(&body)?;
            permissions.check_snapshots(&changes, true).await?;
            server.registry.check_all(&changes)?;
            server.ingest(changes, write).await?;
            json!({})
        }
        Some("batchIngest") => {
            let changes = snapshot::batch(&body)?;
            permissions.check_snapshots(&changes, false).await?;
            server.registry.check_all(&changes)?;
            server.ingest(changes, write).await?;
            json!({})
        }
        Some("delete") => delete(&server, &permissions, proposal::parse(&body)?).await?,
        Some("exists") => exists(&server, &permissions, proposal::parse(&body)?).await?,
        Some("deleteReferences") => delete_references(&server, &permissions, proposal::parse(&body)?).await?,
        Some("search") => find(&server, &permissions, proposal::parse(&body)?).await?,
        Some("deleteAll") => return runs::delete_registry(&server, &permissions, &write, &body).await,
        Some("listUrns") => list(&server, &permissions, proposal::parse(&body)?).await?,
        action => return Err(super::unroutable::unknown_action(action, RESOURCE, &uri)),
    };
    Ok(restli::success(&response))
}

async fn delete(server: &ServerState, permissions: &Permissions, request: Delete) -> Result<Value, Failure> {
    let urn = change::checked_urn(&request.urn)?;
    permissions
        .check(ApiOperation::Delete, &urn, |_| format!("User is unauthorized to delete entity: {urn}"))
        .await?;
    let text = urn.to_string();
    let response = match request.aspect_name {
        None => {
            let deleted =
                server.store.write(move |connection| write::delete_entity(connection, &text)).await?;
            json!({"urn": urn.as_str(), "rows": deleted.rows, "timeseriesRows": deleted.timeseries_rows})
        }
        Some(aspect) if !model::is_timeseries(&aspect) => {
            return Err(Failure::internal(format!(
                "java.lang.UnsupportedOperationException: Not supported for non-timeseries aspect {aspect}."
            )));
        }
        Some(aspect) => {
            let times =
                request.start_time_millis.unwrap_or(i64::MIN)..=request.end_time_millis.unwrap_or(i64::MAX);
            let rows = server
                .store
                .write(move |connection| Ok(timeseries::delete(connection, &text, &aspect, times)?))
                .await?;
            json!({"urn": urn.as_str(), "timeseriesRows": rows})
        }
    };
    server.access_may_have_changed();
    Ok(json!({"value": response}))
}

/// The greatest number of references in a response.
const MAX_RELATED: usize = 10;

async fn delete_references(
    server: &ServerState,
    permissions: &Permissions,
    request: DeleteReferences,
) -> Result<Value, Failure> {
    let urn = change::checked_urn(&request.urn)?;
    permissions
        .check(ApiOperation::Delete, &urn, |_| format!("User is unauthorized to delete entity {urn}"))
        .await?;
    let found = if request.dry_run.unwrap_or(false) {
        server.read_indexed(move |connection| references::find(connection, urn.as_str())).await?
    } else {
        // GMS writes this under its own name, not that of the caller.
        let stamp = AuditStamp {
            actor: actor::user_urn(SYSTEM_ACTOR),
            time: tokens::milliseconds(SystemTime::now()),
        };
        let taken = server
            .store
            .write(move |connection| {
                search::update_all(connection)?;
                let found = references::find(connection, urn.as_str())?;
                references::remove(connection, &found, urn.as_str(), &stamp)?;
                Ok(found)
            })
            .await?;
        server.access_may_have_changed();
        taken
    };
    let related: Vec<_> = found
        .iter()
        .take(MAX_RELATED)
        .map(|one| json!({"entity": one.entity, "aspect": one.aspect, "relationship": one.relationship}))
        .collect();
    Ok(json!({"value": {"total": references::relationships(&found), "relatedAspects": related}}))
}

/// The longest list. GMS returns all URNs without a `count`.
const MAX_LISTED: u32 = 10_000;

async fn list(server: &ServerState, permissions: &Permissions, request: ListUrns) -> Result<Value, Failure> {
    let ListUrns { entity, start, count } = request;
    if !permissions.may_all(ApiOperation::Read, &entity) {
        return Err(forbidden("User is unauthorized to search."));
    }
    let count = count.unwrap_or(MAX_LISTED).min(MAX_LISTED);
    let (urns, total) = server
        .store
        .read(move |connection| {
            read::urns(connection, &keys::aspect_name(&entity), start.into(), count.into())
        })
        .await?;
    Ok(json!({"value": {"start": start, "count": urns.len(), "total": total, "entities": urns}}))
}

/// A search without facets.
async fn find(
    server: &ServerState,
    permissions: &Permissions,
    request: SearchRequest,
) -> Result<Value, Failure> {
    let SearchRequest { entity, input, start, count, filter, search_flags, sort, sort_criteria } = request;
    // Permissions use the model's spelling, not the caller's.
    let known = server.registry.of_type(&entity);
    let entity =
        known.map_err(|unregistered| Failure::bad_request(unregistered.to_string()))?.name().to_owned();
    if !permissions.may_all(ApiOperation::Read, &entity) {
        return Err(forbidden("User is unauthorized to search."));
    }
    let criteria = sort_criteria.unwrap_or_else(|| sort.into_iter().collect());
    let order: Vec<_> = criteria
        .into_iter()
        .map(|SortCriterion { field, order }| SortField { field, descending: order == SortOrder::Descending })
        .collect();
    let search = Search {
        types: vec![entity],
        text: input,
        filter: filter.unwrap_or_default(),
        soft_deleted_too: search_flags.unwrap_or_default().include_soft_deleted.unwrap_or(false),
        slice: None,
    };
    let (first, most) = (to_usize(start), to_usize(count.min(MAX_LISTED)));
    let page = server
        .read_indexed(move |connection| {
            if order.is_empty() {
                search.ranked(connection, first, most)
            } else {
                search.ordered_part(connection, &order, first, most)
            }
        })
        .await?;
    let entities: Vec<_> = page.urns.iter().map(|urn| json!({"entity": urn, "matchedFields": []})).collect();
    Ok(json!({"value": {
        "from": start,
        "pageSize": count,
        "numEntities": page.total,
        "entities": entities,
        "metadata": {"aggregations": []},
    }}))
}

fn to_usize(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

async fn exists(server: &ServerState, permissions: &Permissions, request: Exists) -> Result<Value, Failure> {
    let urn = change::checked_urn(&request.urn)?;
    permissions
        .check(ApiOperation::Exists, &urn, |_| format!("User is unauthorized check entity existence: {urn}"))
        .await?;
    let soft_deleted_too = request.include_soft_delete.unwrap_or(true);
    let exists = server
        .store
        .read(move |connection| {
            let key = keys::aspect_name(urn.entity_type());
            Ok(read::has(connection, urn.as_str(), &key)?
                && (soft_deleted_too || !read::is_removed(connection, urn.as_str())?))
        })
        .await?;
    Ok(json!({"value": exists}))
}

/// `GET /entities/{urn}`; `aspects=List(a,b)` selects aspects. An entity that was never written has its key.
pub(super) async fn show(
    State(server): State<Arc<ServerState>>,
    Extension(permissions): Extension<Permissions>,
    uri: Uri,
) -> Result<Response, Failure> {
    let urn = super::path::path_urn(&uri, "/entities/")?;
    permissions
        .check(ApiOperation::Read, &urn, |_| format!("User is unauthorized to get entity {urn}"))
        .await?;
    let aspects = server.entity(&urn, restli::list(&uri, "aspects")).await?;
    Ok(restli::success(&snapshot::of(&urn, aspects)?))
}
