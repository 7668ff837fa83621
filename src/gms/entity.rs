//! Reads the aspects of an entity (`EntityV2Resource.java`).

use bytes::Bytes;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::Client;
use super::client::MAX_ENTITY_BYTES;
use crate::Error;
use crate::auth::RequestKind;
use crate::metadata::Urn;

impl Client {
    /// Reads aspects of an entity, or all if `aspects` is empty: the JSON text of GMS's response, or `None`
    /// if GMS has no such entity, or none of these aspects. GMS derives the key aspect of any URN, so that
    /// aspect alone does not count unless it was asked for.
    ///
    /// The text is an `EntityResponse`. It has the aspects by name, each with its value:
    ///
    /// ```json
    /// {"entityName": "tag", "urn": "urn:li:tag:pii", "aspects": {
    ///     "tagProperties": {"name": "tagProperties", "type": "VERSIONED", "version": 0,
    ///                       "value": {"name": "pii"}, "created": {"time": 0, "actor": "…"}}}}
    /// ```
    ///
    /// A request that fails is sent again as [`ClientConfig::retry`](super::ClientConfig) says, and with
    /// another token if the current one is refused and the provider has one.
    ///
    /// # Errors
    /// [`ErrorKind::Rejected`](crate::ErrorKind::Rejected) if GMS does not accept the URN or the aspects,
    /// [`Refused`](crate::ErrorKind::Refused) if it refuses the caller,
    /// [`Unreachable`](crate::ErrorKind::Unreachable) if it cannot be reached or the response is not from a
    /// GMS.
    ///
    /// # Cancel safety
    /// Dropping the future abandons the request, which changes nothing on the server.
    pub async fn entity(&self, urn: &Urn, aspects: &[String]) -> Result<Option<Bytes>, Error> {
        let path = entity_path(urn, aspects.iter().map(String::as_str));
        let line = self.request_line(Method::GET, &path).with_kind(RequestKind::Read);
        let attempts = self.read(&line, MAX_ENTITY_BYTES).await;
        let Ok(response) = &attempts.last else {
            return Err(self.diagnose_attempts(&line, &attempts).into());
        };
        match response.status.as_u16() {
            200 if response.is_json_or_empty() && !response.body.is_empty() => {
                Ok(has_aspects(&response.body, aspects).then(|| response.body.clone()))
            }
            404 if response.is_json_or_empty() => Ok(None),
            400 | 422 | 500 => Err(self.rejected(&line, response)),
            _ => Err(self.diagnose_attempts(&line, &attempts).into()),
        }
    }
}

/// Whether the response has one of the requested aspects, or without `requested` one that GMS does not derive
/// (`EntityServiceImpl`). A response that cannot be read is the caller's to report.
fn has_aspects(body: &[u8], requested: &[String]) -> bool {
    #[derive(Deserialize)]
    struct EntityResponse {
        #[serde(default)]
        aspects: Map<String, Value>,
    }

    let Ok(response) = serde_json::from_slice::<EntityResponse>(body) else { return true };
    let mut found = response.aspects.keys();
    if requested.is_empty() {
        found.any(|name| !name.ends_with("Key"))
    } else {
        found.any(|name| requested.contains(name))
    }
}

/// The path of an entity with these aspects, or with all if there are none.
pub(super) fn entity_path<'a>(urn: &Urn, aspects: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<String> =
        aspects.map(|name| utf8_percent_encode(name, NON_ALPHANUMERIC).to_string()).collect();
    let path = format!("/entitiesV2/{}", urn.path_segment());
    if names.is_empty() { path } else { format!("{path}?aspects=List({})", names.join(",")) }
}
