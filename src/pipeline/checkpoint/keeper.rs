//! Keeps the checkpoint up to date while a run goes on.

use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::file::CheckpointFile;
use super::tracker::{Standing, Tracker};
use crate::{Error, ErrorKind};

/// The checkpoint is written at most this often.
const EVERY: Duration = Duration::from_millis(50);

/// A checkpoint that takes long to write (a directory of many files) is written less often: it is not to take more than
/// one part in so many of the time.
const SHARE: u32 = 20;

/// The checkpoint of a run that sends.
#[derive(Debug)]
pub(in crate::pipeline) struct Keeper {
    file: Arc<CheckpointFile>,
    tracker: Arc<Tracker>,
    /// What an earlier run left, where it is still on the disk.
    earlier: Option<Standing>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// Where a later run goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::pipeline) struct Rest {
    pub(in crate::pipeline) from_record: u64,
    /// Records beyond it that are finished.
    pub(in crate::pipeline) skipped: u64,
    pub(in crate::pipeline) checkpoint: PathBuf,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    stop: Condvar,
}

#[derive(Debug, Default)]
struct State {
    stopped: bool,
    /// How many changes the checkpoint on the disk knows of.
    kept: u64,
    failure: Option<Error>,
}

impl Keeper {
    /// `earlier` is what the checkpoint on the disk says, if there is one.
    pub(super) fn new(file: CheckpointFile, begin: Standing, earlier: Option<Standing>) -> Self {
        let (file, tracker) = (Arc::new(file), Arc::new(Tracker::new(begin)));
        Self { file, tracker, earlier, shared: Arc::default(), thread: None }
    }

    pub(in crate::pipeline) fn tracker(&self) -> &Arc<Tracker> {
        &self.tracker
    }

    /// Begins to write the checkpoint whenever something has changed.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub(in crate::pipeline) fn start(&mut self) -> Result<(), Error> {
        let (file, tracker, shared) =
            (Arc::clone(&self.file), Arc::clone(&self.tracker), Arc::clone(&self.shared));
        let thread = thread::Builder::new().name("checkpoint".into()).spawn(move || {
            shared.run(&file, &tracker);
        });
        let thread = thread.map_err(|error| {
            Error::new(ErrorKind::Internal, "cannot start a thread for the checkpoint").with_source(error)
        })?;
        self.thread = Some(thread);
        Ok(())
    }

    /// Why the checkpoint could not be written: there is no use in going on. Told once.
    pub(in crate::pipeline) fn failure(&self) -> Option<Error> {
        self.shared.lock().failure.take()
    }

    /// The run is over. If it is `done`, to the end of its source, no checkpoint stays; else it says where a later run
    /// goes on, and is on the disk.
    ///
    /// # Errors
    /// Of kind [`ErrorKind::Disk`] when it cannot be written or removed. The one before stays, and is as good: it has
    /// more sent again.
    pub(in crate::pipeline) fn finish(mut self, done: bool) -> Result<Option<Rest>, Error> {
        self.stop();
        if done && self.tracker.all_finished() {
            let kept = self.shared.lock().kept;
            if kept > 0 || self.earlier.is_some() {
                self.file.remove()?;
            }
            return Ok(None);
        }
        let standing = match self.earlier.take() {
            // Nothing was finished, so what an earlier run left still holds.
            Some(earlier) if self.tracker.changes() == 0 => earlier,
            _ => {
                let standing = self.tracker.standing();
                self.file.write(standing.clone(), true)?;
                standing
            }
        };
        Ok(Some(Rest {
            from_record: standing.number,
            skipped: standing.finished.numbers(),
            checkpoint: self.file.path().to_path_buf(),
        }))
    }

    /// The thread writes no more when this returns.
    fn stop(&mut self) {
        self.tracker.close();
        self.shared.lock().stopped = true;
        self.shared.stop.notify_one();
        // It does not panic; if it did, the last words are written all the same.
        drop(self.thread.take().map(JoinHandle::join));
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    fn run(&self, file: &CheckpointFile, tracker: &Tracker) {
        let mut pause = EVERY;
        loop {
            let state = self.lock();
            let waited = self.stop.wait_timeout_while(state, pause, |state| !state.stopped);
            let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
            if state.stopped {
                return;
            }
            let kept = state.kept;
            drop(state);
            let changes = tracker.changes();
            if changes == kept {
                continue;
            }
            let began = Instant::now();
            // What changes from here on is written the next time.
            let written = file.write(tracker.standing(), false);
            pause = EVERY.max(began.elapsed() * SHARE);
            let mut state = self.lock();
            state.kept = changes;
            if let Err(error) = written {
                state.failure = Some(error);
                return;
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
