//! Splits a metadata file into records without parsing them.
//!
//! A file is a JSON array, or objects with white space between them: one object, JSON Lines, or several
//! objects on several lines each. The first byte that is not white space decides. Every byte except white
//! space, and commas between elements, becomes part of exactly one record, valid or invalid.

use std::io::{self, Read};
use std::ops::RangeInclusive;

use memchr::{memchr, memmem};

use super::detect::{self, Encoding};
use super::extent::Extent;
use super::scan::{Scan, ScanStep, trim_end};
use super::window::Window;
use crate::source::{Form, MAX_RAW, Position, RawRecord};

/// Splits a stream into records.
pub(super) struct Splitter<R> {
    window: Window<R>,
    scan: Scan,
    state: SplitState,
    max_record: usize,
    index: u64,
    /// The number of bytes at the front of the window that belong to the record that was returned last.
    returned: usize,
    blank: bool,
    layout: LayoutTrust,
    /// Set if the end of the last record is a guess: the state before it, and its length.
    guess: Option<(SplitState, usize)>,
}

/// Whether the layout of the file determines the ends of records, so that they need not be scanned.
#[derive(Clone, Debug, PartialEq, Eq)]
enum LayoutTrust {
    Trusted,
    /// The layout gave an uncertain end, so the record is scanned; its length should be one of these.
    Uncertain(RangeInclusive<u64>),
    /// The layout was wrong once.
    Unknown,
}

/// A record, or text in the place of one.
#[derive(Debug, PartialEq)]
pub(super) struct SplitRecord<'a> {
    pub(super) index: u64,
    pub(super) offset: u64,
    pub(super) piece: RecordPiece<'a>,
    /// The end of the record is a guess. If the record is not one complete JSON value, the guess must be
    /// [retracted](Splitter::retract_guess).
    pub(super) guessed: bool,
}

