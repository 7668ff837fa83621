//! From a line of a dead-letter file to what it holds.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::sync::Arc;

use base64::Engine as _;
use bytes::Bytes;
use flate2::bufread::MultiGzDecoder;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::limits;
use super::lines::{Line, Text};
use crate::metadata::record::{Ignored, ParsedRecord, RecordError, RecordReader};
use crate::metadata::{Origin, Proposal};
use crate::source::{InvalidRecord, RawRecord};

/// With what an object begins. Inside a letter's texts the quote has a backslash before it.
const START: &[u8] = b"{\"";

const GZIP_MARK: &[u8] = &[0x1F, 0x8B];

/// What a letter holds.
#[derive(Debug)]
pub(super) enum Content {
    Proposals {
        proposals: Vec<Proposal>,
        /// When they failed.
        at: Timestamp,
    },
    /// A record that is not understood, still or now.
    Invalid(InvalidRecord),
    /// A record that is passed over by design.
    Ignored(Origin, &'static str),
}

impl Content {
    pub(super) fn proposals(&self) -> &[Proposal] {
        match self {
            Self::Proposals { proposals, .. } => proposals,
            _ => &[],
        }
    }
}

/// Reads the letters of one file.
pub(super) struct Letters {
    file: Arc<str>,
    /// When the file was last changed: what says nothing of its time is as old as that.
    changed: Timestamp,
    reader: RecordReader,
}

/// A letter as far as it is not a record.
#[derive(Deserialize)]
struct Marked {
    #[serde(default, rename = "deadLetter")]
    letter: Map<String, Value>,
}

impl Letters {
    pub(super) fn new(file: Arc<str>, changed: Timestamp) -> Self {
        Self { file, changed, reader: RecordReader::new(limits()) }
    }

    /// Adds what `line` holds to `contents`: usually one letter; of a damaged line all that is whole, and the damage.
    pub(super) fn read(&mut self, line: &Line, contents: &mut Vec<Content>) {
        let text = match &line.text {
            Text::Whole(text) => text.trim_ascii(),
            Text::TooLong(length) => {
                let raw = RawRecord::Long { length: *length };
                contents.push(self.damaged(line, "it is longer than any letter", raw));
                return;
            }
        };
        if text.is_empty() {
            return;
        }
        match self.letter(text, line) {
            Ok(content) => contents.push(content),
            Err(error) => {
                let whole = contents.len();
                self.salvage(text, line, contents);
                // What is left of it is kept with the whole line, so that someone can look at it.
                let saved = match contents.len() - whole {
                    0 => String::new(),
                    saved => format!(" ({saved} whole found in it)"),
                };
                contents.push(self.damaged(line, &format!("{error}{saved}"), RawRecord::of(text)));
            }
        }
    }

    /// Whole letters in a line that is none: two in one, or one behind the torn end of another.
    fn salvage(&mut self, text: &[u8], line: &Line, contents: &mut Vec<Content>) {
        let mut rest = text;
        while let Some(start) = memchr::memmem::find(rest, START) {
            let candidate = rest.get(start..).unwrap_or_default();
            let mut values = serde_json::Deserializer::from_slice(candidate).into_iter::<&RawValue>();
            let whole = match values.next() {
                Some(Ok(value)) => value.get().as_bytes(),
                _ => &[],
            };
            let used = match self.letter(whole, line) {
                Ok(content) => {
                    contents.push(content);
                    whole.len()
                }
                Err(_) => 1,
            };
            rest = candidate.get(used..).unwrap_or_default();
        }
    }

