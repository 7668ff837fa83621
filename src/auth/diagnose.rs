//! From what was observed to one of the known causes: a pure function, so that every row of its table can be tested.

use super::observation::{Observation, Observed};
use super::{answer, refusal, silence};
use crate::diagnosis::Diagnosis;

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