#[derive(Debug, PartialEq)]
pub(super) enum RecordPiece<'a> {
    /// The text of an object, from bracket to bracket.
    Record(&'a [u8]),
    /// Text that is not a record, and the reason.
    Broken {
        reason: String,
        /// The byte of the stream at which the reason was noticed.
        at: u64,
        raw: RawRecord,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SplitState {
    Start,
    Array(ArrayState),
    AfterArray,
    Objects,
    Done,
}

/// The tokens that may follow in an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ArrayState {
    ElementOrEnd,
    Element,
    CommaOrEnd,
}

/// The result of scanning a value.
enum ScanEnd {
    Whole,
    EndOfFile,
    Unbalanced,
    LineBreakInString,
    NextRecord,
}

impl<R: Read> Splitter<R> {
    #[cfg(test)]
    pub(super) fn new(reader: R, max_record: usize) -> Self {
        // The tests do not parse the records, so they would not notice a wrong guess.
        Self { layout: LayoutTrust::Unknown, ..Self::at(Position::default(), reader, max_record) }
    }

    /// Continues at a [`position`](Self::position); `reader` reads the text after it.
    pub(super) fn at(position: Position, reader: R, max_record: usize) -> Self {
        Self {
            window: Window::new(reader, position.offset),
            scan: Scan::default(),
            state: match position.form {
                Form::Start => SplitState::Start,
                Form::Array => SplitState::Array(ArrayState::CommaOrEnd),
                Form::ArrayElement => SplitState::Array(ArrayState::Element),
                Form::AfterArray => SplitState::AfterArray,
                Form::Objects => SplitState::Objects,
                Form::End => SplitState::Done,
            },
            max_record,
            index: position.record,
            returned: 0,
            blank: position.form == Form::Start,
            layout: LayoutTrust::Trusted,
            guess: None,
        }
    }

    /// The position after the record that was returned last; `file` is the index of the file.
    pub(super) fn position(&self, file: u32) -> Position {
        let form = match self.state {
            SplitState::Start => Form::Start,
            SplitState::Array(ArrayState::CommaOrEnd) => Form::Array,
            // The first element is read together with the bracket, so no position is between them.
            SplitState::Array(ArrayState::Element | ArrayState::ElementOrEnd) => Form::ArrayElement,
            SplitState::AfterArray => Form::AfterArray,
            // Reading more would report the same corruption again.
            SplitState::Objects if self.window.ends_after(self.returned) => Form::End,
            SplitState::Objects => Form::Objects,
            SplitState::Done => Form::End,
        };
        Position { file, record: self.index, offset: self.window.offset() + self.returned as u64, form }
    }

    /// The offset in the uncompressed stream.
    pub(super) fn offset(&self) -> u64 {
        self.window.offset()
    }

    /// Whether the stream contained only white space so far.
    pub(super) fn is_blank(&self) -> bool {
        self.blank
    }

    /// Takes back the last record, whose end was [guessed](SplitRecord::guessed) and which is not one JSON
    /// value. It is found again by its brackets.
    pub(super) fn retract_guess(&mut self) {
        if let Some((state, held)) = self.guess.take() {
            self.state = state;
            self.returned = 0;
            self.index -= 1;
            self.layout = LayoutTrust::Uncertain(held as u64..=held as u64);
        }
    }

    /// The next record, or the text in its place.
    pub(super) fn next(&mut self) -> io::Result<Option<SplitRecord<'_>>> {
        self.window.discard(std::mem::take(&mut self.returned));
        self.guess = None;
        let extent = match self.advance()? {
            Some(extent) => extent,
            // Compressed data can be truncated exactly at the end of a record, which must still be reported.
            None => match self.window.take_corruption() {
                Some(corruption) => self.window.extent().broken(corruption),
                None => return Ok(None),
            },
        };
        self.returned = extent.held;
        let index = self.index;
        self.index += 1;
        let held = self.window.bytes().get(..extent.held).unwrap_or_default();
        let offset = extent.offset;
        let length = extent.len();
        let piece = match extent.problem {
            None => RecordPiece::Record(held),
            Some(problem) => RecordPiece::Broken {
                reason: problem.reason,
                at: problem.at.unwrap_or(offset),
                raw: if extent.gone == 0 { RawRecord::of(held) } else { RawRecord::Long { length } },
            },
        };
        Ok(Some(SplitRecord { index, offset, piece, guessed: self.guess.is_some() }))
    }

    fn advance(&mut self) -> io::Result<Option<Extent>> {
        loop {
            let found = match self.state {
                SplitState::Start => self.start()?,
                SplitState::Array(expected) => self.in_array(expected)?,
                SplitState::AfterArray => {
                    self.state = SplitState::Done;
                    match self.window.skip_white_space()? {
                        Some(_) => Some(self.rest_of_file("something follows the end of the array")?),
                        None => None,
                    }
                }
                SplitState::Objects => self.between_objects()?,
                SplitState::Done => return Ok(None),
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
                self.state = SplitState::Done;
                return self.rest_of_file(advice).map(Some);
            }
        }
        let first = self.window.skip_white_space()?;
        self.blank = first.is_none();
        self.state = match first {
            Some(b'[') => {
                self.window.discard(1);
                SplitState::Array(ArrayState::ElementOrEnd)
            }
            Some(_) => SplitState::Objects,
            None => SplitState::Done,
        };
        Ok(None)
    }

    fn in_array(&mut self, expected: ArrayState) -> io::Result<Option<Extent>> {
        let Some(byte) = self.window.skip_white_space()? else {
            self.state = SplitState::Done;
            let reason = self.end_of_file("the file ends before the `]` of its array");
            return Ok(Some(self.window.extent().broken(reason)));
        };
        match byte {
            b']' => {
                let place = self.window.extent();
                self.window.discard(1);
                self.state = SplitState::AfterArray;
                Ok((expected == ArrayState::Element).then(|| {
                    place.broken("an element is missing between the last `,` and the `]` of the array")
                }))
            }
            b',' => {
                let place = self.window.extent();
                self.window.discard(1);
                self.state = SplitState::Array(ArrayState::Element);
                Ok((expected != ArrayState::CommaOrEnd)
                    .then(|| place.broken("an element is missing before this `,`")))
            }
            b'}' => {
                self.state = SplitState::Done;
                self.rest_of_file("a `}` without an opening bracket; the start of the next element is unknown, so the rest of the file is skipped")
                    .map(Some)
            }
            _ => self.element(byte, expected == ArrayState::CommaOrEnd).map(Some),
        }
    }

    /// The object at the front of the window, with the end that the layout suggests: in an array as DataHub's
    /// file sink writes it, the first bracket at the start of a line; else the end of the line.
    fn guess(&mut self) -> Option<Extent> {
        if self.layout != LayoutTrust::Trusted {
            return None;
        }
        let bytes = self.window.bytes();
        let held = match self.state {
            SplitState::Array(_) if bytes.starts_with(b"{\n") => {
                memmem::find(bytes, b"\n}").map(|close| close + b"\n}".len())
            }
            SplitState::Array(_) => return None,
            _ => memchr(b'\n', bytes).map(|end| trim_end(bytes.get(..end).unwrap_or_default()).len()),
        };
        let Some(held) = held else {
            // If it ends inside the window, its end is not where the layout suggests.
            self.layout = LayoutTrust::Uncertain(bytes.len() as u64 + 1..=u64::MAX);
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
            self.state = SplitState::Array(ArrayState::CommaOrEnd);
            return Ok(extent);
        }
        let (extent, ending) = match byte {
            b'{' | b'[' | b'"' => self.value::<false>()?,
            _ => (self.window.run_over_scalar()?, ScanEnd::Whole),
        };
        if !matches!(ending, ScanEnd::Whole) {
            self.state = SplitState::Done;
            let place = last_byte(&extent);
            let extent = self.window.run_to_end(extent)?;
            return Ok(match (ending, self.window.take_corruption()) {
                (_, Some(corruption)) => {
                    extent.broken(format!("{corruption}; it ends in the middle of this element"))
                }
                (ScanEnd::Unbalanced, None) => {
                    let reason = format!(
                        "{}; the start of the next element is unknown, so the rest of the file is skipped",
                        self.unbalanced()
                    );
                    extent.broken_at(place, reason)
                }
                _ => extent.broken("the file ends in the middle of this element"),
            });
        }
        self.state = SplitState::Array(ArrayState::CommaOrEnd);
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
            self.state = SplitState::Done;
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
            ScanEnd::Whole => self.within_limit(extent),
            ScanEnd::NextRecord => {
                extent.broken("the record is cut off: the next one starts before its brackets are closed")
            }
            ScanEnd::EndOfFile => {
                let reason = self.end_of_file("the file ends in the middle of this record");
                extent.broken(reason)
            }
            ScanEnd::LineBreakInString => {
                let reason = "a string is not closed at the end of its line";
                self.resume(extent)?.broken_at(place, reason)
            }
            ScanEnd::Unbalanced => {
                let reason = self.unbalanced();
                self.resume(extent)?.broken_at(place, reason)
            }
        }))
    }

    /// Skips the rest of a broken record in a file of objects: to the end of its line if it is on one line,
    /// else up to a line that starts with `{`.
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
    fn value<const LINES: bool>(&mut self) -> io::Result<(Extent, ScanEnd)> {
        self.scan.reset();
        let mut extent = self.window.extent();
        loop {
            let step = self.scan.run::<LINES>(self.window.bytes(), extent.held, extent.gone == 0);
            let (held, ending) = match step {
                ScanStep::More => {
                    extent.held = self.window.bytes().len();
                    if self.window.grow(&mut extent, self.max_record.max(MAX_RAW))? {
                        continue;
                    }
                    (extent.held, ScanEnd::EndOfFile)
                }
                ScanStep::End(at) => (at, ScanEnd::Whole),
                ScanStep::Unbalanced(at) => (at, ScanEnd::Unbalanced),
                ScanStep::LineBreakInString(at) => (at, ScanEnd::LineBreakInString),
                ScanStep::NextRecord(at) => (at, ScanEnd::NextRecord),
            };
            extent.held = held;
            if let LayoutTrust::Uncertain(lengths) = &self.layout {
                let was_right = matches!(ending, ScanEnd::Whole) && lengths.contains(&extent.len());
                self.layout = if was_right { LayoutTrust::Trusted } else { LayoutTrust::Unknown };
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

/// The offset of the byte at which a scan stopped.
fn last_byte(extent: &Extent) -> u64 {
    extent.end().saturating_sub(1)
}
