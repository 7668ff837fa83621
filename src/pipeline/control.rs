//! The handle to stop and observe a run from outside.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::sync::Notify;

use crate::gms::Client;
use crate::source::{ExtractionProgress, Progress, RecordFeedback};

/// Stops a run, and reports its progress. Clones belong to the same run.
#[derive(Clone, Debug, Default)]
pub struct RunControl(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    stopped: AtomicBool,
    stopping: Notify,
    /// The limit that has stopped the run.
    limit: OnceLock<String>,
    records: AtomicU64,
    proposals: AtomicU64,
    source: Mutex<SourceState>,
    source_report: Mutex<Option<serde_json::Value>>,
    /// The GMS that the run's sink writes to, once it is open.
    gms: OnceLock<Client>,
    /// Knows the progress of an extraction that runs beside the run.
    feedback: OnceLock<Arc<dyn RecordFeedback>>,
}

#[derive(Debug, Default)]
struct SourceState {
    progress: Progress,
    warnings: Vec<String>,
}

/// The progress of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunProgress {
    /// Records that were read and passed to the sink.
    pub records: u64,
    /// The proposals in them.
    pub proposals: u64,
    /// The progress of the source, which may be ahead of the sink.
    pub source: Progress,
    /// The progress of a source that runs in a child process.
    pub extraction: Option<ExtractionProgress>,
}

impl RunControl {
    /// Asks the run to stop: nothing more is read, and what is in flight has 20 seconds to be settled.
    pub fn stop(&self) {
        self.0.stopped.store(true, Ordering::Release);
        self.0.stopping.notify_waiters();
    }

    /// Stops the run because a limit was reached.
    pub(super) fn stop_at_limit(&self, limit: impl FnOnce() -> String) {
        if !self.is_stopped() {
            self.0.limit.get_or_init(limit);
            self.stop();
        }
    }

    /// The limit that has stopped the run.
    pub(super) fn limit(&self) -> Option<&str> {
        self.0.limit.get().map(String::as_str)
    }

    /// The run's progress.
    pub fn progress(&self) -> RunProgress {
        RunProgress {
            records: self.0.records.load(Ordering::Relaxed),
            proposals: self.0.proposals.load(Ordering::Relaxed),
            source: self.source().progress.clone(),
            extraction: self.0.feedback.get().and_then(|feedback| feedback.extraction()),
        }
    }

    /// Fetches the token again from where it comes from, without stopping; requests use it from then on. Does
    /// nothing before the run has connected, because connecting fetches the token. A failure is logged, and
    /// the present token stays in use.
    ///
    /// # Cancel safety
    /// If the future is dropped, the present token stays in use.
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

    pub(super) fn set_gms(&self, gms: &Client) {
        self.0.gms.get_or_init(|| gms.clone());
    }

    pub(super) fn set_feedback(&self, feedback: &Arc<dyn RecordFeedback>) {
        self.0.feedback.get_or_init(|| Arc::clone(feedback));
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.0.stopped.load(Ordering::Acquire)
    }

    /// Resolves when the run is to stop; immediately if it is already stopping.
    pub(super) async fn stopped(&self) {
        let stopping = self.0.stopping.notified();
        tokio::pin!(stopping);
        // Registered before the flag is read, so that a stop in between is not missed.
        stopping.as_mut().enable();
        if !self.is_stopped() {
            stopping.await;
        }
    }

    /// The output of `work`, or `None` if the run is stopped before: `work` may wait forever.
    pub(super) async fn or_cancelled<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.stopped() => None,
            output = work => Some(output),
        }
    }

    pub(super) fn count_record(&self, proposals: usize) {
        self.0.records.fetch_add(1, Ordering::Relaxed);
        self.0.proposals.fetch_add(proposals as u64, Ordering::Relaxed);
    }

    pub(super) fn update_source(&self, progress: Progress, mut warnings: Vec<String>) {
        let mut source = self.source();
        source.progress = progress;
        source.warnings.append(&mut warnings);
    }

    pub(super) fn set_source_report(&self, report: Option<serde_json::Value>) {
        *self.0.source_report.lock().unwrap_or_else(PoisonError::into_inner) = report;
    }

    pub(super) fn source_report(&self) -> Option<serde_json::Value> {
        self.0.source_report.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn take_source_warnings(&self) -> Vec<String> {
        std::mem::take(&mut self.source().warnings)
    }

    fn source(&self) -> std::sync::MutexGuard<'_, SourceState> {
        self.0.source.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stop_is_seen_by_who_waits_before_and_after() {
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
