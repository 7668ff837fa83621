//! `POST /aspects?action=getTimeseriesAspectValues`: the values of a time series, newest first.

use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::embedded::authorization::{Operation, Rights};
use crate::embedded::failure::Failure;
use crate::embedded::store::read::Stored;
use crate::embedded::store::timeseries;
use crate::embedded::{Server, change, compact, model, proposal, restli, snapshot};

/// How many values a call gets at most, whatever it asks for.
const MAX_VALUES: usize = 10_000;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Question {
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

/// `Filter.pdl`: one of `or` must hold; `criteria` are the older form of a single one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Filter {
    #[serde(default)]
    or: Vec<Conjunction>,
    #[serde(default)]
    criteria: Vec<Criterion>,
}

/// All of these must hold.
#[derive(Deserialize)]
struct Conjunction {
    and: Vec<Criterion>,
}

#[derive(Deserialize)]
struct Criterion {
    field: String,
    value: Option<String>,
    #[serde(default)]
    values: Vec<String>,
    #[serde(default)]
    condition: Condition,
    #[serde(default)]
    negated: bool,
}

/// `Condition.pdl`, as far as it makes sense here.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Condition {
    #[default]
    Equal,
    In,
    Contain,
    StartWith,
    EndWith,
    Exists,
    IsNull,
    GreaterThan,
    GreaterThanOrEqualTo,
    LessThan,
    LessThanOrEqualTo,
}

#[derive(Serialize)]
struct Answer {
    value: Found,
}

/// `GetTimeseriesAspectValuesResponse.pdl`
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    entity_name: String,
    aspect_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_time_millis: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_time_millis: Option<i64>,
    limit: usize,
    values: Vec<Enveloped>,
}

/// `com.linkedin.metadata.aspect.EnvelopedAspect`
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Enveloped {
    aspect: Generic,
    system_metadata: Box<RawValue>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Generic {
    /// ASCII, because the model's type is bytes, one for each character.
    value: String,
    content_type: &'static str,
}

/// # Errors
/// 400 for an aspect that is no time series, and for what cannot be filtered or sorted by.
pub(super) async fn values(server: &Server, rights: &Rights, body: &[u8]) -> Result<Response, Failure> {
    let question: Question = proposal::parse(body)?;
    if question.sort.is_some() {
        return Err(Failure::bad_request("the embedded GMS gives the newest value first: leave `sort` out"));
    }
    let Question { aspect, start_time_millis, end_time_millis, .. } = question;
    if !model::is_timeseries(&aspect) {
        return Err(Failure::bad_request(format!("{aspect} is not a time-series aspect")));
    }
    let limit = if question.latest_value { Some(1) } else { question.limit };
    let limit = limit.ok_or_else(|| {
        Failure::internal(
            "java.lang.NullPointerException: Cannot set field limit to null: give limit, or latestValue",
        )
    })?;
    let urn = change::checked_urn(&question.urn)?;
    rights.check(Operation::ReadTimeseries, &urn, |_| {
        format!("User is unauthorized to get timeseries aspect for {urn}")
    })?;
    let times = start_time_millis.unwrap_or(i64::MIN)..=end_time_millis.unwrap_or(i64::MAX);
    let (name, filter) = (aspect.clone(), question.filter);
    let stored = server
        .store
        .read(move |connection| {
            timeseries::values(connection, urn.as_str(), &name, times, limit.min(MAX_VALUES), |stored| {
                filter.as_ref().is_none_or(|filter| filter.takes(stored))
            })
        })
        .await?;
    let values = stored
        .into_iter()
        .map(|stored| {
            Ok(Enveloped {
                aspect: Generic { value: compact::ascii(&stored.metadata), content_type: "application/json" },
                system_metadata: snapshot::raw(stored.system_metadata)?,
            })
        })
        .collect::<Result<_, Failure>>()?;
    Ok(restli::success(&Answer {
        value: Found {
            entity_name: question.entity,
            aspect_name: aspect,
            start_time_millis,
            end_time_millis,
            limit,
            values,
        },
    }))
}

impl Filter {
    fn takes(&self, stored: &Stored) -> bool {
        let read = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
        let (value, system_metadata) = (read(&stored.metadata), read(&stored.system_metadata));
        let all = |criteria: &[Criterion]| criteria.iter().all(|one| one.holds(&value, &system_metadata));
        if self.or.is_empty() { all(&self.criteria) } else { self.or.iter().any(|one| all(&one.and)) }
    }
}

impl Criterion {
    fn holds(&self, value: &Value, system_metadata: &Value) -> bool {
        let field = self.field.strip_suffix(".keyword").unwrap_or(&self.field);
        // The run is noted beside the value.
        let record = if field == "runId" && value.get(field).is_none() { system_metadata } else { value };
        let found = record.pointer(&format!("/{}", field.replace('.', "/"))).filter(|found| !found.is_null());
        let text = found.map(|found| found.as_str().map_or_else(|| found.to_string(), str::to_owned));
        let any = |test: &dyn Fn(&str, &str) -> bool| {
            let given =
                self.values.iter().chain(self.values.is_empty().then_some(self.value.as_ref()).flatten());
            text.as_deref().is_some_and(|text| given.into_iter().any(|given| test(text, given)))
        };
        let compared = |test: fn(f64, f64) -> bool| {
            any(&|found, given| match (found.parse(), given.parse()) {
                (Ok(found), Ok(given)) => test(found, given),
                _ => false,
            })
        };
        let holds = match self.condition {
            Condition::Equal | Condition::In => any(&|found, given| found == given),
            Condition::Contain => any(&|found, given| found.contains(given)),
            Condition::StartWith => any(&|found, given| found.starts_with(given)),
            Condition::EndWith => any(&|found, given| found.ends_with(given)),
            Condition::Exists => text.is_some(),
            Condition::IsNull => text.is_none(),
            Condition::GreaterThan => compared(|found, given| found > given),
            Condition::GreaterThanOrEqualTo => compared(|found, given| found >= given),
            Condition::LessThan => compared(|found, given| found < given),
            Condition::LessThanOrEqualTo => compared(|found, given| found <= given),
        };
        holds != self.negated
    }
}
