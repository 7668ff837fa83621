//! A diagnosis: which of the known causes a failure has, what was observed, and how to fix it.
//!
//! A [`Diagnosis`] is data. Its text depends on who reads it, and a [`Renderer`] makes it:
//! [`LibraryRenderer`], which [`Display`](fmt::Display) and [`Serialize`] use, names methods of this crate's
//! builders; the command line has its own, which names commands and lines of a recipe.
//!
//! This module defines the types. The function that finds the cause of a refusal is in [`auth`](crate::auth).

mod code;
mod evidence;
mod fix;
mod kafka;
mod privilege;
mod renderer;
mod summary;
mod time_text;
mod token_source;

use std::fmt;

use serde::Serialize;

pub use code::Code;
pub use evidence::{ClockReading, Evidence, TokenForm, TokenKind};
pub use fix::Fix;
pub use kafka::{BrokerRefusal, RegistryProblem};
pub use privilege::{AccessTokenOperation, Operation, Privilege};
pub use renderer::{LibraryRenderer, Renderer, SharedRenderer};
pub use summary::{HeaderMistake, RedirectChange, Summary, TlsProblem, TokenMistake};
#[cfg(feature = "pipeline")]
pub(crate) use time_text::{rough_span, whole_seconds};
pub use token_source::TokenSource;

use crate::error::ErrorKind;

/// The cause of a failure, the observations behind it, and the fixes. It contains no secret.
///
/// ```
/// use datahub_emitter::diagnosis::{Code, Diagnosis, Evidence, Fix, Summary};
///
/// let diagnosis = Diagnosis::new(Code::TokenMissing, Summary::TokenMissing)
///     .with_evidence([Evidence::Status { status: 401, request: "GET http://gms:8080/config".into() }])
///     .with_fixes([Fix::ConfigureToken]);
/// let text = diagnosis.to_string();
/// assert!(text.starts_with("auth.token-missing: GMS wants a token, and none was sent\n"));
/// assert!(text.ends_with("fix: give the token to `EmitterBuilder::token`"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Diagnosis {
    /// The code of the cause.
    pub code: Code,
    /// The cause.
    pub summary: Summary,
    /// The observations behind it.
    pub evidence: Vec<Evidence>,
    /// The fixes, the most likely first.
    pub fixes: Vec<Fix>,
}

/// A diagnosis as text. Serialised, it is the `diagnosis` of a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RenderedDiagnosis {
    /// The code of the cause.
    pub code: Code,
    /// The cause in one sentence.
    pub summary: String,
    /// The observations, each in one line.
    pub evidence: Vec<String>,
    /// The fixes, each in one line.
    pub fixes: Vec<String>,
}

impl Diagnosis {
    /// A diagnosis without evidence and fixes.
    pub fn new(code: Code, summary: Summary) -> Self {
        Self { code, summary, evidence: Vec::new(), fixes: Vec::new() }
    }

    /// Adds evidence.
    #[must_use]
    pub fn with_evidence(mut self, evidence: impl IntoIterator<Item = Evidence>) -> Self {
        self.evidence.extend(evidence);
        self
    }

    /// Adds fixes.
    #[must_use]
    pub fn with_fixes(mut self, fixes: impl IntoIterator<Item = Fix>) -> Self {
        self.fixes.extend(fixes);
        self
    }

    /// The text that `renderer` makes of it.
    pub fn render(&self, renderer: &dyn Renderer) -> RenderedDiagnosis {
        RenderedDiagnosis {
            code: self.code,
            summary: renderer.summary(&self.summary),
            evidence: self.evidence.iter().map(|evidence| renderer.evidence(evidence)).collect(),
            fixes: self.fixes.iter().map(|fix| renderer.fix(fix)).collect(),
        }
    }

    /// The kind of failure. A note is not a failure; one that is made an error is a bug of this crate.
    pub(crate) fn kind(&self) -> ErrorKind {
        self.code.kind().unwrap_or(ErrorKind::Internal)
    }

    /// The evidence in one line, for a log message.
    pub(crate) fn evidence_line(&self) -> String {
        let lines: Vec<String> = self.evidence.iter().map(Evidence::to_string).collect();
        lines.join("; ")
    }

    /// The note that the server does not authenticate callers (`METADATA_SERVICE_AUTH_ENABLED` is false).
    /// `request` is the request without a token that it responded to.
    pub(crate) fn authentication_disabled(request: String, has_token: bool) -> Self {
        Self::new(Code::Disabled, Summary::AuthenticationDisabled)
            .with_evidence([Evidence::AnonymousAccess { request }])
            .with_evidence(has_token.then_some(Evidence::TokenNotChecked))
            .with_fixes([Fix::EnableAuthentication])
    }

    /// The token would be sent over a network without encryption, and `require_https` forbids that.
    #[cfg(any(test, feature = "pipeline"))]
    pub(crate) fn insecure_transport(server: &str, host: &str) -> Self {
        let https = server.strip_prefix("http://").unwrap_or(server);
        Self::new(Code::InsecureTransport, Summary::InsecureTransport { host: host.to_owned() })
            .with_evidence([Evidence::RemoteServer(server.to_owned()), Evidence::NothingSent])
            .with_fixes([Fix::SetServer(format!("https://{https}"))])
    }
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.render(&LibraryRenderer).fmt(f)
    }
}

impl Serialize for Diagnosis {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.render(&LibraryRenderer).serialize(serializer)
    }
}

impl fmt::Display for RenderedDiagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.summary)?;
        for evidence in &self.evidence {
            write!(f, "\n  observed: {evidence}")?;
        }
        for fix in &self.fixes {
            write!(f, "\n  fix: {fix}")?;
        }
        Ok(())
    }
}
