//! The dead-letter file: rejected proposals and invalid records, each with the reason.
//!
//! JSON Lines. A rejected proposal is a record in the `file` source's `value` + `contentType` form with a
//! `deadLetter` object, so that the file can be read as a source again:
//!
//! ```json
//! {"entityType": "dataset", "entityUrn": "urn:li:…", …, "deadLetter": {"reason": "gms-rejected",
//!  "status": 422, "message": "…", "attempts": 1, "origin": "mcps.json#12", "runId": "file-…",
//!  "at": "2026-11-23T20:15:02.480117Z"}}
//! ```
//!
//! The line of an invalid record has nothing but that object, which holds the record's text: as `raw`, as
//! `rawBase64` if it is not UTF-8, or, if it is over 1 MiB, as its `file`, `offset` and `length`.
//!
//! A line is written when its proposal is rejected, and [synced](DeadLetterWriter::sync) before a checkpoint
//! passes the record or a report counts it. If a line could not be written or synced, its proposal is
//! undelivered, and a later run sends it again.

mod append_file;

use std::path::PathBuf;
use std::sync::Mutex;

use base64::Engine as _;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use self::append_file::AppendFile;
use super::report::DeadLetterReport;
use crate::emitter::Rejection;
use crate::file_system::FileType;
use crate::metadata::{Proposal, json, record};
use crate::platform::Platform;
use crate::source::{InvalidRecord, RawRecord};
use crate::{Error, ErrorKind};

/// The name of the file in a pipeline's state directory.
pub(super) const FILE_NAME: &str = "dead-letters.jsonl";

/// The reason of an invalid record.
const INVALID_RECORD: &str = "invalid-record";

/// Writes dead letters to a file, which is opened for the first one.
#[derive(Debug)]
pub(super) struct DeadLetterWriter {
    platform: Platform,
    path: PathBuf,
    run_id: String,
    state: Mutex<WriterState>,
}

#[derive(Debug, Default)]
struct WriterState {
    file: Option<AppendFile>,
    synced: u64,
    /// Dead letters that are written and not synced yet, and how many of them are rejected proposals.
    unsynced: u64,
    unsynced_proposals: u64,
    /// Syncing has failed: dead letters that were written may not have reached the disk.
    has_lost: bool,
    failure: Option<String>,
    line: Vec<u8>,
    /// The time of the last dead letter.
    last_at: Timestamp,
}

/// The subject of a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DeadLetterSubject {
    RejectedProposal,
    InvalidRecord,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DeadLetter<'a> {
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
    range: Option<RecordRange<'a>>,
}

#[derive(Serialize)]
struct RecordRange<'a> {
    file: &'a str,
    offset: u64,
    length: u64,
}

impl DeadLetterWriter {
    pub(super) fn new(platform: Platform, path: PathBuf, run_id: String) -> Self {
        Self { platform, path, run_id, state: Mutex::default() }
    }

    /// Checks, before anything is sent, that the file can be written.
    pub(super) fn check_writable(&self) -> Result<(), Error> {
        let is_directory = |path| {
            self.platform.files.metadata(path).map(|metadata| metadata.file_type == FileType::Directory)
        };
        if is_directory(&self.path).is_ok_and(|is_directory| is_directory) {
            return Err(self.error("it is a directory"));
        }
        let parent = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        match parent.map(is_directory) {
            Some(Ok(false)) => Err(self.error("its directory is a file")),
            Some(Err(error)) => Err(self.error("its directory cannot be opened").with_source(error)),
            _ => append_file::check(&self.platform, &self.path)
                .map_err(|error| self.error("it cannot be appended to").with_source(error)),
        }
    }

    /// Writes a rejected proposal. False if that failed; [`failure`](Self::failure) says why.
    pub(super) fn write_rejected(&self, proposal: &Proposal, rejection: &Rejection) -> bool {
        let at = self.now();
        let dead_letter = DeadLetter {
            reason: rejection.reason.as_str(),
            status: rejection.status,
            message: &rejection.message,
            attempts: rejection.attempts,
            origin: proposal.origin().map(ToString::to_string),
            run_id: &self.run_id,
            at,
            raw: None,
            raw_base64: None,
            range: None,
        };
        self.append(DeadLetterSubject::RejectedProposal, |line| {
            let mut member = Vec::new();
            json::push_ascii_json(&mut member, &serde_json::to_vec(&dead_letter)?);
            record::write_value_form(proposal, line, Some(("deadLetter", &member)));
            Ok(())
        })
    }

