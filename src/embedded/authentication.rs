//! Who a request comes from, and whether that is enough.
//!
//! As GMS does it, reading the credentials never fails: whoever cannot be recognised is anonymous
//! (`AuthenticationExtractionFilter`), and an anonymous request is refused afterwards, unless the path is open
//! (`AuthenticationEnforcementFilter`). Every refusal looks the same; the cause is told only to the log.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rusqlite::Connection;
use serde_json::{Value, json};

use super::failure::Failure;
use super::store::write::{self, Stamp};
use super::store::{Store, read};
use super::tokens::{self, Refused, Tokens};
use super::{SYSTEM_ACTOR, system_metadata, user};
use crate::{Error, ErrorKind};

/// Paths that need no token; one that ends in `/*` stands for everything that starts like it
/// (`authentication.excludedPaths` in GMS's application.yaml; below `/health` GMS lets everyone in).
const OPEN_PATHS: &[&str] = &["/config", "/config/search/export", "/health", "/health/*"];

/// How long a token that was found good is not looked up again, which bounds how late a revocation in another process
/// on the same file is noticed. What happens in this process counts at once.
const TRUSTED_FOR: Duration = Duration::from_secs(1);

/// How many tokens are remembered.
const REMEMBERED: usize = 10_000;

/// Who a request comes from: the name of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Actor(pub(super) String);

/// Recognises users by their tokens.
#[derive(Debug)]
pub(super) struct Authentication {
    enabled: bool,
    tokens: Tokens,
    store: Arc<Store>,
    /// Good tokens by id. An entry counts while its generation is the current one.
    good: Mutex<HashMap<String, Good>>,
    generation: AtomicU64,
    /// Ids of tokens that are taken for expired.
    expired: Mutex<HashSet<String>>,
}

#[derive(Debug)]
struct Good {
    generation: u64,
    since: Instant,
}

impl Authentication {
    pub(super) fn new(enabled: bool, tokens: Tokens, store: Arc<Store>) -> Self {
        Self {
            enabled,
            tokens,
            store,
            good: Mutex::default(),
            generation: AtomicU64::new(0),
            expired: Mutex::default(),
        }
    }

    /// Who sends a request with these headers; `None` for a caller that is not recognised.
    pub(super) async fn actor(&self, headers: &HeaderMap) -> Option<Actor> {
        if !self.enabled {
            return claimed_actor(headers);
        }
        let token = bearer_token(headers)?;
        match self.recognise(token).await {
            Ok(actor) => Some(actor),
            Err(reason) => {
                tracing::debug!(reason, "the embedded GMS does not know the caller");
                None
            }
        }
    }

    async fn recognise(&self, token: &str) -> Result<Actor, &'static str> {
        let id = self.tokens.id(token);
        let claims = match self.tokens.verify(token) {
            Ok(_) if lock(&self.expired).contains(&id) => Err(Refused::Expired),
            result => result,
        };
        let actor = match claims {
            Ok(claims) => claims.actor_id,
            Err(Refused::Invalid) => return Err("unable to verify the token"),
            Err(Refused::Expired) => {
                // As in GMS, using an expired token deletes what is stored of it.
                if let Err(failure) = self.forget(&id).await {
                    tracing::debug!(reason = failure.message(), "an expired token is still stored");
                }
                return Err("the token has expired");
            }
        };
        let generation = self.generation.load(Ordering::Acquire);
        let known = lock(&self.good)
            .get(&id)
            .is_some_and(|good| good.generation == generation && good.since.elapsed() < TRUSTED_FOR);
        if known {
            return Ok(Actor(actor));
        }
        let (token_urn, user_urn) = (tokens::urn(&id), user::urn(&actor));
        let verdict = self
            .store
            .read(move |connection| look_up(connection, &token_urn, &user_urn))
            .await
            .map_err(|_| "unable to load token information from the store")?;
        verdict?;
        let mut good = lock(&self.good);
        if good.len() >= REMEMBERED {
            good.clear();
        }
        good.insert(id, Good { generation, since: Instant::now() });
        Ok(Actor(actor))
    }

    /// Makes a personal token, and the user where there is none.
    pub(super) async fn issue(&self, actor_id: &str, expires: Option<SystemTime>) -> Result<String, Error> {
        let user_urn = user::urn(actor_id);
        let refused = |failure: &Failure| {
            Error::new(
                ErrorKind::Input,
                format!("cannot make a token for user {actor_id:?}: {}", failure.message()),
            )
        };
        super::change::checked_urn(&user_urn).map_err(|failure| refused(&failure))?;
        let issued = self.tokens.issue(actor_id, &user_urn, expires)?;
        let (token_urn, info, actor_id) = (tokens::urn(&issued.id), issued.info, actor_id.to_owned());
        self.store
            .write(move |connection| {
                let stamp = Stamp { actor: user_urn, time: tokens::milliseconds(SystemTime::now()) };
                user::ensure(connection, &actor_id, &stamp)?;
                let system_metadata = system_metadata::default(stamp.time);
                let key = json!({"id": token_urn.rsplit(':').next()}).to_string();
                write::ensure_key(
                    connection,
                    &token_urn,
                    "dataHubAccessTokenKey",
                    &key,
                    &system_metadata,
                    &stamp,
                )?;
                write::put(connection, &token_urn, tokens::INFO_ASPECT, &info, &system_metadata, &stamp)
            })
            .await
            .map_err(|failure| Error::new(ErrorKind::Disk, failure.message().to_owned()))?;
        Ok(issued.token)
    }

    /// Deletes what is stored of a token, so that it is not taken any more. Returns whether it was stored.
    pub(super) async fn revoke(&self, token: &str) -> Result<bool, Failure> {
        self.forget(&self.tokens.id(token)).await
    }

    /// Takes a token for expired from now on.
    pub(super) fn expire(&self, token: &str) {
        lock(&self.expired).insert(self.tokens.id(token));
    }

    /// Looks every token up again: users or tokens may have changed.
    pub(super) fn doubt(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    async fn forget(&self, id: &str) -> Result<bool, Failure> {
        let urn = tokens::urn(id);
        let deleted = self.store.write(move |connection| write::delete_entity(connection, &urn)).await;
        self.doubt();
        deleted.map(|deleted| deleted.rows > 0)
    }
}

