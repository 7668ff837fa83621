//! Reads the aspects of an entity (`EntityV2Resource.java`).

use bytes::Bytes;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Method;

use super::Client;
use super::client::MAX_ENTITY_BYTES;
use crate::Error;
use crate::auth::RequestKind;
use crate::metadata::Urn;

impl Client {
    /// Reads aspects of an entity, or all if `aspects` is empty: the JSON text of GMS's response, or `None`
    /// if GMS has no such entity.
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
        let response = match self.send(&line, None, MAX_ENTITY_BYTES).await {
            Ok(response) => response,
            Err(error) => return Err(self.diagnose_send_error(&line, &error, 1).into()),
        };
        match response.status.as_u16() {
            200 if response.is_json_or_empty() && !response.body.is_empty() => Ok(Some(response.body)),
            404 if response.is_json_or_empty() => Ok(None),
            400 | 422 | 500 => Err(self.rejected(&line, &response)),
            _ => Err(self.diagnose(&line, &response).into()),
        }
    }
}

/// The path of an entity with these aspects, or with all if there are none.
pub(super) fn entity_path<'a>(urn: &Urn, aspects: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<String> =
        aspects.map(|name| utf8_percent_encode(name, NON_ALPHANUMERIC).to_string()).collect();
    let path = format!("/entitiesV2/{}", urn.path_segment());
    if names.is_empty() { path } else { format!("{path}?aspects=List({})", names.join(",")) }
}
