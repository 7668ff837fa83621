//! Where a run starts: at the beginning of its source, or where another run stopped.

use std::path::PathBuf;

use super::file::{Checkpoint, CheckpointFile, ReadError};
use super::ranges::FinishedRecords;
use super::tracker::CheckpointPosition;
use super::writer::CheckpointWriter;
use crate::pipeline::options::Start;
use crate::platform::Platform;
use crate::source::Source;
use crate::{Error, ErrorKind};

/// The inputs to the decision where a run starts.
pub(in crate::pipeline) struct StartRequest {
    pub(in crate::pipeline) start: Start,
    pub(in crate::pipeline) platform: Platform,
    /// The checkpoint's path.
    pub(in crate::pipeline) path: PathBuf,
    pub(in crate::pipeline) run_id: String,
    /// The server that the run writes to, or its type of sink.
    pub(in crate::pipeline) writes_to: String,
    /// Whether the run sends: only then it changes the checkpoint.
    pub(in crate::pipeline) sends: bool,
    /// Whether the finished records are read again, because transformers must know their entities.
    pub(in crate::pipeline) rereads: bool,
}

/// Where a run has started.
#[derive(Debug, Default)]
pub(in crate::pipeline) struct StartedRun {
    /// `None` if no checkpoint is written.
    pub(in crate::pipeline) checkpoint: Option<CheckpointWriter>,
    /// Records to skip, for a run that continues from a checkpoint and writes none.
    pub(in crate::pipeline) finished: Option<FinishedRecords>,
    /// The number of records that are read again before the run continues.
    pub(in crate::pipeline) reread: u64,
    /// Records and proposals that the earlier parts of the same run have dead-lettered.
    pub(in crate::pipeline) failed_before: u64,
    /// The run continues where another one stopped.
    pub(in crate::pipeline) is_resumed: bool,
    pub(in crate::pipeline) notes: Vec<String>,
    pub(in crate::pipeline) warnings: Vec<String>,
}

/// Reads the checkpoint, compares the input with it, and moves `source` to where the run starts.
///
/// # Errors
/// Of kind [`ErrorKind::Input`] when a run is to be resumed and cannot be: the input cannot be read again, or
/// has changed, or the checkpoint is damaged. Of kind [`ErrorKind::Disk`] when the checkpoint cannot be read
/// or written.
pub(in crate::pipeline) fn start(
    source: &mut dyn Source,
    request: StartRequest,
) -> Result<StartedRun, Error> {
    let StartRequest { start, platform, path, run_id, writes_to, sends, rereads } = request;
    let Some(input) = source.input()? else {
        if start == Start::Resume {
            return Err(Error::new(
                ErrorKind::Input,
                "--resume needs an input that can be read again from its middle, which standard input, a pipe and some \
                 sources are not: write it to a file first",
            ));
        }
        return Ok(StartedRun::default());
    };
    let shown = path.display().to_string();
    let mut file = CheckpointFile::new(platform, path, run_id, writes_to, input);
    if sends {
        file.check_writable()?;
        if start == Start::Restart {
            file.remove()?;
        }
    }
    let mut started = StartedRun::default();
    let mut position = CheckpointPosition::default();
    let mut on_disk = None;
    let mut kept_until = 0;
    match (file.read(), start) {
        (_, Start::Restart) | (Err(ReadError::Absent), Start::Beginning) => {}
        (Err(ReadError::Io(error)), _) => {
            let message = format!("cannot read the checkpoint {shown}");
            return Err(Error::new(ErrorKind::Disk, message).with_source(error));
        }
        (Err(ReadError::Absent), Start::Resume) => {
            started
                .notes
                .push("there is no checkpoint to resume from: this run starts at the beginning".into());
        }
        (Err(ReadError::Damaged(what)), Start::Beginning) => {
            if sends {
                // It can never be used again.
                file.remove()?;
            }
            started.warnings.push(format!(
                "the checkpoint {shown} that an earlier run left is damaged ({what}); this run starts at the beginning"
            ));
        }
        (Err(ReadError::Damaged(what)), Start::Resume) => {
            return Err(Error::new(
                ErrorKind::Input,
                format!(
                    "the checkpoint {shown} is damaged ({what}): --restart discards it and starts at the beginning"
                ),
            ));
        }
        (Ok(checkpoint), Start::Beginning) => {
            if !checkpoint.position().is_beginning() {
                // It is of no use any more if the input has changed.
                let is_usable = checkpoint.input.changes(file.input()).is_none();
                let stays = if is_usable { "; it stays until this run has finished more" } else { "" };
                kept_until = if is_usable { checkpoint.number } else { 0 };
                started.warnings.push(format!(
                    "an earlier run ({}) has left a checkpoint at record {} in {shown}; this one starts at the beginning, \
                     and --resume would have continued there{stays}",
                    checkpoint.run_id, checkpoint.number
                ));
            }
            on_disk = Some(checkpoint.position());
        }
        (Ok(checkpoint), Start::Resume) => {
            if checkpoint.position().is_beginning() {
                started
                    .notes
                    .push("the last run finished no record: this one starts at the beginning".into());
            } else {
                position = resume(&checkpoint, &file, &mut started)?;
                started.failed_before = checkpoint.failed;
                file.continue_after(checkpoint.failed);
                if rereads {
                    started.reread = checkpoint.number;
                } else {
                    source.seek(checkpoint.position)?;
                }
                on_disk = Some(position.clone());
            }
        }
    }
    if sends {
        started.checkpoint = Some(CheckpointWriter::new(file, position, on_disk).keeping_until(kept_until));
    } else if started.is_resumed {
        started.finished = Some(FinishedRecords::new(position.number, position.finished));
    }
    Ok(started)
}

fn resume(
    checkpoint: &Checkpoint,
    file: &CheckpointFile,
    started: &mut StartedRun,
) -> Result<CheckpointPosition, Error> {
    if let Some(changes) = checkpoint.input.changes(file.input()) {
        return Err(Error::new(
            ErrorKind::Input,
            format!(
                "the input has changed since the checkpoint was made: {changes}. --restart discards the checkpoint {} and \
                 starts at the beginning",
                file.path().display()
            ),
        ));
    }
    let position = checkpoint.position();
    let ahead = match position.finished.numbers() {
        0 => String::new(),
        1 => "; one record behind it is finished, and is skipped".into(),
        ahead => format!("; {ahead} records behind it are finished, and are skipped"),
    };
    started.notes.push(format!(
        "continues at record {}, where run {} stopped{ahead}",
        position.number, checkpoint.run_id
    ));
    if checkpoint.writes_to != file.writes_to() {
        started.warnings.push(format!(
            "the checkpoint is of a run that wrote to {}, and this one writes to {}: what was delivered there is not sent \
             again; --restart sends everything",
            checkpoint.writes_to,
            file.writes_to()
        ));
    }
    started.is_resumed = true;
    Ok(position)
}
