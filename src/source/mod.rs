//! Where proposals come from. A source is a plugin: [`Source`], made by a constructor that the registry knows by the
//! recipe's `source.type`.

pub mod file;
mod position;
mod registry;

use std::sync::Arc;

pub use position::{Changes, Form, Input, InputFile, Position};
pub use registry::{OpenSource, SourceRegistry};

use crate::Error;
use crate::metadata::{Origin, Proposal};

/// Reads records, one after another, in constant memory. It runs on a thread of its own and may block.
pub trait Source: Send {
    /// The next record, or `None` at the end.
    ///
    /// # Errors
    /// What makes reading on impossible, for example a file that is not there. A record that cannot be understood
    /// is no error but an [`Item::Invalid`].
    fn next(&mut self) -> Result<Option<Item>, Error>;

    /// How far it is.
    fn progress(&self) -> Progress;

    /// Things that the user should know, since the last time it was asked.
    fn take_warnings(&mut self) -> Vec<String>;

    /// What it reads. `None`, as here, if that cannot be read again from its middle (standard input): then no
    /// checkpoint is kept, and a run cannot be resumed.
    ///
    /// # Errors
    /// When it cannot be looked at.
    fn input(&self) -> Result<Option<Input>, Error> {
        Ok(None)
    }

    /// Where it stands: behind the last record that it gave. Only asked where there is an [`input`](Self::input).
    fn position(&self) -> Position {
        Position::default()
    }

    /// Goes to a place where it once stood, before the first record is read. From there on it gives the records that it
    /// gave from there on then.
    ///
    /// # Errors
    /// When there is no such place.
    fn seek(&mut self, position: Position) -> Result<(), Error> {
        if position == Position::default() {
            return Ok(());
        }
        Err(Error::new(crate::ErrorKind::Input, "this source cannot go on in the middle of its input"))
    }
}

/// What a source found.
#[derive(Debug)]
pub enum Item {
    /// A record that was understood.
    Record {
        /// What it asks for: one proposal, or for a metadata change event one for each aspect.
        proposals: Vec<Proposal>,
        /// How many more there were in it that the source's own settings leave out. They count as read.
        filtered: u64,
    },
    /// A record that was not understood.
    Invalid(InvalidRecord),
    /// A record that is passed over by design (usage statistics), with why.
    Ignored(Origin, &'static str),
}

/// A record that could not be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidRecord {
    /// Where it stands.
    pub origin: Origin,
    /// What is wrong with it, and where in it.
    pub reason: String,
    /// Its text, up to 1 MiB.
    pub raw: RawRecord,
}

/// The text of a record that was not understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RawRecord {
    /// All of it.
    Text(bytes::Bytes),
    /// It is over 1 MiB, so only its length is kept; file and offset are in [`InvalidRecord::origin`].
    Long {
        /// Bytes from the record's start to its end.
        length: u64,
    },
}

/// A longer text of an invalid record is not kept.
pub(crate) const MAX_RAW: usize = 1024 * 1024;

impl RawRecord {
    /// Keeps `text`, or only its length where it is over 1 MiB.
    pub fn of(text: &[u8]) -> Self {
        if text.len() <= MAX_RAW {
            Self::Text(bytes::Bytes::copy_from_slice(text))
        } else {
            Self::Long { length: text.len() as u64 }
        }
    }
}

/// How far a source is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes read so far, of the files as they lie on the disk.
    pub bytes: u64,
    /// Bytes there are, where that is known.
    pub total_bytes: Option<u64>,
    /// The file being read.
    pub file: Option<Arc<str>>,
}
