//! Ingestion runs as GMS knows them: the list, what one of them wrote, and rolling it back
//! (`BatchIngestionRunResource`).

use reqwest::Method;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Client, RetryPolicy};
use crate::{Error, ErrorKind};

/// The read limit of a response, 64 MiB. A run of 100,000 aspects has about 40 MB with their values.
const MAX_ANSWER_BYTES: usize = 64 << 20;

/// A run in the list.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct IngestionRun {
    /// The run id.
    pub run_id: String,
    /// The number of aspects that it wrote and that are still its own.
    #[serde(default)]
    pub rows: u64,
    /// When it wrote last, in milliseconds since 1970.
    #[serde(default)]
    pub timestamp: i64,
}

/// An aspect that a run wrote.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RunAspect {
    /// The entity.
    pub urn: String,
    /// The aspect's name.
    pub aspect_name: String,
    /// When it was written, in milliseconds since 1970.
    #[serde(default)]
    pub timestamp: i64,
    /// The value, if it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aspect: Option<Value>,
}

/// The effect of a rollback.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RunRollback {
    /// Entities with aspects of the run.
    #[serde(default)]
    pub entities_affected: u64,
    /// Entities that the run created, which are deleted.
    #[serde(default)]
    pub entities_deleted: u64,
    /// Aspects of the run that are reverted to what was before.
    #[serde(default)]
    pub aspects_reverted: u64,
    /// Aspects of other runs that disappear with the deleted entities.
    #[serde(default)]
    pub aspects_affected: u64,
    /// The number of entities that have such aspects.
    #[serde(default)]
    pub unsafe_entities_count: u64,
    /// These entities, as far as GMS lists them.
    #[serde(default)]
    pub unsafe_entities: Vec<UnsafeEntity>,
    /// The first of the aspects that are reverted.
    #[serde(default)]
    pub aspect_row_summaries: Vec<RunAspect>,
}

/// An entity with aspects of other runs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct UnsafeEntity {
    /// Its URN.
    pub urn: String,
}

#[derive(Deserialize)]
struct Answer<T> {
    value: T,
}

impl Client {
    /// A page of the runs, the latest first.
    ///
    /// # Errors
    /// When GMS cannot be reached, or refuses or rejects the request.
    ///
    /// # Cancel safety
    /// Dropping the future abandons the request.
    pub async fn ingestion_runs(
        &self,
        page_offset: u32,
        page_size: u32,
        include_soft_deleted: bool,
    ) -> Result<Vec<IngestionRun>, Error> {
        let question =
            json!({"pageOffset": page_offset, "pageSize": page_size, "includeSoft": include_soft_deleted});
        self.act_on_runs("list", &question).await
    }

    /// A page of what a run wrote.
    ///
    /// # Errors
    /// As [`ingestion_runs`](Self::ingestion_runs).
    ///
    /// # Cancel safety
    /// Dropping the future abandons the request.
    pub async fn ingestion_run(
        &self,
        run_id: &str,
        (start, count): (u32, u32),
        include_soft_deleted: bool,
        with_values: bool,
    ) -> Result<Vec<RunAspect>, Error> {
        let question = json!({
            "runId": run_id,
            "start": start,
            "count": count,
            "includeSoft": include_soft_deleted,
            "includeAspect": with_values,
        });
        self.act_on_runs("describe", &question).await
    }

    /// Rolls a run back: entities that it created are deleted, and other aspects become what they were
    /// before. With `is_safe`, deleted entities are hidden; without it, they are gone for good. A dry run
    /// only says what would be done.
    ///
    /// # Errors
    /// As [`ingestion_runs`](Self::ingestion_runs).
    ///
    /// # Cancel safety
    /// Dropping the future abandons the request. GMS may have rolled the run back all the same.
    pub async fn roll_back_run(
        &self,
        run_id: &str,
        is_safe: bool,
        is_dry_run: bool,
    ) -> Result<RunRollback, Error> {
        self.act_on_runs("rollback", &json!({"runId": run_id, "dryRun": is_dry_run, "safe": is_safe})).await
    }

    async fn act_on_runs<T: DeserializeOwned>(&self, action: &str, question: &Value) -> Result<T, Error> {
        let line = self.request_line(Method::POST, &format!("/runs?action={action}"));
        let text = bytes::Bytes::from(question.to_string());
        let body = || Some(text.clone().into());
        let attempts = self.send_with_retries(&line, body, MAX_ANSWER_BYTES, &RetryPolicy::default()).await;
        let Ok(response) = &attempts.last else {
            return Err(self.diagnose_attempts(&line, &attempts).into());
        };
        match response.status.as_u16() {
            200 if response.is_json_or_empty() => {
                let answer: Answer<T> = serde_json::from_slice(&response.body).map_err(|error| {
                    let message = format!("the response to {line} cannot be read");
                    Error::new(ErrorKind::Unreachable, message).with_source(error)
                })?;
                Ok(answer.value)
            }
            400 | 404 | 422 => Err(self.rejected(&line, response)),
            _ => Err(self.diagnose_attempts(&line, &attempts).into()),
        }
    }
}
