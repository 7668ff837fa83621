//! How many requests at a time: more while all goes well, fewer as soon as the server has more than it can do.

use tokio::time::Instant;

/// What is left of the limit after trouble.
const AFTER_TROUBLE: f64 = 0.5;

/// What is left of it when answers take much longer than they used to.
const AFTER_SLOWNESS: f64 = 0.8;

/// Slowness alone leaves at least this share of the ceiling: it may have another reason than us.
const SLOWEST_SHARE: f64 = 0.25;

/// An answer that takes so many times as long as usual is slow.
const SLOW_FACTOR: f64 = 3.0;

/// Below this many seconds no answer is slow, whatever is usual: on a fast server everything is noise.
const NEVER_SLOW: f64 = 0.5;

/// How much of the last answer is in what counts as recent.
const RECENT_SHARE: f64 = 0.3;

/// How fast what is usual follows what is recent when that is slower.
const USUAL_SHARE: f64 = 0.01;

/// Additive increase, multiplicative decrease: one more a round trip, and half of it after trouble.
///
/// It begins at the ceiling, so that a server that is well is used as the user said from the first request on.
#[derive(Debug)]
pub(super) struct Concurrency {
    ceiling: f64,
    limit: f64,
    shrunk_at: Option<Instant>,
    /// By the size of a request's body, in powers of two: a large one takes longer and is not slow for that.
    latencies: [Option<Latency>; Self::SIZES],
}

#[derive(Clone, Copy, Debug)]
struct Latency {
    usual: f64,
    recent: f64,
}

impl Concurrency {
    const SIZES: usize = 32;

    pub(super) fn new(ceiling: usize) -> Self {
        let ceiling = f64::from(u32::try_from(ceiling).unwrap_or(u32::MAX)).max(1.0);
        Self { ceiling, limit: ceiling, shrunk_at: None, latencies: [None; Self::SIZES] }
    }

    /// Requests that may be in flight, at least 1.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // from 1 to 4294967295
    pub(super) fn limit(&self) -> usize {
        self.limit as usize
    }

    /// A request of `bytes` that left at `began` was answered.
    pub(super) fn answered(&mut self, began: Instant, now: Instant, bytes: usize) {
        let seconds = now.saturating_duration_since(began).as_secs_f64();
        if self.is_slow(seconds, bytes) {
            let least = (self.ceiling * SLOWEST_SHARE).min(self.limit);
            self.shrink(began, now, AFTER_SLOWNESS, least);
        } else {
            self.limit = (self.limit + 1.0 / self.limit).min(self.ceiling);
        }
    }

    /// A request that left at `began` met a server in trouble.
    pub(super) fn trouble(&mut self, began: Instant, now: Instant) {
        self.shrink(began, now, AFTER_TROUBLE, 1.0);
    }

    /// Once for all that were on their way together.
    fn shrink(&mut self, began: Instant, now: Instant, factor: f64, least: f64) {
        if self.shrunk_at.is_none_or(|at| began >= at) {
            self.shrunk_at = Some(now);
            self.limit = (self.limit * factor).max(least).max(1.0);
        }
    }

    fn is_slow(&mut self, seconds: f64, bytes: usize) -> bool {
        let size = usize::try_from(bytes.max(1).ilog2()).unwrap_or_default();
        let Some(latency) = self.latencies.get_mut(size) else { return false };
        let Latency { usual, recent } = latency.get_or_insert(Latency { usual: seconds, recent: seconds });
        *recent += (seconds - *recent) * RECENT_SHARE;
        *usual = if recent < usual { *recent } else { *usual + (*recent - *usual) * USUAL_SHARE };
        *recent > NEVER_SLOW && *recent > *usual * SLOW_FACTOR
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
    fn trouble_halves_once_a_round_and_good_answers_bring_it_back() {
        let start = Instant::now();
        let mut concurrency = Concurrency::new(16);
        for _ in 0..16 {
            // All sixteen were on their way together.
            concurrency.trouble(start, after(start, 10));
        }
        assert_eq!(concurrency.limit(), 8);
        for round in 1..20 {
            concurrency.trouble(after(start, round * 20), after(start, round * 20 + 10));
        }
        assert_eq!(concurrency.limit(), 1);
        let mut answers = 0;
        while concurrency.limit() < 16 {
            answers += 1;
            let began = after(start, 1_000 + answers);
            concurrency.answered(began, after(began, 1), 1_000);
        }
        // One more a round: 1 + 2 + … + 15 answers.
        assert!((100..=150).contains(&answers), "{answers}");
    }

    #[test]
    fn a_steady_server_is_never_slow_however_long_it_takes() {
        let start = Instant::now();
        let mut concurrency = Concurrency::new(15);
        for (bytes, millis) in [(1_000, 20), (500_000, 2_000)] {
            for _ in 0..100 {
                concurrency.answered(start, after(start, millis), bytes);
            }
        }
        assert_eq!(concurrency.limit(), 15);
    }

    #[test]
    fn a_server_that_becomes_slow_gets_less_but_not_nothing() {
        let start = Instant::now();
        let mut concurrency = Concurrency::new(16);
        concurrency.answered(start, after(start, 100), 1_000);
        for round in 0..25 {
            let began = after(start, 1_000 + round * 2_000);
            concurrency.answered(began, after(began, 2_000), 1_000);
        }
        assert_eq!(concurrency.limit(), 4);
        for round in 0..1_000 {
            let began = after(start, 200_000 + round * 100);
            concurrency.answered(began, after(began, 100), 1_000);
        }
        assert_eq!(concurrency.limit(), 16);
    }
}
