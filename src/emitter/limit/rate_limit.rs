//! The rate of requests after a 429, for a server that limits requests per second.

use std::time::Duration;

use tokio::time::Instant;

/// The share of the accepted rate to which the rate falls after a 429.
const STEP_BACK: f64 = 0.7;

/// How steeply the rate rises again, in requests per second for each second cubed, as in CUBIC (RFC 9438).
const STEEPNESS: f64 = 0.4;

/// The lowest rate, in requests per second.
const MIN_RATE: f64 = 0.5;

/// The rate to begin with, in requests per second, if the server has accepted nothing before the first 429.
/// Halved by each further one.
const UNKNOWN_RATE: f64 = 50.0;

/// 429s within this time count as one.
const ONE_REFUSAL: Duration = Duration::from_millis(100);

/// A rate that has not delayed a request for this long is dropped.
const IDLE: Duration = Duration::from_secs(30);

/// Spaces requests evenly at the rate that a server with a limit accepts. Before the first 429 there is no
/// rate: the number of requests in flight is limit enough.
///
/// After a 429 the rate falls to 70% of what was accepted in the last second, returns to that level within a
/// few seconds, stays there for a while, and only then rises further. So only a few requests in a hundred are
/// refused.
#[derive(Debug)]
pub(super) struct RateLimit {
    accepted: LastSecond,
    throttle: Option<Throttle>,
}

#[derive(Debug)]
struct Throttle {
    /// The rate that the server accepted when it last responded with 429, in requests per second.
    level: f64,
    throttled_at: Instant,
    /// When the next request may be sent.
    next: Instant,
    /// When a request last had to wait.
    delayed_at: Instant,
}

impl RateLimit {
    pub(super) fn new(now: Instant) -> Self {
        Self { accepted: LastSecond::new(now), throttle: None }
    }

    /// When a request that is ready now may be sent.
    pub(super) fn next_send(&mut self, now: Instant) -> Instant {
        let Some(throttle) = &mut self.throttle else { return now };
        if now.saturating_duration_since(throttle.delayed_at.max(throttle.throttled_at)) > IDLE {
            self.throttle = None;
            return now;
        }
        let send_at = throttle.next.max(now);
        if send_at > now {
            throttle.delayed_at = now;
        }
        throttle.next = send_at + Duration::from_secs_f64(1.0 / throttle.rate(now));
        send_at
    }

    /// A request was accepted.
    pub(super) fn succeeded(&mut self, now: Instant) {
        self.accepted.add(now);
    }

    /// A request that was sent at `sent_at` was answered with 429.
    pub(super) fn throttled(&mut self, sent_at: Instant, now: Instant) {
        if let Some(throttle) = &self.throttle
            && (sent_at < throttle.throttled_at
                || now.saturating_duration_since(throttle.throttled_at) < ONE_REFUSAL)
        {
            return;
        }
        let accepted = self.accepted.rate(now);
        let level = if accepted > 0.0 {
            accepted
        } else {
            self.throttle.as_ref().map_or(UNKNOWN_RATE, |throttle| throttle.level / 2.0)
        };
        let level = level.max(MIN_RATE);
        self.throttle = Some(Throttle { level, throttled_at: now, next: now, delayed_at: now });
    }
}

impl Throttle {
    /// Requests per second: a cubic curve that is flat at the level that the server accepted.
    fn rate(&self, now: Instant) -> f64 {
        let elapsed = now.saturating_duration_since(self.throttled_at).as_secs_f64();
        let back_at_level = (self.level * (1.0 - STEP_BACK) / STEEPNESS).cbrt();
        let rate = STEEPNESS * (elapsed - back_at_level).powi(3) + self.level;
        rate.max(MIN_RATE)
    }
}

/// Counts events in the last second, in tenths of a second.
#[derive(Debug)]
struct LastSecond {
    started_at: Instant,
    tenths: [u32; Self::TENTHS],
    /// The number of the tenth that is being counted, since `started_at`.
    current: u64,
}

impl LastSecond {
    const TENTHS: usize = 10;

    fn new(started_at: Instant) -> Self {
        Self { started_at, tenths: [0; Self::TENTHS], current: 0 }
    }

    fn add(&mut self, now: Instant) {
        self.move_to(now);
        if let Some(count) = self.slot(self.current) {
            *count += 1;
        }
    }

    fn rate(&mut self, now: Instant) -> f64 {
        self.move_to(now);
        let elapsed = now.saturating_duration_since(self.started_at).as_secs_f64();
        f64::from(self.tenths.iter().sum::<u32>()) / elapsed.clamp(0.1, 1.0)
    }

