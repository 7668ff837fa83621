//! Who a request comes from, and whether that is enough.
//!
//! As GMS does it, reading the credentials never fails: whoever cannot be recognised is anonymous
//! (`AuthenticationExtractionFilter`), and an anonymous request is refused afterwards, unless the path is open
//! (`AuthenticationEnforcementFilter`). Every refusal looks the same; the cause is told only to the log.

mod credentials;
mod issuing;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::HeaderMap;
use axum::response::Response;
use rusqlite::Connection;
use serde_json::Value;
use tokio::sync::Semaphore;

use super::refusal::{EXPIRED, RefusalForm, UNAUTHORIZED};
use super::store::{Store, read};
use super::tokens::{self, Refused, Tokens, Version};
use super::{token_info, user};
use credentials::{bearer_token, claimed_actor, system_client};

pub(super) use credentials::is_open;
pub(super) use issuing::Draft;

/// How long a token that was found good is not looked up again, which bounds how late a revocation in another process
/// on the same file is noticed. What happens in this process counts at once.
const TRUSTED_FOR: Duration = Duration::from_secs(1);

/// How many tokens are remembered.
const REMEMBERED: usize = 10_000;

/// How long someone stays logged in (`authentication.sessionTokenDurationMs`).
pub(super) const SESSION: Duration = Duration::from_secs(24 * 60 * 60);

/// How many passwords are looked at at a time; each takes 19 MiB and a thread.
const LOGINS: usize = 2;

/// Which of GMS's filters words the refusals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Filter {
    /// The one filter of a GMS before 2025 (`AuthenticationFilter`): it says of a token that its time is over, in the
    /// forms of Jetty; and it does not look at the token's user.
    Old,
    /// The two that came after it (`AuthenticationExtractionFilter`, `AuthenticationEnforcementFilter`): every refusal
    /// looks the same, and a token is only as good as its user.
    #[default]
    New,
}

/// How callers are recognised, and strangers refused.
#[derive(Clone, Debug)]
pub(super) struct Policy {
    pub(super) enabled: bool,
    pub(super) filter: Filter,
    pub(super) form: RefusalForm,
    /// Who comes as GMS itself, with `Basic id:secret`.
    pub(super) system_client: Option<SystemClient>,
}

/// `DATAHUB_SYSTEM_CLIENT_ID` and `DATAHUB_SYSTEM_CLIENT_SECRET`.
#[derive(Clone)]
pub(super) struct SystemClient {
    pub(super) id: String,
    pub(super) secret: String,
}

impl std::fmt::Debug for SystemClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SystemClient").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Who a request comes from: the name of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Actor(pub(super) String);

/// Why a caller is not recognised, as far as an answer may tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stranger {
    Unknown,
    /// His token was good once.
    Expired,
}

/// Recognises users by their tokens.
#[derive(Debug)]
pub(super) struct Authentication {
    policy: Policy,
    tokens: Tokens,
    store: Arc<Store>,
    /// Good tokens by id. An entry counts while its generation is the current one.
    good: Mutex<HashMap<String, Good>>,
    generation: AtomicU64,
    /// Ids of tokens that are taken for expired.
    expired: Mutex<HashSet<String>>,
    /// Ids of tokens of the process's own, which count while it runs, and are stored nowhere.
    own: Mutex<HashSet<String>>,
    logins: Semaphore,
}

#[derive(Debug)]
struct Good {
    generation: u64,
    since: Instant,
}

impl Authentication {
    pub(super) fn new(policy: Policy, tokens: Tokens, store: Arc<Store>) -> Self {
        Self {
            policy,
            tokens,
            store,
            good: Mutex::default(),
            generation: AtomicU64::new(0),
            expired: Mutex::default(),
            own: Mutex::default(),
            logins: Semaphore::new(LOGINS),
        }
    }

    /// Signs what says who is logged in.
    pub(super) fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// Whether callers need a token.
    pub(super) fn enabled(&self) -> bool {
        self.policy.enabled
    }

    /// Who sends a request with these headers.
    pub(super) async fn caller(&self, headers: &HeaderMap) -> Result<Actor, Stranger> {
        if !self.policy.enabled {
            return claimed_actor(headers).ok_or(Stranger::Unknown);
        }
        let client = self.policy.system_client.as_ref();
        if let Some(actor) = client.and_then(|client| system_client(headers, client)) {
            return Ok(actor);
        }
        let token = bearer_token(headers).ok_or(Stranger::Unknown)?;
        self.recognise(token).await.map_err(|(reason, stranger)| {
            tracing::debug!(reason, "the embedded GMS does not know the caller");
            stranger
        })
    }

    /// The answer to a caller who was not recognised.
    pub(super) fn refuse(&self, stranger: Stranger, path: &str) -> Response {
        let told = self.policy.filter == Filter::Old && stranger == Stranger::Expired;
        self.policy.form.answer(if told { EXPIRED } else { UNAUTHORIZED }, path)
    }

    async fn recognise(&self, token: &str) -> Result<Actor, (&'static str, Stranger)> {
        let id = self.tokens.id(token);
        let claims = match self.tokens.verify(token) {
            Ok(_) if lock(&self.expired).contains(&id) => Err(Refused::Expired),
            result => result,
        };
        let (actor, version) = match claims {
            Ok((claims, version)) => (claims.actor_id, version),
            Err(Refused::Invalid) => return Err(("unable to verify the token", Stranger::Unknown)),
            Err(Refused::Expired) => {
                // As in GMS, using an expired token deletes what is stored of it, and only who finds it there is told.
                return Err(match self.revoke_id(&id).await {
                    Ok(true) => ("the token has expired", Stranger::Expired),
                    _ => ("the token has expired, and is not stored", Stranger::Unknown),
                });
            }
        };
        let generation = self.generation.load(Ordering::Acquire);
        let known = lock(&self.good)
            .get(&id)
            .is_some_and(|good| good.generation == generation && good.since.elapsed() < TRUSTED_FOR);
        if known {
            return Ok(Actor(actor));
        }
        let since = Instant::now();
        let stored = version == Version::Stateful && !lock(&self.own).contains(&id);
        let token_urn = stored.then(|| tokens::urn(&id));
        let user_urn = (self.policy.filter == Filter::New).then(|| user::urn(&actor));
        let verdict = self
            .store
            .read(move |connection| look_up(connection, token_urn.as_deref(), user_urn.as_deref()))
            .await
            .unwrap_or(Err("unable to load token information from the store"));
        verdict.map_err(|reason| (reason, Stranger::Unknown))?;
        let mut good = lock(&self.good);
        if good.len() >= REMEMBERED {
            good.clear();
        }
        good.insert(id, Good { generation, since });
        Ok(Actor(actor))
    }

    /// Takes a token for expired from now on.
    pub(super) fn expire(&self, token: &str) {
        lock(&self.expired).insert(self.tokens.id(token));
    }

    /// Takes the token that a request brings for expired from now on, if it brings one.
    pub(super) fn expire_bearer(&self, headers: &HeaderMap) {
        if let Some(token) = bearer_token(headers) {
            self.expire(token);
        }
    }

    /// Looks every token up again: users or tokens may have changed.
    pub(super) fn doubt(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
    }
}

/// Whether a token is stored, and a user exists and is active; each where it is asked for.
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
        && (!read::has(connection, user_urn, user::KEY_ASPECT)?
            || member(user_urn, "status", "removed")? == Some(Value::Bool(true))
            || member(user_urn, "corpUserStatus", "status")? == Some(Value::from("SUSPENDED")))
    {
        return Ok(Err("the token's user is not active"));
    }
    Ok(Ok(()))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