/// Deletes the tokens whose time is over; nobody else would.
pub(super) fn delete_expired(connection: &Connection, now: i64) -> Result<(), Failure> {
    connection.execute(
        "DELETE FROM aspect WHERE urn IN (
             SELECT urn FROM aspect
             WHERE urn >= 'urn:li:dataHubAccessToken:' AND urn < 'urn:li:dataHubAccessToken;'
               AND aspect = 'dataHubAccessTokenInfo' AND version = 0
               AND json_valid(metadata) AND metadata ->> '$.expiresAt' < ?1)",
        [now],
    )?;
    Ok(())
}

/// Whether the path needs no token.
pub(super) fn is_open(path: &str) -> bool {
    OPEN_PATHS.iter().any(|open| match open.strip_suffix('*') {
        Some(prefix) => path.starts_with(prefix),
        None => path == *open,
    })
}

/// The answer to a caller that was not recognised, as Spring Boot words it: no cause, and no `WWW-Authenticate`.
pub(super) fn unauthorized(path: &str) -> Response {
    let body = json!({
        "timestamp": tokens::milliseconds(SystemTime::now()),
        "status": 401,
        "error": "Unauthorized",
        "path": path,
    });
    (
        StatusCode::UNAUTHORIZED,
        [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))],
        body.to_string(),
    )
        .into_response()
}

/// GMS takes these two spellings of the scheme and no other.
fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    value.strip_prefix("Bearer ").or_else(|| value.strip_prefix("bearer "))
}

/// With authentication off, GMS believes `X-DataHub-Actor`, and takes a caller without it for itself
/// (`NoOpAuthenticator`). What is not a URN is refused even then.
fn claimed_actor(headers: &HeaderMap) -> Option<Actor> {
    let system = || Some(Actor(SYSTEM_ACTOR.to_owned()));
    let Some(value) = headers.get("x-datahub-actor").filter(|value| !value.is_empty()) else {
        return system();
    };
    let urn = crate::metadata::Urn::parse(value.to_str().ok()?).ok()?;
    Some(Actor(urn.key().to_owned()))
}

/// Whether a token is stored, and its user exists and is active.
fn look_up(
    connection: &Connection,
    token_urn: &str,
    user_urn: &str,
) -> Result<Result<(), &'static str>, rusqlite::Error> {
    let member = |urn: &str, aspect: &str, member: &str| {
        let stored = read::aspect(connection, urn, aspect, 0)?;
        let value = stored.and_then(|stored| serde_json::from_str::<Value>(&stored.metadata).ok());
        Ok::<_, rusqlite::Error>(value.and_then(|mut value| value.get_mut(member).map(Value::take)))
    };
    Ok(if !read::has(connection, token_urn, tokens::INFO_ASPECT)? {
        Err("the token has been revoked, or was never issued")
    } else if !read::has(connection, user_urn, user::KEY_ASPECT)?
        || member(user_urn, "status", "removed")? == Some(Value::Bool(true))
        || member(user_urn, "corpUserStatus", "status")? == Some(Value::from("SUSPENDED"))
    {
        Err("the token's user is not active")
    } else {
        Ok(())
    })
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_paths_are_open() {
        for open in ["/config", "/health", "/health/live", "/health/x"] {
            assert!(is_open(open), "{open}");
        }
        for closed in
            ["/", "/configs", "/config/", "/healthy", "/aspects", "/config/../aspects", "//config", "/Config"]
        {
            assert!(!is_open(closed), "{closed}");
        }
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
