//! The innermost loops: runs of bytes that need no action, eight at a time, and the tokens of JSON.

use super::error::{JsonError, JsonErrorKind};

const ONES: u64 = 0x0101_0101_0101_0101;
const TOPS: u64 = 0x8080_8080_8080_8080;

/// The top bit of each byte of `word` that equals `byte`; bytes above the first one found may be wrong.
const fn equal(word: u64, byte: u8) -> u64 {
    let zeroed = word ^ (ONES * byte as u64);
    zeroed.wrapping_sub(ONES) & !zeroed & TOPS
}

/// The top bit of each byte of `word` below `limit` (at most 0x80); bytes above the first one found may be
/// wrong.
const fn below(word: u64, limit: u8) -> u64 {
    word.wrapping_sub(ONES * limit as u64) & !word & TOPS
}

/// The number of bytes at the start of `bytes` at which `flags` sets no bit. `flags` must mark the first byte
/// to stop at; it may mark bytes after that one wrongly.
fn run(bytes: &[u8], flags: impl Fn(u64) -> u64) -> usize {
    let (chunks, rest) = bytes.as_chunks::<8>();
    let mut length = 0;
    for chunk in chunks {
        let found = flags(u64::from_le_bytes(*chunk));
        if found != 0 {
            return length + found.trailing_zeros() as usize / 8;
        }
        length += 8;
    }
    if rest.is_empty() {
        return length;
    }
    // The padding is `a`, at which no caller stops.
    let mut last = [b'a'; 8];
    for (to, from) in last.iter_mut().zip(rest) {
        *to = *from;
    }
    let found = flags(u64::from_le_bytes(last));
    if found == 0 { bytes.len() } else { length + found.trailing_zeros() as usize / 8 }
}

/// The number of bytes of a string up to a quote, a backslash or a control character.
pub(super) fn string_run(bytes: &[u8]) -> usize {
    run(bytes, |word| equal(word, b'"') | equal(word, b'\\') | below(word, 0x20))
}

/// The number of bytes up to one that an ASCII JSON string must escape.
pub(super) fn ascii_string_run(bytes: &[u8]) -> usize {
    run(bytes, |word| {
        equal(word, b'"') | equal(word, b'\\') | below(word, 0x20) | equal(word, 0x7f) | (word & TOPS)
    })
}

/// The number of bytes up to one above 0x7f.
pub(super) fn ascii_run(bytes: &[u8]) -> usize {
    run(bytes, |word| word & TOPS)
}

/// The number of bytes up to a quote, a backslash or one above 0x7f.
pub(super) fn embedded_run(bytes: &[u8]) -> usize {
    run(bytes, |word| equal(word, b'"') | equal(word, b'\\') | (word & TOPS))
}

/// The number of bytes of insignificant white space at the start of `bytes`.
pub(super) fn white_space(bytes: &[u8]) -> usize {
    // Most white space is a line end followed by indentation, a long run of spaces.
    let line_end = usize::from(bytes.first() == Some(&b'\n'));
    let rest = bytes.get(line_end..).unwrap_or_default();
    let blanks = run(rest, |word| word ^ (ONES * u64::from(b' ')));
    let rest = rest.get(blanks..).unwrap_or_default();
    line_end + blanks + rest.iter().take_while(|byte| is_white_space(**byte)).count()
}

/// Whether `byte` is insignificant white space.
pub(super) fn is_white_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\r' | b'\t')
}

/// The extent of a string.
pub(super) struct StringSpan {
    /// The offset of the closing quote.
    pub(super) close: usize,
    pub(super) escaped: bool,
}

/// Finds the end of the string whose opening quote is just before `start`, and checks its escapes.
pub(super) fn string(text: &[u8], start: usize) -> Result<StringSpan, JsonError> {
    let mut at = start;
    let mut escaped = false;
    loop {
        at += string_run(text.get(at..).unwrap_or_default());
        match text.get(at) {
            Some(b'"') => return Ok(StringSpan { close: at, escaped }),
            Some(b'\\') => {
                escaped = true;
                at += escape(text, at)?;
            }
            Some(control) => return Err(JsonErrorKind::ControlCharacter(*control).at(at)),
            None => return Err(JsonErrorKind::UnfinishedString.at(start.saturating_sub(1))),
        }
    }
}

/// The length of the escape whose backslash is at `at`.
fn escape(text: &[u8], at: usize) -> Result<usize, JsonError> {
    match text.get(at + 1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(2),
        Some(b'u') => match text.get(at + 2..at + 6) {
            Some(digits) if digits.iter().all(u8::is_ascii_hexdigit) => Ok(6),
            _ => Err(JsonErrorKind::Escape.at(at)),
        },
        _ => Err(JsonErrorKind::Escape.at(at)),
    }
}

/// The extent of a number.
pub(super) struct NumberSpan {
    pub(super) end: usize,
    /// The number has neither a fraction nor an exponent.
    pub(super) integer: bool,
}

/// Finds the end of the number that starts at `start`, with a digit or a minus sign.
pub(super) fn number(text: &[u8], start: usize) -> Result<NumberSpan, JsonError> {
    let mut at = start;
    if text.get(at) == Some(&b'-') {
        at += 1;
    }
    match text.get(at) {
        Some(b'0') => {
            at += 1;
            if text.get(at).is_some_and(u8::is_ascii_digit) {
                return Err(JsonErrorKind::LeadingZero.at(start));
            }
        }
        Some(b'1'..=b'9') => at += digits(text, at),
        Some(b'I') if text.get(at..).is_some_and(|rest| rest.starts_with(b"Infinity")) => {
            return Err(JsonErrorKind::NotFinite("-Infinity").at(start));
        }
        _ => return Err(JsonErrorKind::Number.at(start)),
    }
    let mut integer = true;
    if text.get(at) == Some(&b'.') {
        integer = false;
        let fraction = digits(text, at + 1);
        if fraction == 0 {
            return Err(JsonErrorKind::Number.at(start));
        }
        at += 1 + fraction;
    }
    if let Some(b'e' | b'E') = text.get(at) {
        integer = false;
        let sign = usize::from(matches!(text.get(at + 1), Some(b'+' | b'-')));
        let exponent = digits(text, at + 1 + sign);
        if exponent == 0 {
            return Err(JsonErrorKind::Number.at(start));
        }
        at += 1 + sign + exponent;
    }
    Ok(NumberSpan { end: at, integer })
}

fn digits(text: &[u8], at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// The error when no value starts at `at`.
pub(super) fn no_value(text: &[u8], at: usize) -> JsonError {
    let rest = text.get(at..).unwrap_or_default();
    let kind = if rest.starts_with(b"NaN") {
        JsonErrorKind::NotFinite("NaN")
    } else if rest.starts_with(b"Infinity") {
        JsonErrorKind::NotFinite("Infinity")
    } else {
        JsonErrorKind::expected("a value", rest.first().copied())
    };
    kind.at(at)
}
