//! Forwards the requests of another client of the same GMS.

use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, HeaderMap};
use reqwest::{Method, StatusCode};

use super::{Client, MAX_ENTITY_BYTES};
use crate::{Error, http};

impl Client {
    /// Sends a request of another client with this client's token, and again if the token was refused and
    /// there is another one. `path` includes the query. The headers are added to this client's own.
    ///
    /// The error is a message without secrets.
    pub(crate) async fn forward(
        &self,
        method: Method,
        path: &str,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Result<(StatusCode, HeaderMap, Bytes), String> {
        let mut is_retry = false;
        loop {
            let grant = self
                .credentials
                .grant()
                .await
                .map_err(|error| self.redact(&Error::from(error.diagnosis).full_message()))?;
            let mut all = self.headers.clone();
            all.extend(headers.iter().map(|(name, value)| (name.clone(), value.clone())));
            if let Some(header) = grant.header {
                all.insert(AUTHORIZATION, header);
            }
            let request = http::Request {
                method: method.clone(),
                url: self.server.at(path),
                headers: all,
                body: (!body.is_empty()).then(|| body.clone().into()),
                max_response_bytes: MAX_ENTITY_BYTES,
            };
            let response = self.http.send(request).await.map_err(|error| self.redact(&error.to_string()))?;
            if response.status == StatusCode::UNAUTHORIZED
                && !is_retry
                && self.credentials.renew(grant.generation).await.unwrap_or(false)
            {
                is_retry = true;
                continue;
            }
            return Ok((response.status, response.headers, response.body));
        }
    }
}