    /// Writes an invalid record. False if that failed; [`failure`](Self::failure) says why.
    pub(super) fn write_invalid(&self, record: &InvalidRecord) -> bool {
        let (raw, raw_base64, range) = match &record.raw {
            RawRecord::Text(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => (Some(text), None, None),
                Err(_) => (None, Some(base64::prelude::BASE64_STANDARD.encode(bytes)), None),
            },
            RawRecord::Long { length } => {
                let origin = &record.origin;
                (None, None, Some(RecordRange { file: &origin.file, offset: origin.offset, length: *length }))
            }
        };
        let at = self.now();
        let dead_letter = DeadLetter {
            reason: INVALID_RECORD,
            status: None,
            message: &record.reason,
            attempts: 0,
            origin: Some(record.origin.to_string()),
            run_id: &self.run_id,
            at,
            raw,
            raw_base64,
            range,
        };
        self.append(DeadLetterSubject::InvalidRecord, |line| {
            line.extend_from_slice(b"{\"deadLetter\":");
            serde_json::to_writer(&mut *line, &dead_letter)?;
            line.push(b'}');
            Ok(())
        })
    }

    /// Why the file could not be written. After the first failure nothing more is written.
    pub(super) fn failure(&self) -> Option<Error> {
        let state = self.lock();
        state.failure.as_deref().map(|failure| self.error(failure))
    }

    /// Syncs what was written so far.
    ///
    /// # Errors
    /// If syncing fails now or has failed before: how many rejected proposals since the last call have lost
    /// their dead letter. [`failure`](Self::failure) says why.
    pub(super) fn sync(&self) -> Result<(), u64> {
        let mut state = self.lock();
        if state.unsynced == 0 {
            return if state.has_lost { Err(0) } else { Ok(()) };
        }
        let synced = state.file.as_mut().map_or(Ok(()), AppendFile::sync);
        let (dead_letters, proposals) =
            (std::mem::take(&mut state.unsynced), std::mem::take(&mut state.unsynced_proposals));
        match synced {
            Ok(()) => {
                state.synced += dead_letters;
                if state.has_lost { Err(0) } else { Ok(()) }
            }
            Err(error) => {
                state.failure.get_or_insert(error.to_string());
                state.has_lost = true;
                Err(proposals)
            }
        }
    }

    /// The dead letters for the run report; only those that are [synced](Self::sync) count.
    pub(super) fn report(&self) -> DeadLetterReport {
        let synced = self.lock().synced;
        DeadLetterReport { path: (synced > 0).then(|| self.path.clone()), records: synced }
    }

    fn append(
        &self,
        subject: DeadLetterSubject,
        write_line: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>,
    ) -> bool {
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
                none => none.insert(AppendFile::open(&self.platform.files, &self.path)?),
            };
            file.append(&line)
        });
        state.line = line;
        match appended {
            Ok(()) => {
                state.unsynced += 1;
                state.unsynced_proposals += u64::from(subject == DeadLetterSubject::RejectedProposal);
                true
            }
            Err(error) => {
                state.failure = Some(error.to_string());
                false
            }
        }
    }

    /// The time of a dead letter. A replay compares it with the time at which GMS last wrote the aspect, and
    /// identifies dead letters by it, so no two have the same microsecond.
    fn now(&self) -> String {
        let mut state = self.lock();
        let next = state.last_at.checked_add(SignedDuration::from_micros(1)).unwrap_or(state.last_at);
        state.last_at = self.platform.clock.now().max(next);
        state.last_at.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, WriterState> {
        // No code panics in the middle of a change, so the state of a poisoned lock is consistent.
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn error(&self, what: &str) -> Error {
        Error::new(ErrorKind::Disk, format!("cannot write dead letters to {}: {what}", self.path.display()))
    }
}

#[cfg(test)]
mod tests;
