//! What a request says of its caller, before anything is looked up.

use axum::http::{HeaderMap, header};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq as _;

use super::{Actor, SystemClient};
use crate::SYSTEM_ACTOR;

/// Paths that need no token; one that ends in `*` stands for everything that starts like it
/// (`authentication.excludedPaths` in GMS's application.yaml, `HealthStatusAuthenticator`). The first is ours: it says
/// what this is. Of the others, most are not here; a stranger is told just that.
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

/// Whether the path needs no token.
pub(crate) fn is_open(path: &str) -> bool {
    OPEN_PATHS.iter().any(|open| match open.strip_suffix('*') {
        Some(prefix) => path.starts_with(prefix),
        None => path == *open,
    })
}

/// Whether two secrets are the same, in a time that does not tell how much of them is, nor how long they are.
fn same(one: &str, other: &str) -> bool {
    Sha256::digest(one).ct_eq(&Sha256::digest(other)).into()
}

/// GMS takes two spellings of a scheme and no other.
fn after_scheme<'a>(headers: &'a HeaderMap, scheme: &str, lower: &str) -> Option<&'a str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    value.strip_prefix(scheme).or_else(|| value.strip_prefix(lower))
}

/// The token that a request brings.
pub(super) fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    after_scheme(headers, "Bearer ", "bearer ")
}

/// Id and secret come as they are, not in base64, and are parted at the first colon (`DataHubSystemAuthenticator`).
pub(super) fn system_client(headers: &HeaderMap, client: &SystemClient) -> Option<Actor> {
    let (id, secret) = after_scheme(headers, "Basic ", "basic ")?.split_once(':')?;
    (same(id, &client.id) & same(secret, &client.secret)).then(|| Actor(client.id.clone()))
}

/// With authentication off, GMS believes `X-DataHub-Actor`, and takes a caller without it for itself
/// (`NoOpAuthenticator`). What is not a URN is refused even then.
pub(super) fn claimed_actor(headers: &HeaderMap) -> Option<Actor> {
    let system = || Some(Actor(SYSTEM_ACTOR.to_owned()));
    let Some(value) = headers.get("x-datahub-actor").filter(|value| !value.is_empty()) else {
        return system();
    };
    let urn = crate::Urn::parse(value.to_str().ok()?).ok()?;
    Some(Actor(urn.key().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_paths_are_open() {
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
    fn the_time_of_a_comparison_does_not_tell_how_much_is_right() {
        let secret = "s".repeat(64 * 1024);
        let wrong_at = |place: usize| {
            let mut guess = secret.clone();
            guess.replace_range(place..=place, "x");
            guess
        };
        let guesses = [wrong_at(0), wrong_at(secret.len() - 1), secret.clone()];
        let mut shortest = [std::time::Duration::MAX; 3];
        // In turn, and the shortest of many, so that what else the machine does concerns all of them.
        for _ in 0..20 {
            for (guess, shortest) in guesses.iter().zip(&mut shortest) {
                let start = std::time::Instant::now();
                std::hint::black_box(same(std::hint::black_box(&secret), guess));
                *shortest = start.elapsed().min(*shortest);
            }
        }
        let (least, most) = (shortest.iter().min().unwrap(), shortest.iter().max().unwrap());
        assert!(*most < *least * 3, "{shortest:?}");
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
