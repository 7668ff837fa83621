//! The dead-letter file: rejected proposals and records that were not understood, kept with the reason.
//!
//! JSON Lines. A rejected proposal is a record in the `file` source's `value` + `contentType` form with a
//! `deadLetter` object beside it, so that the file can be read as a source again:
//!
//! ```json
//! {"entityType": "dataset", "entityUrn": "urn:li:…", …, "deadLetter": {"reason": "gms-rejected", "status": 422,
//!  "message": "…", "attempts": 1, "origin": "mcps.json#12", "runId": "file-…", "at": "2026-11-23T20:15:02.480117Z"}}
//! ```
//!
//! A record that was not understood has nothing but that object, and in it its text as `raw`, as `rawBase64` where
//! it is not UTF-8, or, over 1 MiB, its `file`, `offset` and `length`.
//!
//! Each line is written with one call when its proposal is refused, and [`sync`](DeadLetters::sync) puts it on the disk
//! for good before a checkpoint goes past it or a report counts it. A letter that could not be kept is taken back: its
//! proposal is undelivered then, and a later run meets it again.

mod file;

use std::path::PathBuf;
use std::sync::Mutex;

use base64::Engine as _;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use self::file::LetterFile;
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
    file: Option<LetterFile>,
    /// Letters that are safe.
    kept: u64,
    /// Letters that are written and not synced yet, and how many of them are rejected proposals.
    unsynced: u64,
    unsynced_proposals: u64,
    /// Letters that were written did not reach the disk.
    lost: bool,
    failure: Option<String>,
    line: Vec<u8>,
    /// The time of the last letter.
    last: Timestamp,
}

/// What a letter is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subject {
    Proposal,
    Record,
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
            Some(Ok(metadata)) if !metadata.is_dir() => Err(self.error("its directory is a file")),
            Some(Err(error)) => Err(self.error("its directory cannot be opened").with_source(error)),
            _ => file::check(&self.path)
                .map_err(|error| self.error("it cannot be appended to").with_source(error)),
        }
    }

    /// Keeps a proposal that was refused. False if it could not be kept; [`failure`](Self::failure) says why.
    pub(super) fn rejected(&self, proposal: &Proposal, rejection: &Rejection) -> bool {
        let at = self.now();
        let letter = Letter {
            reason: rejection.reason.as_str(),
            status: rejection.status,
            message: &rejection.message,
            attempts: rejection.attempts,
            origin: proposal.origin().map(ToString::to_string),
            run_id: &self.run_id,
            at,
            raw: None,
            raw_base64: None,
            place: None,
        };
        self.append(Subject::Proposal, |line| {
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
        let at = self.now();
        let letter = Letter {
            reason: INVALID_RECORD,
            status: None,
            message: &record.reason,
            attempts: 0,
            origin: Some(record.origin.to_string()),
            run_id: &self.run_id,
            at,
            raw,
            raw_base64,
            place,
        };
        self.append(Subject::Record, |line| {
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

    /// Puts what was written so far on the disk for good.
    ///
    /// # Errors
    /// How many rejected proposals are not kept after all since the last time, because that failed, now or before;
    /// [`failure`](Self::failure) says why.
    pub(super) fn sync(&self) -> Result<(), u64> {
        let mut state = self.lock();
        if state.unsynced == 0 {
            return if state.lost { Err(0) } else { Ok(()) };
        }
        let synced = state.file.as_mut().map_or(Ok(()), LetterFile::sync);
        let (letters, proposals) =
            (std::mem::take(&mut state.unsynced), std::mem::take(&mut state.unsynced_proposals));
        match synced {
            Ok(()) => {
                state.kept += letters;
                if state.lost { Err(0) } else { Ok(()) }
            }
            Err(error) => {
                state.failure.get_or_insert(error.to_string());
                state.lost = true;
                Err(proposals)
            }
        }
    }

    /// What the report says of them; only letters that are [synced](Self::sync) count.
    pub(super) fn report(&self) -> DeadLetterReport {
        let kept = self.lock().kept;
        DeadLetterReport { path: (kept > 0).then(|| self.path.clone()), records: kept }
    }

    fn append(&self, subject: Subject, write_line: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>) -> bool {
        let mut state = self.lock();
        if state.failure.is_some() {
            return false;
        }
        let mut line = std::mem::take(&mut state.line);
        line.clear();
        let appended = write_line(&mut line).and_then(|()| {
            line.push(b'\n');
            let file = match &mut state.file {
                Some(file) => file,
                none => none.insert(LetterFile::open(&self.path)?),
            };
            file.append(&line)
        });
        state.line = line;
        match appended {
            Ok(()) => {
                state.unsynced += 1;
                state.unsynced_proposals += u64::from(subject == Subject::Proposal);
                true
            }
            Err(error) => {
                state.failure = Some(error.to_string());
                false
            }
        }
    }

    /// A replay compares it with the time at which GMS last wrote the aspect, and tells letters apart by it: no two are of
    /// the same microsecond.
    fn now(&self) -> String {
        let mut state = self.lock();
        let next = state.last.checked_add(SignedDuration::from_micros(1)).unwrap_or(state.last);
        state.last = Timestamp::now().max(next);
        state.last.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        // Nothing in here panics half way through a change, so a poisoned state is a whole one.
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn error(&self, what: &str) -> Error {
        Error::new(ErrorKind::Disk, format!("cannot write dead letters to {}: {what}", self.path.display()))
    }
}

#[cfg(test)]
mod tests;
