//! The known secrets of a recipe.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::redact::{MASK, mask_credentials};

/// The minimum length in bytes of a secret that is masked in other texts: masking every `1` would make a
/// message unreadable and hide nothing. At its own place a secret of any length is masked.
const MIN_BYTES: usize = 4;

type LongestFirst = BTreeSet<(Reverse<usize>, String)>;

/// The secrets of a recipe: values of environment variables, values of keys that name a secret, and values
/// that a component read as a secret. Clones share one list.
#[derive(Clone, Default)]
pub struct Secrets {
    /// The longest secret first, as one may be part of another.
    texts: Arc<Mutex<LongestFirst>>,
}

impl Secrets {
    /// Masks every secret in `text`, and everything else that could be a credential (see
    /// [`mask_credentials`]).
    pub fn mask(&self, text: &str) -> String {
        mask_credentials(&self.mask_known(text))
    }

    /// Masks every secret of the list.
    pub(super) fn mask_known(&self, text: &str) -> String {
        let mut masked = text.to_owned();
        let texts = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        for (_, secret) in texts.iter() {
            if masked.contains(secret.as_str()) {
                masked = masked.replace(secret, MASK);
            }
        }
        masked
    }

    /// Adds a secret, as it is and with the escapes of messages, and each line of one with several lines.
    /// `true`, `false` and `null` are not secrets.
    pub(super) fn add(&self, secret: &str) {
        let trimmed = secret.trim();
        if matches!(trimmed.to_ascii_lowercase().as_str(), "true" | "false" | "null") {
            return;
        }
        let mut texts = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut add = |text: &str| {
            if text.len() >= MIN_BYTES {
                texts.insert((Reverse(text.len()), text.to_owned()));
            }
        };
        add(trimmed);
        add(&trimmed.escape_debug().to_string());
        if trimmed.contains(['\n', '\r']) {
            for line in trimmed.lines() {
                add(line.trim());
            }
        }
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets(********)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_the_longest_first_each_line_and_the_escaped_form() {
        let secrets = Secrets::default();
        secrets.add("swordfish");
        secrets.add("swordfish and chips");
        secrets.add("quo\"ted");
        secrets.add("-----BEGIN\nMIIEvQ\n-----END");
        secrets.add("1");
        assert_eq!(secrets.mask("a swordfish and chips"), "a ********");
        assert_eq!(secrets.mask("a swordfish"), "a ********");
        assert_eq!(secrets.mask("quo\\\"ted"), MASK);
        assert_eq!(secrets.mask("MIIEvQ 1"), "******** 1");
        assert_eq!(format!("{secrets:?}"), "Secrets(********)");
    }
}
