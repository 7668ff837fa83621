//! `/runs`: lists, describes and rolls back ingestion runs; also rolls back everything of an entity registry.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::SystemTime;

use crate::authorization::{ApiOperation, Permissions, forbidden};
use crate::failure::Failure;
use crate::ingest::WriteRequest;
use crate::state::ServerState;
use crate::store::row::AuditStamp;
use crate::store::runs::{self, Origin, Written};
use crate::system_metadata::NO_RUN;
use crate::urn::Urn;
use crate::{actor, proposal, restli, snapshot, tokens};
use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;

pub(super) const RESOURCE: &str = "com.linkedin.metadata.resources.entity.BatchIngestionRunResource";

/// The greatest number of aspects in a response.
const MAX_LISTED: usize = 100;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListRuns {
    page_offset: Option<u32>,
    page_size: Option<u32>,
    include_soft: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Describe {
    run_id: String,
    start: u32,
    count: u32,
    include_soft: Option<bool>,
    include_aspect: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rollback {
    run_id: String,
    #[serde(default)]
    dry_run: bool,
    safe: Option<bool>,
    hard_delete: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DeleteAll {
    registry_id: String,
    #[serde(default)]
    dry_run: bool,
}

/// `AspectRowSummary.pdl`
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AspectRowSummary {
    run_id: String,
    aspect_name: String,
    urn: String,
    timestamp: i64,
    metadata: String,
    version: i64,
    key_aspect: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    aspect: Option<Box<RawValue>>,
}

#[derive(Serialize)]
struct ValueResponse<T> {
    value: T,
}

/// `POST /runs?action=…`.
pub(super) async fn act(
    State(server): State<Arc<ServerState>>,
    Extension(write): Extension<WriteRequest>,
    Extension(permissions): Extension<Permissions>,
    uri: Uri,
    body: Bytes,
) -> Result<Response, Failure> {
    match restli::parameter(&uri, "action").as_deref() {
        Some("list") => list(&server, proposal::parse(&body)?).await,
        Some("describe") => describe(&server, &permissions, proposal::parse(&body)?).await,
        Some("rollback") if !permissions.may_manage("dataHubIngestionSource") => {
            Err(forbidden("User is unauthorized to update entity"))
        }
        Some("rollback") => rollback(&server, proposal::parse(&body)?, &write).await,
        action => Err(super::unroutable::unknown_action(action, RESOURCE, &uri)),
    }
}

async fn list(server: &ServerState, request: ListRuns) -> Result<Response, Failure> {
    let size = i64::from(request.page_size.unwrap_or(100));
    let start = i64::from(request.page_offset.unwrap_or(0)) * size;
    let soft_deleted_too = request.include_soft.unwrap_or(false);
    let runs =
        server.store.read(move |connection| runs::list(connection, start, size, soft_deleted_too)).await?;
    let runs: Vec<_> = runs
        .into_iter()
        .map(|run| json!({"runId": run.id, "timestamp": run.timestamp, "rows": run.rows}))
        .collect();
    Ok(restli::success(&json!({"value": runs})))
}

async fn describe(
    server: &ServerState,
    permissions: &Permissions,
    request: Describe,
) -> Result<Response, Failure> {
    let Describe { run_id, start, count, include_soft, include_aspect } = request;
    let written = server
        .store
        .read(move |connection| {
            let soft_deleted_too = include_soft.unwrap_or(false);
            runs::describe(connection, &Origin::Run(run_id), start.into(), count.into(), soft_deleted_too)
        })
        .await?;
    for urn in written.iter().filter_map(|written| Urn::parse(&written.urn).ok()) {
        permissions
            .check(ApiOperation::Read, &urn, |_| format!("User is unauthorized to get entity {urn}"))
            .await?;
    }
    let with_aspect = include_aspect.unwrap_or(false);
    let value = written
        .into_iter()
        .map(|written| {
            let aspect = written.metadata.clone();
            let mut summary = AspectRowSummary::from(written);
            if with_aspect {
                summary.aspect = Some(snapshot::raw(aspect)?);
            }
            Ok(summary)
        })
        .collect::<Result<Vec<_>, Failure>>()?;
    Ok(restli::success(&ValueResponse { value }))
}

async fn rollback(
    server: &ServerState,
    request: Rollback,
    write: &WriteRequest,
) -> Result<Response, Failure> {
    let Rollback { run_id, dry_run, safe, hard_delete } = request;
    if run_id == NO_RUN {
        return Err(Failure::bad_request(format!(
            "{run_id} is a default run-id provided for non labeled ingestion runs. You cannot delete using this \
             reserved run-id"
        )));
    }
    let hard = safe.map_or(hard_delete.unwrap_or(false), |safe| !safe);
    let stamp = stamp(write);
    let (mut written, others, done) = server
        .store
        .write(move |connection| {
            let origin = Origin::Run(run_id.clone());
            let written = runs::describe(connection, &origin, 0, i64::MAX, hard)?;
            let others = runs::others(connection, &written, &run_id)?;
            let done = if dry_run {
                None
            } else {
                Some(runs::rollback(connection, &written, &origin, hard, &stamp)?)
            };
            Ok((written, others, done))
        })
        .await?;
    if done.is_some() {
        server.access_may_have_changed();
    }
    let deleted = written.iter().filter(|written| written.is_key()).count();
    let unsafe_urns: BTreeSet<_> = others.iter().map(|other| other.urn.as_str()).collect();
    let unsafe_entities: Vec<_> = unsafe_urns.iter().map(|urn| json!({"urn": urn})).collect();
    let (affected, reverted) = match &done {
        Some(done) => (done.urns.len(), done.aspects),
        None => (
            written.iter().map(|written| &written.urn).collect::<BTreeSet<_>>().len(),
            if hard { written.len() } else { written.len() - deleted },
        ),
    };
    if done.is_none() && !hard {
        written.retain(|written| !written.is_key());
    }
    written.truncate(MAX_LISTED);
    let summaries: Vec<_> = written.into_iter().map(AspectRowSummary::from).collect();
    Ok(restli::success(&json!({"value": {
        "aspectRowSummaries": summaries,
        "entitiesAffected": affected,
        "aspectsAffected": others.len(),
        "entitiesDeleted": deleted,
        "aspectsReverted": reverted,
        "unsafeEntitiesCount": unsafe_urns.len(),
        "unsafeEntities": unsafe_entities,
    }})))
}

/// `POST /entities?action=deleteAll`: rolls back everything that was written under an entity registry. A
/// missing permission is reported only if something was found (`EntityResource.deleteEntities`).
pub(super) async fn delete_registry(
    server: &ServerState,
    permissions: &Permissions,
    write: &WriteRequest,
    body: &[u8],
) -> Result<Response, Failure> {
    let DeleteAll { registry_id, dry_run } = proposal::parse(body)?;
    if !registry_id.contains(':') {
        return Err(Failure::internal(format!("Failed to parse registry id: {registry_id}")));
    }
    let origin = Origin::Registry(registry_id);
    let question = origin.clone();
    let found = server
        .store
        .read(move |connection| runs::describe(connection, &question, 0, i64::MAX, false))
        .await?;
    let urns: BTreeSet<_> = found.iter().map(|found| found.urn.clone()).collect();
    for urn in urns.iter().filter_map(|urn| Urn::parse(urn).ok()) {
        permissions
            .check(ApiOperation::Delete, &urn, |_| "User is unauthorized to delete entities.".to_owned())
            .await?;
    }
    if !dry_run {
        let (written, stamp) = (found.clone(), stamp(write));
        server
            .store
            .write(move |connection| runs::rollback(connection, &written, &origin, false, &stamp))
            .await?;
        server.access_may_have_changed();
    }
    Ok(restli::success(&json!({"value": {
        "entitiesAffected": urns.len(),
        "aspectsAffected": found.len(),
        "entitiesDeleted": found.iter().filter(|found| found.is_key()).count(),
        "aspectRowSummaries": found.into_iter().take(MAX_LISTED).map(AspectRowSummary::from).collect::<Vec<_>>(),
    }})))
}

fn stamp(write: &WriteRequest) -> AuditStamp {
    AuditStamp { actor: actor::user_urn(&write.actor.0), time: tokens::milliseconds(SystemTime::now()) }
}

impl From<Written> for AspectRowSummary {
    fn from(written: Written) -> Self {
        Self {
            key_aspect: written.is_key(),
            run_id: written.run.unwrap_or_else(|| NO_RUN.to_owned()),
            aspect_name: written.aspect,
            urn: written.urn,
            timestamp: written.timestamp,
            metadata: written.system_metadata,
            version: 0,
            aspect: None,
        }
    }
}
