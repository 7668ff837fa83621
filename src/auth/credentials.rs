//! The token of this moment: fetched once, kept, renewed before it expires or when something else was put in its place.

use jiff::{SignedDuration, Timestamp};
use reqwest::header::HeaderValue;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use super::{Fetched, NoToken, Token, TokenFacts, TokenProvider, authorization};
use crate::redact::Redactor;

/// How long before its end a token is renewed, at most; half its life is the bound for a short one. As in the Python client
/// (`CachingTokenProvider`).
const RENEW_BEFORE: SignedDuration = SignedDuration::from_secs(300);

/// How long a provider that failed is left alone, so that not every request waits for it.
const PUT_OFF: SignedDuration = SignedDuration::from_secs(5);

/// Gives each request its Authorization header.
///
/// Tokens are counted: each that is taken into use has a higher number (generation) than the one before, so that whoever
/// was refused can tell whether there is another one by now.
#[derive(Clone, Debug)]
pub(crate) struct Credentials {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    provider: Option<Arc<dyn TokenProvider>>,
    held: Mutex<Option<Held>>,
    /// Only one task fetches at a time; the others wait for what it gets.
    fetching: tokio::sync::Mutex<()>,
    /// Knows every token that was ever held.
    redactor: RwLock<Redactor>,
}

/// What a request goes with.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    /// The number of the token; 0 without one.
    pub(crate) generation: u64,
    /// Marked so that nothing prints it; `None` where there is no token, or an empty one.
    pub(crate) header: Option<HeaderValue>,
}

#[derive(Clone, Debug)]
struct Held {
    grant: Grant,
    facts: Arc<TokenFacts>,
    fingerprint: String,
    renew_at: Option<Timestamp>,
}

impl Credentials {
    /// Takes tokens from `provider`; without one, requests go without a token.
    pub(crate) fn new(provider: Option<Arc<dyn TokenProvider>>, redactor: Redactor) -> Self {
        Self {
            inner: Arc::new(Inner {
                provider,
                held: Mutex::new(None),
                fetching: tokio::sync::Mutex::new(()),
                redactor: RwLock::new(redactor),
            }),
        }
    }

    /// What the next request goes with.
    ///
    /// # Errors
    /// When there is no token to be had. While the one that is held is good, it goes on without a word about that.
    pub(crate) async fn grant(&self) -> Result<Grant, NoToken> {
        let Some(provider) = &self.inner.provider else {
            return Ok(Grant { generation: 0, header: None });
        };
        if let Some(held) = self.held()
            && !held.is_stale(provider.as_ref())
        {
            return Ok(held.grant);
        }
        let _turn = self.inner.fetching.lock().await;
        // Someone else may have fetched it meanwhile.
        let held = self.held();
        match held {
            Some(held) if !held.is_stale(provider.as_ref()) => Ok(held.grant),
            Some(held) => match self.fetch(provider.as_ref()).await {
                Ok(fetched) => Ok(fetched.grant),
                Err(error) if held.is_good() => {
                    tracing::warn!(
                        "the token could not be renewed ({}); the one that is there is used as long as it lasts",
                        error.diagnosis.evidence.join("; ")
                    );
                    self.put_off_renewal();
                    Ok(held.grant)
                }
                Err(error) => Err(error),
            },
            None => self.fetch(provider.as_ref()).await.map(|held| held.grant),
        }
    }

    /// Looks for another token than the one of this number, which was refused. Returns whether there is one.
    ///
    /// # Errors
    /// When whoever gives tokens fails.
    pub(crate) async fn renew(&self, refused: u64) -> Result<bool, NoToken> {
        let Some(provider) = &self.inner.provider else { return Ok(false) };
        let _turn = self.inner.fetching.lock().await;
        match self.held() {
            Some(held) if held.grant.generation == refused => {
                Ok(self.fetch(provider.as_ref()).await?.grant.generation != refused)
            }
            _ => Ok(true),
        }
    }

