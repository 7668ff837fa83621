//! The known secrets of a recipe.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::redact::{Redactor, mask_credentials};

/// The secrets of a recipe: values of environment variables, values of keys that name a secret, and values
/// that a component read as a secret. Clones share one list. Elsewhere than at its own place, a secret of
/// fewer than four bytes is not masked.
#[derive(Clone, Default)]
pub struct Secrets {
    redactor: Arc<Mutex<Redactor>>,
}

impl Secrets {
    /// Masks every secret in `text`, and everything else that could be a credential (see
    /// [`mask_credentials`]).
    pub fn mask(&self, text: &str) -> String {
        mask_credentials(&self.mask_known(text))
    }

    /// Masks every secret of the list.
    pub(super) fn mask_known(&self, text: &str) -> String {
        self.redactor.lock().unwrap_or_else(PoisonError::into_inner).redact(text)
    }

    /// Adds a secret, as it is and with the escapes of messages, and each line of one with several lines.
    /// `true`, `false` and `null` are not secrets.
    pub(super) fn add(&self, secret: &str) {
        let trimmed = secret.trim();
        if matches!(trimmed.to_ascii_lowercase().as_str(), "true" | "false" | "null") {
            return;
        }
        // The value of a variable is often no secret but a host or a path, so it is masked as a whole only.
        let mut redactor = self.redactor.lock().unwrap_or_else(PoisonError::into_inner);
        redactor.add_whole(trimmed);
        redactor.add_whole(&trimmed.escape_debug().to_string());
        if trimmed.contains(['\n', '\r']) {
            for line in trimmed.lines() {
                redactor.add_whole(line.trim());
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
    use crate::redact::MASK;

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
