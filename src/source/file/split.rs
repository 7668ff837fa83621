//! Splits a metadata file into records without parsing them.
//!
//! A file is a JSON array, or objects with white space between them: one object, JSON Lines, or several objects that
//! each go over several lines. Which it is shows in the first byte that is not white space. Every byte that is not
//! white space or a comma between elements ends up in exactly one record, understood or not.

use std::io::{self, Read};
use std::ops::RangeInclusive;

use memchr::{memchr, memmem};

use super::detect::{self, Encoding};
use super::extent::Extent;
use super::scan::{Scan, Step, trim_end};
use super::window::Window;
use crate::source::{Form, MAX_RAW, Position, RawRecord};

/// Takes the records off a stream, one after another.
pub(super) struct Splitter<R> {
    window: Window<R>,
    scan: Scan,
    state: State,
    max_record: usize,
    index: u64,
    /// Bytes at the front of the window that belong to the record that was handed out.
    handed_out: usize,
    blank: bool,
    layout: Layout,
    /// What was handed out is a guess: the state before it, and its length.
    guess: Option<(State, usize)>,
}

/// Whether the layout of the file tells where records end: then only whoever reads them looks at each byte.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Layout {
    Trusted,
    /// It told a length that it is not sure of, so the record is scanned: one of these is right.
    Doubted(RangeInclusive<u64>),
    /// It was wrong once.
    Unknown,
}

/// A record, or what stands where one should.
#[derive(Debug, PartialEq)]
pub(super) struct Found<'a> {
    pub(super) index: u64,
    pub(super) offset: u64,
    pub(super) piece: Piece<'a>,
    /// Where the record ends is a guess. It is right if it holds one whole JSON value; otherwise it must be
    /// [doubted](Splitter::doubt).
    pub(super) guessed: bool,
}

#[derive(Debug, PartialEq)]
pub(super) enum Piece<'a> {
    /// The text of an object, from bracket to bracket.
    Record(&'a [u8]),
    /// No record, and why.
    Broken {
        reason: String,
        /// The byte of the stream where it shows.
        at: u64,
        raw: RawRecord,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Start,
    Array(Expected),
    AfterArray,
    Objects,
    Done,
}

/// What may come next in an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    ElementOrEnd,
    Element,
    CommaOrEnd,
}

/// How the scan of a value ended.
enum Ending {
    Whole,
    EndOfFile,
    Unbalanced,
    LineBreakInString,
    NextRecord,
}

impl<R: Read> Splitter<R> {
    #[cfg(test)]
    pub(super) fn new(reader: R, max_record: usize) -> Self {
        // Nobody reads what is found, so nobody would notice a wrong guess.
        Self { layout: Layout::Unknown, ..Self::at(Position::default(), reader, max_record) }
    }

    /// Goes on at `position`, which [`position`](Self::position) once told; `reader` gives the text from there on.
    pub(super) fn at(position: Position, reader: R, max_record: usize) -> Self {
        Self {
            window: Window::new(reader, position.offset),
            scan: Scan::default(),
            state: match position.form {
                Form::Start => State::Start,
                Form::Array => State::Array(Expected::CommaOrEnd),
                Form::ArrayElement => State::Array(Expected::Element),
                Form::AfterArray => State::AfterArray,
                Form::Objects => State::Objects,
                Form::End => State::Done,
            },
            max_record,
            index: position.record,
            handed_out: 0,
            blank: position.form == Form::Start,
            layout: Layout::Trusted,
            guess: None,
        }
    }

    /// The place behind the record that was handed out last, in the file of that number.
    pub(super) fn position(&self, file: u32) -> Position {
        let form = match self.state {
            State::Start => Form::Start,
            State::Array(Expected::CommaOrEnd) => Form::Array,
            // The first element is looked for together with the bracket, so that nobody stops between them.
            State::Array(Expected::Element | Expected::ElementOrEnd) => Form::ArrayElement,
            State::AfterArray => Form::AfterArray,
            // Reading on would meet the corruption that was told already once more.
            State::Objects if self.window.ends_after(self.handed_out) => Form::End,
            State::Objects => Form::Objects,
            State::Done => Form::End,
        };
        Position { file, record: self.index, offset: self.window.offset() + self.handed_out as u64, form }
    }

    /// Where it is in the (uncompressed) stream.
    pub(super) fn offset(&self) -> u64 {
        self.window.offset()
    }

    /// True when nothing but white space was found so far.
    pub(super) fn is_blank(&self) -> bool {
        self.blank
    }

    /// Takes back the record that was handed out last, whose end was [guessed](Found::guessed) and which turned out not to
    /// be one JSON value: it is found once more, by its brackets.
    pub(super) fn doubt(&mut self) {
        if let Some((state, held)) = self.guess.take() {
            self.state = state;
            self.handed_out = 0;
            self.index -= 1;
            self.layout = Layout::Doubted(held as u64..=held as u64);
        }
    }