    /// What is known of the token that is held.
    pub(crate) fn facts(&self) -> Option<Arc<TokenFacts>> {
        self.held().map(|held| held.facts)
    }

    /// The number of the token that is held.
    pub(crate) fn generation(&self) -> u64 {
        self.held().map_or(0, |held| held.grant.generation)
    }

    /// Takes out one more secret from now on.
    pub(crate) fn learn(&self, secret: &str) {
        self.inner.redactor.write().unwrap_or_else(PoisonError::into_inner).add(secret);
    }

    /// `text` without any token that was ever held.
    pub(crate) fn redact(&self, text: &str) -> String {
        self.inner.redactor.read().unwrap_or_else(PoisonError::into_inner).redact(text)
    }

    async fn fetch(&self, provider: &dyn TokenProvider) -> Result<Held, NoToken> {
        let source = provider.source();
        let Fetched { token, expires_at } =
            provider.fetch().await.map_err(|error| NoToken::failed(&source, &error))?;
        let fingerprint = token.fingerprint();
        let mut held = self.lock();
        // The same token again keeps its number: it was refused, or it was not.
        let generation = match held.as_ref() {
            Some(held) if held.fingerprint == fingerprint => held.grant.generation,
            Some(held) => held.grant.generation + 1,
            None => 1,
        };
        self.inner.redactor.write().unwrap_or_else(PoisonError::into_inner).add(token.expose());
        if let Some(unusable) = NoToken::unusable(&token) {
            return Err(unusable);
        }
        let facts = TokenFacts::of(&token);
        let expires_at = expires_at
            .and_then(|time| Timestamp::try_from(time).ok())
            .or_else(|| facts.claims.as_ref()?.expires_at);
        let renewed = Held {
            grant: Grant { generation, header: header(&token) },
            renew_at: expires_at.map(|expires_at| renewal(Timestamp::now(), expires_at)),
            facts: Arc::new(facts),
            fingerprint,
        };
        if held.as_ref().is_some_and(|held| held.grant.generation != generation) {
            tracing::info!(source = %renewed.facts.source, sha256 = %renewed.fingerprint, "the token was renewed");
        }
        *held = Some(renewed.clone());
        Ok(renewed)
    }

    fn put_off_renewal(&self) {
        if let Some(held) = self.lock().as_mut() {
            held.renew_at = Timestamp::now().checked_add(PUT_OFF).ok();
        }
    }

