//! The current token: fetched once, kept, and renewed before it expires, when its source has changed, or when
//! it was refused.

use jiff::{SignedDuration, Timestamp};
use reqwest::header::HeaderValue;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use super::{IssuedToken, Token, TokenInfo, TokenProvider, TokenUnavailable, authorization};
use crate::clock::Clock;
use crate::redact::Redactor;

/// A token is renewed this long before it expires, or at half of its remaining life if that is shorter. As in
/// the Python client (`CachingTokenProvider`).
const RENEW_BEFORE_EXPIRY: SignedDuration = SignedDuration::from_secs(300);

/// The pause after a failed renewal, so that not every request waits for the provider.
const RENEWAL_RETRY_DELAY: SignedDuration = SignedDuration::from_secs(5);

/// Gives each request its Authorization header.
///
/// Each token has a generation, a number that is higher than that of the token before it. A caller whose
/// request was refused compares generations to find out whether there is another token by now.
#[derive(Clone, Debug)]
pub(crate) struct Credentials {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    provider: Option<Arc<dyn TokenProvider>>,
    clock: Arc<dyn Clock>,
    current: Mutex<Option<CurrentToken>>,
    /// Held while a token is fetched, so that only one task fetches at a time.
    fetching: tokio::sync::Mutex<()>,
    /// Knows every token that was ever in use.
    redactor: RwLock<Redactor>,
}

/// The authorization of one request.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    /// The generation of the token; 0 without one.
    pub(crate) generation: u64,
    /// Marked sensitive, so that nothing prints it. `None` if there is no token, or an empty one.
    pub(crate) header: Option<HeaderValue>,
}

#[derive(Clone, Debug)]
struct CurrentToken {
    grant: Grant,
    info: Arc<TokenInfo>,
    fingerprint: String,
    renew_at: Option<Timestamp>,
}

