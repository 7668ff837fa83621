//! Parsing of paths.

use crate::change;
use crate::failure::Failure;
use crate::urn::Urn;
use axum::http::Uri;
use percent_encoding::percent_decode_str;

pub(super) fn is_openapi(path: &str) -> bool {
    path.starts_with("/openapi/")
}

/// The URN at the end of a path, percent-encoded or not.
pub(super) fn path_urn(uri: &Uri, prefix: &str) -> Result<Urn, Failure> {
    let rest = uri.path().strip_prefix(prefix).unwrap_or_default();
    let text = percent_decode_str(rest)
        .decode_utf8()
        .map_err(|_| Failure::bad_request(format!("Invalid URI: {uri}: the path is not UTF-8")))?;
    Urn::parse(&text).map_err(|error| Failure::bad_request(format!("Invalid urn: {error}")))
}

/// The key aspect of an entity, which exists even before anything is written.
pub(super) fn key_of(urn: &Urn) -> Result<String, Failure> {
    change::checked_key(urn).map_err(|failure| Failure::bad_request(failure.message().to_owned()))
}
