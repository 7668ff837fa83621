//! How many requests a second, once a server has said that there were too many.

use std::time::Duration;

use tokio::time::Instant;

/// The share of what the server took lately that is sent after it refused more.
const STEP_BACK: f64 = 0.7;

/// How steeply the pace rises again: requests a second for each second cubed, as in CUBIC (RFC 9438).
const STEEPNESS: f64 = 0.4;

/// The slowest pace, in requests a second.
const SLOWEST: f64 = 0.5;

/// What a server is taken to bear that has refused one and taken none, in requests a second; half as many the next time.
const UNKNOWN: f64 = 50.0;

/// Two refusals within this time are one.
const ONE_REFUSAL: Duration = Duration::from_millis(100);

/// A pace that has not been what holds requests up for so long is given up.
const IDLE: Duration = Duration::from_secs(30);

/// Spaces requests evenly at the rate that a server with a limit takes. Where nobody has refused anything there is no
/// pace: requests at a time are limit enough then.
///
/// After a refusal it goes down to 70% of what was taken in the last second, comes back to that level in a few seconds,
/// stays there for a while, and only then tries for more. So at most a few in a hundred are refused.
#[derive(Debug)]
pub(super) struct Pace {
    taken: LastSecond,
    held: Option<Held>,
}

#[derive(Debug)]
struct Held {
    /// Requests a second that the server took when it last refused one.
    level: f64,
    refused_at: Instant,
    /// When the next request may leave.
    next: Instant,
    /// When a request last had to wait.
    waited_at: Instant,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self { taken: LastSecond::new(now), held: None }
    }

    /// When a request that wants to leave now may do so.
    pub(super) fn leaves_at(&mut self, now: Instant) -> Instant {
        let Some(held) = &mut self.held else { return now };
        if now.saturating_duration_since(held.waited_at.max(held.refused_at)) > IDLE {
            self.held = None;
            return now;
        }
        let leaves_at = held.next.max(now);
        if leaves_at > now {
            held.waited_at = now;
        }
        held.next = leaves_at + Duration::from_secs_f64(1.0 / held.rate(now));
        leaves_at
    }

    /// A request was taken.
    pub(super) fn taken(&mut self, now: Instant) {
        self.taken.add(now);
    }

    /// A request that left at `began` was refused as one too many.
    pub(super) fn refused(&mut self, began: Instant, now: Instant) {
        if let Some(held) = &self.held
            && (began < held.refused_at || now.saturating_duration_since(held.refused_at) < ONE_REFUSAL)
        {
            return;
        }
        let taken = self.taken.rate(now);
        let level =
            if taken > 0.0 { taken } else { self.held.as_ref().map_or(UNKNOWN, |held| held.level / 2.0) };
        let level = level.max(SLOWEST);
        self.held = Some(Held { level, refused_at: now, next: now, waited_at: now });
    }
}

impl Held {
    /// Requests a second: a cubic curve that is flat where the server refused.
    fn rate(&self, now: Instant) -> f64 {
        let since = now.saturating_duration_since(self.refused_at).as_secs_f64();
        let back_at_level = (self.level * (1.0 - STEP_BACK) / STEEPNESS).cbrt();
        let rate = STEEPNESS * (since - back_at_level).powi(3) + self.level;
        rate.max(SLOWEST)
    }
}

/// Counts over the last second, in tenths.
#[derive(Debug)]
struct LastSecond {
    began: Instant,
    tenths: [u32; Self::TENTHS],
    /// The tenth that is being counted, numbered from `began`.
    current: u64,
}

impl LastSecond {
    const TENTHS: usize = 10;

    fn new(began: Instant) -> Self {
        Self { began, tenths: [0; Self::TENTHS], current: 0 }
    }

    fn add(&mut self, now: Instant) {
        self.move_to(now);
        if let Some(count) = self.slot(self.current) {
            *count += 1;
        }
    }

    fn rate(&mut self, now: Instant) -> f64 {
        self.move_to(now);
        let lived = now.saturating_duration_since(self.began).as_secs_f64();
        f64::from(self.tenths.iter().sum::<u32>()) / lived.clamp(0.1, 1.0)
    }

    fn move_to(&mut self, now: Instant) {
        let tenth = u64::try_from(now.saturating_duration_since(self.began).as_millis() / 100);
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

    /// A server that takes `limit` requests a second, asked by `workers` that each send the next request `latency` after
    /// the one before; what it refused is sent again later. Returns for each second how many it took and refused.
    fn simulate(limit: u32, latency: Duration, workers: usize, by_window: bool) -> Vec<(u32, u32)> {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        let mut now = start;
        // When each worker is free again.
        let mut free = vec![start; workers];
        let (mut allowance, mut filled_at, mut window) = (f64::from(limit) / 10.0, start, 0);
        let mut seconds = vec![(0, 0); 30];
        while let Some(worker) = free.iter_mut().min() {
            now = now.max(*worker);
            let leaves = pace.leaves_at(now);
            let second = usize::try_from((leaves - start).as_secs()).unwrap();
            let Some((taken, refused)) = seconds.get_mut(second) else { break };
            let accepted = if by_window {
                if second != window {
                    (window, allowance) = (second, f64::from(limit));
                }
                allowance >= 1.0
            } else {
                let new = leaves.saturating_duration_since(filled_at).as_secs_f64() * f64::from(limit);
                allowance = (allowance + new).min(f64::from(limit) / 10.0);
                filled_at = leaves;
                allowance >= 1.0
            };
            let answered = leaves + latency;
            if accepted {
                allowance -= 1.0;
                *taken += 1;
                pace.taken(answered);
                *worker = answered;
            } else {
                *refused += 1;
                pace.refused(leaves, answered);
                *worker = answered + Duration::from_millis(500);
            }
        }
        seconds
    }

    #[test]
    fn a_server_with_a_limit_is_kept_busy_and_hardly_ever_refuses() {
        for by_window in [false, true] {
            for (millis, workers) in [(1, 15), (20, 15), (200, 15), (1, 1)] {
                let seconds = simulate(50, Duration::from_millis(millis), workers, by_window);
                let (taken, refused) =
                    seconds[2..].iter().fold((0, 0), |sum, second| (sum.0 + second.0, sum.1 + second.1));
                let what = format!("{millis} ms, {workers} workers, by window {by_window}: {seconds:?}");
                assert!(f64::from(refused) < 0.05 * f64::from(taken + refused), "{what}");
                assert!(f64::from(taken) > 0.7 * 50.0 * 28.0, "{what}");
            }
        }
    }

    #[test]
    fn nobody_waits_where_nothing_was_refused() {
        let now = Instant::now();
        let mut pace = Pace::new(now);
        for _ in 0..10_000 {
            pace.taken(now);
            assert_eq!(pace.leaves_at(now), now);
        }
    }

    #[test]
    fn a_pace_that_holds_nobody_up_is_forgotten() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        pace.refused(start, start);
        let first = pace.leaves_at(start);
        assert_eq!(first, start);
        assert!(pace.leaves_at(start) > start);
        let later = start + Duration::from_secs(60);
        assert_eq!([pace.leaves_at(later), pace.leaves_at(later)], [later, later]);
    }

    #[test]
    fn the_last_second_counts_only_itself() {
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
