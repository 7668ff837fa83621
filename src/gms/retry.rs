//! Which failed requests are retried, how often, and after which delay.
//!
//! The loop itself belongs to the caller: it sends, asks [`RetryState::next`] about the result, and waits.
//! This is the only retry logic of the crate, and the only use of `backoff`, which computes the exponential
//! ceiling of the delays.

use std::time::Duration;

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff;
use tokio::time::Instant;

use super::classify::RETRY_STATUSES;
use super::{GmsResponse, RetryReason, SendError, Verdict, classify};
use crate::clock::Clock;
use crate::http::TransportErrorKind;

/// The longest delay that a policy can ask for; the arithmetic of delays overflows far above.
const MAX_DELAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The longest delay after a 429 without `Retry-After`. The rate limit that all requests share slows down
/// meanwhile.
const MAX_THROTTLE_DELAY: Duration = Duration::from_secs(2);

/// The longest delay while a server is waited for.
const MAX_WAITING_DELAY: Duration = Duration::from_secs(2);

/// Which failed requests are retried, and how often.
///
/// ```
/// use datahub_emitter::gms::RetryPolicy;
///
/// let policy = RetryPolicy::default().with_statuses([429, 503]).with_max_times(8);
/// assert_eq!(policy.max_times, 8);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryPolicy {
    /// The HTTP statuses that are retried. 408, 425 and 429 are retried even if they are not in the list.
    /// Default 429, 500, 502, 503 and 504.
    pub statuses: Vec<u16>,
    /// The most retries of a request that fails in the same way each time; 0 disables all retries. A 429 and
    /// any response with `Retry-After` do not count, because GMS works then. Default 4.
    pub max_times: u32,
    /// No retry begins later than this after the first attempt. Default 10 minutes.
    pub budget: Duration,
    /// For this time after the first attempt, failures of the whole server (no connection, no response, 502
    /// to 504) are retried whatever [`max_times`](Self::max_times) is, so that a restart of GMS ends no run.
    /// Default 0.
    pub wait_for_server: Duration,
    /// The upper bound of the first delay; the bound doubles with each retry. Delays are drawn at random
    /// between zero and their bound. Default 1 s, at most a day.
    pub first_delay: Duration,
    /// The largest upper bound of a delay. Default 60 s, at most a day.
    pub longest_delay: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            statuses: RETRY_STATUSES.to_vec(),
            max_times: 4,
            budget: Duration::from_secs(600),
            wait_for_server: Duration::ZERO,
            first_delay: Duration::from_secs(1),
            longest_delay: Duration::from_secs(60),
        }
    }
}

impl RetryPolicy {
    /// A policy that never retries.
    pub fn never() -> Self {
        Self::default().with_max_times(0)
    }

    /// Sets [`statuses`](Self::statuses).
    #[must_use]
    pub fn with_statuses(self, statuses: impl IntoIterator<Item = u16>) -> Self {
        Self { statuses: statuses.into_iter().collect(), ..self }
    }

    /// Sets [`max_times`](Self::max_times).
    #[must_use]
    pub fn with_max_times(self, max_times: u32) -> Self {
        Self { max_times, ..self }
    }

    /// Sets [`budget`](Self::budget).
    #[must_use]
    pub fn with_budget(self, budget: Duration) -> Self {
        Self { budget, ..self }
    }

    /// Sets [`wait_for_server`](Self::wait_for_server).
    #[must_use]
    pub fn with_wait_for_server(self, wait_for_server: Duration) -> Self {
        Self { wait_for_server, ..self }
    }

    /// Sets [`first_delay`](Self::first_delay).
    #[must_use]
    pub fn with_first_delay(self, first_delay: Duration) -> Self {
        Self { first_delay, ..self }
    }

    /// The policy with delays of at most a day.
    pub(crate) fn with_bounded_delays(mut self) -> Self {
        self.first_delay = self.first_delay.min(MAX_DELAY);
        self.longest_delay = self.longest_delay.min(MAX_DELAY);
        self
    }

