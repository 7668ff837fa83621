//! Errors of resolvers (`DataHubGraphQLError`, `DataHubDataFetcherExceptionHandler`).

use crate::failure::Failure;
use async_graphql::{Error, ErrorExtensionValues};
use serde_json::{Value, json};

/// 403, in GMS's wording for every missing privilege.
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

/// An error of the store.
pub(super) fn failed(failure: &Failure) -> Error {
    server_error(format!("java.lang.RuntimeException: {}", failure.message()))
}

/// GMS's extensions of an error.
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
