//! When to try again: the only retry loop there is, and the only use of `backoff`, as a schedule of delays.

use std::time::Duration;

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff;

use super::classify::RETRY_STATUSES;
use super::{Reply, TransportFault, Trouble, Verdict, classify};

/// A server that asks for more is not waited for longer.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(300);

/// What is tried again, and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// `retry_status_codes`; 429 is tried again whatever this says. Default 429, 500, 502, 503, 504.
    pub statuses: Vec<u16>,
    /// `retry_max_times`: tries after the first. Default 4.
    pub max_times: u32,
    /// 429s count for less, since GMS is not broken then: so many of them use up one try. Default 2.
    pub throttled_per_try: u32,
    /// The longest first delay; each further one may be twice as long. Default 1 s.
    pub first_delay: Duration,
    /// The longest delay. Default 60 s.
    pub longest_delay: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            statuses: RETRY_STATUSES.to_vec(),
            max_times: 4,
            throttled_per_try: 2,
            first_delay: Duration::from_secs(1),
            longest_delay: Duration::from_secs(60),
        }
    }
}

/// The last attempt of a request, and how many there were.
#[derive(Debug)]
pub(crate) struct Attempts {
    /// The last answer.
    pub(crate) last: Result<Reply, TransportFault>,
    /// What it means. [`Verdict::Retry`] here says that trying ended.
    pub(crate) verdict: Verdict,
    /// How often it was sent.
    pub(crate) count: u32,
    /// An attempt ended without an answer that says what became of the request: GMS may have taken it then.
    pub(crate) outcome_unknown: bool,
}

impl RetryPolicy {
    /// Sends until something other than trouble comes back, or trying ends.
    ///
    /// `send` makes one attempt, and is told its number. `wait` is told what stands in the way and for how long to
    /// wait; it returns after that, or earlier with `false` if there shall be no further attempt.
    pub(crate) async fn run<S, F, W, G>(&self, mut send: S, mut wait: W) -> Attempts
    where
        S: FnMut(u32) -> F,
        F: Future<Output = Result<Reply, TransportFault>>,
        W: FnMut(&Result<Reply, TransportFault>, Duration) -> G,
        G: Future<Output = bool>,
    {
        let mut delays = self.delays();
        let (mut count, mut failures, mut throttled) = (0, 0, 0_u32);
        let mut outcome_unknown = false;
        loop {
            count += 1;
            let last = send(count).await;
            let verdict = classify(last.as_ref(), &self.statuses);
            let Verdict::Retry(trouble) = verdict else {
                return Attempts { last, verdict, count, outcome_unknown };
            };
            outcome_unknown |= matches!(trouble, Trouble::OutcomeUnknown | Trouble::Server { .. });
            if matches!(trouble, Trouble::Throttled { .. }) {
                throttled += 1;
            } else {
                failures += 1;
            }
            let used = failures + throttled.div_ceil(self.throttled_per_try.max(1));
            let delay = delay(trouble, &mut delays);
            if self.max_times == 0 || used > self.max_times || !wait(&last, delay).await {
                return Attempts { last, verdict, count, outcome_unknown };
            }
        }
    }

    /// Full jitter: each delay is drawn from zero to twice the interval, which doubles.
    fn delays(&self) -> ExponentialBackoff {
        ExponentialBackoff {
            current_interval: self.first_delay / 2,
            initial_interval: self.first_delay / 2,
            randomization_factor: 1.0,
            multiplier: 2.0,
            max_interval: self.longest_delay / 2,
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        }
    }
}

/// What GMS asks for, else what the schedule says.
fn delay(trouble: Trouble, delays: &mut ExponentialBackoff) -> Duration {
    let scheduled = delays.next_backoff().unwrap_or_default();
    match trouble {
        Trouble::Throttled { after: Some(after) } | Trouble::Server { after: Some(after) }
            if !after.is_zero() =>
        {
            after.min(MAX_RETRY_AFTER)
        }
        _ => scheduled,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gms::TransportKind;
    use bytes::Bytes;
    use reqwest::StatusCode;
    use std::collections::VecDeque;

    fn answer(status: u16, retry_after: Option<&str>) -> Reply {
        let mut headers = reqwest::header::HeaderMap::new();
        if let Some(value) = retry_after {
            headers.insert("retry-after", value.parse().unwrap());
        }
        Reply {
            status: StatusCode::from_u16(status).unwrap(),
            headers,
            body: Bytes::new(),
            capped: false,
            generation: 0,
        }
    }

    fn broken() -> Result<Reply, TransportFault> {
        Err(TransportFault { kind: TransportKind::Broken, problem: "reset".into(), diagnosis: None })
    }

    /// Runs against scripted answers; the last one repeats.
    async fn run(
        policy: &RetryPolicy,
        script: Vec<Result<Reply, TransportFault>>,
    ) -> (Attempts, Vec<Duration>) {
        let mut script = VecDeque::from(script);
        let mut waits = Vec::new();
        let attempts = policy
            .run(
                |_| {
                    let next = if script.len() > 1 { script.pop_front() } else { script.front().cloned() };
                    async move { next.unwrap() }
                },
                |_, delay| {
                    waits.push(delay);
                    async { true }
                },
            )
            .await;
        (attempts, waits)
    }

    #[tokio::test(start_paused = true)]
    async fn trouble_is_tried_again_until_it_passes() {
        let (attempts, waits) =
            run(&RetryPolicy::default(), vec![Ok(answer(503, None)), broken(), Ok(answer(200, None))]).await;
        assert_eq!((attempts.verdict, attempts.count, waits.len()), (Verdict::Delivered, 3, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn trying_ends_after_retry_max_times() {
        let (attempts, waits) = run(&RetryPolicy::default(), vec![Ok(answer(503, None))]).await;
        assert_eq!((attempts.count, waits.len()), (5, 4));
        for (wait, longest) in waits.iter().zip([1, 2, 4, 8]) {
            assert!(*wait <= Duration::from_secs(longest), "{wait:?} of at most {longest} s");
        }
        let once = RetryPolicy { max_times: 0, ..RetryPolicy::default() };
        assert_eq!(run(&once, vec![Ok(answer(503, None))]).await.0.count, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_429_counts_half_and_retry_after_is_kept_to() {
        let (attempts, waits) = run(&RetryPolicy::default(), vec![Ok(answer(429, Some("7")))]).await;
        assert_eq!(attempts.count, 9);
        assert!(waits.iter().all(|wait| *wait == Duration::from_secs(7)));
        let (_, waits) =
            run(&RetryPolicy::default(), vec![Ok(answer(429, Some("86400"))), Ok(answer(200, None))]).await;
        assert_eq!(waits, [MAX_RETRY_AFTER]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_is_never_tried_again() {
        for status in [401, 403, 400, 422, 302] {
            assert_eq!(
                run(&RetryPolicy::default(), vec![Ok(answer(status, None))]).await.0.count,
                1,
                "{status}"
            );
        }
    }
}
