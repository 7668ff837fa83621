//! The checkpoint on the disk.
//!
//! One line of JSON. Its last member is the SHA-256 of everything before it, so that a file that was damaged is not
//! taken for one that says something else:
//!
//! ```json
//! {"schema":"datahub-emit/checkpoint/1","run_id":"file-…","at":"2026-11-25T20:15:02Z","writes_to":"http://gms:8080",
//!  "number":1204,"position":{"file":0,"record":1204,"offset":911021,"form":"array"},"finished":[[1210,1311]],
//!  "input":{"path":"/data/mcps.json","files":[{"name":"mcps.json","size":1500210,"modified":"…","ends":"…"}]},
//!  "sha256":"…"}
//! ```
//!
//! It is written under another name and renamed, so that there is always a whole one.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::ranges::Ranges;
use super::tracker::Standing;
use crate::hex::hex;
use crate::pipeline::state::sync_directory;
use crate::source::{Input, Position};
use crate::{Error, ErrorKind};

/// The name and version of the form.
const SCHEMA: &str = "datahub-emit/checkpoint/1";

/// What stands before the checksum, and what behind it.
const SUM: (&str, &str) = (",\"sha256\":\"", "\"}\n");

/// Hexadecimal digits of the checksum.
const SUM_DIGITS: usize = 64;

/// What a checkpoint says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Checkpoint {
    schema: String,
    /// The run that wrote it.
    pub(super) run_id: String,
    /// When.
    pub(super) at: String,
    /// The server that this run wrote to, or its kind of sink.
    pub(super) writes_to: String,
    /// Records before the position, of all files.
    pub(super) number: u64,
    pub(super) position: Position,
    /// Numbers of records that are finished behind it.
    pub(super) finished: Ranges,
    pub(super) input: Input,
}

/// Why there is no checkpoint to go by.
#[derive(Debug)]
pub(super) enum Unreadable {
    /// There is none.
    Absent,
    /// It is not what was written; with what is wrong.
    Damaged(String),
    /// The file cannot be read.
    Io(io::Error),
}

/// The parts of a checkpoint that stay the same during a run, and where it is.
#[derive(Debug)]
pub(super) struct CheckpointFile {
    path: PathBuf,
    temporary: PathBuf,
    run_id: String,
    writes_to: String,
    input: Input,
}

impl Checkpoint {
    pub(super) fn standing(&self) -> Standing {
        Standing { number: self.number, position: self.position, finished: self.finished.clone() }
    }

    /// Reads the one at `path`.
    pub(super) fn read(path: &Path) -> Result<Self, Unreadable> {
        let text = fs::read(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Unreadable::Absent,
            _ => Unreadable::Io(error),
        })?;
        Self::parse(&text).map_err(Unreadable::Damaged)
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
        if !checkpoint.finished.begin_at(checkpoint.number) {
            return Err("it contradicts itself".into());
        }
        Ok(checkpoint)
    }

    fn text(&self) -> io::Result<Vec<u8>> {
        let mut text = serde_json::to_vec(self)?;
        // The checksum comes in front of the closing brace.
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
    pub(super) fn new(path: PathBuf, run_id: String, writes_to: String, input: Input) -> Self {
        let mut temporary = path.clone().into_os_string();
        temporary.push(".new");
        Self { path, temporary: temporary.into(), run_id, writes_to, input }
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

    /// Replaces what is there. With `sync`, it is on the disk when this returns.
    pub(super) fn write(&self, standing: Standing, sync: bool) -> Result<(), Error> {
        let checkpoint = Checkpoint {
            schema: SCHEMA.into(),
            run_id: self.run_id.clone(),
            at: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            writes_to: self.writes_to.clone(),
            number: standing.number,
            position: standing.position,
            finished: standing.finished,
            input: self.input.clone(),
        };
        let written = checkpoint.text().and_then(|text| {
            let mut file = File::create(&self.temporary)?;
            file.write_all(&text)?;
            if sync {
                file.sync_all()?;
            }
            fs::rename(&self.temporary, &self.path)?;
            if sync {
                self.sync_directory();
            }
            Ok(())
        });
        written.map_err(|error| cannot_write(&self.path, error))
    }

    /// Takes away what is there, if anything is.
    pub(super) fn remove(&self) -> Result<(), Error> {
        match fs::remove_file(&self.path) {
            Ok(()) => {
                self.sync_directory();
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

    /// Finds out, before anything is sent, that it could not be written.
    pub(super) fn check_writable(&self) -> Result<(), Error> {
        let created = File::create(&self.temporary).and_then(|_| fs::remove_file(&self.temporary));
        created.map_err(|error| cannot_write(&self.path, error))
    }

    /// A new name lasts when its directory is on the disk too. Not every file system can do that.
    fn sync_directory(&self) {
        drop(self.path.parent().map(sync_directory));
    }
}

fn cannot_write(path: &Path, error: io::Error) -> Error {
    Error::new(ErrorKind::Disk, format!("cannot write the checkpoint {}", path.display())).with_source(error)
}

#[cfg(test)]
mod tests {
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
        CheckpointFile::new(directory.join("checkpoint.json"), "file-1".into(), "http://gms".into(), input)
    }

    fn standing(number: u64, gaps: &[(u64, u64)]) -> Standing {
        let mut finished = Ranges::default();
        let mut next = number;
        for (gap, length) in gaps {
            for record in next + gap..next + gap + length {
                finished.push(record);
            }
            next += gap + length;
        }
        let position = Position { file: 3, record: number / 2, offset: number * 100, form: Form::Array };
        Standing { number, position, finished }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_was_written_is_read_and_damage_is_seen(
            number in 0_u64..1_000_000,
            gaps in prop::collection::vec((1_u64..9, 1_u64..9), 0..9),
            damage in any::<prop::sample::Index>(),
            byte: u8,
        ) {
            let directory = tempfile::tempdir().unwrap();
            let file = file(directory.path());
            let standing = standing(number, &gaps);
            file.write(standing.clone(), false).unwrap();
            let read = Checkpoint::read(file.path()).unwrap();
            prop_assert_eq!(read.standing(), standing);
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
    fn there_is_one_or_there_is_none() {
        let directory = tempfile::tempdir().unwrap();
        let file = file(directory.path());
        assert!(matches!(Checkpoint::read(file.path()), Err(Unreadable::Absent)));
        file.check_writable().unwrap();
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
        file.write(standing(5, &[]), true).unwrap();
        file.write(standing(6, &[]), true).unwrap();
        assert_eq!(Checkpoint::read(file.path()).unwrap().number, 6);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        file.remove().unwrap();
        file.remove().unwrap();
        assert!(matches!(Checkpoint::read(file.path()), Err(Unreadable::Absent)));
    }

    #[test]
    fn one_of_a_later_form_is_not_taken_for_this_one() {
        let directory = tempfile::tempdir().unwrap();
        let file = file(directory.path());
        file.write(standing(5, &[]), false).unwrap();
        let mut later = Checkpoint::read(file.path()).unwrap();
        later.schema = "datahub-emit/checkpoint/2".into();
        let told = Checkpoint::parse(&later.text().unwrap()).unwrap_err();
        assert!(told.contains("checkpoint/2"), "{told}");
    }
}
