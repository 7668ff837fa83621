//! What a refused token means for everyone who sends: one task finds out, the others wait.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::{Mutex, watch};
use tokio::time::Instant;

use super::deliver::Sent;
use super::state::{Phase, State};
use crate::diagnosis::Evidence;
use crate::gms::Verdict;

/// How long a token that GMS took before rests before it is tried once more: GMS answers 401 also while it cannot reach its
/// token store (`StatefulTokenService`).
pub(super) const REST: Duration = Duration::from_secs(2);

/// Lets requests pass while the token is not in doubt.
#[derive(Debug)]
pub(super) struct Gate {
    /// How many doubt the token.
    closed: watch::Sender<usize>,
    /// Answers that took something.
    taken: AtomicU64,
    /// The number of the token that the last of them went with.
    taken_with: AtomicU64,
    judge: Mutex<Judge>,
}

/// What is known of refusals.
#[derive(Debug, Default)]
struct Judge {
    /// The last token that was refused, and how many answers had taken something by then.
    refused: Option<(u64, u64)>,
    /// The token that was tried once more.
    tried_again: u64,
    /// When that went well: what was refused before then may go again.
    cleared_at: Option<Instant>,
    /// There is no other token to try.
    hopeless: bool,
}

/// What a refused request is to do.
pub(super) enum Ruling<'a> {
    /// Go again: there is another token, or the same is good after all.
    Again,
    /// It was sent again, and this came of it.
    Answered(Box<Sent<'a>>),
    /// Give up; perhaps with a word on why there is no other token.
    Stop(Option<Evidence>),
}

impl Gate {
    pub(super) fn new() -> Self {
        Self {
            closed: watch::Sender::new(0),
            taken: AtomicU64::new(0),
            taken_with: AtomicU64::new(0),
            judge: Mutex::default(),
        }
    }

    /// Waits while the token is in doubt.
    pub(super) async fn pass(&self, state: &State) {
        let mut closed = self.closed.subscribe();
        tokio::select! {
            // The sender lives as long as `self`, so waiting cannot fail.
            open = closed.wait_for(|closed| *closed == 0) => drop(open),
            () = state.reached(Phase::Stopped) => {}
        }
    }

    /// Whether the token is not in doubt.
    pub(super) fn is_open(&self) -> bool {
        *self.closed.borrow() == 0
    }

    /// The token is in doubt until what this returns is dropped.
    pub(super) fn close(&self) -> Closed<'_> {
        self.closed.send_modify(|closed| *closed += 1);
        Closed(&self.closed)
    }

    /// GMS took something that went with this token.
    pub(super) fn taken(&self, generation: u64) {
        self.taken.fetch_add(1, Relaxed);
        self.taken_with.store(generation, Relaxed);
    }

    /// Decides about a request that was refused, while the gate is closed. `again` sends it once more.
    pub(super) async fn refused<'a>(
        &self,
        state: &State,
        generation: u64,
        sent_at: Instant,
        again: impl Future<Output = Option<Sent<'a>>>,
    ) -> Ruling<'a> {
        let mut judge = self.judge.lock().await;
        let credentials = state.client.credentials();
        if judge.hopeless || state.phase() >= Phase::Stopped {
            return Ruling::Stop(None);
        }
        if credentials.generation() > generation || judge.cleared_at.is_some_and(|at| sent_at < at) {
            return Ruling::Again;
        }
        if self.taken_with.load(Relaxed) == generation && judge.tried_again != generation && generation > 0 {
            judge.tried_again = generation;
            tracing::warn!("GMS refuses a token that it took before; trying it once more in 2 s");
            tokio::select! {
                () = tokio::time::sleep(REST) => {}
                () = state.reached(Phase::Stopped) => return Ruling::Stop(None),
            }
            // A new one may be there by now, which is what it goes with then.
            if let Some(sent) = again.await
                && sent.attempts.verdict != Verdict::Unauthorized
            {
                judge.cleared_at = Some(Instant::now());
                return Ruling::Answered(Box::new(sent));
            }
            if credentials.generation() > generation {
                // That was the new one.
                judge.hopeless = true;
                return Ruling::Stop(None);
            }
        }
        let taken = self.taken.load(Relaxed);
        let second = judge.refused.is_some_and(|(other, then)| other != generation && then == taken);
        judge.refused = Some((generation, taken));
        let renewed = if second { Ok(false) } else { credentials.renew(generation).await };
        judge.hopeless = !matches!(renewed, Ok(true));
        match renewed {
            Ok(true) => Ruling::Again,
            Ok(false) => Ruling::Stop(second.then_some(Evidence::PreviousTokenRefused)),
            Err(no_token) => Ruling::Stop(Some(Evidence::NoOtherToken(no_token.diagnosis.evidence))),
        }
    }
}

/// Keeps the gate closed for as long as it is there.
pub(super) struct Closed<'a>(&'a watch::Sender<usize>);

impl Drop for Closed<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|closed| *closed -= 1);
    }
}
