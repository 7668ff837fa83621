//! Authentication: which user a request comes from.
//!
//! As in GMS, reading the credentials never fails: a caller that is not recognized is anonymous
//! (`AuthenticationExtractionFilter`), and an anonymous request is refused afterwards unless the path is open
//! (`AuthenticationEnforcementFilter`). All refusals look the same; only the log names the cause.

mod credentials;
pub(crate) mod issuing;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::http::HeaderMap;
use axum::response::Response;
use rusqlite::Connection;
use serde_json::Value;
use tokio::sync::Semaphore;

use crate::actor::Actor;
use crate::password::{Argon2Verifier, VerifyPassword};
use crate::refusal::{EXPIRED, RefusalForm, UNAUTHORIZED};
use crate::store::{Store, read};
use crate::sync::lock;
use crate::tokens::{self, TokenRefusal, Tokens, Version};
use crate::{actor, token_info};
use credentials::{bearer_token, claimed_actor, system_client};

pub(super) use credentials::{SystemClient, is_open};

/// How long a verified token is not looked up again. This bounds how late a revocation by another process on
/// the same file is noticed. Changes in this process take effect at once.
const CACHE_LIFETIME: Duration = Duration::from_secs(1);

/// The number of verified tokens that are cached.
const MAX_CACHED_TOKENS: usize = 10_000;

/// The lifetime of a session (`authentication.sessionTokenDurationMs`).
pub(super) const SESSION_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// The number of passwords that are verified at a time; each takes 19 MiB and a thread.
const MAX_CONCURRENT_LOGINS: usize = 2;

/// Which of GMS's authentication filters is reproduced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthFilter {
    /// The filter of GMS before 2025 (`AuthenticationFilter`). It reports that a token has expired, in
    /// Jetty's format, and does not check whether the token's user is active.
    Old,
    /// The two filters since 2025 (`AuthenticationExtractionFilter`, `AuthenticationEnforcementFilter`). All
    /// refusals look the same, and the token's user must be active.
    #[default]
    New,
}

/// How callers are authenticated and refused.
#[derive(Clone, Debug)]
pub(super) struct AuthenticationSettings {
    pub(super) enabled: bool,
    pub(super) filter: AuthFilter,
    pub(super) form: RefusalForm,
    /// Credentials that authenticate a caller as GMS itself (`Basic id:secret`).
    pub(super) system_client: Option<SystemClient>,
}

/// Why a caller is not authenticated, as far as a response may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unauthenticated {
    Unknown,
    /// The token was valid before it expired.
    Expired,
}

/// Authenticates users by their tokens.
#[derive(Debug)]
pub(super) struct Authentication {
    settings: AuthenticationSettings,
    tokens: Tokens,
    store: Arc<Store>,
    /// Verified tokens by id. An entry is valid while its generation is the current one.
    verified: Mutex<HashMap<String, VerifiedToken>>,
    generation: AtomicU64,
    /// Ids of tokens that are treated as expired.
    expired: Mutex<HashSet<String>>,
    /// Ids of tokens of this process, which are valid while it runs and are not stored.
    process_tokens: Mutex<HashSet<String>>,
    logins: Semaphore,
    passwords: Arc<dyn VerifyPassword>,
}

#[derive(Debug)]
struct VerifiedToken {
    generation: u64,
    since: Instant,
}

impl Authentication {
    pub(super) fn new(settings: AuthenticationSettings, tokens: Tokens, store: Arc<Store>) -> Self {
        Self {
            settings,
            tokens,
            store,
            verified: Mutex::default(),
            generation: AtomicU64::new(0),
            expired: Mutex::default(),
            process_tokens: Mutex::default(),
            logins: Semaphore::new(MAX_CONCURRENT_LOGINS),
            passwords: Arc::new(Argon2Verifier::default()),
        }
    }

    /// Signs tokens and session cookies.
    pub(super) fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// Whether authentication is on.
    pub(super) fn enabled(&self) -> bool {
        self.settings.enabled
    }

    /// The user that sends a request with these headers.
    pub(super) async fn caller(&self, headers: &HeaderMap) -> Result<Actor, Unauthenticated> {
        if !self.settings.enabled {
            return claimed_actor(headers).ok_or(Unauthenticated::Unknown);
        }
        let client = self.settings.system_client.as_ref();
        if let Some(actor) = client.and_then(|client| system_client(headers, client)) {
            return Ok(actor);
        }
        let token = bearer_token(headers).ok_or(Unauthenticated::Unknown)?;
        self.authenticate(token).await.map_err(|(reason, unauthenticated)| {
            tracing::debug!(reason, "the embedded GMS does not know the caller");
            unauthenticated
        })
    }

