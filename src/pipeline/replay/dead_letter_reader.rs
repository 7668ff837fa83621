//! Reads the lines of a dead-letter file.

use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use bytes::Bytes;
use flate2::bufread::MultiGzDecoder;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::lines::{Line, LineText};
use crate::file_system::{Access, FileSystem};
use crate::metadata::record::{self, Ignored, ParsedRecord, RecordError, RecordReader};
use crate::metadata::{Origin, Proposal};
use crate::source::{InvalidRecord, RawRecord};

/// The start of a JSON object. Inside the strings of a dead letter, the quote is escaped.
const OBJECT_START: &[u8] = b"{\"";

const GZIP_MAGIC: &[u8] = &[0x1F, 0x8B];

/// The content of a dead letter.
#[derive(Debug)]
pub(super) enum DeadLetterContent {
    Proposals {
        proposals: Vec<Proposal>,
        /// When they were rejected.
        at: Timestamp,
    },
    /// An invalid record.
    Invalid(InvalidRecord),
    /// A record that is ignored by design.
    Ignored(Origin, &'static str),
}

impl DeadLetterContent {
    pub(super) fn proposals(&self) -> &[Proposal] {
        match self {
            Self::Proposals { proposals, .. } => proposals,
            _ => &[],
        }
    }
}

/// Reads the dead letters of one file.
pub(super) struct DeadLetterReader {
    files: Arc<dyn FileSystem>,
    file: Arc<str>,
    /// When the file was last written: the time of dead letters that have none.
    modified: Timestamp,
    reader: RecordReader,
}

/// The part of a dead letter that is not a record.
#[derive(Deserialize)]
struct DeadLetterMembers {
    #[serde(default, rename = "deadLetter")]
    members: Map<String, Value>,
}

impl DeadLetterReader {
    pub(super) fn new(files: Arc<dyn FileSystem>, file: Arc<str>, modified: Timestamp) -> Self {
        Self { files, file, modified, reader: RecordReader::new(limits()) }
    }

    /// Adds the content of `line`: usually one dead letter; for a damaged line the complete ones in it, and
    /// the damage.
    pub(super) fn read(&mut self, line: &Line, contents: &mut Vec<DeadLetterContent>) {
        let text = match &line.text {
            LineText::Whole(text) => text.trim_ascii(),
            LineText::TooLong(length) => {
                let raw = RawRecord::Long { length: *length };
                contents.push(self.damaged(line, "it is longer than any dead letter", raw));
                return;
            }
        };
        if text.is_empty() {
            return;
        }
        match self.read_dead_letter(text, line) {
            Ok(content) => contents.push(content),
            Err(error) => {
                let before = contents.len();
                self.salvage(text, line, contents);
                // The new dead letter has the whole line, so that the user can see the rest.
                let salvaged = match contents.len() - before {
                    0 => String::new(),
                    salvaged => format!(" ({salvaged} complete found in it)"),
                };
                contents.push(self.damaged(line, &format!("{error}{salvaged}"), RawRecord::of(text)));
            }
        }
    }

    /// Adds the complete dead letters in a damaged line: two in one line, or one behind an incomplete one.
    fn salvage(&mut self, text: &[u8], line: &Line, contents: &mut Vec<DeadLetterContent>) {
        let mut rest = text;
        while let Some(start) = memchr::memmem::find(rest, OBJECT_START) {
            let candidate = rest.get(start..).unwrap_or_default();
            let mut values = serde_json::Deserializer::from_slice(candidate).into_iter::<&RawValue>();
            let whole = match values.next() {
                Some(Ok(value)) => value.get().as_bytes(),
                _ => &[],
            };
            let used = match self.read_dead_letter(whole, line) {
                Ok(content) => {
                    contents.push(content);
                    whole.len()
                }
                Err(_) => 1,
            };
            rest = candidate.get(used..).unwrap_or_default();
        }
    }