impl Credentials {
    /// Takes tokens from `provider`; without one, requests have no token. `clock` decides what has expired.
    pub(crate) fn new(
        provider: Option<Arc<dyn TokenProvider>>,
        redactor: Redactor,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                provider,
                clock,
                current: Mutex::new(None),
                fetching: tokio::sync::Mutex::new(()),
                redactor: RwLock::new(redactor),
            }),
        }
    }

    /// The authorization of the next request.
    ///
    /// # Errors
    /// If the provider fails and the current token has expired or there is none.
    pub(crate) async fn grant(&self) -> Result<Grant, TokenUnavailable> {
        let Some(provider) = &self.inner.provider else {
            return Ok(Grant { generation: 0, header: None });
        };
        if let Some(current) = self.current()
            && !current.is_stale(provider.as_ref(), self.now())
        {
            return Ok(current.grant);
        }
        let _turn = self.inner.fetching.lock().await;
        // Another task may have fetched a token meanwhile.
        let current = self.current();
        match current {
            Some(current) if !current.is_stale(provider.as_ref(), self.now()) => Ok(current.grant),
            Some(current) => match self.fetch(provider.as_ref()).await {
                Ok(fetched) => Ok(fetched.grant),
                Err(error) if current.is_usable(self.now()) => {
                    tracing::warn!(
                        "the token could not be renewed ({}); the current one is used until it expires",
                        error.diagnosis.evidence_line()
                    );
                    self.postpone_renewal();
                    Ok(current.grant)
                }
                Err(error) => Err(error),
            },
            None => self.fetch(provider.as_ref()).await.map(|current| current.grant),
        }
    }

    /// Fetches another token than that of the generation `refused`. Returns whether there is one.
    ///
    /// # Errors
    /// If the provider fails.
    pub(crate) async fn renew(&self, refused: u64) -> Result<bool, TokenUnavailable> {
        let Some(provider) = &self.inner.provider else { return Ok(false) };
        let _turn = self.inner.fetching.lock().await;
        match self.current() {
            Some(current) if current.grant.generation == refused => {
                Ok(self.fetch(provider.as_ref()).await?.grant.generation != refused)
            }
            _ => Ok(true),
        }
    }

    /// Describes the current token.
    pub(crate) fn token_info(&self) -> Option<Arc<TokenInfo>> {
        self.current().map(|current| current.info)
    }

    /// The generation of the current token.
    pub(crate) fn generation(&self) -> u64 {
        self.current().map_or(0, |current| current.grant.generation)
    }

    /// Redacts `secret` from now on.
    pub(crate) fn add_secret(&self, secret: &str) {
        self.inner.redactor.write().unwrap_or_else(PoisonError::into_inner).add(secret);
    }

    /// `text` without any token that was ever in use.
    pub(crate) fn redact(&self, text: &str) -> String {
        self.inner.redactor.read().unwrap_or_else(PoisonError::into_inner).redact(text)
    }

    async fn fetch(&self, provider: &dyn TokenProvider) -> Result<CurrentToken, TokenUnavailable> {
        let source = provider.source();
        let IssuedToken { token, expires_at } =
            provider.fetch().await.map_err(|error| TokenUnavailable::provider_failed(&source, &error))?;
        let fingerprint = token.fingerprint();
        let mut current = self.lock();
        // The same token keeps its generation.
        let generation = match current.as_ref() {
            Some(current) if current.fingerprint == fingerprint => current.grant.generation,
            Some(current) => current.grant.generation + 1,
            None => 1,
        };
        self.inner.redactor.write().unwrap_or_else(PoisonError::into_inner).add(token.expose());
        if let Some(malformed) = TokenUnavailable::malformed(&token) {
            return Err(malformed);
        }
        let info = TokenInfo::new(&token);
        let expires_at = expires_at
            .and_then(|time| Timestamp::try_from(time).ok())
            .or_else(|| info.claims.as_ref()?.expires_at);
        let renewed = CurrentToken {
            grant: Grant { generation, header: header(&token) },
            renew_at: expires_at.map(|expires_at| renewal(self.now(), expires_at)),
            info: Arc::new(info),
            fingerprint,
        };
        if current.as_ref().is_some_and(|current| current.grant.generation != generation) {
            tracing::info!(source = %renewed.info.source, sha256 = %renewed.fingerprint, "the token was renewed");
        }
        *current = Some(renewed.clone());
        Ok(renewed)
    }

    fn postpone_renewal(&self) {
        let now = self.now();
        if let Some(current) = self.lock().as_mut() {
            current.renew_at = now.checked_add(RENEWAL_RETRY_DELAY).ok();
        }
    }

    fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    fn current(&self) -> Option<CurrentToken> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Option<CurrentToken>> {
        self.inner.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CurrentToken {
    fn is_stale(&self, provider: &dyn TokenProvider, now: Timestamp) -> bool {
        self.renew_at.is_some_and(|renew_at| renew_at <= now) || provider.has_changed()
    }

    /// Whether it is not known to have expired.
    fn is_usable(&self, now: Timestamp) -> bool {
        let expires_at = self.info.claims.as_ref().and_then(|claims| claims.expires_at);
        expires_at.is_none_or(|expires_at| expires_at > now)
    }
}

/// The time at which a token that expires at `expires_at` is renewed.
fn renewal(now: Timestamp, expires_at: Timestamp) -> Timestamp {
    let life = expires_at.duration_since(now);
    if life.is_positive() {
        return expires_at.checked_sub(RENEW_BEFORE_EXPIRY.min(life / 2)).unwrap_or(expires_at);
    }
    // It has expired. GMS's response explains that better than a new attempt before each request.
    now.checked_add(RENEW_BEFORE_EXPIRY).unwrap_or(now)
}

/// `None` for an empty token: a server without authentication needs none.
fn header(token: &Token) -> Option<HeaderValue> {
    if token.expose().is_empty() { None } else { authorization(token) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{ProviderError, TokenSource};
    use crate::box_future::BoxFuture;
    use crate::clock::SystemClock;
    use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
    use std::time::{Duration, SystemTime};

    /// Returns `token-1`, `token-2`, …, each valid for `life`.
    #[derive(Debug)]
    struct CountingProvider {
        given: AtomicU64,
        life: Option<Duration>,
        fails_after: u64,
    }

    impl CountingProvider {
        fn new(life: Option<Duration>) -> Arc<Self> {
            Arc::new(Self { given: AtomicU64::new(0), life, fails_after: u64::MAX })
        }
    }

    impl TokenProvider for CountingProvider {
        fn source(&self) -> TokenSource {
            TokenSource::Command
        }

        fn fetch(&self) -> BoxFuture<'_, Result<IssuedToken, ProviderError>> {
            Box::pin(async {
                let number = self.given.fetch_add(1, SeqCst) + 1;
                if number > self.fails_after {
                    return Err(ProviderError::transient("away"));
                }
                let token = Token::new(format!("token-{number}"), TokenSource::Command);
                let expires_at = self.life.map(|life| SystemTime::now() + life);
                Ok(IssuedToken { token, expires_at })
            })
        }
    }

    fn credentials(provider: Arc<dyn TokenProvider>) -> Credentials {
        Credentials::new(Some(provider), Redactor::default(), Arc::new(SystemClock))
    }

    #[tokio::test]
    async fn a_token_is_fetched_once_and_again_after_a_refusal() {
        let credentials = credentials(CountingProvider::new(None));
        let first = credentials.grant().await.unwrap();
        assert_eq!(first.header.unwrap().as_bytes(), b"Bearer token-1");
        assert_eq!(credentials.grant().await.unwrap().generation, 1);
        assert!(credentials.renew(1).await.unwrap());
        // Another caller whose request had the old token finds the new one.
        assert!(credentials.renew(1).await.unwrap());
        let second = credentials.grant().await.unwrap();
        assert_eq!((second.generation, second.header.unwrap().as_bytes()), (2, &b"Bearer token-2"[..]));
        assert_eq!(credentials.redact("token-1 token-2"), "******** ********");
    }

    #[tokio::test]
    async fn the_same_token_again_is_not_another_token() {
        let fixed = crate::auth::FixedToken::new(Token::new("abc", TokenSource::Recipe));
        let credentials = credentials(Arc::new(fixed));
        let grant = credentials.grant().await.unwrap();
        assert!(!credentials.renew(grant.generation).await.unwrap());
        assert_eq!(credentials.generation(), grant.generation);
        let none = Credentials::new(None, Redactor::default(), Arc::new(SystemClock));
        assert!(none.grant().await.unwrap().header.is_none() && !none.renew(0).await.unwrap());
    }

    #[test]
    fn a_token_is_renewed_before_it_expires_and_a_short_one_at_half_of_its_life() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        let after =
            |life: i64| renewal(now, now + SignedDuration::from_secs(life)).duration_since(now).as_secs();
        assert_eq!((after(3_600), after(300), after(2)), (3_300, 150, 1));
        assert_eq!(after(-9), 300);
    }

    #[tokio::test]
    async fn the_current_token_remains_in_use_while_renewal_fails() {
        let expiring = credentials(CountingProvider::new(Some(Duration::ZERO)));
        assert_eq!(expiring.grant().await.unwrap().generation, 1);
        let provider = Arc::new(CountingProvider {
            given: AtomicU64::new(0),
            life: Some(Duration::from_nanos(2)),
            fails_after: 1,
        });
        let failing = credentials(provider);
        assert_eq!(failing.grant().await.unwrap().generation, 1);
        assert_eq!(failing.grant().await.unwrap().generation, 1, "the current token remains in use");
        assert!(failing.renew(1).await.unwrap_err().transient);
    }

    #[tokio::test]
    async fn concurrent_callers_share_one_fetch() {
        let provider = CountingProvider::new(None);
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
