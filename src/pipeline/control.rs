//! A hand on a run from outside: to stop it, and to see how far it is.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::sync::Notify;

use crate::gms::Client;
use crate::source::Progress;

/// Stops a run, and tells how far it is. Clones belong to the same run.
#[derive(Clone, Debug, Default)]
pub struct RunControl(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    stopped: AtomicBool,
    stopping: Notify,
    /// Why, where nobody has asked for it.
    bound: OnceLock<String>,
    records: AtomicU64,
    proposals: AtomicU64,
    source: Mutex<FromSource>,
    /// The GMS that the run's sink writes to, once it is there.
    gms: OnceLock<Client>,
}

#[derive(Debug, Default)]
struct FromSource {
    progress: Progress,
    warnings: Vec<String>,
}

/// How far a run is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunProgress {
    /// Records that were read and given to the sink.
    pub records: u64,
    /// Proposals made of them.
    pub proposals: u64,
    /// How far the source is; it may be ahead of the sink.
    pub source: Progress,
}

impl RunControl {
    /// Asks the run to stop: nothing more is read, and what is under way gets 20 seconds to be settled.
    pub fn stop(&self) {
        self.0.stopped.store(true, Ordering::Release);
        self.0.stopping.notify_waiters();
    }

    /// Stops the run because a bound was reached.
    pub(super) fn stop_at_bound(&self, what: impl FnOnce() -> String) {
        if !self.is_stopped() {
            self.0.bound.get_or_init(what);
            self.stop();
        }
    }

    /// Which bound has stopped the run, if one has.
    pub(super) fn bound(&self) -> Option<&str> {
        self.0.bound.get().map(String::as_str)
    }

    /// How far the run is.
    pub fn progress(&self) -> RunProgress {
        RunProgress {
            records: self.0.records.load(Ordering::Relaxed),
            proposals: self.0.proposals.load(Ordering::Relaxed),
            source: self.source().progress.clone(),
        }
    }

    /// Fetches the token anew where it comes from, without stopping; the requests from now on go with it. Does nothing
    /// before the run is connected, which fetches the token anyway. A failure is logged, and the token that is there is
    /// used on.
    pub async fn reread_token(&self) {
        let Some(gms) = self.gms() else { return };
        match gms.reread_token().await {
            Ok(true) => tracing::info!("the token was read again, and is another one"),
            Ok(false) => tracing::info!("the token was read again, and is the same"),
            Err(error) => tracing::warn!(
                "the token could not be read again ({}); the one that is there is used on",
                error.full_message()
            ),
        }
    }

    /// The GMS that the run writes to.
    pub(super) fn gms(&self) -> Option<&Client> {
        self.0.gms.get()
    }

    pub(super) fn connected(&self, gms: &Client) {
        self.0.gms.get_or_init(|| gms.clone());
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.0.stopped.load(Ordering::Acquire)
    }

    /// Resolves when the run is to stop; at once if it is already.
    pub(super) async fn stopped(&self) {
        let stopping = self.0.stopping.notified();
        tokio::pin!(stopping);
        // Registered before the look at the flag, so that a stop in between is not missed.
        stopping.as_mut().enable();
        if !self.is_stopped() {
            stopping.await;
        }
    }

    pub(super) fn read_record(&self, proposals: usize) {
        self.0.records.fetch_add(1, Ordering::Relaxed);
        self.0.proposals.fetch_add(proposals as u64, Ordering::Relaxed);
    }

    pub(super) fn source_is_at(&self, progress: Progress, mut warnings: Vec<String>) {
        let mut source = self.source();
        source.progress = progress;
        source.warnings.append(&mut warnings);
    }

    pub(super) fn take_source_warnings(&self) -> Vec<String> {
        std::mem::take(&mut self.source().warnings)
    }

    fn source(&self) -> std::sync::MutexGuard<'_, FromSource> {
        self.0.source.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stop_is_seen_before_and_after() {
        let control = RunControl::default();
        let waiting = tokio::spawn({
            let control = control.clone();
            async move { control.stopped().await }
        });
        tokio::task::yield_now().await;
        control.stop();
        waiting.await.unwrap();
        control.stopped().await;
    }
}
