//! Writes the checkpoint while a run is in progress, and at its end.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::file::CheckpointFile;
use super::tracker::{CheckpointPosition, RecordTracker};
use crate::atomic_write::Durability;
use crate::pipeline::outcome_counter::OutcomeCounter;
use crate::source::RecordFeedback;
use crate::threads::{Threads, Worker};
use crate::{Error, ErrorKind};

/// The shortest time between two writes of the checkpoint.
const MIN_INTERVAL: Duration = Duration::from_millis(50);

/// A checkpoint that takes long to write (a directory of many files) is written less often: the pause after
/// it is at least this many times as long as writing it took.
const PAUSE_FACTOR: u32 = 20;

/// The checkpoint of a run that sends.
#[derive(Debug)]
pub(in crate::pipeline) struct CheckpointWriter {
    file: Arc<CheckpointFile>,
    tracker: Arc<RecordTracker>,
    shared: Arc<Shared>,
    worker: Option<Worker>,
    /// The records that the checkpoint of an earlier run counts as finished. It stays until this run, which
    /// started at the beginning, has finished more.
    kept_until: u64,
}

/// Where a later run continues.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::pipeline) struct ResumePoint {
    pub(in crate::pipeline) from_record: u64,
    /// Finished records behind it.
    pub(in crate::pipeline) skipped: u64,
    pub(in crate::pipeline) checkpoint: PathBuf,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<WriterState>,
    stop: Notify,
}

#[derive(Debug, Default)]
struct WriterState {
    is_stopped: bool,
    /// The content of the checkpoint on the disk.
    on_disk: Option<CheckpointPosition>,
    failure: Option<Error>,
}

impl CheckpointWriter {
    /// `on_disk` is the content of the checkpoint on the disk, if there is one.
    pub(super) fn new(
        file: CheckpointFile,
        start: CheckpointPosition,
        on_disk: Option<CheckpointPosition>,
    ) -> Self {
        let shared = Shared::default();
        shared.lock().on_disk = on_disk;
        Self {
            file: Arc::new(file),
            tracker: Arc::new(RecordTracker::new(start)),
            shared: Arc::new(shared),
            worker: None,
            kept_until: 0,
        }
    }

    /// Keeps the checkpoint on the disk until this run has finished more than `records` records.
    pub(super) fn keeping_until(mut self, records: u64) -> Self {
        self.kept_until = records;
        self
    }

    pub(in crate::pipeline) fn tracker(&self) -> &Arc<RecordTracker> {
        &self.tracker
    }

    /// Starts to write the checkpoint whenever a record was finished. A record counts as finished only after
    /// its dead letters, which `counter` writes, are synced.
    ///
    /// # Errors
    /// Of kind [`ErrorKind::Internal`] when the operating system refuses a thread.
    pub(in crate::pipeline) fn start(
        &mut self,
        counter: Arc<OutcomeCounter>,
        feedback: Option<Arc<dyn RecordFeedback>>,
        threads: &dyn Threads,
    ) -> Result<(), Error> {
        let (file, tracker, shared) =
            (Arc::clone(&self.file), Arc::clone(&self.tracker), Arc::clone(&self.shared));
        let kept_until = self.kept_until;
        let work =
            async move { shared.run(&file, &tracker, &counter, feedback.as_deref(), kept_until).await };
        let worker = Worker::start(threads, "checkpoint", work).map_err(|error| {
            Error::new(ErrorKind::Internal, "cannot start a thread for the checkpoint").with_source(error)
        })?;
        self.worker = Some(worker);
        Ok(())
    }

    /// Why the checkpoint could not be written: the run must stop. Returned once.
    pub(in crate::pipeline) fn failure(&self) -> Option<Error> {
        self.shared.lock().failure.take()
    }

    /// Ends the run's checkpoint. If the source was read to its end (`is_complete`) and every record is
    /// finished, the checkpoint is removed; otherwise it is written and synced, and the point is returned
    /// where a later run continues. `failed` is the number of records and proposals that were dead-lettered;
    /// `dead_letters_synced` is false if dead letters may not have reached the disk.
    ///
    /// The error is of kind [`ErrorKind::Disk`]: the checkpoint could not be written or removed. The previous
    /// one then stays, and a run that continues from it sends more records again.
    pub(in crate::pipeline) async fn finish(
        mut self,
        is_complete: bool,
        failed: u64,
        dead_letters_synced: bool,
    ) -> (Option<ResumePoint>, Option<Error>) {
        self.stop();
        if let Some(mut worker) = self.worker.take() {
            worker.ended().await;
        }
        let on_disk = self.shared.lock().on_disk.take();
        if is_complete && dead_letters_synced && self.tracker.all_finished() {
            let removed = if on_disk.is_some() { self.file.remove() } else { Ok(()) };
            return (None, removed.err());
        }
        // The tracker counts records as finished whose dead letters are lost, so its position must not be
        // written. If this run has finished no record, the checkpoint of the earlier run is still right.
        if !dead_letters_synced || (on_disk.is_some() && self.tracker.newly_finished() == 0) {
            return (on_disk.map(|position| self.resume_point(&position)), None);
        }
        let position = self.tracker.position();
        if let Some(kept) =
            on_disk.as_ref().filter(|_| self.kept_until > 0 && position.number <= self.kept_until)
        {
            return (Some(self.resume_point(kept)), None);
        }
        match self.file.write(position.clone(), failed, Durability::Power) {
            Ok(()) => (Some(self.resume_point(&position)), None),
            Err(error) => (on_disk.map(|position| self.resume_point(&position)), Some(error)),
        }
    }

    fn resume_point(&self, position: &CheckpointPosition) -> ResumePoint {
        ResumePoint {
            from_record: position.number,
            skipped: position.finished.numbers(),
            checkpoint: self.file.path().to_path_buf(),
        }
    }

    fn stop(&self) {
        self.tracker.close();
        self.shared.lock().is_stopped = true;
        self.shared.stop.notify_one();
    }
}

impl Drop for CheckpointWriter {
    /// The lock of the pipeline may be released afterwards, so the thread must not write any more.
    fn drop(&mut self) {
        self.stop();
        if let Some(worker) = self.worker.take() {
            worker.join();
        }
    }
}

impl Shared {
    async fn run(
        &self,
        file: &CheckpointFile,
        tracker: &RecordTracker,
        counter: &OutcomeCounter,
        feedback: Option<&dyn RecordFeedback>,
        kept_until: u64,
    ) {
        let mut pause = MIN_INTERVAL;
        let mut written = 0;
        loop {
            // A stop ends the pause.
            drop(tokio::time::timeout(pause, self.stop.notified()).await);
            if self.lock().is_stopped {
                return;
            }
            let finished = tracker.newly_finished();
            if finished == written {
                continue;
            }
            let started = Instant::now();
            let position = tracker.position();
            if position.number <= kept_until && kept_until > 0 {
                continue;
            }
            // After the position was taken: dead letters of records that finish from here on belong to the
            // next checkpoint.
            if !counter.sync_dead_letters() {
                return;
            }
            let result = file.write(position.clone(), counter.failed().0, Durability::Process);
            pause = MIN_INTERVAL.max(started.elapsed() * PAUSE_FACTOR);
            written = finished;
            let mut state = self.lock();
            match result {
                Ok(()) => {
                    if let Some(feedback) = feedback {
                        feedback.checkpointed(position.position);
                    }
                    state.on_disk = Some(position);
                }
                Err(error) => {
                    state.failure = Some(error);
                    return;
                }
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, WriterState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
