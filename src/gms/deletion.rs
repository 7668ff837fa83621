//! Deletes an entity (`EntityResource.java`).

use bytes::Bytes;
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use super::Client;
use crate::Error;
use crate::metadata::Urn;

/// The read limit of the response, which has a few numbers.
const MAX_RESPONSE_BYTES: usize = 64 * 1024;

/// The number of rows that GMS has deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct DeletedRows {
    /// Versions of aspects.
    pub rows: u64,
    /// Rows of timeseries aspects.
    pub timeseries_rows: u64,
}

#[derive(Deserialize)]
struct Response {
    value: DeletedRows,
}

impl Client {
    /// Deletes an entity with all versions of all its aspects. References to it stay.
    ///
    /// # Errors
    /// [`ErrorKind::Rejected`](crate::ErrorKind::Rejected) if GMS does not accept the URN,
    /// [`Refused`](crate::ErrorKind::Refused) if it refuses the caller,
    /// [`Unreachable`](crate::ErrorKind::Unreachable) if it cannot be reached or the response is not from a
    /// GMS.
    ///
    /// # Cancel safety
    /// If the future is dropped, GMS may have deleted the entity. It can be called again.
    pub async fn delete_entity(&self, urn: &Urn) -> Result<DeletedRows, Error> {
        let line = self.request_line(Method::POST, "/entities?action=delete");
        let body = Bytes::from(json!({"urn": urn.as_str()}).to_string());
        let response = match self.send(&line, Some(body.into()), MAX_RESPONSE_BYTES).await {
            Ok(response) => response,
            Err(error) => return Err(self.diagnose_send_error(&line, &error, 1).into()),
        };
        match response.status.as_u16() {
            200 => match serde_json::from_slice::<Response>(&response.body) {
                Ok(response) => Ok(response.value),
                Err(_) => Err(self.diagnose(&line, &response).into()),
            },
            400 | 404 | 422 | 500 if response.is_json_or_empty() => Err(self.rejected(&line, &response)),
            _ => Err(self.diagnose(&line, &response).into()),
        }
    }
}
