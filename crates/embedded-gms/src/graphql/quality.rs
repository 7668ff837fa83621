//! The quality of data: profiles, operations, assertions, incidents, and the health that follows from them.

use async_graphql::Result;
use serde::Deserialize;
use serde_json::{Value, json};

use super::call::Call;
use super::context::MAX_LISTED;
use super::error::failed;
use super::node::at;
use super::relationships::{bounded, incoming};
use crate::store::{read, timeseries};

/// The default number of values of a time series.
const DEFAULT_LIMIT: usize = 100;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SeriesArguments {
    start_time_millis: Option<i64>,
    end_time_millis: Option<i64>,
    limit: Option<i64>,
}

/// The values of a time series of the entity, newest first.
pub(super) async fn series(call: &Call<'_>, aspect: &'static str) -> Result<Value> {
    let entity = call.entity()?;
    entity.aspects(call.caller).await?;
    let SeriesArguments { start_time_millis, end_time_millis, limit } = call.arguments()?;
    let times = start_time_millis.unwrap_or(i64::MIN)..=end_time_millis.unwrap_or(i64::MAX);
    let (urn, limit) = (entity.urn.to_string(), limit.map_or(DEFAULT_LIMIT, bounded));
    let values = call
        .caller
        .server
        .store
        .read(move |connection| timeseries::values(connection, &urn, aspect, times, limit, |_| true))
        .await
        .map_err(|failure| failed(&failure))?;
    Ok(values.iter().filter_map(|stored| serde_json::from_str::<Value>(&stored.metadata).ok()).collect())
}

/// `statsSummary`, from the latest profile.
pub(super) async fn stats(call: &Call<'_>) -> Result<Value> {
    let aspects = call.entity()?.aspects(call.caller).await?;
    let profile = aspects.get("datasetProfile").cloned().unwrap_or_default();
    Ok(json!({"rowCount": at(&profile, "rowCount"), "sizeInBytes": at(&profile, "sizeInBytes")}))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageArguments {
    #[serde(default)]
    start: i64,
    count: Option<i64>,
    #[serde(default)]
    include_soft_deleted: bool,
    state: Option<String>,
}

pub(super) async fn assertions(call: &Call<'_>) -> Result<Value> {
    let PageArguments { start, count, include_soft_deleted, .. } = call.arguments()?;
    let (urns, total) = incoming(call, "Asserts", start, count.unwrap_or(200), include_soft_deleted).await?;
    Ok(json!({"start": bounded(start), "count": urns.len(), "total": total, "assertions": urns}))
}

/// `runs` of a task.
pub(super) async fn runs(call: &Call<'_>) -> Result<Value> {
    let PageArguments { start, count, .. } = call.arguments()?;
    let (urns, total) = incoming(call, "InstanceOf", start, count.unwrap_or(20), true).await?;
    Ok(json!({"start": bounded(start), "count": urns.len(), "total": total, "runs": urns}))
}

pub(super) async fn incidents(call: &Call<'_>) -> Result<Value> {
    let PageArguments { start, count, state, .. } = call.arguments()?;
    let mut urns = of_state(call, state).await?;
    let total = urns.len();
    urns = urns.into_iter().skip(bounded(start)).take(count.map_or(20, bounded)).collect();
    Ok(json!({"start": bounded(start), "count": urns.len(), "total": total, "incidents": urns}))
}

/// The incidents of the entity in a state.
async fn of_state(call: &Call<'_>, state: Option<String>) -> Result<Vec<String>> {
    let (urns, _) =
        incoming(call, "IncidentOn", 0, i64::try_from(MAX_LISTED).unwrap_or(i64::MAX), false).await?;
    let Some(state) = state else { return Ok(urns) };
    let found = call.caller.server.store.read(move |connection| {
        let mut found = Vec::new();
        for urn in urns {
            let info = read::aspect(connection, &urn, "incidentInfo", 0)?;
            let info: Option<Value> = info.and_then(|info| serde_json::from_str(&info.metadata).ok());
            if info.is_some_and(|info| at(&info, "status.state") == state.as_str()) {
                found.push(urn);
            }
        }
        Ok(found)
    });
    found.await.map_err(|failure| failed(&failure))
}

/// `priority` of an incident, which the aspect has as a number (`IncidentPriority`).
pub(super) async fn priority(call: &Call<'_>) -> Result<Value> {
    let aspects = call.entity()?.aspects(call.caller).await?;
    let number = aspects.get("incidentInfo").and_then(|info| info.get("priority")?.as_i64());
    Ok(match number {
        Some(0) => "CRITICAL".into(),
        Some(1) => "HIGH".into(),
        Some(2) => "MEDIUM".into(),
        Some(3) => "LOW".into(),
        _ => Value::Null,
    })
}

/// `runEvents` of an assertion, newest first.
pub(super) async fn run_events(call: &Call<'_>) -> Result<Value> {
    let events = series(call, "assertionRunEvent").await?;
    let events = events.as_array().cloned().unwrap_or_default();
    let with = |result: &str| events.iter().filter(|event| at(event, "result.type") == result).count();
    Ok(json!({
        "total": events.len(), "failed": with("FAILURE"), "succeeded": with("SUCCESS"), "errored": with("ERROR"),
        "runEvents": events,
    }))
}

/// `health`: a failed assertion or an active incident is a problem.
pub(super) async fn health(call: &Call<'_>) -> Result<Value> {
    let mut health = Vec::new();
    let (assertions, _) = incoming(call, "Asserts", 0, 1_000, false).await?;
    if !assertions.is_empty() {
        let names = assertions.clone();
        let failing = call.caller.server.store.read(move |connection| {
            let (mut failing, mut run) = (Vec::new(), 0_usize);
            for urn in names {
                let Some(event) = timeseries::latest(connection, &urn, "assertionRunEvent")? else {
                    continue;
                };
                let event: Value = serde_json::from_str(&event.metadata).unwrap_or_default();
                run += 1;
                if at(&event, "result.type") == "FAILURE" {
                    failing.push(urn);
                }
            }
            Ok((failing, run))
        });
        let (failing, run) = failing.await.map_err(|failure| failed(&failure))?;
        if run > 0 {
            let status = if failing.is_empty() { "PASS" } else { "FAIL" };
            let message = format!("{} of {run} assertions are failing", failing.len());
            health
                .push(json!({"type": "ASSERTIONS", "status": status, "message": message, "causes": failing}));
        }
    }
    let active = of_state(call, Some("ACTIVE".to_owned())).await?;
    if !active.is_empty() {
        let message = format!("{} active incidents", active.len());
        health.push(json!({"type": "INCIDENTS", "status": "FAIL", "message": message, "causes": active}));
    }
    Ok(health.into())
}
