//! Where a run begins: at the beginning of its source, or where another one stopped.

use std::path::PathBuf;

use super::file::{Checkpoint, CheckpointFile, Unreadable};
use super::keeper::Keeper;
use super::ranges::Finished;
use super::tracker::Standing;
use crate::pipeline::Start;
use crate::source::Source;
use crate::{Error, ErrorKind};

/// What decides where a run begins.
pub(in crate::pipeline) struct Asked {
    pub(in crate::pipeline) start: Start,
    /// The checkpoint's file.
    pub(in crate::pipeline) path: PathBuf,
    pub(in crate::pipeline) run_id: String,
    /// The server that the run writes to, or its kind of sink.
    pub(in crate::pipeline) writes_to: String,
    /// Whether the run sends: only such a one changes the checkpoint.
    pub(in crate::pipeline) sends: bool,
}

/// How a run begins.
#[derive(Debug, Default)]
pub(in crate::pipeline) struct Begun {
    /// `None` where no checkpoint is kept.
    pub(in crate::pipeline) keeper: Option<Keeper>,
    /// What is passed over, where no checkpoint is kept and the run goes on from one all the same.
    pub(in crate::pipeline) finished: Option<Finished>,
    /// It goes on where another one stopped.
    pub(in crate::pipeline) resumed: bool,
    pub(in crate::pipeline) notes: Vec<String>,
    pub(in crate::pipeline) warnings: Vec<String>,
}

/// Looks at the checkpoint and at the input, and takes `source` to where the run begins.
///
/// # Errors
/// Of kind [`ErrorKind::Input`] when a run is to go on and cannot: the input cannot be read again, or is another one, or
/// the checkpoint is damaged. Of kind [`ErrorKind::Disk`] when the checkpoint cannot be read or written.
pub(in crate::pipeline) fn begin(source: &mut dyn Source, asked: Asked) -> Result<Begun, Error> {
    let Asked { start, path, run_id, writes_to, sends } = asked;
    let Some(input) = source.input()? else {
        if start == Start::Resume {
            return Err(Error::new(
                ErrorKind::Input,
                "--resume needs an input that can be read again from its middle, which standard input, a pipe and some \
                 sources are not: write it to a file first",
            ));
        }
        return Ok(Begun::default());
    };
    let shown = path.display().to_string();
    let file = CheckpointFile::new(path, run_id, writes_to, input);
    if sends {
        file.check_writable()?;
        if start == Start::Restart {
            file.remove()?;
        }
    }
    let mut begun = Begun::default();
    let mut standing = Standing::default();
    let mut earlier = None;
    match (Checkpoint::read(file.path()), start) {
        (_, Start::Restart) | (Err(Unreadable::Absent), Start::Beginning) => {}
        (Err(Unreadable::Io(error)), _) => {
            let message = format!("cannot read the checkpoint {shown}");
            return Err(Error::new(ErrorKind::Disk, message).with_source(error));
        }
        (Err(Unreadable::Absent), Start::Resume) => {
            begun.notes.push("there is no checkpoint to go on from: this run starts at the beginning".into());
        }
        (Err(Unreadable::Damaged(what)), Start::Beginning) => {
            if sends {
                // Nothing can be made of it, now or later.
                file.remove()?;
            }
            begun.warnings.push(format!(
                "the checkpoint {shown} that an earlier run left is damaged ({what}); this run starts at the beginning"
            ));
        }
        (Err(Unreadable::Damaged(what)), Start::Resume) => {
            return Err(Error::new(
                ErrorKind::Input,
                format!(
                    "the checkpoint {shown} is damaged ({what}): --restart discards it and starts at the beginning"
                ),
            ));
        }
        (Ok(checkpoint), Start::Beginning) => {
            if !checkpoint.standing().is_beginning() {
                begun.warnings.push(format!(
                    "an earlier run ({}) has left a checkpoint at record {} in {shown}; this one starts at the beginning, \
                     and --resume would have gone on there",
                    checkpoint.run_id, checkpoint.number
                ));
            }
            earlier = Some(checkpoint.standing());
        }
        (Ok(checkpoint), Start::Resume) => {
            if checkpoint.standing().is_beginning() {
                begun.notes.push("the last run finished no record: this one starts at the beginning".into());
            } else {
                standing = go_on(&checkpoint, source, &file, &mut begun)?;
                earlier = Some(standing.clone());
            }
        }
    }
    if sends {
        begun.keeper = Some(Keeper::new(file, standing, earlier));
    } else if begun.resumed {
        begun.finished = Some(Finished::from(standing.number, standing.finished));
    }
    Ok(begun)
}

fn go_on(
    checkpoint: &Checkpoint,
    source: &mut dyn Source,
    file: &CheckpointFile,
    begun: &mut Begun,
) -> Result<Standing, Error> {
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
    source.seek(checkpoint.position)?;
    let standing = checkpoint.standing();
    let ahead = match standing.finished.numbers() {
        0 => String::new(),
        1 => "; one behind it is finished, and is passed over".into(),
        ahead => format!("; {ahead} behind it are finished, and are passed over"),
    };
    begun.notes.push(format!(
        "goes on at record {}, where run {} stopped{ahead}",
        standing.number, checkpoint.run_id
    ));
    if checkpoint.writes_to != file.writes_to() {
        begun.warnings.push(format!(
            "the checkpoint is of a run that wrote to {}, and this one writes to {}: what was delivered there is not sent \
             again; --restart sends everything",
            checkpoint.writes_to,
            file.writes_to()
        ));
    }
    begun.resumed = true;
    Ok(standing)
}
