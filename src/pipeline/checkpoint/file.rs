//! The checkpoint file.
//!
//! One line of JSON. Its last member is the SHA-256 of everything before it, so that damage is detected:
//!
//! ```json
//! {"schema":"datahub-emit/checkpoint/1","run_id":"file-…","at":"2026-11-25T20:15:02Z",
//!  "writes_to":"http://gms:8080","number":1204,
//!  "position":{"file":0,"record":1204,"offset":911021,"form":"array"},"finished":[[1210,1311]],
//!  "input":{"path":"/data/mcps.json","files":[
//!   {"name":"mcps.json","size":1500210,"modified":"…","ends":"…"}]},
//!  "sha256":"…"}
//! ```

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::ranges::Ranges;
use super::tracker::CheckpointPosition;
use crate::atomic_write::{AtomicWrite, Durability};
use crate::file_system::parent;
use crate::hex::hex;
use crate::platform::Platform;
use crate::source::{Input, Position};
use crate::{Error, ErrorKind};

/// The name and version of the format.
const SCHEMA: &str = "datahub-emit/checkpoint/1";

/// The text before the checksum, and the text behind it.
const SUM: (&str, &str) = (",\"sha256\":\"", "\"}\n");

/// A larger file is not a checkpoint: 64 MiB. The largest part is the list of finished records behind the
/// position, of which there are at most as many as proposals in flight.
const MAX_BYTES: u64 = 64 << 20;

/// Hexadecimal digits of the checksum.
const SUM_DIGITS: usize = 64;

/// The content of a checkpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Checkpoint {
    schema: String,
    /// The run that wrote it.
    pub(super) run_id: String,
    /// When it was written.
    pub(super) at: String,
    /// The server that this run wrote to, or its type of sink.
    pub(super) writes_to: String,
    /// Records before the position, of all files.
    pub(super) number: u64,
    pub(super) position: Position,
    /// Numbers of finished records behind the position.
    pub(super) finished: Ranges,
    /// Finished records and proposals that were dead-lettered.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) failed: u64,
    pub(super) input: Input,
}

/// Why no checkpoint was read.
#[derive(Debug)]
pub(super) enum ReadError {
    /// There is none.
    Absent,
    /// It is not what was written, and why.
    Damaged(String),
    /// The file cannot be read.
    Io(io::Error),
}

/// The checkpoint file of a run, with the members that stay the same during the run.
#[derive(Debug)]
pub(super) struct CheckpointFile {
    platform: Platform,
    path: PathBuf,
    run_id: String,
    writes_to: String,
    input: Input,
    /// Records and proposals that earlier parts of the same run have dead-lettered.
    failed_before: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Checkpoint {
    pub(super) fn position(&self) -> CheckpointPosition {
        CheckpointPosition { number: self.number, position: self.position, finished: self.finished.clone() }
    }

    fn parse(text: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(text).map_err(|_| "it is not UTF-8")?;
        let cut = || "it is cut off, or was changed by hand";
        let (body, sum) = text
            .strip_suffix(SUM.1)
            .and_then(|text| text.split_at_checked(text.len().checked_sub(SUM_DIGITS)?))
            .and_then(|(body, sum)| Some((body.strip_suffix(SUM.0)?, sum)))
            .ok_or_else(cut)?;
        if checksum(body.as_bytes()) != sum {
            return Err("its checksum is wrong".into());
        }
        let checkpoint: Self = serde_json::from_str(&format!("{body}}}"))
            .map_err(|error| format!("its form is unknown, perhaps that of another version ({error})"))?;
        if checkpoint.schema != SCHEMA {
            let schema: String = checkpoint.schema.chars().take(80).collect();
            return Err(format!("its form is {schema:?}, and this program knows {SCHEMA:?}"));
        }
        if !checkpoint.finished.are_valid_from(checkpoint.number) {
            return Err("it contradicts itself".into());
        }
        Ok(checkpoint)
    }

    fn text(&self) -> io::Result<Vec<u8>> {
        let mut text = serde_json::to_vec(self)?;
        // The checksum is inserted before the closing brace.
        text.pop();
        let sum = checksum(&text);
        for part in [SUM.0, &sum, SUM.1] {
            text.extend_from_slice(part.as_bytes());
        }
        Ok(text)
    }
}

fn checksum(text: &[u8]) -> String {
    hex(&Sha256::digest(text))
}

impl CheckpointFile {
    pub(super) fn new(
        platform: Platform,
        path: PathBuf,
        run_id: String,
        writes_to: String,
        input: Input,
    ) -> Self {
        Self { platform, path, run_id, writes_to, input, failed_before: 0 }
    }

    /// Continues a run that has dead-lettered this number of records and proposals.
    pub(super) fn continue_after(&mut self, failed: u64) {
        self.failed_before = failed;
    }

    /// Reads the checkpoint that is there.
    pub(super) fn read(&self) -> Result<Checkpoint, ReadError> {
        let text = self.platform.files.read(&self.path, MAX_BYTES).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => ReadError::Absent,
            _ => ReadError::Io(error),
        })?;
        Checkpoint::parse(&text).map_err(ReadError::Damaged)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn input(&self) -> &Input {
        &self.input
    }

