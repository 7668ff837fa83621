//! What goes wrong in a resolver (`DataHubGraphQLError`, `DataHubDataFetcherExceptionHandler`).

use async_graphql::{Error, ErrorExtensionValues};
use serde_json::{Value, json};

use crate::failure::Failure;

/// 403, in the words that GMS has for every lack of a privilege.
pub(super) fn unauthorized() -> Error {
    error(
        403,
        "UNAUTHORIZED",
        "Unauthorized to perform this action. Please contact your DataHub administrator.",
    )
}

/// 400.
pub(super) fn bad_request(message: impl Into<String>) -> Error {
    error(400, "BAD_REQUEST", message)
}

/// 404.
pub(super) fn not_found(message: impl Into<String>) -> Error {
    error(404, "NOT_FOUND", message)
}

/// 500.
pub(super) fn server_error(message: impl Into<String>) -> Error {
    error(500, "SERVER_ERROR", message)
}

/// What the store says.
pub(super) fn failed(failure: &Failure) -> Error {
    server_error(format!("java.lang.RuntimeException: {}", failure.message()))
}

/// What else GMS says of an error.
pub(super) fn extensions_of(code: u16, r#type: &str) -> Value {
    json!({"code": code, "type": r#type, "classification": "DataFetchingException"})
}

fn error(code: u16, r#type: &'static str, message: impl Into<String>) -> Error {
    let mut error = Error::new(message);
    let mut extensions = ErrorExtensionValues::default();
    extensions.set("code", code);
    extensions.set("type", r#type);
    extensions.set("classification", "DataFetchingException");
    error.extensions = Some(extensions);
    error
}