    /// Sets [`longest_delay`](Self::longest_delay).
    #[must_use]
    pub fn with_longest_delay(self, longest_delay: Duration) -> Self {
        Self { longest_delay, ..self }
    }
}

/// The attempts of one request, over.
#[derive(Debug)]
pub(crate) struct Attempts {
    /// The result of the last attempt.
    pub(crate) last: Result<GmsResponse, SendError>,
    /// The meaning of that result. [`Verdict::Retry`] means that the attempts ended without a final result.
    pub(crate) verdict: Verdict,
    /// The number of attempts.
    pub(crate) count: u32,
    /// An attempt ended without a final response, so GMS may have accepted the request.
    pub(crate) outcome_unknown: bool,
}

/// The decision after an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// The result is final.
    Done(Verdict),
    /// The request is to be sent again after `delay`.
    RetryAfter { delay: Duration, reason: RetryReason },
    /// The request could be sent again, but its retries or its time are used up.
    GiveUp(RetryReason),
}

impl Next {
    /// The meaning of the attempt's result.
    pub(crate) fn verdict(&self) -> Verdict {
        match self {
            Self::Done(verdict) => verdict.clone(),
            Self::RetryAfter { reason, .. } | Self::GiveUp(reason) => Verdict::Retry(*reason),
        }
    }
}

/// The attempts of one request so far.
#[derive(Debug)]
pub(crate) struct RetryState<'a> {
    policy: &'a RetryPolicy,
    clock: &'a dyn Clock,
    started_at: Instant,
    delay_bounds: ExponentialBackoff,
    streak: FailureStreak,
    attempts: u32,
    outcome_unknown: bool,
}

impl<'a> RetryState<'a> {
    /// The state before the first attempt. The time budget starts now.
    pub(crate) fn new(policy: &'a RetryPolicy, clock: &'a dyn Clock) -> Self {
        let delay_bounds = ExponentialBackoff {
            current_interval: policy.first_delay.min(MAX_DELAY),
            initial_interval: policy.first_delay.min(MAX_DELAY),
            // The jitter comes from `clock`.
            randomization_factor: 0.0,
            multiplier: 2.0,
            max_interval: policy.longest_delay.min(MAX_DELAY),
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        };
        Self {
            policy,
            clock,
            started_at: Instant::now(),
            delay_bounds,
            streak: FailureStreak::default(),
            attempts: 0,
            outcome_unknown: false,
        }
    }

    /// Counts an attempt, and decides what follows it.
    pub(crate) fn next(&mut self, result: &Result<GmsResponse, SendError>) -> Next {
        self.attempts += 1;
        let reason = match classify(result.as_ref(), &self.policy.statuses) {
            Verdict::Retry(reason) => reason,
            verdict => return Next::Done(verdict),
        };
        self.outcome_unknown |= reason.outcome_unknown();
        let failures = self.streak.count(reason, result);
        let elapsed = self.started_at.elapsed();
        let waits = reason.is_server_wide() && elapsed < self.policy.wait_for_server;
        let delay = self.delay(reason);
        // A server that is waited for is noticed soon after it is back.
        let delay = if waits { delay.min(MAX_WAITING_DELAY) } else { delay };
        let retries = waits
            || (self.policy.max_times > 0
                && failures <= self.policy.max_times
                && elapsed.saturating_add(delay) <= self.policy.budget);
        if retries { Next::RetryAfter { delay, reason } } else { Next::GiveUp(reason) }
    }

    /// Whether another attempt may begin now, for a caller that has waited longer than it was asked to.
    pub(crate) fn is_within_budget(&self) -> bool {
        self.started_at.elapsed() <= self.policy.budget.max(self.policy.wait_for_server)
    }

