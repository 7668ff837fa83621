//! From what was observed to one of the known causes: a pure function, so that every row of its table can be
//! tested.

mod fixes;
mod forbidden;
mod html_page;
mod no_response;
mod observation;
mod response;
mod response_evidence;
mod unauthorized;

#[cfg(feature = "pipeline")]
pub(super) use fixes::DATAHUB_ISSUER;
pub(crate) use observation::{
    NoResponse, Observation, Observed, Redirect, Request, RequestKind, ResponseInfo, ServerInfo,
};

use crate::diagnosis::{Diagnosis, Evidence};

/// The cause of what was observed.
///
/// GMS gives less information than it has. Its 401 is the same for a token that is missing, expired, revoked,
/// foreign or malformed, and for a suspended user (`AuthenticationEnforcementFilter`), and its messages
/// differ by version. So no decision here depends on a message alone, and where a client cannot tell causes
/// apart, the diagnosis names all of them.
pub(crate) fn diagnose(observation: &Observation<'_>) -> Diagnosis {
    let mut diagnosis = match &observation.observed {
        Observed::Response(info) => response::diagnose(observation, info),
        Observed::Anonymous { server_time } => unauthorized::anonymous(observation, *server_time),
        Observed::NoResponse(failure) => no_response::diagnose(observation, failure),
    };
    if observation.attempts > 1 {
        let index = 1.min(diagnosis.evidence.len());
        diagnosis.evidence.insert(index, Evidence::Attempts(observation.attempts));
    }
    diagnosis
}
