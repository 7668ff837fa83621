//! A diagnosis: which of the known causes a failure has, what was observed, and how to fix it.
//!
//! This module defines the types. The function that finds the cause of a refusal is in [`auth`](crate::auth).

mod code;

use serde::Serialize;

pub use code::Code;

use crate::error::ErrorKind;

/// Why something refused: a cause, what was observed, and what to type next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnosis {
    /// The cause.
    pub code: Code,
    /// One sentence.
    pub summary: String,
    /// What was observed, each a line.
    pub evidence: Vec<String>,
    /// What mends it, the likeliest first. A command works when it is typed; where words stand before it, it comes after a
    /// colon and two spaces.
    pub fixes: Vec<String>,
}

impl Diagnosis {
    /// What kind of failure it is. A note ends nothing; one that is made an error is our mistake.
    pub(crate) fn kind(&self) -> ErrorKind {
        self.code.kind().unwrap_or(ErrorKind::Internal)
    }

    /// The note that a server looks at no token, because authentication is off (`METADATA_SERVICE_AUTH_ENABLED`).
    pub fn disabled(request: &str, has_token: bool) -> Self {
        let mut evidence =
            vec![format!("{request} without a token answers userType \"user\": whoever comes is let in")];
        if has_token {
            evidence.push("the token that is configured is sent, and nobody looks at it".into());
        }
        Self {
            code: Code::Disabled,
            summary: "authentication is off: the server looks at no token".into(),
            evidence,
            fixes: vec![
                "to have it on, set METADATA_SERVICE_AUTH_ENABLED=true for GMS and for DataHub's frontend, and restart both"
                    .into(),
            ],
        }
    }

    /// That a token would go over a network unencrypted, where `require_https` forbids it.
    pub fn insecure_transport(server: &str, host: &str) -> Self {
        let https = server.strip_prefix("http://").unwrap_or(server);
        Self {
            code: Code::InsecureTransport,
            summary: format!("the token would go to {host} unencrypted"),
            evidence: vec![
                format!("the server is {server}, which is not this machine"),
                "nothing was sent".into(),
            ],
            fixes: vec![format!("in the recipe, under sink.config:  server: https://{https}")],
        }
    }
}
