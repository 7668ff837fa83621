//! `POST /aspects?action=getTimeseriesAspectValues`: the values of a time series, newest first.

use crate::authorization::{ApiOperation, Permissions};
use crate::failure::Failure;
use crate::search::Filter;
use crate::state::ServerState;
use crate::store::row::AspectRow;
use crate::store::timeseries;
use crate::{change, json_text, model, proposal, restli, snapshot};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

/// The default and the greatest number of values in a response.
const MAX_VALUES: usize = 10_000;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TimeseriesQuery {
    urn: String,
    entity: String,
    aspect: String,
    start_time_millis: Option<i64>,
    end_time_millis: Option<i64>,
    limit: Option<usize>,
    #[serde(default)]
    latest_value: bool,
    filter: Option<Filter>,
    sort: Option<Value>,
}

#[derive(Serialize)]
struct TimeseriesResponse {
    value: TimeseriesValues,
}

/// `GetTimeseriesAspectValuesResponse.pdl`
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TimeseriesValues {
    entity_name: String,
    aspect_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_time_millis: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_time_millis: Option<i64>,
    limit: usize,
    values: Vec<EnvelopedValue>,
}

/// `com.linkedin.metadata.aspect.EnvelopedAspect`
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EnvelopedValue {
    aspect: GenericAspectValue,
    system_metadata: Box<RawValue>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GenericAspectValue {
    /// ASCII, because the model's type is `bytes`, one byte for each character.
    value: String,
    content_type: &'static str,
}

/// # Errors
/// 400 for an aspect that is not a time series, and for an unsupported filter or sort.
pub(super) async fn values(
    server: &ServerState,
    permissions: &Permissions,
    body: &[u8],
) -> Result<Response, Failure> {
    let question: TimeseriesQuery = proposal::parse(body)?;
    if question.sort.is_some() {
        return Err(Failure::bad_request("the embedded GMS gives the newest value first: leave `sort` out"));
    }
    let TimeseriesQuery { aspect, start_time_millis, end_time_millis, .. } = question;
    if !model::is_timeseries(&aspect) {
        return Err(Failure::bad_request(format!("{aspect} is not a time-series aspect")));
    }
    let limit = if question.latest_value { 1 } else { question.limit.unwrap_or(MAX_VALUES) };
    let urn = change::checked_urn(&question.urn)?;
    let refusal = |_: &str| format!("User is unauthorized to get timeseries aspect for {urn}");
    permissions.check(ApiOperation::ReadTimeseries, &urn, refusal).await?;
    let times = start_time_millis.unwrap_or(i64::MIN)..=end_time_millis.unwrap_or(i64::MAX);
    let (name, filter) = (aspect.clone(), question.filter);
    let stored = server
        .store
        .read(move |connection| {
            timeseries::values(connection, urn.as_str(), &name, times, limit.min(MAX_VALUES), |stored| {
                filter.as_ref().is_none_or(|filter| takes(filter, stored))
            })
        })
        .await?;
    let values = stored
        .into_iter()
        .map(|stored| {
            Ok(EnvelopedValue {
                aspect: GenericAspectValue {
                    value: json_text::ascii(&stored.metadata),
                    content_type: "application/json",
                },
                system_metadata: snapshot::raw(stored.system_metadata)?,
            })
        })
        .collect::<Result<_, Failure>>()?;
    Ok(restli::success(&TimeseriesResponse {
        value: TimeseriesValues {
            entity_name: question.entity,
            aspect_name: aspect,
            start_time_millis,
            end_time_millis,
            limit,
            values,
        },
    }))
}

/// Whether a filter matches a value. A field may be a path; the run id is in the system metadata.
fn takes(filter: &Filter, stored: &AspectRow) -> bool {
    let read = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
    let (value, system_metadata) = (read(&stored.metadata), read(&stored.system_metadata));
    filter.takes(|field| {
        let record = if field == "runId" && value.get(field).is_none() { &system_metadata } else { &value };
        let found = record.pointer(&format!("/{}", field.replace('.', "/"))).filter(|found| !found.is_null());
        found
            .map(|found| found.as_str().map_or_else(|| found.to_string(), str::to_owned))
            .into_iter()
            .collect()
    })
}
