//! The reaction to a 401: one sender finds out whether there is another token, the others wait.
//!
//! The gate is closed from the first 401 until it is known what the senders do. It decides and does not send:
//!
//! - A request that was sent with an older token, or before the current one was confirmed, is sent again.
//! - A token that GMS has accepted in this run is tried once more after 2 s, because GMS also responds with
//!   401 while it cannot reach its token store (`StatefulTokenService`).
//! - Otherwise the token is renewed. If there is no other token, or if two different tokens were refused
//!   while GMS accepted nothing in between, the run stops.
//!
//! So a refused token costs no more requests than were in flight, and one more if the token was good before.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard, watch};
use tokio::time::Instant;

use super::lifecycle::{Lifecycle, Phase};
use crate::auth::Credentials;
use crate::diagnosis::Evidence;

/// How long to wait before a refused token that GMS has accepted before is tried once more.
pub(super) const RETRY_REFUSED_TOKEN_AFTER: Duration = Duration::from_secs(2);

/// Holds back requests while it is unknown whether the current token is refused.
#[derive(Debug)]
pub(super) struct AuthGate {
    /// The number of [`GateGuard`]s; the gate is open at 0.
    closed: watch::Sender<usize>,
    /// Responses in which GMS accepted something.
    accepted: AtomicU64,
    /// The generation of the token of the latest such request.
    accepted_generation: AtomicU64,
    refusals: Mutex<RefusalState>,
}

/// The facts about refused tokens.
#[derive(Debug, Default)]
struct RefusalState {
    /// The generation that was refused last, and the value of [`AuthGate::accepted`] then.
    refused: Option<(u64, u64)>,
    /// The generation that was tried once more.
    tried_again: u64,
    /// When a token that had been refused was accepted: requests that were sent before may be sent again.
    cleared_at: Option<Instant>,
    /// There is no other token to try.
    is_final: bool,
}

/// A request that was refused with 401.
#[derive(Clone, Copy, Debug)]
pub(super) struct RefusedRequest {
    /// The generation of the token that it was sent with.
    pub(super) generation: u64,
    pub(super) sent_at: Instant,
}

/// The next step of the sender of a refused request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TokenDecision {
    /// Sends it again: there is another token, or the same token is good after all.
    Retry,
    /// Waits, sends it once more although the gate is closed, and reports the result to the same
    /// [`RefusalReview`].
    RetrySameTokenAfter(Duration),
    /// Stops the run, with a sentence on why there is no other token.
    Stop(Option<Evidence>),
}

impl AuthGate {
    pub(super) fn new() -> Self {
        Self {
            closed: watch::Sender::new(0),
            accepted: AtomicU64::new(0),
            accepted_generation: AtomicU64::new(0),
            refusals: Mutex::default(),
        }
    }

    /// Waits until the gate is open, or sending has stopped.
    pub(super) async fn wait_until_open(&self, lifecycle: &Lifecycle) {
        let mut closed = self.closed.subscribe();
        tokio::select! {
            biased;
            // The sender lives as long as `self`, so waiting cannot fail.
            open = closed.wait_for(|guards| *guards == 0) => drop(open),
            () = lifecycle.reached(Phase::Stopped) => {}
        }
    }

    pub(super) fn is_open(&self) -> bool {
        *self.closed.borrow() == 0
    }

    /// Closes the gate until the guard is dropped.
    pub(super) fn close(&self) -> GateGuard<'_> {
        self.closed.send_modify(|guards| *guards += 1);
        GateGuard(&self.closed)
    }

    /// GMS accepted something that was sent with the token of this generation.
    pub(super) fn note_accepted(&self, generation: u64) {
        self.accepted.fetch_add(1, Relaxed);
        self.accepted_generation.store(generation, Relaxed);
    }

    /// Forgets that there was no other token, so that the provider is asked again.
    pub(super) async fn forget_refusals(&self) {
        let mut refusals = self.refusals.lock().await;
        refusals.is_final = false;
        refusals.refused = None;
    }

    /// Waits for the turn to review a refusal: one sender at a time finds out about a token.
    pub(super) async fn review(&self) -> RefusalReview<'_> {
        RefusalReview { gate: self, refusals: self.refusals.lock().await, retried: None }
    }
}

/// The exclusive right to decide what the sender of a refused request does.
pub(super) struct RefusalReview<'a> {
    gate: &'a AuthGate,
    refusals: MutexGuard<'a, RefusalState>,
    /// The generation that this review has had tried once more.
    retried: Option<u64>,
}

impl RefusalReview<'_> {
    /// Decides about a request that was refused. Renews the token if that is what it takes.
    pub(super) async fn decide(
        &mut self,
        request: RefusedRequest,
        credentials: &Credentials,
        lifecycle: &Lifecycle,
    ) -> TokenDecision {
        let RefusedRequest { generation, sent_at } = request;
        let gate = self.gate;
        let refusals = &mut *self.refusals;
        if refusals.is_final || lifecycle.is_stopped() {
            return TokenDecision::Stop(None);
        }
        if let Some(retried) = self.retried {
            if generation > retried {
                // The request went with a newer token by then, which was refused as well.
                refusals.is_final = true;
                return TokenDecision::Stop(None);
            }
            if credentials.generation() > retried {
                return TokenDecision::Retry;
            }
        } else if credentials.generation() > generation || refusals.cleared_at.is_some_and(|at| sent_at < at)
        {
            return TokenDecision::Retry;
        }
        let was_accepted = generation > 0 && gate.accepted_generation.load(Relaxed) == generation;
        if was_accepted && refusals.tried_again != generation {
            refusals.tried_again = generation;
            self.retried = Some(generation);
            return TokenDecision::RetrySameTokenAfter(RETRY_REFUSED_TOKEN_AFTER);
        }
        let accepted = gate.accepted.load(Relaxed);
        let is_second = refusals.refused.is_some_and(|(other, then)| other != generation && then == accepted);
        refusals.refused = Some((generation, accepted));
        let renewed = if is_second { Ok(false) } else { credentials.renew(generation).await };
        refusals.is_final = !matches!(renewed, Ok(true));
        match renewed {
            Ok(true) => TokenDecision::Retry,
            Ok(false) => TokenDecision::Stop(is_second.then_some(Evidence::PreviousTokenRefused)),
            Err(unavailable) => {
                TokenDecision::Stop(Some(Evidence::NoOtherToken(unavailable.diagnosis.evidence)))
            }
        }
    }

    /// The request that was sent once more was not refused.
    pub(super) fn clear(&mut self) {
        self.refusals.cleared_at = Some(Instant::now());
    }
}

