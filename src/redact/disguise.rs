//! Secrets in another form: with separators, escaped, reversed, in base64 or hexadecimal.
//!
//! A server that wants to show a token to the reader of a log can encode it in any way, so no search finds
//! all of them. This one finds the forms that careless software produces.

use std::collections::HashSet;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use crate::hex::hex;

/// The length of the pieces that are found, in alphanumeric characters. A shorter one would occur in ordinary
/// text.
const PIECE_CHARS: usize = 12;

/// Pieces of secrets in all forms. Case and everything that is not alphanumeric are ignored.
#[derive(Clone, Default)]
pub(super) struct Disguises {
    /// Hashes of the pieces, which take less memory than the pieces.
    pieces: HashSet<u64>,
}

impl Disguises {
    /// Adds the forms of a secret. One with fewer than 12 alphanumeric characters is ignored.
    pub(super) fn add(&mut self, secret: &str) {
        let reversed: String = secret.chars().rev().collect();
        let mut forms = vec![secret.to_owned(), reversed, hex(secret.as_bytes())];
        // In the middle of a longer text the encoding depends on the position modulo 3.
        for before in 0..3_usize {
            let text = [vec![0; before], secret.as_bytes().to_vec()].concat();
            let encoded = STANDARD_NO_PAD.encode(text);
            // The characters that also hold bits of the text before and after.
            let inner = encoded.get(before + usize::from(before > 0)..encoded.len().saturating_sub(2));
            forms.extend(inner.map(str::to_owned));
        }
        for form in forms {
            let plain: Vec<char> = form.chars().filter_map(plain).collect();
            self.pieces.extend(plain.windows(PIECE_CHARS).map(hash));
        }
    }

    /// The ranges of characters that show a piece of a secret.
    pub(super) fn find(&self, text: &[char]) -> Vec<Range<usize>> {
        if self.pieces.is_empty() {
            return Vec::new();
        }
        let (places, plain): (Vec<Range<usize>>, Vec<char>) = unescaped(text).into_iter().unzip();
        let found = plain.windows(PIECE_CHARS).zip(places.windows(PIECE_CHARS));
        found
            .filter(|(piece, _)| self.pieces.contains(&hash(piece)))
            .filter_map(|(_, places)| Some(places.first()?.start..places.last()?.end))
            .collect()
    }
}

/// An alphanumeric character without case; `None` for a separator.
fn plain(character: char) -> Option<char> {
    character.is_alphanumeric().then(|| character.to_ascii_lowercase())
}

fn hash(piece: &[char]) -> u64 {
    let mut hasher = DefaultHasher::new();
    piece.hash(&mut hasher);
    hasher.finish()
}

/// The alphanumeric characters of a text with their places. Escapes (`\\u0061`, `%61`, `&#97;`) stand for
/// their character, however often they are escaped.
fn unescaped(text: &[char]) -> Vec<(Range<usize>, char)> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(character) = text.get(at) {
        let (length, meant) = match character {
            '\\' => backslash(text.get(at..).unwrap_or_default()),
            '%' => percent(text.get(at..).unwrap_or_default()),
            '&' => entity(text.get(at..).unwrap_or_default()),
            _ => None,
        }
        .unwrap_or((1, *character));
        found.extend(plain(meant).map(|meant| (at..at + length, meant)));
        at += length;
    }
    found
}

/// `\\\\u0061`: any number of backslashes, and the code.
fn backslash(text: &[char]) -> Option<(usize, char)> {
    let slashes = text.iter().take_while(|character| **character == '\\').count();
    let digits = text.get(slashes..)?.strip_prefix(&['u'])?.get(..4)?;
    Some((slashes + 5, number(digits, 16)?))
}

/// `%61`, and `%2561` for that escaped once more.
fn percent(text: &[char]) -> Option<(usize, char)> {
    let mut start = 1;
    while text.get(start..start + 2) == Some(&['2', '5']) {
        start += 2;
    }
    Some((start + 2, number(text.get(start..start + 2)?, 16)?))
}

/// `&#97;` and `&#x61;`, also behind `&amp;`.
fn entity(text: &[char]) -> Option<(usize, char)> {
    let mut start = 1;
    while text.get(start..start + 4) == Some(&['a', 'm', 'p', ';']) {
        start += 4;
    }
    let rest = text.get(start..)?.strip_prefix(&['#'])?;
    let (digits, radix, before) = match rest.strip_prefix(&['x']) {
        Some(digits) => (digits, 16, start + 2),
        None => (rest, 10, start + 1),
    };
    let length = digits.iter().take(7).position(|character| *character == ';')?;
    Some((before + length + 1, number(digits.get(..length)?, radix)?))
}

fn number(digits: &[char], radix: u32) -> Option<char> {
    let digits: String = digits.iter().collect();
    u32::from_str_radix(&digits, radix).ok().and_then(char::from_u32)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{MASK, Redactor};
    use super::*;

    const TOKEN: &str = "eyJhbGciOiJIUzI1NiJ9.q7Zt2LmXv9KdR4sWb8NcY1hJpF6gTe3A";

    fn escaped(format: impl Fn(char) -> String) -> String {
        TOKEN.chars().map(format).collect()
    }

    #[test]
    fn a_token_is_found_in_each_disguise() {
        let redactor = Redactor::new([TOKEN]);
        let spaced = escaped(|character| format!("{character} "));
        let dashed = TOKEN
            .as_bytes()
            .chunks(4)
            .map(|piece| std::str::from_utf8(piece).unwrap())
            .collect::<Vec<_>>()
            .join("-");
        for disguise in [
            spaced,
            dashed,
            TOKEN.chars().rev().collect(),
            hex(TOKEN.as_bytes()),
            hex(TOKEN.as_bytes()).to_uppercase(),
            STANDARD_NO_PAD.encode(TOKEN),
            STANDARD_NO_PAD.encode(format!("Bearer {TOKEN}")),
            STANDARD_NO_PAD.encode(format!("x{TOKEN}y")),
            STANDARD_NO_PAD.encode(format!("xy{TOKEN}z")),
            escaped(|character| format!("\\u{:04x}", u32::from(character))),
            escaped(|character| format!("\\\\u{:04x}", u32::from(character))),
            escaped(|character| format!("%{:02x}", u32::from(character))),
            escaped(|character| format!("%25{:02X}", u32::from(character))),
            escaped(|character| format!("&#{};", u32::from(character))),
            escaped(|character| format!("&amp;#x{:x};", u32::from(character))),
        ] {
            let shown = redactor.redact(&format!("refused: {disguise} as it is"));
            assert!(shown.starts_with("refused: ") && shown.ends_with(" as it is"), "{shown}");
            let rest = shown.replace(MASK, "");
            assert!(rest.len() < "refused:  as it is".len() + 24, "{disguise} is shown as {shown}");
        }
    }

    proptest! {
        #[test]
        fn ordinary_text_stays_as_it_is(text in "[a-zA-Z0-9 .:/%&#;_{}()\\\\-]{0,200}") {
            prop_assert_eq!(Redactor::new([TOKEN]).redact(&text), text);
        }

        #[test]
        fn any_text_can_be_searched(text in ".{0,200}") {
            Redactor::new([TOKEN]).redact(&text);
        }
    }
}
