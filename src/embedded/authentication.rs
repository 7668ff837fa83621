//! Who a request comes from, and whether that is enough.
//!
//! As GMS does it, reading the credentials never fails: whoever cannot be recognised is anonymous
//! (`AuthenticationExtractionFilter`), and an anonymous request is refused afterwards, unless the path is open
//! (`AuthenticationEnforcementFilter`). Every refusal looks the same; the cause is told only to the log.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use axum::http::{HeaderMap, header};
use axum::response::Response;
use rusqlite::Connection;
use serde_json::Value;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq as _;
use tokio::sync::Semaphore;

use super::failure::Failure;
use super::refusal::{EXPIRED, RefusalForm, UNAUTHORIZED};
use super::store::write::Stamp;
use super::store::{Store, access, read};
use super::token_info::{self, Info, TokenInfo};
use super::tokens::{self, Refused, TokenType, Tokens, Version};
use super::{SYSTEM_ACTOR, password, user};
use crate::{Error, ErrorKind};

/// Paths that need no token; one that ends in `/*` stands for everything that starts like it
/// (`authentication.excludedPaths` in GMS's application.yaml; below `/health` GMS lets everyone in). The first is ours:
/// it says what this is.
const OPEN_PATHS: &[&str] = &["/", "/config", "/config/search/export", "/health", "/health/*"];

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

/// A token that is to be made.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) name: String,
    pub(super) description: Option<String>,
    /// A URN.
    pub(super) actor: String,
    /// A URN.
    pub(super) owner: String,
    pub(super) r#type: TokenType,
    pub(super) expires: Option<SystemTime>,
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
        if let Some(actor) = self.system_client(headers) {
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

    /// Id and secret come as they are, not in base64, and are parted at the first colon (`DataHubSystemAuthenticator`).
    fn system_client(&self, headers: &HeaderMap) -> Option<Actor> {
        let client = self.policy.system_client.as_ref()?;
        let (id, secret) = credentials(headers, "Basic ", "basic ")?.split_once(':')?;
        (same(id, &client.id) & same(secret, &client.secret)).then(|| Actor(client.id.clone()))
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

    /// Makes a token and stores what is to be known of it. Whether its user is there makes no difference yet.
    ///
    /// # Errors
    /// When it cannot be made or stored.
    pub(super) async fn issue(&self, draft: Draft) -> Result<(String, TokenInfo), Error> {
        let actor_id = user::name_of(&draft.actor);
        let token = self.tokens.sign(actor_id, draft.r#type, Version::Stateful, draft.expires)?;
        let time = tokens::milliseconds(SystemTime::now());
        let info = TokenInfo {
            id: self.tokens.id(&token),
            info: Info {
                name: draft.name,
                description: draft.description,
                actor_urn: draft.actor,
                owner_urn: draft.owner,
                created_at: time,
                expires_at: draft.expires.map(tokens::milliseconds),
            },
        };
        let stored = info.clone();
        self.store
            .write(move |connection| {
                let stamp = Stamp { actor: stored.info.owner_urn.clone(), time };
                token_info::store(connection, &stored, &stamp)
            })
            .await
            .map_err(|failure| Error::new(ErrorKind::Disk, failure.message().to_owned()))?;
        Ok((token, info))
    }

    /// Makes a personal token for the process itself: it is in no list, and ends with the process.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(super) fn issue_own(&self, actor: &str) -> Result<String, Error> {
        let expires = Some(SystemTime::now() + super::TOKEN_LIFETIME);
        let token =
            self.tokens.sign(user::name_of(actor), TokenType::Personal, Version::Stateful, expires)?;
        lock(&self.own).insert(self.tokens.id(&token));
        Ok(token)
    }

    /// Whether a token is good, stored under that name, and that user's.
    pub(super) async fn is_good(&self, token: &str, name: &str, actor: &str) -> bool {
        if self.recognise(token).await.is_err() {
            return false;
        }
        let id = self.tokens.id(token);
        let stored = self.store.read(move |connection| token_info::get(connection, &id)).await;
        matches!(stored, Ok(Some(token)) if token.info.name == name && token.info.actor_urn == actor)
    }

    /// Makes a token that is stored nowhere, and cannot be revoked.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(super) fn issue_stateless(
        &self,
        actor: &str,
        r#type: TokenType,
        expires: Option<SystemTime>,
    ) -> Result<String, Error> {
        self.tokens.sign(user::name_of(actor), r#type, Version::Stateless, expires)
    }

    /// Logs a user in who has that password: a token for 24 hours, or `None` for everyone who may not come in.
    ///
    /// # Errors
    /// When the store fails, or the token cannot be made.
    pub(super) async fn log_in(&self, name: &str, password: String) -> Result<Option<String>, Failure> {
        let urn = user::urn(name);
        let (hash, active) = self
            .store
            .read(move |connection| {
                Ok((access::password(connection, &urn)?, look_up(connection, None, Some(&urn))?.is_ok()))
            })
            .await?;
        let turn = self.logins.acquire().await.map_err(|_| Failure::stopped())?;
        let matches = tokio::task::spawn_blocking(move || password::matches(&password, hash.as_deref()))
            .await
            .map_err(|_| Failure::stopped())?;
        drop(turn);
        if !(matches && active) {
            return Ok(None);
        }
        let token =
            self.issue_stateless(&user::urn(name), TokenType::Session, Some(SystemTime::now() + SESSION));
        token.map(Some).map_err(|error| Failure::internal(format!("java.lang.RuntimeException: {error}")))
    }

    /// The id under which a token is stored.
    pub(super) fn id(&self, token: &str) -> String {
        self.tokens.id(token)
    }

    /// Deletes what is stored of a token, so that it is not taken any more. Returns whether it was stored.
    pub(super) async fn revoke_id(&self, id: &str) -> Result<bool, Failure> {
        let own = lock(&self.own).remove(id);
        let id = id.to_owned();
        let deleted = self.store.write(move |connection| token_info::delete(connection, &id)).await;
        self.doubt();
        deleted.map(|stored| stored || own)
    }

    /// Takes a token for expired from now on.
    pub(super) fn expire(&self, token: &str) {
        lock(&self.expired).insert(self.tokens.id(token));
    }

    /// Looks every token up again: users or tokens may have changed.
    pub(super) fn doubt(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
    }
}

/// Whether the path needs no token.
pub(super) fn is_open(path: &str) -> bool {
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
fn credentials<'a>(headers: &'a HeaderMap, scheme: &str, lower: &str) -> Option<&'a str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    value.strip_prefix(scheme).or_else(|| value.strip_prefix(lower))
}

fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    credentials(headers, "Bearer ", "bearer ")
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