    /// The number of attempts so far.
    pub(crate) fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Ends the attempts with the last result and what [`next`](Self::next) said about it.
    pub(crate) fn finish(self, last: Result<GmsResponse, SendError>, next: &Next) -> Attempts {
        Attempts {
            last,
            verdict: next.verdict(),
            count: self.attempts,
            outcome_unknown: self.outcome_unknown,
        }
    }

    /// The delay that GMS asks for, else one with full jitter.
    fn delay(&mut self, reason: RetryReason) -> Duration {
        let bound = self.delay_bounds.next_backoff().unwrap_or(self.policy.longest_delay.min(MAX_DELAY));
        let jittered = bound.mul_f64(unit_fraction(self.clock.random()));
        match (reason.retry_after(), reason) {
            (Some(after), _) => after,
            (None, RetryReason::Throttled { .. }) => jittered.min(MAX_THROTTLE_DELAY),
            (None, _) => jittered,
        }
    }
}

/// A random number between 0 and 1. 32 of its bits are enough, and exact in an `f64`.
fn unit_fraction(random: u64) -> f64 {
    let high_bits = u32::try_from(random >> 32).unwrap_or(u32::MAX);
    f64::from(high_bits) / f64::from(u32::MAX)
}

/// Consecutive failures of one request with the same cause.
#[derive(Debug, Default)]
struct FailureStreak {
    cause: Option<FailureCause>,
    count: u32,
}

/// Two failures have the same cause if they have the same status, or the same kind of error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FailureCause {
    Status(u16),
    Transport(TransportErrorKind),
    NoToken,
}

