//! A token, and where it came from.

use std::fmt;
use std::io;
use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::hex::hex;

/// A bearer token. It has no text of its own: [`Debug`](fmt::Debug) and [`Display`](fmt::Display) show its
/// [fingerprint](Self::fingerprint), and it cannot be serialised.
#[derive(Clone)]
pub struct Token {
    secret: SecretString,
    source: TokenSource,
}

/// Where a token came from. Its text is what reports and diagnoses call it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenSource {
    /// Written in the recipe (also through `${…}`), or given to the builder.
    Recipe,
    /// An environment variable.
    Environment(String),
    /// A file.
    File(PathBuf),
    /// `~/.datahubenv`.
    DatahubEnv,
    /// What a command printed.
    Command,
    /// An identity provider.
    Oidc,
    /// `DATAHUB_SYSTEM_CLIENT_ID` and `DATAHUB_SYSTEM_CLIENT_SECRET`: the token is `id:secret`, and goes as `Basic`.
    SystemClient,
    /// The embedded GMS made it for this run.
    Embedded,
    /// GMS has just made it.
    Issued,
    /// `extra_headers` carries an Authorization header of its own.
    ExtraHeaders,
}

impl Token {
    /// Takes `secret` as it is; hygiene is the business of whoever read it.
    pub fn new(secret: impl Into<String>, source: TokenSource) -> Self {
        Self { secret: SecretString::from(secret.into()), source }
    }

    /// Where it came from.
    pub fn source(&self) -> &TokenSource {
        &self.source
    }

    /// The token itself. Only what builds a header, and what reads its claims, has a use for it.
    pub(crate) fn expose(&self) -> &str {
        self.secret.expose_secret()
    }

    /// Writes the token itself, and a line end: to what it was asked for. Nothing else gives it away.
    ///
    /// # Errors
    /// Those of `to`.
    pub fn write_to(&self, mut to: impl io::Write) -> io::Result<()> {
        to.write_all(self.expose().as_bytes())?;
        to.write_all(b"\n")?;
        to.flush()
    }

    /// The first 8 hexadecimal digits of its SHA-256: enough to tell two tokens apart, and of no use to a thief.
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

impl TokenSource {
    /// The place, as a sentence names it.
    pub fn place(&self) -> String {
        match self {
            Self::Recipe => "the recipe's sink.config.token".into(),
            Self::Environment(name) => format!("the environment variable {name}"),
            Self::File(path) => format!("the file {}", path.display()),
            Self::DatahubEnv => "gms.token of ~/.datahubenv".into(),
            Self::Command => "the token command".into(),
            Self::Oidc => "the identity provider".into(),
            Self::SystemClient => "DATAHUB_SYSTEM_CLIENT_ID and DATAHUB_SYSTEM_CLIENT_SECRET".into(),
            Self::Embedded => "the embedded GMS".into(),
            Self::Issued => "the answer of GMS".into(),
            Self::ExtraHeaders => "the recipe's sink.config.extra_headers.Authorization".into(),
        }
    }
}

impl fmt::Display for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Recipe => f.write_str("recipe"),
            Self::Environment(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::DatahubEnv => f.write_str("datahubenv"),
            Self::Command => f.write_str("command"),
            Self::Oidc => f.write_str("oidc"),
            Self::SystemClient => f.write_str("system-client"),
            Self::Embedded => f.write_str("embedded"),
            Self::Issued => f.write_str("issued"),
            Self::ExtraHeaders => f.write_str("extra-headers"),
        }
    }
}
