//! Whether requests succeed, since when they do not, and who tries again during an outage.
//!
//! With `keep_trying` a failure that would stop a run only begins an *outage*: the batches wait, and one of
//! them at a time is sent to find out whether the outage is over. The delay between two such attempts grows
//! up to the longest delay of the retry policy.

use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Mutex, MutexGuard, watch};
use tokio::time::{Instant, sleep};

use super::lifecycle::{Lifecycle, Phase, StopCause};

/// The value of [`HealthTracker::last_success`] before the first success.
const NEVER: i64 = i64::MIN;

/// The results of the latest requests.
#[derive(Debug)]
pub(super) struct HealthTracker {
    failure: watch::Sender<Option<Failure>>,
    /// In milliseconds since 1970.
    last_success: AtomicI64,
    /// Held by the batch that finds out whether the outage is over. Batches wait for it in order, so that
    /// one that fails by its own fault does not keep others from being sent.
    turn: Mutex<()>,
}

/// Requests fail.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) since: Timestamp,
    /// The latest cause.
    pub(super) cause: StopCause,
    outage: Option<Outage>,
}

#[derive(Clone, Copy, Debug)]
struct Outage {
    delay: Duration,
    next_attempt_at: Option<Instant>,
}

/// The turn to find out whether the outage is over.
pub(super) type OutageTurn<'a> = MutexGuard<'a, ()>;

impl HealthTracker {
    pub(super) fn new() -> Self {
        Self { failure: watch::Sender::new(None), last_success: AtomicI64::new(NEVER), turn: Mutex::new(()) }
    }

    /// GMS accepted a request.
    pub(super) fn note_success(&self, now: Timestamp) {
        self.last_success.store(now.as_millisecond(), Relaxed);
        self.note_response();
    }

    /// GMS responded as a server that works does, even if it rejected something.
    pub(super) fn note_response(&self) {
        self.failure.send_if_modified(|failure| failure.take().is_some());
    }

    /// A request failed, and may be sent again.
    pub(super) fn note_failure(&self, now: Timestamp, cause: StopCause) {
        self.failure.send_modify(|failure| match failure {
            Some(failure) => failure.cause = cause,
            None => *failure = Some(Failure { since: now, cause, outage: None }),
        });
    }

    /// A request failed after its retries: batches wait from now on. Returns the delay before the next
    /// attempt, from `first_delay`, doubled with each call up to `longest_delay`.
    pub(super) fn note_outage(
        &self,
        now: Timestamp,
        cause: StopCause,
        first_delay: Duration,
        longest_delay: Duration,
    ) -> Duration {
        self.note_failure(now, cause);
        let mut chosen = first_delay.min(longest_delay);
        self.failure.send_modify(|failure| {
            if let Some(failure) = failure {
                if let Some(outage) = failure.outage {
                    chosen = outage.delay.saturating_mul(2).clamp(chosen, longest_delay);
                }
                let next_attempt_at = Instant::now().checked_add(chosen);
                failure.outage = Some(Outage { delay: chosen, next_attempt_at });
            }
        });
        chosen
    }

    /// Whether batches have to wait.
    pub(super) fn is_outage(&self) -> bool {
        self.next_attempt().is_some()
    }

    /// Waits until the outage is over (`None`), or until the caller's turn to find out (`Some`). Returns
    /// `None` at once while there is no outage, and when the emitter is closing. Cancel safe.
    pub(super) async fn wait_for_turn(&self, lifecycle: &Lifecycle) -> Option<OutageTurn<'_>> {
        if !self.is_outage() {
            return None;
        }
        tokio::select! {
            biased;
            () = lifecycle.reached(Phase::Closing) => None,
            () = self.outage_is_over() => None,
            turn = self.turn_and_time() => Some(turn),
        }
    }

    async fn turn_and_time(&self) -> OutageTurn<'_> {
        let turn = self.turn.lock().await;
        if let Some(outage) = self.next_attempt() {
            let delay = outage
                .next_attempt_at
                .map_or(outage.delay, |at| at.saturating_duration_since(Instant::now()));
            sleep(delay).await;
        }
        turn
    }

    async fn outage_is_over(&self) {
        let has_none = |failure: &Option<Failure>| failure.as_ref().is_none_or(|f| f.outage.is_none());
        // The sender lives as long as `self`, so waiting cannot fail.
        drop(self.failure.subscribe().wait_for(has_none).await);
    }

    fn next_attempt(&self) -> Option<Outage> {
        self.failure.borrow().as_ref().and_then(|failure| failure.outage)
    }

    /// The current failure, if the latest requests failed.
    pub(super) fn failure(&self) -> Option<Failure> {
        self.failure.borrow().clone()
    }

    /// When GMS last accepted a request.
    pub(super) fn last_success(&self) -> Option<Timestamp> {
        match self.last_success.load(Relaxed) {
            NEVER => None,
            millis => Timestamp::from_millisecond(millis).ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    const SECOND: Duration = Duration::from_secs(1);

    fn cause(message: &str) -> StopCause {
        StopCause::Message(ErrorKind::Unreachable, message.into())
    }

    fn begin_outage(health: &HealthTracker) -> Duration {
        health.note_outage(Timestamp::UNIX_EPOCH, cause("down"), SECOND, 5 * SECOND)
    }

    #[test]
    fn a_failure_keeps_its_beginning_and_ends_with_a_success() {
        let health = HealthTracker::new();
        assert!(health.failure().is_none() && health.last_success().is_none());
        let later = Timestamp::from_second(7).unwrap();
        health.note_failure(Timestamp::UNIX_EPOCH, cause("first"));
        health.note_failure(later, cause("second"));
        let failure = health.failure().unwrap();
        assert_eq!(failure.since, Timestamp::UNIX_EPOCH);
        assert!(matches!(failure.cause, StopCause::Message(_, message) if message == "second"));
        health.note_success(later);
        assert!(health.failure().is_none());
        assert_eq!(health.last_success(), Some(later));
    }

    #[tokio::test(start_paused = true)]
    async fn attempts_during_an_outage_take_turns_and_the_delay_grows() {
        let (health, lifecycle) = (HealthTracker::new(), Lifecycle::new());
        assert!(health.wait_for_turn(&lifecycle).await.is_none());
        let begin = Instant::now();
        for seconds in [1, 2, 4, 5, 5] {
            assert_eq!(begin_outage(&health), seconds * SECOND);
            let before = Instant::now();
            let turn = health.wait_for_turn(&lifecycle).await;
            assert!(turn.is_some());
            assert!(before.elapsed() >= seconds * SECOND);
        }
        assert!(begin.elapsed() < 20 * SECOND);
        health.note_response();
        assert!(!health.is_outage() && health.wait_for_turn(&lifecycle).await.is_none());
        assert_eq!(begin_outage(&health), SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_ends_with_the_outage_and_when_the_emitter_closes() {
        let (health, lifecycle) = (HealthTracker::new(), Lifecycle::new());
        begin_outage(&health);
        let first = health.wait_for_turn(&lifecycle).await;
        assert!(first.is_some());
        let (second, ()) = tokio::join!(health.wait_for_turn(&lifecycle), async { health.note_response() });
        assert!(second.is_none());
        begin_outage(&health);
        lifecycle.advance(Phase::Closing);
        assert!(health.wait_for_turn(&lifecycle).await.is_none());
    }
}