    /// The next record, or what stands in its place.
    pub(super) fn next(&mut self) -> io::Result<Option<Found<'_>>> {
        self.window.discard(std::mem::take(&mut self.handed_out));
        self.guess = None;
        let extent = match self.advance()? {
            Some(extent) => extent,
            // Records can end exactly where compressed data breaks off: that is still to be told.
            None => match self.window.take_corruption() {
                Some(corruption) => self.window.extent().broken(corruption),
                None => return Ok(None),
            },
        };
        self.handed_out = extent.held;
        let index = self.index;
        self.index += 1;
        let held = self.window.bytes().get(..extent.held).unwrap_or_default();
        let offset = extent.offset;
        let length = extent.len();
        let piece = match extent.fault {
            None => Piece::Record(held),
            Some(fault) => Piece::Broken {
                reason: fault.reason,
                at: fault.at.unwrap_or(offset),
                raw: if extent.gone == 0 { RawRecord::of(held) } else { RawRecord::Long { length } },
            },
        };
        Ok(Some(Found { index, offset, piece, guessed: self.guess.is_some() }))
    }

    fn advance(&mut self) -> io::Result<Option<Extent>> {
        loop {
            let found = match self.state {
                State::Start => self.start()?,
                State::Array(expected) => self.in_array(expected)?,
                State::AfterArray => {
                    self.state = State::Done;
                    match self.window.skip_white_space()? {
                        Some(_) => Some(self.rest_of_file("something follows the end of the array")?),
                        None => None,
                    }
                }
                State::Objects => self.between_objects()?,
                State::Done => return Ok(None),
            };
            if found.is_some() {
                return Ok(found);
            }
        }
    }

    fn start(&mut self) -> io::Result<Option<Extent>> {
        while self.window.bytes().len() < detect::HEAD && self.window.more()? {}
        match detect::encoding(self.window.bytes()) {
            Encoding::Text(mark) => self.window.discard(mark),
            Encoding::Other(advice) => {
                self.blank = false;
                self.state = State::Done;
                return self.rest_of_file(advice).map(Some);
            }
        }
        let first = self.window.skip_white_space()?;
        self.blank = first.is_none();
        self.state = match first {
            Some(b'[') => {
                self.window.discard(1);
                State::Array(Expected::ElementOrEnd)
            }
            Some(_) => State::Objects,
            None => State::Done,
        };
        Ok(None)
    }

    fn in_array(&mut self, expected: Expected) -> io::Result<Option<Extent>> {
        let Some(byte) = self.window.skip_white_space()? else {
            self.state = State::Done;
            let reason = self.end_of_file("the file ends before the `]` of its array");
            return Ok(Some(self.window.extent().broken(reason)));
        };
        match byte {
            b']' => {
                let place = self.window.extent();
                self.window.discard(1);
                self.state = State::AfterArray;
                Ok((expected == Expected::Element).then(|| {
                    place.broken("an element is missing between the last `,` and the `]` of the array")
                }))
            }
            b',' => {
                let place = self.window.extent();
                self.window.discard(1);
                self.state = State::Array(Expected::Element);
                Ok((expected != Expected::CommaOrEnd)
                    .then(|| place.broken("an element is missing before this `,`")))
            }
            b'}' => {
                self.state = State::Done;
                self.rest_of_file("a `}` that closes nothing; where the next element starts can't be told, so the rest of the file is skipped")
                    .map(Some)
            }
            _ => self.element(byte, expected == Expected::CommaOrEnd).map(Some),
        }
    }

    /// The object at the front of the window, up to where the layout says that it ends: in an array as DataHub's file sink
    /// writes it, at the first bracket at the margin; else at the end of the line.
    fn guess(&mut self) -> Option<Extent> {
        if self.layout != Layout::Trusted {
            return None;
        }
        let bytes = self.window.bytes();
        let held = match self.state {
            State::Array(_) if bytes.starts_with(b"{\n") => {
                memmem::find(bytes, b"\n}").map(|close| close + b"\n}".len())
            }
            State::Array(_) => return None,
            _ => memchr(b'\n', bytes).map(|end| trim_end(bytes.get(..end).unwrap_or_default()).len()),
        };
        let Some(held) = held else {
            // If it ends within what is there, it does so elsewhere than the layout says.
            self.layout = Layout::Doubted(bytes.len() as u64 + 1..=u64::MAX);
            return None;
        };
        if held > self.max_record {
            return None;
        }
        self.guess = Some((self.state, held));
        Some(Extent { held, ..self.window.extent() })
    }

    /// An element of the array, which starts with `byte`.
    fn element(&mut self, byte: u8, comma_missing: bool) -> io::Result<Extent> {
        if byte == b'{'
            && !comma_missing
            && let Some(extent) = self.guess()
        {
            self.state = State::Array(Expected::CommaOrEnd);
            return Ok(extent);
        }
        let (extent, ending) = match byte {
            b'{' | b'[' | b'"' => self.value::<false>()?,
            _ => (self.window.run_over_scalar()?, Ending::Whole),
        };
        if !matches!(ending, Ending::Whole) {
            self.state = State::Done;
            let place = last_byte(&extent);
            let extent = self.window.run_to_end(extent)?;
            return Ok(match (ending, self.window.take_corruption()) {
                (_, Some(corruption)) => {
                    extent.broken(format!("{corruption}; it ends in the middle of this element"))
                }
                (Ending::Unbalanced, None) => {
                    let reason = format!(
                        "{}; where the next element starts can't be told, so the rest of the file is skipped",
                        self.unbalanced()
                    );
                    extent.broken_at(place, reason)
                }
                _ => extent.broken("the file ends in the middle of this element"),
            });
        }
        self.state = State::Array(Expected::CommaOrEnd);
        Ok(if byte != b'{' {
            let kind = detect::kind_of(byte);
            extent.broken(format!("expected an object, found {kind}"))
        } else if comma_missing {
            extent.broken("expected `,` or `]` before this element")
        } else {
            self.within_limit(extent)
        })
    }

    fn between_objects(&mut self) -> io::Result<Option<Extent>> {
        let Some(byte) = self.window.skip_white_space()? else {
            self.state = State::Done;
            return Ok(None);
        };
        if byte != b'{' {
            let extent = self.window.extent();
            let kind = detect::kind_of(byte);
            let extent = self.window.run_to_line_end(extent)?;
            return Ok(Some(extent.broken(format!("expected an object, found {kind}"))));
        }
        if let Some(extent) = self.guess() {
            return Ok(Some(extent));
        }
        let (extent, ending) = self.value::<true>()?;
        let place = last_byte(&extent);
        Ok(Some(match ending {
            Ending::Whole => self.within_limit(extent),
            Ending::NextRecord => {
                extent.broken("the record is cut off: the next one starts before its brackets are closed")
            }
            Ending::EndOfFile => {
                let reason = self.end_of_file("the file ends in the middle of this record");
                extent.broken(reason)
            }
            Ending::LineBreakInString => {
                let reason = "a string is not closed at the end of its line";
                self.resume(extent)?.broken_at(place, reason)
            }
            Ending::Unbalanced => {
                let reason = self.unbalanced();
                self.resume(extent)?.broken_at(place, reason)
            }
        }))
    }

    /// Passes over what belongs to a broken record in a file of objects: the rest of its line if it is on one, else
    /// everything up to a line that starts with `{` at the margin.
    fn resume(&mut self, extent: Extent) -> io::Result<Extent> {
        let held = self.window.bytes().get(..extent.held).unwrap_or_default();
        let breaks_in_string = held.last() == Some(&b'\n');
        let line = if breaks_in_string { held.split_last().map_or(held, |(_, line)| line) } else { held };
        if extent.gone > 0 || memchr(b'\n', line).is_some() {
            self.window.run_to_next_object(extent)
        } else if breaks_in_string {
            let held = trim_end(line).len();
            Ok(Extent { held, ..extent })
        } else {
            self.window.run_to_line_end(extent)
        }
    }

    /// The value that starts at the front of the window with a bracket or a quote.
    fn value<const LINES: bool>(&mut self) -> io::Result<(Extent, Ending)> {
        self.scan.reset();
        let mut extent = self.window.extent();
        loop {
            let step = self.scan.run::<LINES>(self.window.bytes(), extent.held, extent.gone == 0);
            let (held, ending) = match step {
                Step::More => {
                    extent.held = self.window.bytes().len();
                    if self.window.grow(&mut extent, self.max_record.max(MAX_RAW))? {
                        continue;
                    }
                    (extent.held, Ending::EndOfFile)
                }
                Step::End(at) => (at, Ending::Whole),
                Step::Unbalanced(at) => (at, Ending::Unbalanced),
                Step::LineBreakInString(at) => (at, Ending::LineBreakInString),
                Step::NextRecord(at) => (at, Ending::NextRecord),
            };
            extent.held = held;
            if let Layout::Doubted(lengths) = &self.layout {
                let was_right = matches!(ending, Ending::Whole) && lengths.contains(&extent.len());
                self.layout = if was_right { Layout::Trusted } else { Layout::Unknown };
            }
            return Ok((extent, ending));
        }
    }

    fn rest_of_file(&mut self, reason: &str) -> io::Result<Extent> {
        let extent = self.window.extent();
        Ok(self.window.run_to_end(extent)?.broken(reason))
    }

    fn within_limit(&self, extent: Extent) -> Extent {
        let length = extent.len();
        if length <= self.max_record as u64 {
            return extent;
        }
        let limit = self.max_record;
        extent
            .broken(format!("the record is {length} bytes long, more than max_record_bytes allows ({limit})"))
    }

    fn end_of_file(&mut self, reason: &str) -> String {
        match self.window.take_corruption() {
            Some(corruption) => format!("{corruption}; {reason}"),
            None => reason.into(),
        }
    }

    fn unbalanced(&self) -> String {
        match self.scan.expected() {
            Some(closer) => format!("the brackets do not balance: expected `{}`", char::from(closer)),
            None => "the brackets do not balance".into(),
        }
    }

    #[cfg(test)]
    pub(super) fn buffer_capacity(&self) -> usize {
        self.window.capacity()
    }
}

/// Where the byte is that a scan stopped at.
fn last_byte(extent: &Extent) -> u64 {
    extent.end().saturating_sub(1)
}
