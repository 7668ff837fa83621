//! Finds where a JSON value ends by its quotes and brackets alone. Whether it is a value is not looked at here.

use memchr::{memchr, memrchr};

/// Brackets beyond this depth are counted, but their kinds are not remembered: a bound for hostile files.
const REMEMBERED: usize = 4096;

/// What stopped a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The bytes are at an end and the value is not.
    More,
    /// The value ends before this position.
    End(usize),
    /// The bracket before this position does not fit the one that it would close.
    Unbalanced(usize),
    /// A string goes over the end of a line; the next line starts at this position. Only between lines.
    LineBreakInString(usize),
    /// Another record starts at the start of a line although this one is still open; this one's text ends before
    /// this position. Only between lines.
    NextRecord(usize),
}

/// The state of a scan over one value, which may come in several parts.
#[derive(Debug, Default)]
pub(super) struct Scan {
    closers: Vec<u8>,
    uncounted: u64,
    in_string: bool,
    escaped: bool,
}

impl Scan {
    /// Makes it ready for another value.
    pub(super) fn reset(&mut self) {
        self.closers.clear();
        self.uncounted = 0;
        self.in_string = false;
        self.escaped = false;
    }

    /// Goes on at `from` in `bytes`. With `LINES`, the value stands in a file of records on lines of their own, so
    /// that the start of a line can show that it is broken; `whole` says that `bytes` holds it from its start.
    ///
    /// The value must start with a bracket or a quote.
    pub(super) fn run<const LINES: bool>(&mut self, bytes: &[u8], from: usize, whole: bool) -> Step {
        let mut at = from;
        loop {
            let rest = bytes.get(at..).unwrap_or_default();
            if self.in_string {
                let Some(&first) = rest.first() else {
                    return Step::More;
                };
                if self.escaped {
                    self.escaped = false;
                    // An escaped line break is no JSON; it still is the end of a line.
                    if !(LINES && first == b'\n') {
                        at += 1;
                        continue;
                    }
                }
                let Some((skipped, byte)) = special_in_string::<LINES>(rest) else {
                    return Step::More;
                };
                at += skipped + 1;
                match byte {
                    b'\\' => self.escaped = true,
                    b'"' => {
                        self.in_string = false;
                        if self.closers.is_empty() {
                            return Step::End(at);
                        }
                    }
                    _ => return Step::LineBreakInString(at),
                }
                continue;
            }
            let Some((skipped, byte)) = structural(rest) else {
                return Step::More;
            };
            at += skipped + 1;
            match byte {
                b'"' => self.in_string = true,
                b'{' => {
                    if LINES && !self.closers.is_empty() {
                        let before = bytes.get(..at - 1).unwrap_or_default();
                        if let Some(end) = self.next_record(before, whole) {
                            return Step::NextRecord(end);
                        }
                    }
                    self.open(b'}');
                }
                b'[' => self.open(b']'),
                b'}' | b']' => {
                    if !self.close(byte) {
                        return Step::Unbalanced(at);
                    }
                    if self.closers.is_empty() {
                        return Step::End(at);
                    }
                }
                _ => {}
            }
        }
    }

    /// The bracket that would close what is open.
    pub(super) fn expected(&self) -> Option<u8> {
        self.closers.last().copied()
    }

    fn open(&mut self, closer: u8) {
        if self.closers.len() < REMEMBERED {
            self.closers.push(closer);
        } else {
            self.uncounted += 1;
        }
    }

    fn close(&mut self, closer: u8) -> bool {
        if self.uncounted > 0 {
            self.uncounted -= 1;
            return true;
        }
        if self.closers.last() == Some(&closer) {
            self.closers.pop();
            return true;
        }
        false
    }

    /// Whether a `{` after the text `before` is the start of another record, and if so, where this one's text ends.
    ///
    /// It is when it is the first on its line and either no object can stand there, or it stands at the margin and
    /// the record was on one line until then: a line of JSON Lines that was cut off.
    fn next_record(&self, before: &[u8], whole: bool) -> Option<usize> {
        let text = trim_end(before);
        let gap = before.get(text.len()..)?;
        let line_break = memrchr(b'\n', gap)?;
        let can_stand = match text.last() {
            Some(b':' | b'[') | None => true,
            Some(b',') => self.expected() == Some(b']'),
            Some(_) => false,
        };
        let at_margin = line_break + 1 == gap.len();
        let on_one_line = whole && memchr(b'\n', text).is_none();
        (!can_stand || (at_margin && on_one_line)).then_some(text.len())
    }
}

/// Whether `byte` is white space in JSON. (For `u8::is_ascii_whitespace` a form feed is, too.)
pub(super) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// `bytes` without the white space at its end.
pub(super) fn trim_end(bytes: &[u8]) -> &[u8] {
    let length = bytes.iter().rposition(|&byte| !is_blank(byte)).map_or(0, |last| last + 1);
    bytes.get(..length).unwrap_or_default()
}

const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
const HIGH_BITS: u64 = u64::from_ne_bytes([0x80; 8]);

/// Has the high bit of each byte set that is zero in `word`. Bytes after the first such one may be marked too, so
/// that only the lowest mark counts.
const fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & HIGH_BITS
}

const fn repeated(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// The first quote or bracket, and where. May also report U+0002, which no JSON holds.
#[inline]
fn structural(bytes: &[u8]) -> Option<(usize, u8)> {
    find(
        bytes,
        |word| {
            // `[` and `{`, `]` and `}` differ in this bit alone.
            let word = word | repeated(0x20);
            zero_bytes(word ^ repeated(b'"'))
                | zero_bytes(word ^ repeated(b'{'))
                | zero_bytes(word ^ repeated(b'}'))
        },
        |byte| matches!(byte, b'"' | b'{' | b'}' | b'[' | b']'),
    )
}

/// The first quote or backslash, with `LINES` also the first line break, and where.
#[inline]
fn special_in_string<const LINES: bool>(bytes: &[u8]) -> Option<(usize, u8)> {
    find(
        bytes,
        |word| {
            let marks = zero_bytes(word ^ repeated(b'"')) | zero_bytes(word ^ repeated(b'\\'));
            if LINES { marks | zero_bytes(word ^ repeated(b'\n')) } else { marks }
        },
        |byte| matches!(byte, b'"' | b'\\') || (LINES && byte == b'\n'),
    )
}

/// Looks at eight bytes a step.
#[inline]
fn find(bytes: &[u8], marks: impl Fn(u64) -> u64, wanted: impl Fn(u8) -> bool) -> Option<(usize, u8)> {
    let mut rest = bytes;
    while let Some((chunk, behind)) = rest.split_first_chunk::<8>() {
        let found = marks(u64::from_le_bytes(*chunk));
        if found != 0 {
            let inside = (found.trailing_zeros() / 8) as usize;
            return chunk.get(inside).map(|&byte| (bytes.len() - rest.len() + inside, byte));
        }
        rest = behind;
    }
    let inside = rest.iter().position(|&byte| wanted(byte))?;
    rest.get(inside).map(|&byte| (bytes.len() - rest.len() + inside, byte))
}