    pub(super) fn writes_to(&self) -> &str {
        &self.writes_to
    }

    /// Replaces the checkpoint. `failed` is the number of records and proposals that were dead-lettered.
    pub(super) fn write(
        &self,
        position: CheckpointPosition,
        failed: u64,
        durability: Durability,
    ) -> Result<(), Error> {
        let checkpoint = Checkpoint {
            schema: SCHEMA.into(),
            run_id: self.run_id.clone(),
            at: self.platform.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            writes_to: self.writes_to.clone(),
            number: position.number,
            position: position.position,
            finished: position.finished,
            failed: self.failed_before + failed,
            input: self.input.clone(),
        };
        checkpoint
            .text()
            .and_then(|text| self.atomic_write().write(&text, durability))
            .map_err(|error| cannot_write(&self.path, error))
    }

    /// Removes the checkpoint if there is one.
    pub(super) fn remove(&self) -> Result<(), Error> {
        match self.platform.files.remove(&self.path) {
            Ok(()) => {
                // Not every file system can do that; a checkpoint that comes back only has records sent
                // again.
                drop(self.platform.files.sync_directory(parent(&self.path)));
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(Error::new(
                ErrorKind::Disk,
                format!("cannot remove the checkpoint {}", self.path.display()),
            )
            .with_source(error)),
        }
    }

    /// Checks, before anything is sent, that the checkpoint can be written.
    pub(super) fn check_writable(&self) -> Result<(), Error> {
        self.atomic_write().check().map_err(|error| cannot_write(&self.path, error))
    }

    /// The run holds the lock of the pipeline, so no other process writes the checkpoint.
    fn atomic_write(&self) -> AtomicWrite<'_> {
        AtomicWrite::new(&self.platform.files, &*self.platform.clock, &self.path).single_writer().private()
    }
}

fn cannot_write(path: &Path, error: io::Error) -> Error {
    Error::new(ErrorKind::Disk, format!("cannot write the checkpoint {}", path.display())).with_source(error)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;
    use crate::source::{Form, InputFile};

    fn file(directory: &Path) -> CheckpointFile {
        let input = Input {
            path: "/data/größe.json".into(),
            files: vec![InputFile {
                name: "größe.json".into(),
                size: 17,
                modified: "2026-11-25T10:00:00Z".into(),
                ends: "ab".into(),
            }],
        };
        let path = directory.join("checkpoint.json");
        CheckpointFile::new(Platform::default(), path, "file-1".into(), "http://gms".into(), input)
    }

    fn position(number: u64, gaps: &[(u64, u64)]) -> CheckpointPosition {
        let mut finished = Ranges::default();
        let mut next = number;
        for (gap, length) in gaps {
            for record in next + gap..next + gap + length {
                finished.push(record);
            }
            next += gap + length;
        }
        let position = Position { file: 3, record: number / 2, offset: number * 100, form: Form::Array };
        CheckpointPosition { number, position, finished }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_was_written_is_read_and_damage_is_detected(
            number in 0_u64..1_000_000,
            gaps in prop::collection::vec((1_u64..9, 1_u64..9), 0..9),
            damage in any::<prop::sample::Index>(),
            byte: u8,
        ) {
            let directory = tempfile::tempdir().unwrap();
            let file = file(directory.path());
            let position = position(number, &gaps);
            file.write(position.clone(), 3, Durability::Process).unwrap();
            let read = file.read().unwrap();
            prop_assert_eq!(read.position(), position);
            prop_assert_eq!(&read.input, &file.input);

            let text = fs::read(file.path()).unwrap();
            let at = damage.index(text.len());
            prop_assert!(Checkpoint::parse(&text[..at]).is_err(), "cut off at {}", at);
            let mut changed = text.clone();
            changed[at] = byte;
            prop_assert_eq!(Checkpoint::parse(&changed).is_ok(), changed == text, "byte {}", at);
        }
    }

    #[test]
    fn it_is_replaced_as_a_whole_and_removed() {
        let directory = tempfile::tempdir().unwrap();
        let file = file(directory.path());
        assert!(matches!(file.read(), Err(ReadError::Absent)));
        file.check_writable().unwrap();
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
        file.write(position(5, &[]), 0, Durability::Power).unwrap();
        file.write(position(6, &[]), 0, Durability::Power).unwrap();
        assert_eq!(file.read().unwrap().number, 6);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        file.remove().unwrap();
        file.remove().unwrap();
        assert!(matches!(file.read(), Err(ReadError::Absent)));
    }

    #[test]
    fn one_of_a_later_version_is_not_read() {
        let directory = tempfile::tempdir().unwrap();
        let file = file(directory.path());
        file.write(position(5, &[]), 0, Durability::Process).unwrap();
        let mut later = file.read().unwrap();
        later.schema = "datahub-emit/checkpoint/2".into();
        let reason = Checkpoint::parse(&later.text().unwrap()).unwrap_err();
        assert!(reason.contains("checkpoint/2"), "{reason}");
    }
}