    /// # Errors
    /// When `text` is not a dead letter. That of an invalid record is one, whether or not the record is valid
    /// now.
    fn read_dead_letter(&mut self, text: &[u8], line: &Line) -> Result<DeadLetterContent, RecordError> {
        let dead_letter = serde_json::from_slice::<DeadLetterMembers>(text)
            .map(|dead_letter| dead_letter.members)
            .unwrap_or_default();
        let origin = self.origin(&dead_letter, line);
        let at = dead_letter.get("at").and_then(Value::as_str).and_then(|at| at.parse().ok());
        // In the order of the lines, so that no two have the same time.
        let later = SignedDuration::from_micros(line.number.cast_signed());
        let at = at.unwrap_or_else(|| self.modified.checked_add(later).unwrap_or(self.modified));
        let Some(raw) = self.raw(&dead_letter) else {
            return Ok(valid(self.reader.read(text, origin.clone())?, origin, at));
        };
        let invalid = |reason: String, raw: RawRecord| {
            DeadLetterContent::Invalid(InvalidRecord { origin: origin.clone(), reason, raw })
        };
        Ok(match raw {
            Ok((text, kept)) => match self.reader.read(&text, origin.clone()) {
                Ok(read) => valid(read, origin, at),
                Err(error) => invalid(error.to_string(), kept),
            },
            Err((reason, kept)) => invalid(reason, kept),
        })
    }

    /// The origin of the record, or of the dead letter if it does not have that.
    fn origin(&self, dead_letter: &Map<String, Value>, line: &Line) -> Origin {
        let own = dead_letter.get("origin").and_then(Value::as_str).and_then(|origin| {
            let (file, index) = origin.rsplit_once('#')?;
            let offset = dead_letter.get("offset").and_then(Value::as_u64).unwrap_or_default();
            Some(Origin { file: file.into(), index: index.parse().ok()?, offset })
        });
        own.unwrap_or_else(|| self.line_origin(line))
    }

    fn line_origin(&self, line: &Line) -> Origin {
        Origin { file: Arc::clone(&self.file), index: line.number - 1, offset: line.offset }
    }

    fn damaged(&self, line: &Line, what: &str, raw: RawRecord) -> DeadLetterContent {
        DeadLetterContent::Invalid(InvalidRecord {
            origin: self.line_origin(line),
            reason: format!("line {} is not a complete dead letter: {what}", line.number),
            raw,
        })
    }

    /// The text of an invalid record; `None` for a rejected proposal.
    fn raw(&self, dead_letter: &Map<String, Value>) -> Option<RawText> {
        let text = |key: &str| dead_letter.get(key).and_then(Value::as_str);
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
        let number = |key: &str| dead_letter.get(key).and_then(Value::as_u64);
        let (file, offset, length) = (text("file")?, number("offset")?, number("length")?);
        let kept = RawRecord::Long { length };
        Some(match read_range(&*self.files, Path::new(file), offset, length) {
            Ok(text) => Ok((text.into(), kept)),
            Err(error) => Err((format!("its text cannot be read from {file}: {error}"), kept)),
        })
    }
}

fn valid(read: ParsedRecord, origin: Origin, at: Timestamp) -> DeadLetterContent {
    match read {
        ParsedRecord::Proposals(proposals) => DeadLetterContent::Proposals { proposals, at },
        ParsedRecord::Ignored(Ignored::Usage) => {
            DeadLetterContent::Ignored(origin, "GMS takes no usage records")
        }
    }
}

/// The text of an invalid record, and how a new dead letter holds it.
type RawText = Result<(Bytes, RawRecord), (String, RawRecord)>;

/// A range of a file; in a compressed file, of its uncompressed content.
fn read_range(files: &dyn FileSystem, file: &Path, offset: u64, length: u64) -> io::Result<Vec<u8>> {
    if length > limits().max_bytes as u64 {
        return Err(io::Error::other(format!("{length} bytes are more than a record may have")));
    }
    let mut stream = BufReader::new(files.open(file, Access::Read)?);
    let compressed = stream.fill_buf()?.starts_with(GZIP_MAGIC);
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

/// The limits of a record: those of the `file` source.
fn limits() -> record::RecordLimits {
    record::RecordLimits::default()
}
