//! A call of `/openapi/v3/entity`.

use crate::failure::Failure;
use crate::ingest::WriteRequest;
use crate::openapi;
use crate::trace::TraceId;
use axum::body::Bytes;
use axum::extract::Request;
use axum::http::Uri;
use serde_json::value::RawValue;

/// A request: its query, its body, and the parameters of a write.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) uri: Uri,
    pub(super) body: Bytes,
    pub(super) write: WriteRequest,
}

impl Call {
    pub(super) async fn of(request: Request) -> Result<Self, Failure> {
        let (parts, body) = request.into_parts();
        let mut write =
            parts.extensions.get::<WriteRequest>().cloned().ok_or_else(super::super::unroutable::nobody)?;
        write.trace = parts.extensions.get::<TraceId>().cloned();
        // The gate has already read the body and checked its length.
        let body = axum::body::to_bytes(body, usize::MAX)
            .await
            .map_err(|error| Failure::bad_request(error.to_string()))?;
        Ok(Self { uri: parts.uri, body, write })
    }

    /// The body as JSON text.
    ///
    /// # Errors
    /// 400 if it is empty or not JSON.
    pub(super) fn json(&self) -> Result<&RawValue, Failure> {
        if self.body.is_empty() {
            return Err(malformed());
        }
        serde_json::from_slice(&self.body).map_err(|error| Failure::json(error.to_string()))
    }

    pub(super) fn flag(&self, name: &str, default: bool) -> Result<bool, Failure> {
        openapi::flag(&self.uri, name, default)
    }
}

/// 400 for a body that Spring cannot read.
pub(super) fn malformed() -> Failure {
    Failure::bad_request("Malformed request body")
}
