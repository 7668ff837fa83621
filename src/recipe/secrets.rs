//! The secrets that a recipe is known to hold.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::redact::{MASK, mask_credentials};

/// Shorter texts than this are not looked for in other texts: masking every `1` makes a message unreadable and hides
/// nothing. At its own place a secret is masked whatever its length.
const SHORTEST: usize = 4;

type LongestFirst = BTreeSet<(Reverse<usize>, String)>;

/// The secrets of a recipe: what came from the environment, what stands under the name of a secret, and what a component
/// read as one. Clones share one list.
#[derive(Clone, Default)]
pub struct Secrets {
    /// The longest first, as a secret may be part of another.
    texts: Arc<Mutex<LongestFirst>>,
}

impl Secrets {
    /// Masks every secret in `text`, and whatever else could be a credential (as [`mask_credentials`] does).
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

    /// Adds a secret, as it is and as messages escape it; of one of several lines also each line. `true` and the like
    /// are none.
    pub(super) fn add(&self, secret: &str) {
        let trimmed = secret.trim();
        if matches!(trimmed.to_ascii_lowercase().as_str(), "true" | "false" | "null") {
            return;
        }
        let mut texts = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut add = |text: &str| {
            if text.len() >= SHORTEST {
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
