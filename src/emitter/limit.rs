//! How many requests a server gets, and how fast: one limit for all requests that carry proposals.
//!
//! Four rules apply together: the number of requests in flight ([`concurrency`]), the rate after a 429
//! ([`rate_limit`]), the share of requests that are retries ([`retry_budget`]), and the pause that a
//! `Retry-After` header asks for.

mod concurrency;
mod rate_limit;
mod retry_budget;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use self::concurrency::ConcurrencyLimit;
use self::rate_limit::RateLimit;
use self::retry_budget::RetryBudget;
use crate::gms::{RetryReason, Verdict};

/// Gives permission to send requests. Requests that wait to be sent again come before new ones.
#[derive(Debug)]
pub(super) struct RequestLimit {
    inner: Mutex<Inner>,
    /// Wakes those that wait to send again, the longest waiting first.
    retry_may_go: Notify,
    /// Wakes the driver: there may be a permit for a new batch.
    pub(super) batch_may_go: Notify,
}

#[derive(Debug)]
struct Inner {
    concurrency: ConcurrencyLimit,
    rate: RateLimit,
    retries: RetryBudget,
    /// The server asked for no request before that time.
    paused_until: Instant,
    in_flight: usize,
    /// Requests that wait to be sent again.
    waiting: usize,
}

/// Permission for one request in flight; returned on drop.
#[derive(Debug)]
pub(super) struct RequestPermit {
    limit: Arc<RequestLimit>,
    sent_at: Instant,
}

impl RequestLimit {
    /// At most `max_in_flight` requests at a time. When the retry budget is used up, it allows one retry per
    /// `interval`.
    pub(super) fn new(max_in_flight: usize, interval: Duration) -> Self {
        let now = Instant::now();
        let inner = Inner {
            concurrency: ConcurrencyLimit::new(max_in_flight),
            rate: RateLimit::new(now),
            retries: RetryBudget::new(max_in_flight, interval, now),
            paused_until: now,
            in_flight: 0,
            waiting: 0,
        };
        Self { inner: Mutex::new(inner), retry_may_go: Notify::new(), batch_may_go: Notify::new() }
    }

    /// Whether [`try_acquire`](Self::try_acquire) would succeed.
    pub(super) fn is_available(&self) -> bool {
        let inner = self.inner();
        inner.waiting == 0 && inner.in_flight < inner.concurrency.limit()
    }

    /// A permit for a new batch, if there is one that no retry waits for.
    pub(super) fn try_acquire(self: &Arc<Self>) -> Option<RequestPermit> {
        let mut inner = self.inner();
        (inner.waiting == 0 && inner.try_start()).then(|| self.permit())
    }

    /// Waits for a permit. Cancel safe.
    pub(super) async fn acquire(self: &Arc<Self>) -> RequestPermit {
        let _waiting = Waiting::new(self);
        loop {
            let may_go = self.retry_may_go.notified();
            if self.inner().try_start() {
                return self.permit();
            }
            may_go.await;
        }
    }

    /// Waits until the pause that the server asked for is over.
    pub(super) async fn pause_is_over(&self) {
        loop {
            let until = self.inner().paused_until;
            if until <= Instant::now() {
                return;
            }
            sleep_until(until).await;
        }
    }

    /// The response to a request outside this limit may ask for a pause.
    pub(super) fn note_retry_after(&self, reason: RetryReason) {
        self.inner().pause(reason.retry_after(), Instant::now());
    }

    /// Takes one retry from the budget that all requests share. Returns how long that retry has to wait.
    pub(super) fn take_retry(&self) -> Duration {
        self.inner().retries.take(Instant::now())
    }

    fn permit(self: &Arc<Self>) -> RequestPermit {
        RequestPermit { limit: Arc::clone(self), sent_at: Instant::now() }
    }

    /// A panic while the lock was held leaves the value consistent: no foreign code is called with it.
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes as many as there are permits.
    fn wake(&self) {
        let retries = {
            let inner = self.inner();
            let permits = inner.concurrency.limit().saturating_sub(inner.in_flight);
            if permits > inner.waiting {
                self.batch_may_go.notify_one();
            }
            permits.min(inner.waiting)
        };
        for _ in 0..retries {
            self.retry_may_go.notify_one();
        }
    }
}

impl Inner {
    fn try_start(&mut self) -> bool {
        let starts = self.in_flight < self.concurrency.limit();
        self.in_flight += usize::from(starts);
        starts
    }

    fn pause(&mut self, duration: Option<Duration>, now: Instant) {
        self.paused_until = self.paused_until.max(now + duration.unwrap_or_default());
    }
}

impl RequestPermit {
    /// Waits until the request may be sent.
    pub(super) async fn ready(&mut self) {
        loop {
            self.limit.pause_is_over().await;
            let now = Instant::now();
            let send_at = self.limit.inner().rate.next_send(now);
            if send_at > now {
                sleep_until(send_at).await;
            }
            // A pause that began in the meantime ends for all waiting requests at once: spread them after it.
            if self.limit.inner().paused_until <= Instant::now() {
                break;
            }
        }
        self.sent_at = Instant::now();
    }

    /// When the request was sent.
    pub(super) fn sent_at(&self) -> Instant {
        self.sent_at
    }

    /// Adapts the limit to the result of a request with a body of `bytes`, and returns the permit.
    pub(super) fn complete(self, verdict: &Verdict, bytes: usize) {
        let now = Instant::now();
        let mut inner = self.limit.inner();
        match verdict {
            Verdict::Delivered => {
                inner.concurrency.succeeded(self.sent_at, now, bytes);
                inner.rate.succeeded(now);
                inner.retries.succeeded();
            }
            Verdict::Retry(reason) => {
                if reason.is_server_wide() {
                    inner.concurrency.failed(self.sent_at, now);
                }
                if let RetryReason::Throttled { .. } = reason {
                    inner.rate.throttled(self.sent_at, now);
                }
                inner.pause(reason.retry_after(), now);
            }
            _ => {}
        }
    }
}

impl Drop for RequestPermit {
    fn drop(&mut self) {
        self.limit.inner().in_flight -= 1;
        self.limit.wake();
    }
}

/// Counts a waiting request while its future exists.
struct Waiting<'a>(&'a RequestLimit);

impl<'a> Waiting<'a> {
    fn new(limit: &'a RequestLimit) -> Self {
        limit.inner().waiting += 1;
        Self(limit)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.inner().waiting -= 1;
        self.0.wake();
    }
}
