//! When to try again: the only retry loop there is, and the only use of `backoff`, as a schedule of delays.

use std::time::Duration;

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff;
use tokio::time::Instant;

use super::classify::RETRY_STATUSES;
use super::{Reply, TransportFault, TransportKind, Trouble, Verdict, classify};

/// The longest wait after a 429 that names no time. The limit that all requests share slows down in the meantime.
const MAX_THROTTLED: Duration = Duration::from_secs(2);

/// What is tried again, and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// `retry_status_codes`; 408, 425 and 429 are tried again whatever this says. Default 429, 500, 502, 503, 504.
    pub statuses: Vec<u16>,
    /// `retry_max_times`: tries after the first, as long as they fail for one cause; 0 means none at all. A 429, and any
    /// answer that says when to come again (`Retry-After`), does not count: GMS is not broken then. Default 4.
    pub max_times: u32,
    /// `retry_budget_sec`: no further try begins so long after the first. Default 10 minutes.
    pub budget: Duration,
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
            budget: Duration::from_secs(600),
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
    /// As [`run`](Self::run), for a request whose waiting is nobody's business.
    pub(crate) async fn run_quietly<S, F>(&self, send: S) -> Attempts
    where
        S: FnMut(u32) -> F,
        F: Future<Output = Result<Reply, TransportFault>>,
    {
        self.run(send, |_, _, delay| async move {
            tokio::time::sleep(delay).await;
            true
        })
        .await
    }

    /// Sends until something other than trouble comes back, or trying ends.
    ///
    /// `send` makes one attempt, and is told its number. `wait` is told what came back, what that means and for how long to
    /// wait; it returns after that, or earlier with `false` if there shall be no further attempt.
    pub(crate) async fn run<S, F, W, G>(&self, mut send: S, mut wait: W) -> Attempts
    where
        S: FnMut(u32) -> F,
        F: Future<Output = Result<Reply, TransportFault>>,
        W: FnMut(&Result<Reply, TransportFault>, Trouble, Duration) -> G,
        G: Future<Output = bool>,
    {
        let mut delays = self.delays();
        let began = Instant::now();
        let mut in_a_row = InARow::default();
        let (mut count, mut outcome_unknown) = (0, false);
        loop {
            count += 1;
            let last = send(count).await;
            let verdict = classify(last.as_ref(), &self.statuses);
            let Verdict::Retry(trouble) = verdict else {
                return Attempts { last, verdict, count, outcome_unknown };
            };
            outcome_unknown |= trouble.may_be_taken();
            let failures = in_a_row.count(trouble, &last);
            let delay = delay(trouble, &mut delays);
            let goes_on = self.max_times > 0
                && failures <= self.max_times
                && began.elapsed() + delay <= self.budget
                && wait(&last, trouble, delay).await
                && began.elapsed() <= self.budget;
            if !goes_on {
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

/// Failures of one request for one cause, one after another.
#[derive(Default)]
struct InARow {
    cause: Option<Cause>,
    count: u32,
}

/// Two failures have one cause if the same went wrong.
#[derive(PartialEq, Eq)]
enum Cause {
    Status(u16),
    Transport(TransportKind),
}

impl InARow {
    /// Counts a failure. A server that says when to come again, or that there was too much, has not failed.
    fn count(&mut self, trouble: Trouble, last: &Result<Reply, TransportFault>) -> u32 {
        let cause = match last {
            Ok(reply) => Cause::Status(reply.status.as_u16()),
            Err(fault) => Cause::Transport(fault.kind),
        };
        if matches!(trouble, Trouble::Throttled { .. })
            || last.as_ref().is_ok_and(|reply| reply.retry_after().is_some())
        {
            *self = Self::default();
        } else if self.cause.as_ref() == Some(&cause) {
            self.count += 1;
        } else {
            *self = Self { cause: Some(cause), count: 1 };
        }
        self.count
    }
}

/// What GMS asks for, else what the schedule says.
fn delay(trouble: Trouble, delays: &mut ExponentialBackoff) -> Duration {
    let scheduled = delays.next_backoff().unwrap_or_default();
    match (trouble.retry_after(), trouble) {
        (Some(after), _) => after,
        (None, Trouble::Throttled { .. }) => scheduled.min(MAX_THROTTLED),
        (None, _) => scheduled,
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
                |_, _, delay| {
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

    /// Runs in time that passes only while somebody waits. Returns the attempts, and how long it all took.
    async fn run_in_time(
        policy: &RetryPolicy,
        script: Vec<Result<Reply, TransportFault>>,
    ) -> (u32, Duration) {
        let mut script = VecDeque::from(script);
        let began = Instant::now();
        let attempts = policy
            .run_quietly(|_| {
                let next = if script.len() > 1 { script.pop_front() } else { script.front().cloned() };
                async move { next.unwrap() }
            })
            .await;
        (attempts.count, began.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn who_says_when_to_come_again_is_asked_until_the_budget_is_spent() {
        for (status, after) in [(429, Some("7")), (429, None), (503, Some("30")), (503, Some("0"))] {
            let (count, took) = run_in_time(&RetryPolicy::default(), vec![Ok(answer(status, after))]).await;
            let longest = Duration::from_secs(600);
            assert!(
                count > 10 && took <= longest && took > longest / 2,
                "{status} {after:?}: {count} in {took:?}"
            );
        }
        let short = RetryPolicy { budget: Duration::from_secs(20), ..RetryPolicy::default() };
        assert_eq!(run_in_time(&short, vec![Ok(answer(429, Some("7")))]).await, (3, Duration::from_secs(14)));
        let none = RetryPolicy { max_times: 0, ..RetryPolicy::default() };
        assert_eq!(run_in_time(&none, vec![Ok(answer(429, Some("7")))]).await.0, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn retry_after_is_kept_to_but_for_no_longer_than_five_minutes() {
        let (_, took) =
            run_in_time(&RetryPolicy::default(), vec![Ok(answer(429, Some("86400"))), Ok(answer(200, None))])
                .await;
        assert_eq!(took, Duration::from_secs(300));
    }

    #[tokio::test(start_paused = true)]
    async fn failures_count_for_one_cause_in_a_row() {
        let mut script = Vec::new();
        for _ in 0..4 {
            script.extend([Ok(answer(503, None)), Ok(answer(503, None)), broken(), broken()]);
        }
        script.push(Ok(answer(200, None)));
        let twice = RetryPolicy { max_times: 2, ..RetryPolicy::default() };
        assert_eq!(run_in_time(&twice, script.clone()).await.0, 17);
        let once = RetryPolicy { max_times: 1, ..RetryPolicy::default() };
        assert_eq!(run_in_time(&once, script).await.0, 2);
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
