//! Prepares a run: takes the lock, checks the files that it will write, and opens its source where it starts.

use std::path::PathBuf;
use std::sync::Arc;

use super::checkpoint::{self, CheckpointWriter, FinishedRecords, StartRequest, StartedRun};
use super::child_services::RunServices;
use super::dead_letter::{self, DeadLetterWriter};
use super::lock::{self, IfRunning, RunLock};
use super::options::Start;
use super::outcome_counter::OutcomeCounter;
use super::output_file::{self, OutputFile};
use super::settings::RunSettings;
use crate::source::{ChildServices, OpenSource, Source};
use crate::threads::run_blocking;
use crate::{Error, ErrorKind};

/// A run that is ready to start.
pub(super) struct PreparedRun {
    pub(super) source: Box<dyn Source>,
    /// Records to skip.
    pub(super) finished: Option<FinishedRecords>,
    /// The number of finished records that are read again for the transformers.
    pub(super) reread: u64,
    /// Records and proposals that the earlier parts of the same run have dead-lettered.
    pub(super) failed_before: u64,
    /// It continues where another run stopped.
    pub(super) is_resumed: bool,
    pub(super) checkpoint: Option<CheckpointWriter>,
    pub(super) counter: OutcomeCounter,
    pub(super) notes: Vec<String>,
    pub(super) warnings: Vec<String>,
}

/// The result of taking the lock.
pub(super) enum LockResult {
    /// `None` for a run that sends nothing and needs no lock.
    Held(Option<RunLock>),
    /// Another run holds the lock, and this one is to be skipped.
    Skip,
}

/// Takes the lock of the pipeline, if the run sends.
pub(super) async fn lock(settings: &RunSettings) -> Result<LockResult, Error> {
    check_report_files(settings)?;
    if !settings.sends {
        return Ok(LockResult::Held(None));
    }
    let directory = settings.state_directory()?;
    if let Some(lock) = acquire(settings, directory.clone(), false).await? {
        return Ok(LockResult::Held(Some(lock)));
    }
    match settings.if_running {
        IfRunning::Skip => Ok(LockResult::Skip),
        IfRunning::Wait => {
            tracing::warn!("another run of this pipeline is in progress: waiting for its end");
            Ok(LockResult::Held(acquire(settings, directory, true).await?))
        }
        IfRunning::Fail => Err(Error::new(
            ErrorKind::Locked,
            format!(
                "another run of this pipeline is in progress (it holds {}); --if-running wait waits for it",
                directory.join(lock::FILE_NAME).display()
            ),
        )),
    }
}

fn check_report_files(settings: &RunSettings) -> Result<(), Error> {
    let platform = &settings.platform;
    for path in &settings.report_paths {
        output_file::check_writable(platform, path, OutputFile::Report)?;
    }
    match settings.metrics_path.as_ref().filter(|_| settings.sends) {
        Some(path) => output_file::check_writable(platform, path, OutputFile::Metrics),
        None => Ok(()),
    }
}

/// Taking a lock blocks, and waiting for one may take forever.
async fn acquire(settings: &RunSettings, directory: PathBuf, wait: bool) -> Result<Option<RunLock>, Error> {
    let files = Arc::clone(&settings.platform.files);
    run_blocking(&*settings.platform.threads, "lock", move || lock::acquire(&*files, &directory, wait))
        .await
        .map_err(internal_error)?
}

/// Checks the dead-letter file, and opens the source where the run starts.
///
/// With `rereads`, the records that an earlier run has finished are read again, because their entities must
/// be known.
pub(super) async fn prepare(
    settings: &RunSettings,
    open_source: OpenSource,
    rereads: bool,
) -> Result<PreparedRun, Error> {
    let dead_letters = settings.sends.then(|| dead_letter_writer(settings)).transpose()?;
    let request = start_request(settings, rereads)?;
    let services: Arc<dyn ChildServices> = Arc::new(RunServices::new(settings)?);
    // Opening reads files, and may wait for one.
    let open = move || {
        let mut source = open_source()?;
        source.connect(services)?;
        let started = match request {
            Some(request) => checkpoint::start(&mut *source, request)?,
            None => StartedRun::default(),
        };
        Ok::<_, Error>((source, started))
    };
    let opened = run_blocking(&*settings.platform.threads, "source-open", open).await;
    let (source, started) = opened.map_err(internal_error)??;
    let StartedRun { checkpoint, finished, reread, failed_before, is_resumed, notes, warnings } = started;
    let counter = OutcomeCounter::new(dead_letters)
        .with_limits(settings.limits.clone(), settings.control.clone())
        .with_renderer(settings.renderer.clone());
    Ok(PreparedRun {
        source,
        finished,
        reread,
        failed_before,
        is_resumed,
        checkpoint,
        counter,
        notes,
        warnings,
    })
}

fn dead_letter_writer(settings: &RunSettings) -> Result<DeadLetterWriter, Error> {
    let path = match &settings.dead_letters {
        Some(path) => path.clone(),
        None => settings.state_directory()?.join(dead_letter::FILE_NAME),
    };
    let path = match &settings.replay {
        Some(replay) if replay.reads(&path) => replay.path_beside(),
        _ => path,
    };
    let writer = DeadLetterWriter::new(settings.platform.clone(), path, settings.run_id.clone());
    writer.check_writable()?;
    Ok(writer)
}

/// `None` for a run that ignores the checkpoint: a replay, or one that sends nothing and is not resumed.
fn start_request(settings: &RunSettings, rereads: bool) -> Result<Option<StartRequest>, Error> {
    if settings.replay.is_some() || (!settings.sends && settings.start != Start::Resume) {
        return Ok(None);
    }
    Ok(Some(StartRequest {
        start: settings.start,
        platform: settings.platform.clone(),
        path: settings.state_directory()?.join(checkpoint::FILE_NAME),
        run_id: settings.run_id.clone(),
        writes_to: settings.writes_to.clone(),
        sends: settings.sends,
        rereads,
    }))
}

fn internal_error(error: std::io::Error) -> Error {
    let message = "the run could not start; this is a fault of datahub-emitter";
    Error::new(ErrorKind::Internal, message).with_source(error)
}
