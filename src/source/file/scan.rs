//! Finds the end of a JSON value by its quotes and brackets alone, without checking whether it is valid.

use memchr::{memchr, memrchr};

/// Brackets beyond this depth are counted, but their kinds are not stored, which bounds the memory for
/// hostile files.
const REMEMBERED: usize = 4096;

/// The reason why a scan stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ScanStep {
    /// The bytes end before the value does.
    More,
    /// The value ends before this position.
    End(usize),
    /// The bracket before this position does not match the open one.
    Unbalanced(usize),
    /// A string is open at the end of a line; the next line starts at this position. Only with `LINES`.
    LineBreakInString(usize),
    /// Another record starts at the start of a line although this one is open; the text of this one ends
    /// before this position. Only with `LINES`.
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
    /// Prepares for another value.
    pub(super) fn reset(&mut self) {
        self.closers.clear();
        self.uncounted = 0;
        self.in_string = false;
        self.escaped = false;
    }

    /// Continues at `from` in `bytes`. With `LINES`, the file has records on lines of their own, so the start
    /// of a line can show that the value is broken. `whole` means that `bytes` contains the start of the
    /// value.
    ///
    /// The value must start with a bracket or a quote.
    pub(super) fn run<const LINES: bool>(&mut self, bytes: &[u8], from: usize, whole: bool) -> ScanStep {
        let mut at = from;
        loop {
            let rest = bytes.get(at..).unwrap_or_default();
            if self.in_string {
                let Some(&first) = rest.first() else {
                    return ScanStep::More;
                };
                if self.escaped {
                    self.escaped = false;
                    // An escaped line break is not valid JSON, but it still ends the line.
                    if !(LINES && first == b'\n') {
                        at += 1;
                        continue;
                    }
                }
                let Some((skipped, byte)) = special_in_string::<LINES>(rest) else {
                    return ScanStep::More;
                };
                at += skipped + 1;
                match byte {
                    b'\\' => self.escaped = true,
                    b'"' => {
                        self.in_string = false;
                        if self.closers.is_empty() {
                            return ScanStep::End(at);
                        }
                    }
                    _ => return ScanStep::LineBreakInString(at),
                }
                continue;
            }
            let Some((skipped, byte)) = structural(rest) else {
                return ScanStep::More;
            };
            at += skipped + 1;
            match byte {
                b'"' => self.in_string = true,
                b'{' => {
                    if LINES && !self.closers.is_empty() {
                        let before = bytes.get(..at - 1).unwrap_or_default();
                        if let Some(end) = self.next_record(before, whole) {
                            return ScanStep::NextRecord(end);
                        }
                    }
                    self.open(b'}');
                }
                b'[' => self.open(b']'),
                b'}' | b']' => {
                    if !self.close(byte) {
                        return ScanStep::Unbalanced(at);
                    }
                    if self.closers.is_empty() {
                        return ScanStep::End(at);
                    }
                }
                _ => {}
            }
        }
    }

    /// The bracket that would close the innermost open one.
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

    /// The end of the text of this record if a `{` after the text `before` starts another record.
    ///
    /// It does if it is the first character of its line except white space, and either an object is not
    /// allowed there, or it is the very first and the record was on one line until then: a truncated line of
    /// JSON Lines.
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

/// Has the high bit of each byte set that is zero in `word`. Bytes after the first such one may be marked
/// too, so that only the lowest mark counts.
const fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & HIGH_BITS
}

const fn repeated(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// The first quote or bracket, and its position. May also report U+0002, which is not valid in JSON.
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

/// The first quote or backslash, with `LINES` also the first line break, and its position.
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

/// Tests eight bytes at a time.
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
