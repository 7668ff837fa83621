//! Takes secrets out of texts that others wrote.

use std::collections::HashSet;
use std::fmt;

/// The shortest piece of a secret that is taken out.
const PIECE_CHARS: usize = 8;

/// Removes secrets, and pieces of them, from a text: a server may quote the token that it refuses, or part of it.
#[derive(Clone, Default)]
pub(crate) struct Scrubber {
    pieces: HashSet<Vec<char>>,
    /// The lengths of the pieces: 8 but for shorter secrets.
    lengths: Vec<usize>,
}

impl Scrubber {
    /// One that knows `secrets`. What has fewer than four characters is no secret worth the name, and is left alone.
    pub(crate) fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let mut scrubber = Self::default();
        for secret in secrets {
            scrubber.add(secret);
        }
        scrubber
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

    /// `text` with `********` wherever a piece of a secret stood.
    pub(crate) fn scrub(&self, text: &str) -> String {
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
        let mut scrubbed = String::with_capacity(text.len());
        let mut inside = false;
        for (c, secret) in chars.into_iter().zip(secret) {
            if !secret {
                scrubbed.push(c);
            } else if !inside {
                scrubbed.push_str("********");
            }
            inside = secret;
        }
        scrubbed
    }
}

impl fmt::Debug for Scrubber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scrubber")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_secrets_and_pieces_of_them_disappear() {
        let scrubber = Scrubber::new(["abcdefghijklmnop", "s3cr3t"]);
        assert_eq!(scrubber.scrub("token abcdefghijklmnop refused"), "token ******** refused");
        assert_eq!(scrubber.scrub("starts with abcdefghij…"), "starts with ********…");
        assert_eq!(scrubber.scrub("abcdefg is too short a piece"), "abcdefg is too short a piece");
        assert_eq!(scrubber.scrub("s3cr3t"), "********");
        assert_eq!(Scrubber::new(["ab"]).scrub("ab"), "ab");
    }
}
