//! Removes secrets from text before it is shown, logged or reported.

mod disguise;
#[cfg(feature = "pipeline")]
mod free_text;
mod jwt;

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashSet};
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

/// The length in bytes of the shortest secret that is redacted as a whole: redacting every `1` would make a
/// message unreadable and hide nothing.
#[cfg(any(test, feature = "pipeline"))]
const MIN_WHOLE_BYTES: usize = 4;

/// Redacts secrets and fragments of them: a server may quote the token that it refuses, or a part of it, also
/// in another encoding (see [`disguise`]).
///
/// A value that may be a secret and may be a name or a path is redacted only [as a whole](Self::add_whole),
/// since fragments of it occur in ordinary text.
#[derive(Clone, Default)]
pub(crate) struct Redactor {
    fragments: HashSet<Vec<char>>,
    /// The lengths of the fragments: 8, or the length of a shorter secret.
    lengths: Vec<usize>,
    disguises: disguise::Disguises,
    /// The longest one first, as one may be part of another.
    wholes: BTreeSet<(Reverse<usize>, String)>,
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
        let secret = secret.trim();
        self.disguises.add(secret);
        let secret: Vec<char> = secret.chars().collect();
        let length = secret.len().min(FRAGMENT_CHARS);
        if length < 4 {
            return;
        }
        self.fragments.extend(secret.windows(length).map(<[char]>::to_vec));
        if !self.lengths.contains(&length) {
            self.lengths.push(length);
        }
    }

    /// Adds a text that is redacted where it occurs as a whole.
    #[cfg(any(test, feature = "pipeline"))]
    pub(crate) fn add_whole(&mut self, text: &str) {
        if text.len() >= MIN_WHOLE_BYTES {
            self.wholes.insert((Reverse(text.len()), text.to_owned()));
        }
    }

    /// `text` with [`MASK`] in place of each secret and of each fragment of one.
    pub(crate) fn redact(&self, text: &str) -> String {
        let mut redacted = text.to_owned();
        for (_, whole) in &self.wholes {
            if redacted.contains(whole.as_str()) {
                redacted = redacted.replace(whole, MASK);
            }
        }
        if self.fragments.is_empty() { redacted } else { self.redact_fragments(&redacted) }
    }

    fn redact_fragments(&self, text: &str) -> String {
        let chars: Vec<char> = text.chars().collect();
        let mut secret = vec![false; chars.len()];
        for length in &self.lengths {
            for (start, fragment) in chars.windows(*length).enumerate() {
                if self.fragments.contains(fragment) {
                    secret.iter_mut().skip(start).take(*length).for_each(|mark| *mark = true);
                }
            }
        }
        for range in self.disguises.find(&chars) {
            secret.iter_mut().skip(range.start).take(range.len()).for_each(|mark| *mark = true);
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

    #[test]
    fn a_whole_is_redacted_without_its_fragments_and_the_longest_first() {
        let mut redactor = Redactor::default();
        redactor.add_whole("/srv/metadata");
        redactor.add_whole("/srv/metadata/files");
        redactor.add_whole("1");
        assert_eq!(redactor.redact("read /srv/metadata/files/1.json"), "read ********/1.json");
        assert_eq!(redactor.redact("read /srv/metadata"), "read ********");
        assert_eq!(redactor.redact("read /srv/meta"), "read /srv/meta");
    }
}
