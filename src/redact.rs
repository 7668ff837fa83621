//! Removes secrets from text before it is shown, logged or reported.

mod free_text;

use std::collections::HashSet;
use std::fmt;

pub use free_text::mask_credentials;
pub(crate) use free_text::{hides_below, holds_jwt, is_plain, is_reference, is_secret_key, show_word};

/// The replacement for a secret.
pub(crate) const MASK: &str = "********";

/// The shortest piece of a secret that is taken out.
const PIECE_CHARS: usize = 8;

/// Removes secrets, and pieces of them, from a text: a server may quote the token that it refuses, or part of it.
#[derive(Clone, Default)]
pub(crate) struct Redactor {
    pieces: HashSet<Vec<char>>,
    /// The lengths of the pieces: 8 but for shorter secrets.
    lengths: Vec<usize>,
}

impl Redactor {
    /// One that knows `secrets`. What has fewer than four characters is no secret worth the name, and is left alone.
    pub(crate) fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let mut redactor = Self::default();
        for secret in secrets {
            redactor.add(secret);
        }
        redactor
    }

    /// Learns one more secret.
    pub(crate) fn add(&mut self, secret: &str) {
        let secret: Vec<char> = secret.trim().chars().collect();
        let length = secret.len().min(PIECE_CHARS);
        if length < 4 {
            return;
        }
        self.pieces.extend(secret.windows(length).map(<[char]>::to_vec));
        if !self.lengths.contains(&length) {
            self.lengths.push(length);
        }
    }

    /// `text` with [`MASK`] in place of each piece of a secret.
    pub(crate) fn redact(&self, text: &str) -> String {
        if self.pieces.is_empty() {
            return text.to_owned();
        }
        let chars: Vec<char> = text.chars().collect();
        let mut secret = vec![false; chars.len()];
        for length in &self.lengths {
            for (start, piece) in chars.windows(*length).enumerate() {
                if self.pieces.contains(piece) {
                    secret.iter_mut().skip(start).take(*length).for_each(|mark| *mark = true);
                }
            }
        }
        let mut redacted = String::with_capacity(text.len());
        let mut inside = false;
        for (c, secret) in chars.into_iter().zip(secret) {
            if !secret {
                redacted.push(c);
            } else if !inside {
                redacted.push_str(MASK);
            }
            inside = secret;
        }
        redacted
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redactor")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_secrets_and_pieces_of_them_disappear() {
        let redactor = Redactor::new(["abcdefghijklmnop", "s3cr3t"]);
        assert_eq!(redactor.redact("token abcdefghijklmnop refused"), "token ******** refused");
        assert_eq!(redactor.redact("starts with abcdefghij…"), "starts with ********…");
        assert_eq!(redactor.redact("abcdefg is too short a piece"), "abcdefg is too short a piece");
        assert_eq!(redactor.redact("s3cr3t"), "********");
        assert_eq!(Redactor::new(["ab"]).redact("ab"), "ab");
    }
}
