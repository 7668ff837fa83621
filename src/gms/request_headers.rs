//! The headers that each request carries, except for the Authorization header (`auth::authorization`).

use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};

use super::client_config::{ClientConfig, ClientMode};
use crate::{Error, ErrorKind};

/// The version of the Python client whose requests this crate matches.
const PYTHON_CLIENT_VERSION: &str = "1.7.0.17";

/// The headers of the client itself: name, version, mode and the Rest.li protocol.
///
/// # Errors
/// Of kind [`Input`](ErrorKind::Input) if a character of `component` cannot be in a header.
pub(super) fn own_headers(settings: &ClientConfig) -> Result<HeaderMap, Error> {
    let (word, capitals) = match settings.mode {
        ClientMode::Ingestion => ("ingestion", "INGESTION"),
        ClientMode::Cli => ("cli", "CLI"),
        ClientMode::Sdk => ("sdk", "SDK"),
    };
    let component = settings.component.as_deref().unwrap_or("datahub");
    let version = env!("CARGO_PKG_VERSION");
    let agent = format!(
        "DataHub-Client/1.0 ({word}; {component}/datahub-emitter; {version}) datahub-emitter/{version}"
    );
    let agent = HeaderValue::from_str(&agent).map_err(|_| {
        Error::new(ErrorKind::Input, "datahub_component has a character that a header cannot have")
    })?;
    let mut headers = HeaderMap::new();
    headers.insert(USER_AGENT, agent);
    headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
    headers.insert(HeaderName::from_static("x-datahub-client-mode"), HeaderValue::from_static(capitals));
    headers.insert(
        HeaderName::from_static("x-datahub-py-cli-version"),
        HeaderValue::from_static(PYTHON_CLIENT_VERSION),
    );
    headers.insert(HeaderName::from_static("x-restli-protocol-version"), HeaderValue::from_static("2.0.0"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(headers)
}

/// A header that the user added, marked as sensitive.
///
/// # Errors
/// Of kind [`Input`](ErrorKind::Input) if the name or the value cannot be a header.
pub(super) fn extra_header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), Error> {
    let problem = |what: &str| Error::new(ErrorKind::Input, format!("extra_headers: {what}"));
    let header =
        HeaderName::from_bytes(name.as_bytes()).map_err(|_| problem("a name is not a header name"))?;
    let mut value = HeaderValue::from_str(value)
        .map_err(|_| problem(&format!("the value of {header} has a character that a header cannot have")))?;
    value.set_sensitive(true);
    Ok((header, value))
}

/// Whether a header's value may be a secret. A short value (`prod`, `true`) is not, except in two headers:
/// masking it would only make messages unreadable.
pub(super) fn may_be_secret(name: &str, value: &str) -> bool {
    name.eq_ignore_ascii_case("authorization") || name.eq_ignore_ascii_case("cookie") || value.len() >= 8
}