/// Keeps the gate closed while it exists.
pub(super) struct GateGuard<'a>(&'a watch::Sender<usize>);

impl Drop for GateGuard<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|guards| *guards -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;
    use std::sync::Arc;

    use crate::auth::FileProvider;
    use crate::clock::SystemClock;
    use crate::redact::Redactor;

    /// Credentials with a token file, and the path of that file.
    fn credentials(directory: &tempfile::TempDir) -> (Credentials, PathBuf) {
        let path = directory.path().join("token");
        std::fs::write(&path, "token-number-one").unwrap();
        let provider = Arc::new(FileProvider::new(&path));
        (Credentials::new(Some(provider), Redactor::new([]), Arc::new(SystemClock)), path)
    }

    async fn request(credentials: &Credentials) -> RefusedRequest {
        RefusedRequest { generation: credentials.grant().await.unwrap().generation, sent_at: Instant::now() }
    }

    #[tokio::test]
    async fn a_token_that_was_never_accepted_and_has_no_successor_stops_the_run() {
        let directory = tempfile::tempdir().unwrap();
        let (credentials, _path) = credentials(&directory);
        let (gate, lifecycle) = (AuthGate::new(), Lifecycle::new());
        let refused = request(&credentials).await;
        for _ in 0..2 {
            let decision = gate.review().await.decide(refused, &credentials, &lifecycle).await;
            assert_eq!(decision, TokenDecision::Stop(None));
        }
    }

    #[tokio::test]
    async fn a_token_that_was_accepted_is_tried_once_more() {
        let directory = tempfile::tempdir().unwrap();
        let (credentials, _path) = credentials(&directory);
        let (gate, lifecycle) = (AuthGate::new(), Lifecycle::new());
        let refused = request(&credentials).await;
        gate.note_accepted(refused.generation);
        {
            let mut review = gate.review().await;
            let decision = review.decide(refused, &credentials, &lifecycle).await;
            assert_eq!(decision, TokenDecision::RetrySameTokenAfter(RETRY_REFUSED_TOKEN_AFTER));
            review.clear();
        }
        // Requests that were sent before the token was cleared are sent again; later ones are not.
        let decision = gate.review().await.decide(refused, &credentials, &lifecycle).await;
        assert_eq!(decision, TokenDecision::Retry);
        let later = RefusedRequest { sent_at: Instant::now() + Duration::from_secs(1), ..refused };
        let decision = gate.review().await.decide(later, &credentials, &lifecycle).await;
        assert_eq!(decision, TokenDecision::Stop(None));
    }

    #[tokio::test]
    async fn a_token_that_is_refused_once_more_stops_the_run() {
        let directory = tempfile::tempdir().unwrap();
        let (credentials, _path) = credentials(&directory);
        let (gate, lifecycle) = (AuthGate::new(), Lifecycle::new());
        let refused = request(&credentials).await;
        gate.note_accepted(refused.generation);
        let mut review = gate.review().await;
        let first = review.decide(refused, &credentials, &lifecycle).await;
        assert_eq!(first, TokenDecision::RetrySameTokenAfter(RETRY_REFUSED_TOKEN_AFTER));
        assert_eq!(review.decide(refused, &credentials, &lifecycle).await, TokenDecision::Stop(None));
    }

    #[tokio::test]
    async fn two_tokens_that_are_refused_in_a_row_stop_the_run() {
        let directory = tempfile::tempdir().unwrap();
        let (credentials, path) = credentials(&directory);
        let (gate, lifecycle) = (AuthGate::new(), Lifecycle::new());
        let first = request(&credentials).await;
        std::fs::write(&path, "token-number-two-which-is-longer").unwrap();
        let decision = gate.review().await.decide(first, &credentials, &lifecycle).await;
        assert_eq!(decision, TokenDecision::Retry);
        // A request that was sent with the first token is sent again with the second one.
        let decision = gate.review().await.decide(first, &credentials, &lifecycle).await;
        assert_eq!(decision, TokenDecision::Retry);
        let second = request(&credentials).await;
        assert_ne!(second.generation, first.generation);
        let decision = gate.review().await.decide(second, &credentials, &lifecycle).await;
        assert!(matches!(decision, TokenDecision::Stop(Some(_))), "{decision:?}");
    }

    #[tokio::test]
    async fn the_gate_is_open_when_the_last_guard_is_dropped() {
        let (gate, lifecycle) = (AuthGate::new(), Lifecycle::new());
        let (first, second) = (gate.close(), gate.close());
        drop(first);
        assert!(!gate.is_open());
        drop(second);
        assert!(gate.is_open());
        gate.wait_until_open(&lifecycle).await;
    }
}
