//! Removes secrets from text before it is shown, logged or reported.

#[cfg(feature = "pipeline")]
mod free_text;
mod jwt;

use std::collections::HashSet;
use std::fmt;

#[cfg(feature = "pipeline")]
pub use free_text::mask_credentials;
#[cfg(feature = "pipeline")]
pub(crate) use free_text::{hides_below, is_plain, is_reference, is_secret_key, show_word};
pub(crate) use jwt::holds_jwt;

/// The replacement for a secret.
pub(crate) const MASK: &str = "********";

/// The length of the fragments of a secret that are redacted, in characters.
const FRAGMENT_CHARS: usize = 8;

/// Redacts secrets and fragments of them: a server may quote the token that it refuses, or a part of it.
#[derive(Clone, Default)]
pub(crate) struct Redactor {
    fragments: HashSet<Vec<char>>,
    /// The lengths of the fragments: 8, or the length of a shorter secret.
    lengths: Vec<usize>,
}

impl Redactor {
    /// A redactor of `secrets`. Secrets of fewer than four characters are ignored: they occur in ordinary
    /// words.
    pub(crate) fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let mut redactor = Self::default();
        for secret in secrets {
            redactor.add(secret);
        }
        redactor
    }

    /// Adds a secret.
    pub(crate) fn add(&mut self, secret: &str) {
        let secret: Vec<char> = secret.trim().chars().collect();
        let length = secret.len().min(FRAGMENT_CHARS);
        if length < 4 {
            return;
        }
        self.fragments.extend(secret.windows(length).map(<[char]>::to_vec));
        if !self.lengths.contains(&length) {
            self.lengths.push(length);
        }
    }

    /// `text` with [`MASK`] in place of each fragment of a secret.
    pub(crate) fn redact(&self, text: &str) -> String {
        if self.fragments.is_empty() {
            return text.to_owned();
        }
        let chars: Vec<char> = text.chars().collect();
        let mut secret = vec![false; chars.len()];
        for length in &self.lengths {
            for (start, fragment) in chars.windows(*length).enumerate() {
                if self.fragments.contains(fragment) {
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
    fn secrets_and_fragments_of_them_are_redacted() {
        let redactor = Redactor::new(["abcdefghijklmnop", "s3cr3t"]);
        assert_eq!(redactor.redact("token abcdefghijklmnop refused"), "token ******** refused");
        assert_eq!(redactor.redact("starts with abcdefghij…"), "starts with ********…");
        assert_eq!(redactor.redact("abcdefg is too short a fragment"), "abcdefg is too short a fragment");
        assert_eq!(redactor.redact("s3cr3t"), "********");
        assert_eq!(Redactor::new(["ab"]).redact("ab"), "ab");
    }
}
