//! How much a server gets at a time: one limit for all requests that carry proposals.

mod concurrency;
mod pace;
mod retries;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use self::concurrency::Concurrency;
use self::pace::Pace;
use self::retries::Retries;
use crate::gms::{RetryReason, Verdict};

/// Lets requests out: as many at a time as the server bears, at the pace that it takes them, and none while it has asked
/// to be left alone. What was sent before goes before what is new.
#[derive(Debug)]
pub(super) struct Limit {
    inner: Mutex<Inner>,
    /// To those who are to send something again, longest waiting first.
    again: Notify,
    /// To the driver: there may be room for a new batch.
    pub(super) room: Notify,
}

#[derive(Debug)]
struct Inner {
    concurrency: Concurrency,
    pace: Pace,
    retries: Retries,
    /// Until then the server wants no request.
    paused_until: Instant,
    in_flight: usize,
    /// Who waits to send something again.
    waiting: usize,
}

/// Room for one request; given back on drop.
#[derive(Debug)]
pub(super) struct Pass {
    limit: Arc<Limit>,
    began: Instant,
}

impl Limit {
    /// At most `ceiling` requests at a time. Where all of them are retries, there is one each `interval`.
    pub(super) fn new(ceiling: usize, interval: Duration) -> Self {
        let now = Instant::now();
        let inner = Inner {
            concurrency: Concurrency::new(ceiling),
            pace: Pace::new(now),
            retries: Retries::new(ceiling, interval, now),
            paused_until: now,
            in_flight: 0,
            waiting: 0,
        };
        Self { inner: Mutex::new(inner), again: Notify::new(), room: Notify::new() }
    }

    /// Whether there is room for a new batch.
    pub(super) fn has_room(&self) -> bool {
        let inner = self.inner();
        inner.waiting == 0 && inner.in_flight < inner.concurrency.limit()
    }

    /// Room for a new batch, if there is some that nobody waits for.
    pub(super) fn try_enter(self: &Arc<Self>) -> Option<Pass> {
        let mut inner = self.inner();
        (inner.waiting == 0 && inner.enter()).then(|| self.pass())
    }

    /// Waits for room.
    pub(super) async fn enter(self: &Arc<Self>) -> Pass {
        let _waiting = Waiting::new(self);
        loop {
            let again = self.again.notified();
            if self.inner().enter() {
                return self.pass();
            }
            again.await;
        }
    }

    /// Waits until the server no longer wants to be left alone.
    pub(super) async fn unpaused(&self) {
        loop {
            let until = self.inner().paused_until;
            if until <= Instant::now() {
                return;
            }
            sleep_until(until).await;
        }
    }

    /// Some other request, which does not count here, met trouble; the server may want to be left alone.
    pub(super) fn heed(&self, trouble: RetryReason) {
        self.inner().pause(trouble.retry_after(), Instant::now());
    }

    /// Takes one from the budget that all retries share; it may be made after that time.
    pub(super) fn retry(&self) -> Duration {
        self.inner().retries.take(Instant::now())
    }

    fn pass(self: &Arc<Self>) -> Pass {
        Pass { limit: Arc::clone(self), began: Instant::now() }
    }

    /// A panic while it was locked leaves it whole: nothing foreign is called then.
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes whoever may go next.
    fn wake(&self) {
        let waiting = {
            let inner = self.inner();
            let room = inner.concurrency.limit().saturating_sub(inner.in_flight);
            if room > inner.waiting {
                self.room.notify_one();
            }
            room.min(inner.waiting)
        };
        for _ in 0..waiting {
            self.again.notify_one();
        }
    }
}

impl Inner {
    fn enter(&mut self) -> bool {
        let enters = self.in_flight < self.concurrency.limit();
        self.in_flight += usize::from(enters);
        enters
    }

    fn pause(&mut self, after: Option<Duration>, now: Instant) {
        self.paused_until = self.paused_until.max(now + after.unwrap_or_default());
    }
}

impl Pass {
    /// Waits until the request may leave.
    pub(super) async fn depart(&mut self) {
        loop {
            self.limit.unpaused().await;
            let now = Instant::now();
            let leaves_at = self.limit.inner().pace.leaves_at(now);
            if leaves_at > now {
                sleep_until(leaves_at).await;
            }
            // A pause that began meanwhile ends for all at once, so each takes a place after it.
            if self.limit.inner().paused_until <= Instant::now() {
                break;
            }
        }
        self.began = Instant::now();
    }

    /// When the request left.
    pub(super) fn began(&self) -> Instant {
        self.began
    }

    /// Learns from what a request of `bytes` came to, and makes room.
    pub(super) fn done(self, verdict: &Verdict, bytes: usize) {
        let now = Instant::now();
        let mut inner = self.limit.inner();
        match verdict {
            Verdict::Delivered => {
                inner.concurrency.answered(self.began, now, bytes);
                inner.pace.taken(now);
                inner.retries.taken();
            }
            Verdict::Retry(trouble) => {
                if trouble.is_server_wide() {
                    inner.concurrency.trouble(self.began, now);
                }
                if let RetryReason::Throttled { .. } = trouble {
                    inner.pace.refused(self.began, now);
                }
                inner.pause(trouble.retry_after(), now);
            }
            _ => {}
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.limit.inner().in_flight -= 1;
        self.limit.wake();
    }
}

/// Counts who waits, for as long as somebody does.
struct Waiting<'a>(&'a Limit);

impl<'a> Waiting<'a> {
    fn new(limit: &'a Limit) -> Self {
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
