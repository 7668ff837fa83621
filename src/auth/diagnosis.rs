//! From what was observed to one of the known causes: a pure function, so that every row of its table can be tested.

use serde::Serialize;

use super::observation::{Observation, Observed};
use super::{Code, answer, refusal, silence};
use crate::ErrorKind;

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

/// The cause of what was observed, with the evidence and what mends it.
///
/// GMS says less than it knows: its 401 is the same for a token that is missing, expired, revoked, foreign or mangled, and
/// for one whose user is suspended (`AuthenticationEnforcementFilter`), and its words differ by version. So nothing here
/// depends on words alone, and where a client cannot tell causes apart, the diagnosis names them all.
pub fn diagnose(observation: &Observation<'_>) -> Diagnosis {
    let mut diagnosis = match &observation.observed {
        Observed::Answer(answer) => answer::explain(observation, answer),
        Observed::Anonymous { server_time } => refusal::anonymous(observation, *server_time),
        Observed::Silence(silence) => silence::explain(observation, silence),
    };
    if observation.attempts > 1 {
        diagnosis
            .evidence
            .insert(1.min(diagnosis.evidence.len()), format!("tried {} times", observation.attempts));
    }
    diagnosis
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
