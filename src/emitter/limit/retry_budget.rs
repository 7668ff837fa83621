//! The retry budget that all requests share, so that a server in trouble does not get a storm of retries.

use std::time::Duration;

use tokio::time::Instant;

/// How much a request that succeeded adds: in the long run at most a fifth of the requests are retries.
const PER_SUCCESS: f64 = 0.2;

/// How many retries each request that may be in flight adds to the full budget.
const PER_REQUEST: f64 = 4.0;

/// A token bucket of retries.
#[derive(Debug)]
pub(super) struct RetryBudget {
    /// Negative when retries were taken in advance, which then have to wait.
    available: f64,
    max: f64,
    /// The time after which there is one more retry, so that a server that accepts nothing is still tried.
    interval: Duration,
    updated_at: Instant,
}

impl RetryBudget {
    /// A full budget: four retries for each of `max_in_flight` requests. An empty one allows a retry per
    /// `interval`.
    pub(super) fn new(max_in_flight: usize, interval: Duration, now: Instant) -> Self {
        let max = PER_REQUEST * f64::from(u32::try_from(max_in_flight).unwrap_or(u32::MAX)).max(2.0);
        Self { available: max, max, interval, updated_at: now }
    }

    /// A request succeeded.
    pub(super) fn succeeded(&mut self) {
        self.available = (self.available + PER_SUCCESS).min(self.max);
    }

    /// Takes one retry. Returns how long it has to wait.
    pub(super) fn take(&mut self, now: Instant) -> Duration {
        let elapsed = now.saturating_duration_since(self.updated_at).as_secs_f64();
        let interval = self.interval.as_secs_f64().max(1e-3);
        self.updated_at = now;
        self.available = (self.available + elapsed / interval).min(self.max) - 1.0;
        Duration::from_secs_f64((-self.available * interval).max(0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_budget_is_free_and_an_empty_one_allows_one_per_interval() {
        let start = Instant::now();
        let mut retries = RetryBudget::new(2, Duration::from_secs(1), start);
        let waits: Vec<u64> = (0..12).map(|_| retries.take(start).as_secs()).collect();
        assert_eq!(waits, [0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4]);
        assert_eq!(retries.take(start + Duration::from_secs(4)).as_secs(), 1);
    }

    #[test]
    fn successes_refill_the_budget() {
        let start = Instant::now();
        let mut retries = RetryBudget::new(2, Duration::from_secs(1), start);
        for _ in 0..100 {
            for _ in 0..5 {
                retries.succeeded();
            }
            assert_eq!(retries.take(start), Duration::ZERO);
        }
    }
}
