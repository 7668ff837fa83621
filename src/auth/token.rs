//! A bearer token.

use std::fmt;
use std::io;

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::diagnosis::TokenSource;
use crate::hex::hex;

/// A bearer token. Its text is never shown: [`Debug`](fmt::Debug) and [`Display`](fmt::Display) show its
/// [fingerprint](Self::fingerprint), and it cannot be serialised. The text is wiped from memory when it is
/// dropped.
#[derive(Clone)]
pub struct Token {
    secret: SecretString,
    source: TokenSource,
}

impl Token {
    /// A token with the text `secret`, without any change. [`lint`](Self::lint) finds mistakes in it.
    pub fn new(secret: impl Into<String>, source: TokenSource) -> Self {
        Self { secret: SecretString::from(secret.into()), source }
    }

    /// Where it came from.
    pub fn source(&self) -> &TokenSource {
        &self.source
    }

    /// The text of the token, for the Authorization header and for reading its claims.
    pub(crate) fn expose(&self) -> &str {
        self.secret.expose_secret()
    }

    /// Writes the text of the token and a line end to `to`. This is the only public way to it.
    ///
    /// # Errors
    /// The errors of `to`.
    pub fn write_to(&self, mut to: impl io::Write) -> io::Result<()> {
        to.write_all(self.expose().as_bytes())?;
        to.write_all(b"\n")?;
        to.flush()
    }

    /// The first 8 hexadecimal digits of its SHA-256: enough to distinguish two tokens, and useless without
    /// the token.
    pub fn fingerprint(&self) -> String {
        let digest = Sha256::digest(self.expose().as_bytes());
        let start: [u8; 4] = digest.first_chunk().copied().unwrap_or_default();
        hex(&start)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token(sha256 {}, {})", self.fingerprint(), self.source)
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256 {}", self.fingerprint())
    }
}