impl FailureStreak {
    /// Counts a failure and returns the length of the streak. A server that throttles, or says when to retry,
    /// has not failed.
    fn count(&mut self, reason: RetryReason, result: &Result<GmsResponse, SendError>) -> u32 {
        let cause = match result {
            Ok(response) => FailureCause::Status(response.status.as_u16()),
            Err(error) => error.transport_kind().map_or(FailureCause::NoToken, FailureCause::Transport),
        };
        if matches!(reason, RetryReason::Throttled { .. })
            || result.as_ref().is_ok_and(|response| response.retry_after().is_some())
        {
            *self = Self::default();
        } else if self.cause == Some(cause) {
            self.count += 1;
        } else {
            *self = Self { cause: Some(cause), count: 1 };
        }
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use crate::http::TransportError;

    #[expect(clippy::unnecessary_wraps, reason = "scripts mix responses and transport errors")]
    fn response(status: u16, retry_after: Option<&str>) -> Result<GmsResponse, SendError> {
        let mut response = GmsResponse::with_body(status, "");
        if let Some(value) = retry_after {
            response.headers.insert("retry-after", value.parse().unwrap());
        }
        Ok(response)
    }

    fn broken() -> Result<GmsResponse, SendError> {
        Err(TransportError::new(TransportErrorKind::ConnectionLost, "reset").into())
    }

    /// Goes through scripted results, the last of which repeats, and waits for each delay. Returns the last
    /// decision, the number of attempts and the delays.
    async fn run(
        policy: &RetryPolicy,
        script: &[Result<GmsResponse, SendError>],
    ) -> (Next, u32, Vec<Duration>) {
        let mut state = RetryState::new(policy, &SystemClock);
        let mut delays = Vec::new();
        let mut results = script.iter().chain(std::iter::repeat(script.last().unwrap()));
        loop {
            match state.next(results.next().unwrap()) {
                Next::RetryAfter { delay, .. } => {
                    delays.push(delay);
                    tokio::time::sleep(delay).await;
                }
                next => return (next, state.attempts(), delays),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_retried_until_it_passes() {
        let script = [response(503, None), broken(), response(200, None)];
        let (next, attempts, delays) = run(&RetryPolicy::default(), &script).await;
        assert_eq!((next, attempts, delays.len()), (Next::Done(Verdict::Delivered), 3, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn retries_end_after_max_times_and_their_delays_are_bounded() {
        let (next, attempts, delays) = run(&RetryPolicy::default(), &[response(503, None)]).await;
        assert_eq!(next, Next::GiveUp(RetryReason::Server { after: None }));
        assert_eq!((attempts, delays.len()), (5, 4));
        for (delay, bound) in delays.iter().zip([1, 2, 4, 8]) {
            assert!(*delay <= Duration::from_secs(bound), "{delay:?} of at most {bound} s");
        }
        assert_eq!(run(&RetryPolicy::never(), &[response(503, None)]).await.1, 1);
    }

    /// A clock whose random numbers are all the same.
    #[derive(Debug)]
    struct ConstantRandom(u64);

    impl Clock for ConstantRandom {
        fn now(&self) -> jiff::Timestamp {
            jiff::Timestamp::UNIX_EPOCH
        }

        fn random(&self) -> u64 {
            self.0
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_jitter_covers_all_of_the_delay_and_comes_from_the_clock() {
        let policy = RetryPolicy { longest_delay: Duration::from_secs(4), ..RetryPolicy::default() };
        for (random, expected) in [(0, [0, 0, 0, 0]), (u64::MAX, [1, 2, 4, 4])] {
            let clock = ConstantRandom(random);
            let mut state = RetryState::new(&policy, &clock);
            for seconds in expected {
                let next = state.next(&response(503, None));
                let (delay, reason) = (Duration::from_secs(seconds), RetryReason::Server { after: None });
                assert_eq!(next, Next::RetryAfter { delay, reason });
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_names_a_time_is_retried_until_the_budget_is_spent() {
        let took = async |policy: &RetryPolicy, result| {
            let started_at = Instant::now();
            let (_, attempts, _) = run(policy, &[result]).await;
            (attempts, started_at.elapsed())
        };
        for (status, after) in [(429, Some("7")), (429, None), (503, Some("30")), (503, Some("0"))] {
            let (attempts, elapsed) = took(&RetryPolicy::default(), response(status, after)).await;
            let budget = Duration::from_secs(600);
            assert!(
                attempts > 10 && elapsed <= budget && elapsed > budget / 2,
                "{status} {after:?}: {attempts} in {elapsed:?}"
            );
        }
        let short = RetryPolicy { budget: Duration::from_secs(20), ..RetryPolicy::default() };
        assert_eq!(took(&short, response(429, Some("7"))).await, (3, Duration::from_secs(14)));
        assert_eq!(took(&RetryPolicy::never(), response(429, Some("7"))).await.0, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn retry_after_is_obeyed_up_to_five_minutes() {
        let script = [response(429, Some("86400")), response(200, None)];
        let (_, _, delays) = run(&RetryPolicy::default(), &script).await;
        assert_eq!(delays, [Duration::from_secs(300)]);
    }

    #[tokio::test(start_paused = true)]
    async fn consecutive_failures_count_by_cause() {
        let mut script = Vec::new();
        for _ in 0..4 {
            script.extend([response(503, None), response(503, None), broken(), broken()]);
        }
        script.push(response(200, None));
        let twice = RetryPolicy { max_times: 2, ..RetryPolicy::default() };
        assert_eq!(run(&twice, &script).await.1, 17);
        let once = RetryPolicy { max_times: 1, ..RetryPolicy::default() };
        assert_eq!(run(&once, &script).await.1, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_is_never_retried() {
        for status in [401, 403, 400, 422, 302] {
            let (_, attempts, _) = run(&RetryPolicy::default(), &[response(status, None)]).await;
            assert_eq!(attempts, 1, "{status}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_unknown_outcome_is_remembered_after_a_later_answer() {
        let policy = RetryPolicy::default();
        let mut state = RetryState::new(&policy, &SystemClock);
        state.next(&broken());
        let last = response(422, None);
        let next = state.next(&last);
        let attempts = state.finish(last, &next);
        assert_eq!((attempts.verdict, attempts.count), (Verdict::Rejected, 2));
        assert!(attempts.outcome_unknown);
    }
}
