//! From what was observed to one of the known causes: a pure function, so that every row of its table can be
//! tested.

use super::observation::{Observation, Observed};
use super::{no_response, response, unauthorized};
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
