//! The dead-letter file: rejected proposals and records that were not understood, kept with the reason.
//!
//! JSON Lines. A rejected proposal is a record in the `file` source's `value` + `contentType` form with a
//! `deadLetter` object beside it, so that the file can be read as a source again:
//!
//! ```json
//! {"entityType": "dataset", "entityUrn": "urn:li:…", …, "deadLetter": {"reason": "gms-rejected", "status": 422,
//!  "message": "…", "attempts": 1, "origin": "mcps.json#12", "runId": "file-…", "at": "2026-11-23T20:15:02Z"}}
//! ```
//!
//! A record that was not understood has nothing but that object, and in it its text as `raw`, as `rawBase64` where
//! it is not UTF-8, or, over 1 MiB, its `file`, `offset` and `length`.
//!
//! Each line is written with one call and is in the file before anything says so. A line that could not be written
//! whole is taken back, as far as the disk lets us, so that what follows does not join on to half a record.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use base64::Engine as _;
use serde::Serialize;

use super::report::DeadLetterReport;
use crate::emitter::Rejection;
use crate::metadata::{Proposal, json, record};
use crate::source::{InvalidRecord, RawRecord};
use crate::{Error, ErrorKind};

/// The reason of a record that was not understood.
const INVALID_RECORD: &str = "invalid-record";

/// Writes letters to a file, which is opened with the first of them.
#[derive(Debug)]
pub(super) struct DeadLetters {
    path: PathBuf,
    run_id: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    file: Option<File>,
    written: u64,
    failure: Option<String>,
    line: Vec<u8>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Letter<'a> {
    reason: &'a str,
    status: Option<u16>,
    message: &'a str,
    attempts: u32,
    origin: Option<String>,
    run_id: &'a str,
    at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    raw: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    raw_base64: Option<String>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    place: Option<Place<'a>>,
}

#[derive(Serialize)]
struct Place<'a> {
    file: &'a str,
    offset: u64,
    length: u64,
}

impl DeadLetters {
    pub(super) fn new(path: PathBuf, run_id: String) -> Self {
        Self { path, run_id, state: Mutex::default() }
    }

    /// Finds out, before anything is sent, that there is no place for the file.
    pub(super) fn check_writable(&self) -> Result<(), Error> {
        if self.path.is_dir() {
            return Err(self.error("it is a directory"));
        }
        let parent = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        match parent.map(std::fs::metadata) {
            None => Ok(()),
            Some(Ok(metadata)) if metadata.is_dir() => Ok(()),
            Some(Ok(_)) => Err(self.error("its directory is a file")),
            Some(Err(error)) => Err(self.error("its directory cannot be opened").with_source(error)),
        }
    }

    /// Keeps a proposal that was refused. False if it could not be kept; [`failure`](Self::failure) says why.
    pub(super) fn rejected(&self, proposal: &Proposal, rejection: &Rejection) -> bool {
        let letter = Letter {
            reason: rejection.reason,
            status: rejection.status,
            message: &rejection.message,
            attempts: rejection.attempts,
            origin: proposal.origin.as_ref().map(ToString::to_string),
            run_id: &self.run_id,
            at: now(),
            raw: None,
            raw_base64: None,
            place: None,
        };
        self.append(|line| {
            let mut member = Vec::new();
            json::push_ascii_json(&mut member, &serde_json::to_vec(&letter)?);
            record::write_value_form(proposal, line, Some(("deadLetter", &member)));
            Ok(())
        })
    }

    /// Keeps a record that was not understood. False if it could not be kept.
    pub(super) fn invalid(&self, record: &InvalidRecord) -> bool {
        let (raw, raw_base64, place) = match &record.raw {
            RawRecord::Text(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => (Some(text), None, None),
                Err(_) => (None, Some(base64::prelude::BASE64_STANDARD.encode(bytes)), None),
            },
            RawRecord::Long { length } => {
                let origin = &record.origin;
                (None, None, Some(Place { file: &origin.file, offset: origin.offset, length: *length }))
            }
        };
        let letter = Letter {
            reason: INVALID_RECORD,
            status: None,
            message: &record.reason,
            attempts: 0,
            origin: Some(record.origin.to_string()),
            run_id: &self.run_id,
            at: now(),
            raw,
            raw_base64,
            place,
        };
        self.append(|line| {
            line.extend_from_slice(b"{\"deadLetter\":");
            serde_json::to_writer(&mut *line, &letter)?;
            line.push(b'}');
            Ok(())
        })
    }

    /// What went wrong with the file, if anything did. After the first failure nothing more is written.
    pub(super) fn failure(&self) -> Option<Error> {
        let state = self.lock();
        state.failure.as_deref().map(|failure| self.error(failure))
    }

    pub(super) fn report(&self) -> DeadLetterReport {
        let written = self.lock().written;
        DeadLetterReport { path: (written > 0).then(|| self.path.clone()), records: written }
    }

    fn append(&self, write_line: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>) -> bool {
        let mut state = self.lock();
        if state.failure.is_some() {
            return false;
        }
        let mut line = std::mem::take(&mut state.line);
        line.clear();
        let appended = write_line(&mut line).and_then(|()| {
            line.push(b'\n');
            if state.file.is_none() {
                state.file = Some(open(&self.path)?);
            }
            match &mut state.file {
                Some(file) => write_whole_line(file, &line),
                None => Ok(()),
            }
        });
        state.line = line;
        match appended {
            Ok(()) => {
                state.written += 1;
                true
            }
            Err(error) => {
                state.failure = Some(error.to_string());
                false
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        // Nothing in here panics half way through a change, so a poisoned state is a whole one.
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn error(&self, what: &str) -> Error {
        Error::new(ErrorKind::Disk, format!("cannot write dead letters to {}: {what}", self.path.display()))
    }
}

/// Opens the file for appending; one that ends in the middle of a line is given a line end first.
fn open(path: &Path) -> std::io::Result<File> {
    let regular = std::fs::metadata(path).map_or(true, |metadata| metadata.is_file());
    if !regular {
        return OpenOptions::new().append(true).open(path);
    }
    let mut file = OpenOptions::new().create(true).read(true).append(true).open(path)?;
    if file.seek(SeekFrom::End(0))? > 0 {
        file.seek(SeekFrom::End(-1))?;
        let mut last = [0];
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            file.write_all(b"\n")?;
        }
    }
    Ok(file)
}

fn write_whole_line(file: &mut File, line: &[u8]) -> std::io::Result<()> {
    let before = file.metadata()?;
    let written = file.write_all(line).and_then(|()| file.flush());
    if written.is_err() && before.is_file() {
        // The failure to write is what matters; that half a line may stay is the lesser evil.
        drop(file.set_len(before.len()));
    }
    written
}

fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests;