    /// One letter.
    ///
    /// # Errors
    /// When `text` is no letter. A letter of a record that was not understood is one, whatever becomes of the record.
    fn letter(&mut self, text: &[u8], line: &Line) -> Result<Content, RecordError> {
        let letter = serde_json::from_slice::<Marked>(text).map(|marked| marked.letter).unwrap_or_default();
        let origin = self.origin(&letter, line);
        let at = letter.get("at").and_then(Value::as_str).and_then(|at| at.parse().ok());
        // In the order of the lines, so that no two are of one time.
        let later = SignedDuration::from_micros(line.number.cast_signed());
        let at = at.unwrap_or_else(|| self.changed.checked_add(later).unwrap_or(self.changed));
        let Some(raw) = raw(&letter) else {
            return Ok(understood(self.reader.read(text, origin.clone())?, origin, at));
        };
        let invalid = |reason: String, raw: RawRecord| {
            Content::Invalid(InvalidRecord { origin: origin.clone(), reason, raw })
        };
        Ok(match raw {
            Ok((text, kept)) => match self.reader.read(&text, origin.clone()) {
                Ok(read) => understood(read, origin, at),
                Err(error) => invalid(error.to_string(), kept),
            },
            Err((reason, kept)) => invalid(reason, kept),
        })
    }

    /// The record's own place; for a letter that does not say it, the letter's.
    fn origin(&self, letter: &Map<String, Value>, line: &Line) -> Origin {
        let own = letter.get("origin").and_then(Value::as_str).and_then(|origin| {
            let (file, index) = origin.rsplit_once('#')?;
            let offset = letter.get("offset").and_then(Value::as_u64).unwrap_or_default();
            Some(Origin { file: file.into(), index: index.parse().ok()?, offset })
        });
        own.unwrap_or_else(|| self.place(line))
    }

    fn place(&self, line: &Line) -> Origin {
        Origin { file: Arc::clone(&self.file), index: line.number - 1, offset: line.offset }
    }

    fn damaged(&self, line: &Line, what: &str, raw: RawRecord) -> Content {
        Content::Invalid(InvalidRecord {
            origin: self.place(line),
            reason: format!("line {} is no whole letter: {what}", line.number),
            raw,
        })
    }
}

fn understood(read: ParsedRecord, origin: Origin, at: Timestamp) -> Content {
    match read {
        ParsedRecord::Proposals(proposals) => Content::Proposals { proposals, at },
        ParsedRecord::Ignored(Ignored::Usage) => Content::Ignored(origin, "GMS takes no usage records"),
    }
}

/// The text of a record that was not understood, and how a new letter keeps it.
type Raw = Result<(Bytes, RawRecord), (String, RawRecord)>;

/// `None` for the letter of a proposal.
fn raw(letter: &Map<String, Value>) -> Option<Raw> {
    let text = |key: &str| letter.get(key).and_then(Value::as_str);
    let whole = |text: Vec<u8>| {
        let text = Bytes::from(text);
        (text.clone(), RawRecord::Text(text))
    };
    if let Some(raw) = text("raw") {
        return Some(Ok(whole(raw.into())));
    }
    if let Some(encoded) = text("rawBase64") {
        let decoded = base64::prelude::BASE64_STANDARD.decode(encoded);
        return Some(decoded.map(whole).map_err(|error| {
            (format!("rawBase64: {error}"), RawRecord::Text(Bytes::copy_from_slice(encoded.as_bytes())))
        }));
    }
    let number = |key: &str| letter.get(key).and_then(Value::as_u64);
    let (file, offset, length) = (text("file")?, number("offset")?, number("length")?);
    let kept = RawRecord::Long { length };
    Some(match read_at(file, offset, length) {
        Ok(text) => Ok((text.into(), kept)),
        Err(error) => Err((format!("its text cannot be read from {file}: {error}"), kept)),
    })
}

/// Bytes of a file, counted after unpacking where it is compressed.
fn read_at(file: &str, offset: u64, length: u64) -> io::Result<Vec<u8>> {
    if length > limits().max_bytes as u64 {
        return Err(io::Error::other(format!("{length} bytes are more than a record may have")));
    }
    let mut stream = BufReader::new(File::open(file)?);
    let compressed = stream.fill_buf()?.starts_with(GZIP_MARK);
    let mut text = Vec::new();
    if compressed {
        let mut unpacked = MultiGzDecoder::new(stream);
        io::copy(&mut (&mut unpacked).take(offset), &mut io::sink())?;
        unpacked.take(length).read_to_end(&mut text)?;
    } else {
        io::Seek::seek(&mut stream, io::SeekFrom::Start(offset))?;
        stream.take(length).read_to_end(&mut text)?;
    }
    if (text.len() as u64) < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(text)
}
