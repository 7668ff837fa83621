//! Evidence that diagnoses of responses have in common.

use super::observation::{Observation, ResponseInfo};
use crate::diagnosis::Evidence;

/// The status line as evidence.
pub(super) fn status(observation: &Observation<'_>, info: &ResponseInfo<'_>) -> Evidence {
    Evidence::Status { status: info.status, request: observation.request.line.to_owned() }
}

/// The body is a web page of another server than GMS.
pub(super) fn foreign_page(info: &ResponseInfo<'_>) -> Evidence {
    Evidence::ForeignPage { server_header: info.server.map(str::to_owned) }
}
