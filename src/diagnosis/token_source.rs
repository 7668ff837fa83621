//! Where a token came from.

use std::fmt;
use std::path::PathBuf;

/// Where a token came from. Its [`Display`](fmt::Display) text is its name in reports, for example
/// `env:NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenSource {
    /// The program that uses this crate gave it, for example to `EmitterBuilder::token`.
    Program,
    /// A recipe has it, also through `${…}`.
    Recipe,
    /// An environment variable.
    Environment(String),
    /// A file.
    File(PathBuf),
    /// `~/.datahubenv`, the configuration file of DataHub's CLI.
    DatahubEnv,
    /// The standard output of a command.
    Command,
    /// An OAuth 2.0 identity provider.
    Oidc,
    /// `DATAHUB_SYSTEM_CLIENT_ID` and `DATAHUB_SYSTEM_CLIENT_SECRET`. The token is `id:secret`, sent as
    /// `Basic`.
    SystemClient,
    /// The embedded GMS made it for this run.
    Embedded,
    /// GMS has just issued it to this program.
    Issued,
    /// The Authorization header among the extra headers.
    ExtraHeaders,
}

impl TokenSource {
    /// The source as a noun phrase, for example `the environment variable DATAHUB_GMS_TOKEN`.
    pub fn place(&self) -> String {
        match self {
            Self::Program => "the call of `EmitterBuilder::token`".into(),
            Self::Recipe => "the recipe".into(),
            Self::Environment(name) => format!("the environment variable {name}"),
            Self::File(path) => format!("the file {}", path.display()),
            Self::DatahubEnv => "gms.token of ~/.datahubenv".into(),
            Self::Command => "the token command".into(),
            Self::Oidc => "the identity provider".into(),
            Self::SystemClient => "DATAHUB_SYSTEM_CLIENT_ID and DATAHUB_SYSTEM_CLIENT_SECRET".into(),
            Self::Embedded => "the embedded GMS".into(),
            Self::Issued => "the response of GMS".into(),
            Self::ExtraHeaders => "the extra header Authorization".into(),
        }
    }
}

impl fmt::Display for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Program => f.write_str("program"),
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
