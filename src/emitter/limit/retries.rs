//! What may be sent again: all requests together have one budget, so that a server in trouble gets no storm of retries.

use std::time::Duration;

use tokio::time::Instant;

/// What a request that was taken adds: in the long run at most a fifth of the requests are retries.
const FOR_ONE_TAKEN: f64 = 0.2;

/// Retries that may be made now, and when further ones may.
#[derive(Debug)]
pub(super) struct Retries {
    left: f64,
    most: f64,
    /// How long it takes until there is one more, so that a server that takes nothing is still asked.
    interval: Duration,
    counted_at: Instant,
}

impl Retries {
    /// For `requests` at a time: each of them may be tried four times again before the budget is felt. Then there is one
    /// each `interval`.
    pub(super) fn new(requests: usize, interval: Duration, now: Instant) -> Self {
        let most = 4.0 * f64::from(u32::try_from(requests).unwrap_or(u32::MAX)).max(2.0);
        Self { left: most, most, interval, counted_at: now }
    }

    /// A request was taken.
    pub(super) fn taken(&mut self) {
        self.left = (self.left + FOR_ONE_TAKEN).min(self.most);
    }

    /// Takes one retry; it may be made after that time.
    pub(super) fn take(&mut self, now: Instant) -> Duration {
        let since = now.saturating_duration_since(self.counted_at).as_secs_f64();
        let interval = self.interval.as_secs_f64().max(1e-3);
        self.counted_at = now;
        self.left = (self.left + since / interval).min(self.most) - 1.0;
        Duration::from_secs_f64((-self.left * interval).max(0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_retries_are_free_and_many_are_one_a_second() {
        let start = Instant::now();
        let mut retries = Retries::new(2, Duration::from_secs(1), start);
        let waits: Vec<u64> = (0..12).map(|_| retries.take(start).as_secs()).collect();
        assert_eq!(waits, [0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4]);
        assert_eq!(retries.take(start + Duration::from_secs(4)).as_secs(), 1);
    }

    #[test]
    fn what_is_taken_pays_for_retries() {
        let start = Instant::now();
        let mut retries = Retries::new(2, Duration::from_secs(1), start);
        for _ in 0..100 {
            for _ in 0..5 {
                retries.taken();
            }
            assert_eq!(retries.take(start), Duration::ZERO);
        }
    }
}
