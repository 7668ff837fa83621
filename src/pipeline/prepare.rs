//! What has to be in order before a run begins: the lock, the files of ours, the source.

use std::path::PathBuf;
use std::sync::Arc;

use super::checkpoint::{self, Asked};
use super::dead_letter::DeadLetters;
use super::lock::{self, Locked};
use super::tally::Tally;
use super::{IfRunning, Pipeline, Run, Start, fault_of_ours, metrics, report, whole_file};
use crate::source::Source;
use crate::{Error, ErrorKind};

/// A run that can begin.
pub(super) struct Ready {
    pub(super) source: Box<dyn Source>,
    /// Records of it that are passed over.
    pub(super) finished: Option<checkpoint::Finished>,
    pub(super) tally: Arc<Tally>,
    /// It goes on where another one stopped.
    pub(super) resumed: bool,
}

impl Pipeline {
    /// Takes the lock, finds out that our files can be written, and opens the source where the run begins. `None` if
    /// another run is under way and that is no failure.
    pub(super) async fn prepare(&mut self, sends: bool, run: &mut Run) -> Result<Option<Ready>, Error> {
        for path in self.report_paths() {
            whole_file::check_writable(path, report::WHAT)?;
        }
        if let Some(path) = self.options.metrics_file.as_ref().filter(|_| sends) {
            whole_file::check_writable(path, metrics::WHAT)?;
        }
        let mut letters = None;
        if sends {
            let directory = self.state_directory()?;
            run.lock = match self.lock(directory.clone()).await? {
                Locked::Held(lock) => Some(lock),
                Locked::Taken if self.options.if_running == IfRunning::Skip => return Ok(None),
                Locked::Taken => {
                    return Err(Error::new(
                        ErrorKind::Locked,
                        format!(
                            "another run of this pipeline is under way (it holds {}); --if-running wait waits for it",
                            directory.join("lock").display()
                        ),
                    ));
                }
            };
            let path = self
                .options
                .dead_letters
                .take()
                .or_else(|| self.config.dead_letters.take())
                .unwrap_or_else(|| directory.join("dead-letters.jsonl"));
            let path = match &self.replay {
                Some(replay) if replay.reads(&path) => replay.beside(),
                _ => path,
            };
            let kept = DeadLetters::new(path, self.run_id.clone());
            kept.check_writable()?;
            letters = Some(kept);
        }
        let open = self.config.open_source.take().ok_or_else(fault_of_ours)?;
        let asked = self.asked(sends)?;
        // Opening looks at files, and may wait for one.
        let opening = tokio::task::spawn_blocking(move || {
            let mut source = open()?;
            let begun = match asked {
                Some(asked) => checkpoint::begin(&mut *source, asked)?,
                None => checkpoint::Begun::default(),
            };
            Ok::<_, Error>((source, begun))
        });
        let (source, begun) = opening.await.map_err(|_| fault_of_ours())??;
        run.keeper = begun.keeper;
        run.notes = begun.notes;
        self.config.warnings.extend(begun.warnings);
        let tally = Tally::new(letters).watched(self.config.limits.clone(), self.control.clone());
        let (finished, resumed) = (begun.finished, begun.resumed);
        Ok(Some(Ready { source, finished, tally: Arc::new(tally), resumed }))
    }

    /// What decides where the run begins; `None` where it is no question.
    fn asked(&self, sends: bool) -> Result<Option<Asked>, Error> {
        let start = self.options.start;
        if self.replay.is_some() || (!sends && start != Start::Resume) {
            return Ok(None);
        }
        Ok(Some(Asked {
            start,
            path: self.state_directory()?.join(checkpoint::FILE_NAME),
            run_id: self.run_id.clone(),
            writes_to: self.config.writes_to.clone(),
            sends,
        }))
    }

    fn state_directory(&self) -> Result<PathBuf, Error> {
        let root = match &self.options.state_dir {
            Some(root) => root.clone(),
            None => self.config.state_root.clone().ok_or_else(|| {
                Error::new(
                    ErrorKind::Disk,
                    "there is no home directory to keep state in; --state-dir names a place",
                )
            })?,
        };
        Ok(self.config.key.directory(&root))
    }

    async fn lock(&self, directory: PathBuf) -> Result<Locked, Error> {
        let at_once = try_lock(directory.clone(), false).await?;
        if matches!(at_once, Locked::Held(_)) || self.options.if_running != IfRunning::Wait {
            return Ok(at_once);
        }
        tracing::warn!("another run of this pipeline is under way: waiting for its end");
        try_lock(directory, true).await
    }
}

/// Taking a lock blocks, and waiting for one may do so for ever.
async fn try_lock(directory: PathBuf, wait: bool) -> Result<Locked, Error> {
    tokio::task::spawn_blocking(move || lock::acquire(&directory, wait)).await.map_err(|_| fault_of_ours())?
}
