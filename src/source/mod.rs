//! Sources: plugins that read proposals.
//!
//! A source implements [`Source`]. The [`SourceRegistry`] finds it by the recipe's `source.type`, reads its
//! keys, and opens it when the run starts. A program that embeds a pipeline can register its own:
//!
//! ```
//! use datahub_emitter::Error;
//! use datahub_emitter::metadata::{Proposal, Urn};
//! use datahub_emitter::source::{Item, Progress, Source, SourceRegistry};
//!
//! /// Marks each of some tags as present.
//! struct TagList {
//!     names: Vec<String>,
//!     next: usize,
//! }
//!
//! impl Source for TagList {
//!     fn next(&mut self) -> Result<Option<Item>, Error> {
//!         let Some(name) = self.names.get(self.next) else { return Ok(None) };
//!         self.next += 1;
//!         let input_error = |error| Error::new(datahub_emitter::ErrorKind::Input, format!("{error}"));
//!         let urn = Urn::tag(name).map_err(input_error)?;
//!         let status = serde_json::json!({"removed": false});
//!         let Ok(proposal) = Proposal::upsert(urn, "status", status) else { unreachable!("it is JSON") };
//!         Ok(Some(Item::Record { proposals: vec![proposal], filtered: 0 }))
//!     }
//!
//!     fn progress(&self) -> Progress {
//!         Progress::default()
//!     }
//! }
//!
//! let mut sources = SourceRegistry::default();
//! sources.register("tag-list", |fields| {
//!     let names = fields.strings("names");
//!     fields.missing("names", "a list of tags");
//!     let names = names.ok_or_else(|| fields.reported())?;
//!     Ok(Box::new(|| Ok(Box::new(TagList { names, next: 0 }) as Box<dyn Source>)))
//! });
//! assert!(sources.types().any(|name| name == "tag-list"));
//! ```

pub mod file;
mod position;
#[cfg(unix)]
pub mod python;
mod registry;
mod services;

use std::sync::Arc;

pub use position::{Changes, Form, Input, InputFile, Position};
pub use registry::{OpenSource, SourceRegistry};
pub use services::{
    ChildRun, ChildServices, ExtractionProgress, GraphAddress, RecordFeedback, SpoolSettings, SpoolStart,
};

use crate::Error;
use crate::box_future::BoxFuture;
use crate::metadata::{Origin, Proposal};

/// Reads records one after another.
///
/// A source should need constant memory. It runs on its own thread and may block.
pub trait Source: Send {
    /// Receives the services of the run, before anything else is called. By default they are not needed.
    ///
    /// # Errors
    /// When the source cannot use them.
    fn connect(&mut self, services: Arc<dyn ChildServices>) -> Result<(), Error> {
        drop(services);
        Ok(())
    }

    /// Receives what happens to the records. `None`, the default, for a source that does not need to know.
    fn feedback(&self) -> Option<Arc<dyn RecordFeedback>> {
        None
    }

    /// Ends the source after the last call of [`next`](Self::next). It may block until what the source has
    /// started has ended. By default there is nothing to do.
    fn close(&mut self) {}

    /// The source's own report, if it has one.
    fn report(&self) -> Option<serde_json::Value> {
        None
    }

    /// The next record, or `None` at the end.
    ///
    /// # Errors
    /// When the source cannot continue, for example because a file is missing. A record that cannot be
    /// understood is not an error but an [`Item::Invalid`].
    fn next(&mut self) -> Result<Option<Item>, Error>;

    /// Returns a future that the run awaits before it calls [`next`](Self::next), or `None`, the default. A
    /// source that sends requests does so in this future, so that it does not block its thread.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    fn prepare_next(&mut self) -> Option<BoxFuture<'_, Result<(), Error>>> {
        None
    }

    /// The progress so far, for display.
    fn progress(&self) -> Progress;

    /// The warnings for the user since the last call. By default there are none.
    fn take_warnings(&mut self) -> Vec<String> {
        Vec::new()
    }

    /// The identity of the input, by which a later run recognises it. `None`, the default, for an input that
    /// cannot be read again from the middle, such as standard input: then there is no resume checkpoint, and
    /// the run cannot be resumed.
    ///
    /// # Errors
    /// When the input cannot be inspected.
    fn input(&self) -> Result<Option<Input>, Error> {
        Ok(None)
    }

    /// The position after the last record that [`next`](Self::next) returned. It is called only if there is
    /// an [`input`](Self::input).
    fn position(&self) -> Position {
        Position::default()
    }

    /// Moves to a [`position`](Self::position) of an earlier run, before the first call of
    /// [`next`](Self::next). The source then returns the same records as that run did after the position.
    ///
    /// # Errors
    /// When the input has no such position.
    fn seek(&mut self, position: Position) -> Result<(), Error> {
        if position == Position::default() {
            return Ok(());
        }
        Err(Error::new(crate::ErrorKind::Input, "this source cannot resume in the middle of its input"))
    }
}

/// A record that a source has read.
#[derive(Debug)]
#[non_exhaustive]
pub enum Item {
    /// A record that was understood.
    Record {
        /// Its proposals: one, or one for each aspect of a metadata change event.
        proposals: Vec<Proposal>,
        /// The number of further proposals that the settings of the source leave out. They count as read.
        filtered: u64,
    },
    /// A record that was not understood.
    Invalid(InvalidRecord),
    /// A record that is ignored by design, such as usage statistics, and the reason.
    Ignored(Origin, &'static str),
}

/// A record that could not be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidRecord {
    /// The place of the record.
    pub origin: Origin,
    /// The mistake, and its place in the record.
    pub reason: String,
    /// Its text, up to 1 MiB.
    pub raw: RawRecord,
}

/// The text of a record that was not understood.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RawRecord {
    /// All of it.
    Text(bytes::Bytes),
    /// The text is larger than 1 MiB, so only its length is kept; file and offset are in
    /// [`InvalidRecord::origin`].
    Long {
        /// The length of the record in bytes.
        length: u64,
    },
}

/// The maximum length in bytes of the text of an invalid record that is kept.
pub(crate) const MAX_RAW: usize = 1024 * 1024;

impl RawRecord {
    /// Keeps `text`, or only its length if it is larger than 1 MiB.
    pub fn of(text: &[u8]) -> Self {
        if text.len() <= MAX_RAW {
            Self::Text(bytes::Bytes::copy_from_slice(text))
        } else {
            Self::Long { length: text.len() as u64 }
        }
    }
}

/// The progress of a source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// The number of bytes read so far, of the files as they are on disk.
    pub bytes: u64,
    /// The total number of bytes, if it is known.
    pub total_bytes: Option<u64>,
    /// The file that is being read.
    pub file: Option<Arc<str>>,
}
