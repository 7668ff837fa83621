//! Why a request cannot go with a token.

use super::{ProviderError, TokenSource, hygiene};
use crate::auth::Token;
use crate::diagnosis::{Code, Diagnosis};
use crate::shell;

/// There is no token that could be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NoToken {
    pub(crate) diagnosis: Diagnosis,
    /// Asking again may help.
    pub(crate) transient: bool,
}

impl NoToken {
    /// Whoever gives tokens gave none.
    pub(crate) fn failed(source: &TokenSource, error: &ProviderError) -> Self {
        Self { diagnosis: provider_failed(source, error), transient: error.transient }
    }

    /// The token is one that no GMS takes.
    pub(crate) fn unusable(token: &Token) -> Option<Self> {
        hygiene::inspect(token).map(|diagnosis| Self { diagnosis, transient: false })
    }
}

/// That whoever gives tokens gave none, and what to look at.
pub fn provider_failed(source: &TokenSource, error: &ProviderError) -> Diagnosis {
    let fixes = match source {
        TokenSource::Command => vec![
            "run the command of sink.config.auth by hand: it must print the token, and nothing else, on standard output"
                .into(),
        ],
        TokenSource::Oidc => vec![
            "compare token_endpoint, client_id and client_secret under sink.config.auth with what the identity provider has"
                .into(),
        ],
        TokenSource::File(path) => vec![format!(
            "see that the file is there and can be read:  ls -l {}",
            shell::word(&path.to_string_lossy())
        )],
        TokenSource::Environment(name) => vec![format!("see that it is set and exported:  printenv {name}")],
        other => vec![format!("put a token into {}", other.place())],
    };
    Diagnosis {
        code: Code::ProviderFailed,
        summary: format!("there is no token: {}", source.place()),
        evidence: vec![error.message.clone()],
        fixes,
    }
}
