//! The credentials in a request, before anything is looked up.

use crate::actor::{Actor, SYSTEM_ACTOR};
use axum::http::{HeaderMap, header};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq as _;

/// `DATAHUB_SYSTEM_CLIENT_ID` and `DATAHUB_SYSTEM_CLIENT_SECRET`.
#[derive(Clone)]
pub(crate) struct SystemClient {
    pub(crate) id: String,
    pub(crate) secret: String,
}

impl std::fmt::Debug for SystemClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SystemClient").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Paths that need no token; a final `*` matches any rest (`authentication.excludedPaths` in GMS's
/// application.yaml, `HealthStatusAuthenticator`). The first path is this server's own: it describes the
/// server. Most of the others are not implemented, and answer 404 without a token.
const OPEN_PATHS: &[&str] = &[
    "/",
    "/actuator/health*",
    "/actuator/prometheus",
    "/config",
    "/config/search/export",
    "/health",
    "/health/*",
    "/openapi/check/*",
    "/openapi/operations/dev/featureFlags",
    "/openapi/operations/dev/featureFlags/*",
    "/openapi/up/*",
    "/public-iceberg/*",
    "/schema-registry/*",
];

/// Whether a path needs no token.
pub(crate) fn is_open(path: &str) -> bool {
    OPEN_PATHS.iter().any(|open| match open.strip_suffix('*') {
        Some(prefix) => path.starts_with(prefix),
        None => path == *open,
    })
}

/// Compares two secrets in constant time: hashing them first hides their lengths too.
fn same(one: &str, other: &str) -> bool {
    Sha256::digest(one).ct_eq(&Sha256::digest(other)).into()
}

/// GMS accepts exactly two spellings of a scheme.
fn after_scheme<'a>(headers: &'a HeaderMap, scheme: &str, lower: &str) -> Option<&'a str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    value.strip_prefix(scheme).or_else(|| value.strip_prefix(lower))
}

/// The bearer token of a request.
pub(super) fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    after_scheme(headers, "Bearer ", "bearer ")
}

/// Id and secret are not base64-encoded; the first colon separates them (`DataHubSystemAuthenticator`).
pub(super) fn system_client(headers: &HeaderMap, client: &SystemClient) -> Option<Actor> {
    let (id, secret) = after_scheme(headers, "Basic ", "basic ")?.split_once(':')?;
    (same(id, &client.id) & same(secret, &client.secret)).then(|| Actor(client.id.clone()))
}

/// With authentication off, GMS trusts `X-DataHub-Actor`, and treats a caller without it as itself
/// (`NoOpAuthenticator`). A value that is not a URN is refused even then.
pub(super) fn claimed_actor(headers: &HeaderMap) -> Option<Actor> {
    let system = || Some(Actor(SYSTEM_ACTOR.to_owned()));
    let Some(value) = headers.get("x-datahub-actor").filter(|value| !value.is_empty()) else {
        return system();
    };
    let urn = crate::urn::Urn::parse(value.to_str().ok()?).ok()?;
    Some(Actor(urn.key().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_few_paths_are_open() {
        for open in ["/", "/config", "/health", "/health/live", "/health/x"] {
            assert!(is_open(open), "{open}");
        }
        for closed in [
            "",
            "//",
            "/configs",
            "/config/",
            "/healthy",
            "/aspects",
            "/config/../aspects",
            "//config",
            "/Config",
            "/actuator",
            "/openapi/operations/dev/featureFlag",
            "/openapi/upX",
            "/openapi/v3/entity/dataset",
            "/schema-registry",
        ] {
            assert!(!is_open(closed), "{closed}");
        }
    }

    #[test]
    fn secrets_are_compared_whole() {
        assert!(same("secret", "secret") && same("", ""));
        assert!(!same("secret", "secreT") && !same("secret", "secret ") && !same("secret", ""));
    }

    #[test]
    fn the_scheme_is_spelt_in_two_ways() {
        let token = |value: &str| {
            let headers = HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().unwrap())]);
            bearer_token(&headers).map(str::to_owned)
        };
        assert_eq!(token("Bearer x").as_deref(), Some("x"));
        assert_eq!(token("bearer x").as_deref(), Some("x"));
        assert_eq!(token("BEARER x"), None);
        assert_eq!(token("x"), None);
        assert_eq!(token("Basic a:b"), None);
    }
}
