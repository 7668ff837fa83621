//! Keeps the checkpoint up to date while a run goes on.

use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::file::CheckpointFile;
use super::tracker::{Standing, Tracker};
use crate::pipeline::tally::Tally;
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
    /// What the checkpoint on the disk says.
    on_disk: Option<Standing>,
    failure: Option<Error>,
}

impl Keeper {
    /// `earlier` is what the checkpoint on the disk says, if there is one.
    pub(super) fn new(file: CheckpointFile, begin: Standing, earlier: Option<Standing>) -> Self {
        let shared = Shared::default();
        shared.lock().on_disk = earlier;
        Self {
            file: Arc::new(file),
            tracker: Arc::new(Tracker::new(begin)),
            shared: Arc::new(shared),
            thread: None,
        }
    }

    pub(in crate::pipeline) fn tracker(&self) -> &Arc<Tracker> {
        &self.tracker
    }

    /// Begins to write the checkpoint whenever something has changed. A record counts as finished when its letters, if
    /// any, are on the disk: `tally` keeps them.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub(in crate::pipeline) fn start(&mut self, tally: Arc<Tally>) -> Result<(), Error> {
        let (file, tracker, shared) =
            (Arc::clone(&self.file), Arc::clone(&self.tracker), Arc::clone(&self.shared));
        let thread = thread::Builder::new().name("checkpoint".into()).spawn(move || {
            shared.run(&file, &tracker, &tally);
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

    /// The run is over. If it is `done`, to the end of its source, no checkpoint stays; else there is one on the disk, and
    /// it is returned where that goes on. `letters_kept` is false if dead letters did not reach the disk.
    ///
    /// The error is of kind [`ErrorKind::Disk`]: the checkpoint could not be written or removed. The one before stays, and
    /// is as good: it has more sent again.
    pub(in crate::pipeline) fn finish(
        mut self,
        done: bool,
        letters_kept: bool,
    ) -> (Option<Rest>, Option<Error>) {
        self.stop();
        let on_disk = self.shared.lock().on_disk.take();
        if done && letters_kept && self.tracker.all_finished() {
            let removed = if on_disk.is_some() { self.file.remove() } else { Ok(()) };
            return (None, removed.err());
        }
        // Records whose letters are lost count as finished here; and where none was finished, what an earlier run left
        // still holds.
        if !letters_kept || (on_disk.is_some() && self.tracker.newly_finished() == 0) {
            return (on_disk.map(|standing| self.rest(&standing)), None);
        }
        let standing = self.tracker.standing();
        match self.file.write(standing.clone(), true) {
            Ok(()) => (Some(self.rest(&standing)), None),
            Err(error) => (on_disk.map(|standing| self.rest(&standing)), Some(error)),
        }
    }

    fn rest(&self, standing: &Standing) -> Rest {
        Rest {
            from_record: standing.number,
            skipped: standing.finished.numbers(),
            checkpoint: self.file.path().to_path_buf(),
        }
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
    fn run(&self, file: &CheckpointFile, tracker: &Tracker, tally: &Tally) {
        let mut pause = EVERY;
        let mut kept = 0;
        loop {
            let state = self.lock();
            let waited = self.stop.wait_timeout_while(state, pause, |state| !state.stopped);
            let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
            if state.stopped {
                return;
            }
            drop(state);
            let finished = tracker.newly_finished();
            if finished == kept {
                continue;
            }
            let began = Instant::now();
            let standing = tracker.standing();
            // After the look at what is finished: what changes from here on is written the next time.
            if !tally.sync_letters() {
                return;
            }
            let written = file.write(standing.clone(), false);
            pause = EVERY.max(began.elapsed() * SHARE);
            kept = finished;
            let mut state = self.lock();
            match written {
                Ok(()) => state.on_disk = Some(standing),
                Err(error) => {
                    state.failure = Some(error);
                    return;
                }
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
