//! `/entities`: snapshots, deletes, and whether something exists.

use std::sync::Arc;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Caller;
use crate::embedded::restli::{self, Failure};
use crate::embedded::store::read::{self, Stored};
use crate::embedded::store::write;
use crate::embedded::{Server, keys, model, proposal, snapshot};

const RESOURCE: &str = "com.linkedin.metadata.resources.entity.EntityResource";

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

/// `POST /entities?action=…`.
pub(super) async fn act(
    State(server): State<Arc<Server>>,
    Extension(actor): Caller,
    uri: Uri,
    body: Bytes,
) -> Result<Response, Failure> {
    let answer = match restli::parameter(&uri, "action").as_deref() {
        Some("ingest") => {
            server.ingest(snapshot::single(&body)?, actor).await?;
            json!({})
        }
        Some("batchIngest") => {
            server.ingest(snapshot::batch(&body)?, actor).await?;
            json!({})
        }
        Some("delete") => delete(&server, proposal::parse(&body)?).await?,
        Some("exists") => exists(&server, proposal::parse(&body)?).await?,
        action => return Err(super::unknown_action(action, RESOURCE, &uri)),
    };
    Ok(restli::success(&answer))
}

async fn delete(server: &Server, request: Delete) -> Result<Value, Failure> {
    let urn = proposal::checked_urn(&request.urn)?;
    let text = urn.to_string();
    let answer = match request.aspect_name {
        None => {
            let rows = server.store.write(move |connection| write::delete_entity(connection, &text)).await?;
            json!({"urn": urn.as_str(), "rows": rows, "timeseriesRows": 0})
        }
        Some(aspect) if !model::is_timeseries(&aspect) => {
            return Err(Failure::internal(format!(
                "java.lang.UnsupportedOperationException: Not supported for non-timeseries aspect {aspect}."
            )));
        }
        Some(_) if request.start_time_millis.is_some() || request.end_time_millis.is_some() => {
            return Err(Failure::bad_request(
                "the embedded GMS deletes a time-series aspect as a whole: leave startTimeMillis and endTimeMillis out",
            ));
        }
        Some(aspect) => {
            let rows = server
                .store
                .write(move |connection| write::delete_aspect(connection, &text, &aspect))
                .await?;
            json!({"urn": urn.as_str(), "timeseriesRows": rows})
        }
    };
    server.authentication.doubt();
    Ok(json!({"value": answer}))
}

async fn exists(server: &Server, request: Exists) -> Result<Value, Failure> {
    let urn = proposal::checked_urn(&request.urn)?;
    let soft_deleted_too = request.include_soft_delete.unwrap_or(true);
    let exists = server
        .store
        .read(move |connection| {
            let key = keys::aspect_name(urn.entity_type());
            Ok(read::has(connection, urn.as_str(), &key)?
                && (soft_deleted_too || !is_removed(read::aspect(connection, urn.as_str(), "status", 0)?)))
        })
        .await?;
    Ok(json!({"value": exists}))
}

fn is_removed(status: Option<Stored>) -> bool {
    status
        .and_then(|status| serde_json::from_str::<Value>(&status.metadata).ok())
        .and_then(|status| status.get("removed").and_then(Value::as_bool))
        .unwrap_or(false)
}

/// `GET /entities/{urn}`, with `aspects=List(a,b)` those alone. An entity that was never written has its key.
pub(super) async fn show(State(server): State<Arc<Server>>, uri: Uri) -> Result<Response, Failure> {
    let urn = super::path_urn(&uri, "/entities/")?;
    let aspects = server.entity(&urn, restli::list(&uri, "aspects")).await?;
    Ok(restli::success(&snapshot::of(&urn, aspects)?))
}
