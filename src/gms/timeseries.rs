//! The latest value of a time series.

use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use super::lookup::unreadable;
use super::{Client, RetryPolicy};
use crate::Error;
use crate::auth::RequestKind;
use crate::metadata::Urn;

#[derive(Deserialize)]
struct Answer {
    value: Values,
}

#[derive(Deserialize)]
struct Values {
    #[serde(default)]
    values: Vec<Enveloped>,
}

#[derive(Deserialize)]
struct Enveloped {
    aspect: GenericAspect,
}

#[derive(Deserialize)]
struct GenericAspect {
    value: String,
}

impl Client {
    /// The JSON text of the latest value of a time series whose `field` is `value`, as DataHub's Python
    /// client asks for it (`DataHubGraph.get_latest_timeseries_value`). The response may have `max_bytes`.
    pub(crate) async fn latest_timeseries_value(
        &self,
        urn: &Urn,
        aspect: &str,
        (field, value): (&str, &str),
        max_bytes: usize,
        retry: &RetryPolicy,
    ) -> Result<Option<String>, Error> {
        let path = "/aspects?action=getTimeseriesAspectValues";
        let line = self.request_line(Method::POST, path).with_kind(RequestKind::Read);
        let question = json!({
            "urn": urn.as_str(),
            "entity": urn.entity_type(),
            "aspect": aspect,
            "limit": 1,
            "filter": {"or": [{"and": [{"field": field, "values": [value], "condition": "EQUAL"}]}]},
        });
        let text = question.to_string();
        let body = || Some(bytes::Bytes::from(text.clone()).into());
        let attempts = self.send_with_retries(&line, body, max_bytes, retry).await;
        let response = match &attempts.last {
            Ok(response)
                if response.status.as_u16() == 200 && response.is_json_or_empty() && !response.truncated =>
            {
                response
            }
            _ => return Err(self.diagnose_attempts(&line, &attempts).into()),
        };
        let answer: Answer =
            serde_json::from_slice(&response.body).map_err(|error| unreadable(&line, error))?;
        Ok(answer.value.values.into_iter().next().map(|first| first.aspect.value))
    }
}
