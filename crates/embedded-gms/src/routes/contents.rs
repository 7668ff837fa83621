//! `/reset` and `/snapshot`: the contents of the store as a whole, for tests in any language. GMS does not
//! have these paths; only callers with all permissions may use them.

use std::sync::Arc;
use std::time::SystemTime;

use crate::actor;
use crate::authorization::{Permissions, forbidden};
use crate::bootstrap::bootstrap;
use crate::failure::Failure;
use crate::ingest::WriteRequest;
use crate::proposal;
use crate::registry::Registry;
use crate::restli;
use crate::state::ServerState;
use crate::store::contents::{self, Contents, StoredAspect};
use crate::store::row::AuditStamp;
use crate::{change, model, system_metadata, tokens};
use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::json;

pub(super) const RESET_PATH: &str = "/reset";
pub(super) const SNAPSHOT_PATH: &str = "/snapshot";

const SCHEMA: &str = "datahub-emit/snapshot/1";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    schema: String,
    aspects: Vec<StoredAspect>,
    #[serde(default)]
    timeseries: Vec<StoredAspect>,
}

/// `POST /reset`: removes all entities, faults, traces and logged requests, and applies the seed again.
/// Access tokens, users and policies that were set up stay.
pub(super) async fn reset(
    State(server): State<Arc<ServerState>>,
    Extension(permissions): Extension<Permissions>,
    Extension(write): Extension<WriteRequest>,
) -> Result<Response, Failure> {
    check(&permissions)?;
    let stamp = stamp(&write);
    server
        .store
        .write(move |connection| {
            contents::clear(connection)?;
            bootstrap(connection, &AuditStamp { actor: actor::user_urn(actor::SYSTEM_ACTOR), ..stamp })
        })
        .await?;
    let seeded = server.seed.clone().apply(&server.store, &server.authentication).await;
    server.access_may_have_changed();
    seeded.map_err(|error| Failure::internal(format!("the seed cannot be applied again: {error}")))?;
    server.faults.clear();
    server.traces.clear();
    server.request_log.clear();
    Ok(restli::success(&json!({})))
}

/// `GET /snapshot`: all entities, with all versions of their aspects and all values of their time series.
pub(super) async fn export(
    State(server): State<Arc<ServerState>>,
    Extension(permissions): Extension<Permissions>,
) -> Result<Response, Failure> {
    check(&permissions)?;
    let Contents { aspects, timeseries } =
        server.store.read(|connection| Ok(contents::export(connection))).await??;
    Ok(restli::success(&Document { schema: SCHEMA.to_owned(), aspects, timeseries }))
}

/// `PUT /snapshot`: replaces all entities by those of a document. Faults and the request log stay.
pub(super) async fn import(
    State(server): State<Arc<ServerState>>,
    Extension(permissions): Extension<Permissions>,
    Extension(write): Extension<WriteRequest>,
    body: Bytes,
) -> Result<Response, Failure> {
    check(&permissions)?;
    let Document { schema, aspects, timeseries } = proposal::parse(&body)?;
    if schema != SCHEMA {
        return Err(Failure::bad_request(format!("schema: expected {SCHEMA:?}, found {schema:?}")));
    }
    for (list, rows, of_series) in [("aspects", &aspects, false), ("timeseries", &timeseries, true)] {
        for (index, row) in rows.iter().enumerate() {
            check_row(row, of_series, &server.registry)
                .map_err(|failure| Failure::bad_request(format!("{list}[{index}]: {}", failure.message())))?;
        }
    }
    let (stamp, counts) = (stamp(&write), json!({"aspects": aspects.len(), "timeseries": timeseries.len()}));
    let contents = Contents { aspects, timeseries };
    server
        .store
        .write(move |connection| {
            contents::import(connection, &contents, &stamp, &system_metadata::default(stamp.time))
        })
        .await?;
    server.traces.clear();
    server.access_may_have_changed();
    Ok(restli::success(&counts))
}

fn check_row(row: &StoredAspect, of_series: bool, registry: &Registry) -> Result<(), Failure> {
    let urn = change::checked_urn(&row.urn)?;
    change::checked_key(&urn)?;
    registry.check(urn.entity_type(), &row.aspect)?;
    if urn.entity_type() == tokens::ENTITY_TYPE {
        return Err(Failure::bad_request("a snapshot has no access tokens"));
    }
    if model::is_timeseries(&row.aspect) != of_series {
        return Err(Failure::bad_request(format!("{} belongs to the other list", row.aspect)));
    }
    let values = [("value", Some(&row.value)), ("systemMetadata", row.system_metadata.as_ref())];
    for (name, value) in values.into_iter().filter_map(|(name, value)| Some((name, value?))) {
        if !value.get().starts_with('{') {
            return Err(Failure::bad_request(format!("{name}: expected an object")));
        }
    }
    Ok(())
}

fn stamp(write: &WriteRequest) -> AuditStamp {
    AuditStamp { actor: actor::user_urn(&write.actor.0), time: tokens::milliseconds(SystemTime::now()) }
}

fn check(permissions: &Permissions) -> Result<(), Failure> {
    if permissions.may_do_everything() {
        return Ok(());
    }
    Err(forbidden(format!("User {} is unauthorized to replace what is stored", permissions.user())))
}