    fn held(&self) -> Option<Held> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Held>> {
        self.inner.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn is_stale(&self, provider: &dyn TokenProvider) -> bool {
        self.renew_at.is_some_and(|renew_at| renew_at <= Timestamp::now()) || provider.has_changed()
    }

    /// Whether its end is not known to have come.
    fn is_good(&self) -> bool {
        let expires_at = self.facts.claims.as_ref().and_then(|claims| claims.expires_at);
        expires_at.is_none_or(|expires_at| expires_at > Timestamp::now())
    }
}

/// When a token that expires at `expires_at` is renewed.
fn renewal(now: Timestamp, expires_at: Timestamp) -> Timestamp {
    let life = expires_at.duration_since(now);
    if life.is_positive() {
        return expires_at.checked_sub(RENEW_BEFORE.min(life / 2)).unwrap_or(expires_at);
    }
    // It is over already; what GMS says to that will tell more than trying for another each time.
    now.checked_add(RENEW_BEFORE).unwrap_or(now)
}

/// None for an empty token: a server that is open needs none.
fn header(token: &Token) -> Option<HeaderValue> {
    if token.expose().is_empty() { None } else { authorization(token) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{Fetching, ProviderError, TokenSource};
    use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
    use std::time::{Duration, SystemTime};

    /// Gives `token-1`, `token-2`, … each good for so long.
    #[derive(Debug)]
    struct Counting {
        given: AtomicU64,
        life: Option<Duration>,
        fails_after: u64,
    }

    impl Counting {
        fn new(life: Option<Duration>) -> Arc<Self> {
            Arc::new(Self { given: AtomicU64::new(0), life, fails_after: u64::MAX })
        }
    }

    impl TokenProvider for Counting {
        fn source(&self) -> TokenSource {
            TokenSource::Command
        }

        fn fetch(&self) -> Fetching<'_> {
            Box::pin(async {
                let number = self.given.fetch_add(1, SeqCst) + 1;
                if number > self.fails_after {
                    return Err(ProviderError::transient("away"));
                }
                let token = Token::new(format!("token-{number}"), TokenSource::Command);
                let expires_at = self.life.map(|life| SystemTime::now() + life);
                Ok(Fetched { token, expires_at })
            })
        }
    }

    fn credentials(provider: Arc<dyn TokenProvider>) -> Credentials {
        Credentials::new(Some(provider), Redactor::default())
    }

    #[tokio::test]
    async fn a_token_is_fetched_once_and_again_when_it_was_refused() {
        let credentials = credentials(Counting::new(None));
        let first = credentials.grant().await.unwrap();
        assert_eq!(first.header.unwrap().as_bytes(), b"Bearer token-1");
        assert_eq!(credentials.grant().await.unwrap().generation, 1);
        assert!(credentials.renew(1).await.unwrap());
        // Whoever was refused with the old one as well finds that there is another already.
        assert!(credentials.renew(1).await.unwrap());
        let second = credentials.grant().await.unwrap();
        assert_eq!((second.generation, second.header.unwrap().as_bytes()), (2, &b"Bearer token-2"[..]));
        assert_eq!(credentials.redact("token-1 token-2"), "******** ********");
    }

    #[tokio::test]
    async fn a_token_that_does_not_change_is_no_other() {
        let fixed = crate::auth::FixedToken::new(Token::new("abc", TokenSource::Recipe));
        let credentials = credentials(Arc::new(fixed));
        let grant = credentials.grant().await.unwrap();
        assert!(!credentials.renew(grant.generation).await.unwrap());
        assert_eq!(credentials.generation(), grant.generation);
        let none = Credentials::new(None, Redactor::default());
        assert!(none.grant().await.unwrap().header.is_none() && !none.renew(0).await.unwrap());
    }

    #[test]
    fn a_token_is_renewed_before_its_end_and_a_short_one_at_half_its_life() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        let after =
            |life: i64| renewal(now, now + SignedDuration::from_secs(life)).duration_since(now).as_secs();
        assert_eq!((after(3_600), after(300), after(2)), (3_300, 150, 1));
        assert_eq!(after(-9), 300);
    }

    #[tokio::test]
    async fn one_that_expires_is_renewed_and_the_old_one_serves_while_there_is_no_other() {
        let expiring = credentials(Counting::new(Some(Duration::ZERO)));
        assert_eq!(expiring.grant().await.unwrap().generation, 1);
        let provider = Arc::new(Counting {
            given: AtomicU64::new(0),
            life: Some(Duration::from_nanos(2)),
            fails_after: 1,
        });
        let failing = credentials(provider);
        assert_eq!(failing.grant().await.unwrap().generation, 1);
        assert_eq!(failing.grant().await.unwrap().generation, 1, "what is there goes on");
        assert!(failing.renew(1).await.unwrap_err().transient);
    }

    #[tokio::test]
    async fn many_who_ask_at_once_make_one_question() {
        let provider = Counting::new(None);
        let credentials = credentials(Arc::clone(&provider) as Arc<dyn TokenProvider>);
        let asking: Vec<_> = (0..50)
            .map(|_| {
                let credentials = credentials.clone();
                tokio::spawn(async move { credentials.grant().await.unwrap().generation })
            })
            .collect();
        for asked in asking {
            assert_eq!(asked.await.unwrap(), 1);
        }
        assert_eq!(provider.given.load(SeqCst), 1);
    }
}
