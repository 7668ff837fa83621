//! There is no token that a request could be sent with.

use super::{ProviderError, Token};
use crate::diagnosis::{Code, Diagnosis, Evidence, Fix, Summary, TokenSource};

/// There is no token that a request could be sent with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TokenUnavailable {
    pub(crate) diagnosis: Diagnosis,
    /// Trying again may help.
    pub(crate) transient: bool,
}

impl TokenUnavailable {
    /// The provider of tokens failed.
    pub(crate) fn provider_failed(source: &TokenSource, error: &ProviderError) -> Self {
        Self { diagnosis: provider_failed(source, error), transient: error.transient }
    }

    /// The token has a form that no GMS accepts.
    pub(crate) fn malformed(token: &Token) -> Option<Self> {
        token.lint().map(|diagnosis| Self { diagnosis, transient: false })
    }
}

/// The diagnosis of a provider that failed.
pub(crate) fn provider_failed(source: &TokenSource, error: &ProviderError) -> Diagnosis {
    let fix = match source {
        TokenSource::Command => Fix::CheckTokenCommandOutput,
        TokenSource::Oidc => Fix::CheckClientCredentials,
        TokenSource::File(path) => Fix::CheckTokenFile(path.clone()),
        TokenSource::Environment(name) => Fix::CheckVariable(name.clone()),
        other => Fix::ProvideToken(other.clone()),
    };
    Diagnosis::new(Code::ProviderFailed, Summary::ProviderFailed(source.clone()))
        .with_evidence([Evidence::ProviderMessage(error.message.clone())])
        .with_fixes([fix])
}