    fn move_to(&mut self, now: Instant) {
        let tenth = u64::try_from(now.saturating_duration_since(self.started_at).as_millis() / 100);
        let tenth = tenth.unwrap_or(u64::MAX);
        let first_new = (self.current + 1).max(tenth.saturating_sub(Self::TENTHS as u64 - 1));
        for new in first_new..=tenth {
            if let Some(count) = self.slot(new) {
                *count = 0;
            }
        }
        self.current = self.current.max(tenth);
    }

    fn slot(&mut self, tenth: u64) -> Option<&mut u32> {
        self.tenths.get_mut(usize::try_from(tenth % Self::TENTHS as u64).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Simulates a server that accepts `limit` requests per second. Each of the `workers` sends its next
    /// request `latency` after the one before, or 500 ms later if that was refused. Returns the accepted and
    /// refused requests of each second.
    fn simulate(limit: u32, latency: Duration, workers: usize, by_window: bool) -> Vec<(u32, u32)> {
        let start = Instant::now();
        let mut rate_limit = RateLimit::new(start);
        let mut now = start;
        // When each worker is free again.
        let mut free = vec![start; workers];
        let (mut allowance, mut filled_at, mut window) = (f64::from(limit) / 10.0, start, 0);
        let mut seconds = vec![(0, 0); 30];
        while let Some(worker) = free.iter_mut().min() {
            now = now.max(*worker);
            let sent_at = rate_limit.next_send(now);
            let second = usize::try_from((sent_at - start).as_secs()).unwrap();
            let Some((accepted, refused)) = seconds.get_mut(second) else { break };
            let is_accepted = if by_window {
                if second != window {
                    (window, allowance) = (second, f64::from(limit));
                }
                allowance >= 1.0
            } else {
                let refill = sent_at.saturating_duration_since(filled_at).as_secs_f64() * f64::from(limit);
                allowance = (allowance + refill).min(f64::from(limit) / 10.0);
                filled_at = sent_at;
                allowance >= 1.0
            };
            let responded_at = sent_at + latency;
            if is_accepted {
                allowance -= 1.0;
                *accepted += 1;
                rate_limit.succeeded(responded_at);
                *worker = responded_at;
            } else {
                *refused += 1;
                rate_limit.throttled(sent_at, responded_at);
                *worker = responded_at + Duration::from_millis(500);
            }
        }
        seconds
    }

    #[test]
    fn a_server_with_a_limit_is_kept_busy_and_rarely_refuses() {
        for by_window in [false, true] {
            for (millis, workers) in [(1, 15), (20, 15), (200, 15), (1, 1)] {
                let seconds = simulate(50, Duration::from_millis(millis), workers, by_window);
                let (accepted, refused) =
                    seconds[2..].iter().fold((0, 0), |sum, second| (sum.0 + second.0, sum.1 + second.1));
                let case = format!("{millis} ms, {workers} workers, by window {by_window}: {seconds:?}");
                assert!(f64::from(refused) < 0.05 * f64::from(accepted + refused), "{case}");
                assert!(f64::from(accepted) > 0.7 * 50.0 * 28.0, "{case}");
            }
        }
    }

    #[test]
    fn nothing_waits_before_the_first_429() {
        let now = Instant::now();
        let mut rate_limit = RateLimit::new(now);
        for _ in 0..10_000 {
            rate_limit.succeeded(now);
            assert_eq!(rate_limit.next_send(now), now);
        }
    }

    #[test]
    fn a_rate_that_delays_nothing_is_dropped() {
        let start = Instant::now();
        let mut rate_limit = RateLimit::new(start);
        rate_limit.throttled(start, start);
        let first = rate_limit.next_send(start);
        assert_eq!(first, start);
        assert!(rate_limit.next_send(start) > start);
        let later = start + Duration::from_secs(60);
        assert_eq!([rate_limit.next_send(later), rate_limit.next_send(later)], [later, later]);
    }

    #[test]
    fn the_last_second_counts_nothing_older() {
        let start = Instant::now();
        let mut last = LastSecond::new(start);
        for tenth in 0..30 {
            let now = start + Duration::from_millis(tenth * 100);
            for _ in 0..5 {
                last.add(now);
            }
        }
        let now = start + Duration::from_millis(2_950);
        assert!((last.rate(now) - 50.0).abs() < 1e-9, "{last:?}");
        assert!(last.rate(start + Duration::from_secs(60)) < 1e-9);
    }
}
