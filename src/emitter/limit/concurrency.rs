//! The adaptive limit on requests in flight: rises while all goes well, falls when the server is overloaded.

use tokio::time::Instant;

/// The factor by which the limit falls when the server is overloaded or out of reach.
const AFTER_FAILURE: f64 = 0.5;

/// The factor by which the limit falls when responses take much longer than usual.
const AFTER_SLOWNESS: f64 = 0.8;

/// Slowness alone leaves at least this share of the maximum, because it may have another cause than our
/// requests.
const MIN_SHARE_WHEN_SLOW: f64 = 0.25;

/// A response that takes this many times as long as usual is slow.
const SLOW_FACTOR: f64 = 3.0;

/// A response within this many seconds is never slow: on a fast server the times vary by more than the
/// factor.
const NEVER_SLOW_SECONDS: f64 = 0.5;

/// The weight of the newest response in the recent latency.
const RECENT_WEIGHT: f64 = 0.3;

/// The weight with which the usual latency follows the recent one when that is higher.
const USUAL_WEIGHT: f64 = 0.01;

/// Additive increase, multiplicative decrease: one request more per round trip, and half of them after a
/// failure.
///
/// It starts at the maximum, so that a healthy server is used as configured from the first request on.
#[derive(Debug)]
pub(super) struct ConcurrencyLimit {
    max: f64,
    limit: f64,
    lowered_at: Option<Instant>,
    /// Per size of the request's body, in powers of two: a large request takes longer, which does not make it
    /// slow.
    latencies: [Option<Latency>; Self::SIZES],
}

/// In seconds.
#[derive(Clone, Copy, Debug)]
struct Latency {
    usual: f64,
    recent: f64,
}

impl ConcurrencyLimit {
    const SIZES: usize = 32;

    pub(super) fn new(max: usize) -> Self {
        let max = f64::from(u32::try_from(max).unwrap_or(u32::MAX)).max(1.0);
        Self { max, limit: max, lowered_at: None, latencies: [None; Self::SIZES] }
    }

    /// The number of requests that may be in flight, at least 1.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the value is between 1 and 4294967295"
    )]
    pub(super) fn limit(&self) -> usize {
        self.limit as usize
    }

    /// A request of `bytes` that was sent at `sent_at` succeeded.
    pub(super) fn succeeded(&mut self, sent_at: Instant, now: Instant, bytes: usize) {
        let seconds = now.saturating_duration_since(sent_at).as_secs_f64();
        if self.is_slow(seconds, bytes) {
            let min = (self.max * MIN_SHARE_WHEN_SLOW).min(self.limit);
            self.lower(sent_at, now, AFTER_SLOWNESS, min);
        } else {
            self.limit = (self.limit + 1.0 / self.limit).min(self.max);
        }
    }

    /// The server was overloaded or out of reach for a request that was sent at `sent_at`.
    pub(super) fn failed(&mut self, sent_at: Instant, now: Instant) {
        self.lower(sent_at, now, AFTER_FAILURE, 1.0);
    }

    /// Lowers the limit once for all requests that were in flight together.
    fn lower(&mut self, sent_at: Instant, now: Instant, factor: f64, min: f64) {
        if self.lowered_at.is_none_or(|at| sent_at >= at) {
            self.lowered_at = Some(now);
            self.limit = (self.limit * factor).max(min).max(1.0);
        }
    }

    fn is_slow(&mut self, seconds: f64, bytes: usize) -> bool {
        let size = usize::try_from(bytes.max(1).ilog2()).unwrap_or_default();
        let Some(latency) = self.latencies.get_mut(size) else { return false };
        let Latency { usual, recent } = latency.get_or_insert(Latency { usual: seconds, recent: seconds });
        *recent += (seconds - *recent) * RECENT_WEIGHT;
        *usual = if recent < usual { *recent } else { *usual + (*recent - *usual) * USUAL_WEIGHT };
        *recent > NEVER_SLOW_SECONDS && *recent > *usual * SLOW_FACTOR
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn after(start: Instant, millis: u64) -> Instant {
        start + Duration::from_millis(millis)
    }

    #[test]
    fn a_failure_halves_the_limit_once_per_round_trip_and_successes_restore_it() {
        let start = Instant::now();
        let mut concurrency = ConcurrencyLimit::new(16);
        for _ in 0..16 {
            // All sixteen were in flight together.
            concurrency.failed(start, after(start, 10));
        }
        assert_eq!(concurrency.limit(), 8);
        for round in 1..20 {
            concurrency.failed(after(start, round * 20), after(start, round * 20 + 10));
        }
        assert_eq!(concurrency.limit(), 1);
        let mut responses = 0;
        while concurrency.limit() < 16 {
            responses += 1;
            let sent_at = after(start, 1_000 + responses);
            concurrency.succeeded(sent_at, after(sent_at, 1), 1_000);
        }
        // One more per round trip: 1 + 2 + … + 15 responses.
        assert!((100..=150).contains(&responses), "{responses}");
    }

    #[test]
    fn a_steady_latency_is_never_slow() {
        let start = Instant::now();
        let mut concurrency = ConcurrencyLimit::new(15);
        for (bytes, millis) in [(1_000, 20), (500_000, 2_000)] {
            for _ in 0..100 {
                concurrency.succeeded(start, after(start, millis), bytes);
            }
        }
        assert_eq!(concurrency.limit(), 15);
    }

    #[test]
    fn a_server_that_becomes_slow_gets_at_least_a_quarter() {
        let start = Instant::now();
        let mut concurrency = ConcurrencyLimit::new(16);
        concurrency.succeeded(start, after(start, 100), 1_000);
        for round in 0..25 {
            let sent_at = after(start, 1_000 + round * 2_000);
            concurrency.succeeded(sent_at, after(sent_at, 2_000), 1_000);
        }
        assert_eq!(concurrency.limit(), 4);
        for round in 0..1_000 {
            let sent_at = after(start, 200_000 + round * 100);
            concurrency.succeeded(sent_at, after(sent_at, 100), 1_000);
        }
        assert_eq!(concurrency.limit(), 16);
    }
}