    /// The response to a caller that is not authenticated.
    pub(super) fn refuse(&self, unauthenticated: Unauthenticated, path: &str) -> Response {
        let told = self.settings.filter == AuthFilter::Old && unauthenticated == Unauthenticated::Expired;
        self.settings.form.response(if told { EXPIRED } else { UNAUTHORIZED }, path)
    }

    async fn authenticate(&self, token: &str) -> Result<Actor, (&'static str, Unauthenticated)> {
        let id = self.tokens.id(token);
        let claims = match self.tokens.verify(token) {
            Ok(_) if lock(&self.expired).contains(&id) => Err(TokenRefusal::Expired),
            result => result,
        };
        let (actor, version) = match claims {
            Ok((claims, version)) => (claims.actor_id, version),
            Err(TokenRefusal::Invalid) => {
                return Err(("unable to verify the token", Unauthenticated::Unknown));
            }
            Err(TokenRefusal::Expired) => {
                // As in GMS, the use of an expired token deletes its stored record, and only the request that
                // finds the record learns that the token has expired.
                return Err(match self.revoke_id(&id).await {
                    Ok(true) => ("the token has expired", Unauthenticated::Expired),
                    _ => ("the token has expired, and is not stored", Unauthenticated::Unknown),
                });
            }
        };
        let generation = self.generation.load(Ordering::Acquire);
        let known = lock(&self.verified)
            .get(&id)
            .is_some_and(|good| good.generation == generation && good.since.elapsed() < CACHE_LIFETIME);
        if known {
            return Ok(Actor(actor));
        }
        let since = Instant::now();
        let stored = version == Version::Stateful && !lock(&self.process_tokens).contains(&id);
        let token_urn = stored.then(|| tokens::urn(&id));
        let user_urn = (self.settings.filter == AuthFilter::New).then(|| actor::user_urn(&actor));
        let verdict = self
            .store
            .read(move |connection| look_up(connection, token_urn.as_deref(), user_urn.as_deref()))
            .await
            .unwrap_or(Err("unable to load token information from the store"));
        verdict.map_err(|reason| (reason, Unauthenticated::Unknown))?;
        let mut good = lock(&self.verified);
        if good.len() >= MAX_CACHED_TOKENS {
            good.clear();
        }
        good.insert(id, VerifiedToken { generation, since });
        Ok(Actor(actor))
    }

    /// Treats a token as expired from now on.
    pub(super) fn expire(&self, token: &str) {
        lock(&self.expired).insert(self.tokens.id(token));
    }

    /// Treats the bearer token of a request as expired from now on, if it has one.
    pub(super) fn expire_bearer(&self, headers: &HeaderMap) {
        if let Some(token) = bearer_token(headers) {
            self.expire(token);
        }
    }

    /// Invalidates the cache: users or tokens may have changed.
    pub(super) fn invalidate(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
    }
}

/// Whether a token is stored, and whether a user exists and is active; `None` skips the check.
fn look_up(
    connection: &Connection,
    token_urn: Option<&str>,
    user_urn: Option<&str>,
) -> Result<Result<(), &'static str>, rusqlite::Error> {
    let member = |urn: &str, aspect: &str, member: &str| {
        let stored = read::aspect(connection, urn, aspect, 0)?;
        let value = stored.and_then(|stored| serde_json::from_str::<Value>(&stored.metadata).ok());
        Ok::<_, rusqlite::Error>(value.and_then(|mut value| value.get_mut(member).map(Value::take)))
    };
    if let Some(token_urn) = token_urn
        && !read::has(connection, token_urn, token_info::ASPECT)?
    {
        return Ok(Err("the token has been revoked, or was never issued"));
    }
    if let Some(user_urn) = user_urn
        && (!read::has(connection, user_urn, actor::USER_KEY_ASPECT)?
            || member(user_urn, "status", "removed")? == Some(Value::Bool(true))
            || member(user_urn, "corpUserStatus", "status")? == Some(Value::from("SUSPENDED")))
    {
        return Ok(Err("the token's user is not active"));
    }
    Ok(Ok(()))
}
