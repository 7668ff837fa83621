//! The lookups of transformers: aspects of an entity, and domains by name.

use std::collections::HashMap;

use reqwest::Method;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::client::MAX_ENTITY_BYTES;
use super::entity::entity_path;
use super::{Client, RetryPolicy};
use crate::auth::RequestKind;
use crate::metadata::{Aspect, Name, Urn};
use crate::{Error, ErrorKind};

/// The read limit of a search result of at most ten entities.
const MAX_SEARCH_BYTES: usize = 1 << 20;

#[derive(Deserialize)]
struct EntityBody {
    #[serde(default)]
    aspects: HashMap<String, Enveloped>,
}

#[derive(Deserialize)]
struct Enveloped {
    value: Box<RawValue>,
}

#[derive(Deserialize)]
struct SearchBody {
    value: SearchValue,
}

#[derive(Deserialize)]
struct SearchValue {
    #[serde(default)]
    entities: Vec<Hit>,
}

#[derive(Deserialize)]
struct Hit {
    entity: String,
}

impl Client {
    /// The aspects of `urn` with these names, in their order; `None` for one that it does not have. The
    /// request is repeated as `retry` says.
    pub(crate) async fn aspects(
        &self,
        urn: &Urn,
        names: &[Name],
        retry: &RetryPolicy,
    ) -> Result<Vec<Option<Aspect>>, Error> {
        let path = entity_path(urn, names.iter().map(AsRef::as_ref));
        let line = self.request_line(Method::GET, &path).with_kind(RequestKind::Read);
        let attempts = self.get_with_retries(&line, MAX_ENTITY_BYTES, retry).await;
        let Ok(response) = &attempts.last else {
            return Err(self.diagnose_attempts(&line, &attempts).into());
        };
        match response.status.as_u16() {
            404 if response.is_json_or_empty() => Ok(vec![None; names.len()]),
            200 if response.is_json_or_empty() && !response.truncated => {
                let body: EntityBody =
                    serde_json::from_slice(&response.body).map_err(|error| unreadable(&line, error))?;
                let aspect = |name: &Name| {
                    let value = body.aspects.get(name.as_ref());
                    value.map(|enveloped| Aspect::from_json(enveloped.value.get())).transpose()
                };
                let aspects: Result<_, _> = names.iter().map(aspect).collect();
                aspects.map_err(|error| unreadable(&line, error))
            }
            400 | 422 => Err(self.rejected(&line, response)),
            _ => Err(self.diagnose_attempts(&line, &attempts).into()),
        }
    }

    /// The first domain with this name, as DataHub's Python client searches for it (`DomainRegistry`).
    pub(crate) async fn domain_named(&self, name: &str, retry: &RetryPolicy) -> Result<Option<Urn>, Error> {
        let line = self.request_line(Method::POST, "/entities?action=search").with_kind(RequestKind::Read);
        let filter = json!({"or": [{"and": [{"field": "name", "values": [name], "condition": "EQUAL"}]}]});
        let question = json!({"input": "*", "entity": "domain", "start": 0, "count": 10, "filter": filter});
        let text = question.to_string();
        let body = || Some(bytes::Bytes::from(text.clone()).into());
        let attempts = self.send_with_retries(&line, body, MAX_SEARCH_BYTES, retry).await;
        let response = match &attempts.last {
            Ok(response) if response.status.as_u16() == 200 && response.is_json_or_empty() => response,
            _ => return Err(self.diagnose_attempts(&line, &attempts).into()),
        };
        let found: SearchBody =
            serde_json::from_slice(&response.body).map_err(|error| unreadable(&line, error))?;
        Ok(found.value.entities.first().and_then(|hit| Urn::parse(&hit.entity).ok()))
    }
}

pub(super) fn unreadable(
    line: &super::RequestLine,
    error: impl std::error::Error + Send + Sync + 'static,
) -> Error {
    Error::new(ErrorKind::Unreachable, format!("the response to {line} cannot be read")).with_source(error)
}
