//! `/entities`: snapshots, deletes, and whether something exists.

use std::sync::Arc;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::embedded::failure::Failure;
use crate::embedded::ingest::Write;
use crate::embedded::restli;
use crate::embedded::store::{read, timeseries, write};
use crate::embedded::{Server, change, keys, model, proposal, snapshot};

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

/// `POST /entities?action=…`.
pub(super) async fn act(
    State(server): State<Arc<Server>>,
    Extension(write): Extension<Write>,
    uri: Uri,
    body: Bytes,
) -> Result<Response, Failure> {
    let answer = match restli::parameter(&uri, "action").as_deref() {
        Some("ingest") => {
            server.ingest(snapshot::single(&body)?, write).await?;
            json!({})
        }
        Some("batchIngest") => {
            server.ingest(snapshot::batch(&body)?, write).await?;
            json!({})
        }
        Some("delete") => delete(&server, proposal::parse(&body)?).await?,
        Some("exists") => exists(&server, proposal::parse(&body)?).await?,
        action => return Err(super::unknown_action(action, RESOURCE, &uri)),
    };
    Ok(restli::success(&answer))
}

async fn delete(server: &Server, request: Delete) -> Result<Value, Failure> {
    let urn = change::checked_urn(&request.urn)?;
    let text = urn.to_string();
    let answer = match request.aspect_name {
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
    server.authentication.doubt();
    Ok(json!({"value": answer}))
}

async fn exists(server: &Server, request: Exists) -> Result<Value, Failure> {
    let urn = change::checked_urn(&request.urn)?;
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

/// `GET /entities/{urn}`, with `aspects=List(a,b)` those alone. An entity that was never written has its key.
pub(super) async fn show(State(server): State<Arc<Server>>, uri: Uri) -> Result<Response, Failure> {
    let urn = super::path_urn(&uri, "/entities/")?;
    let aspects = server.entity(&urn, restli::list(&uri, "aspects")).await?;
    Ok(restli::success(&snapshot::of(&urn, aspects)?))
}
