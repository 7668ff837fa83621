//! What a fault does to single changes of a request.

use axum::http::StatusCode;

use super::Action;
use crate::failure::Failure;

/// A fault that acts on the changes of a request.
#[derive(Clone, Debug)]
pub(crate) struct Interference {
    urn_contains: Option<String>,
    action: Action,
}

/// What a fault does to a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meddling<'a> {
    Drop,
    Reject(&'a str),
    Pending(Option<u64>),
}

impl Interference {
    pub(super) fn new(urn_contains: Option<String>, action: Action) -> Self {
        Self { urn_contains, action }
    }

    /// What happens to a change of this aspect.
    pub(crate) fn meddling(&self, urn: &str, changed: &str, asynchronous: bool) -> Option<Meddling<'_>> {
        if self.urn_contains.as_deref().is_some_and(|part| !urn.contains(part)) {
            return None;
        }
        let (aspect, meddling) = match &self.action {
            Action::Drop { aspect } => (aspect, Meddling::Drop),
            Action::RejectLater { aspect, message } if asynchronous => (aspect, Meddling::Reject(message)),
            Action::StayPending { aspect, polls } if asynchronous => (aspect, Meddling::Pending(*polls)),
            _ => return None,
        };
        aspect.as_deref().is_none_or(|aspect| aspect == changed).then_some(meddling)
    }

    /// Why a batch fails when its first half is written, if it does.
    pub(crate) fn half_way(&self) -> Option<Failure> {
        let Action::PartialApply { code } = self.action else { return None };
        let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Some(Failure::new(status, "java.lang.RuntimeException: failed after a part of the batch was written"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Fault;
    use super::*;

    #[test]
    fn a_fault_meddles_with_the_changes_that_it_names() {
        let fault =
            |action| Fault { urn_contains: Some("tag:a".into()), ..Fault::new(action) }.interference();
        let drop = fault(Action::Drop { aspect: Some("status".into()) });
        assert_eq!(drop.meddling("urn:li:tag:a", "status", false), Some(Meddling::Drop));
        assert_eq!(drop.meddling("urn:li:tag:a", "tagKey", false), None);
        assert_eq!(drop.meddling("urn:li:tag:b", "status", false), None);
        let later = fault(Action::RejectLater { aspect: None, message: "no".into() });
        assert_eq!(later.meddling("urn:li:tag:a", "status", true), Some(Meddling::Reject("no")));
        assert_eq!(later.meddling("urn:li:tag:a", "status", false), None);
        assert_eq!(fault(Action::Html).meddling("urn:li:tag:a", "status", true), None);
        assert!(fault(Action::PartialApply { code: 500 }).half_way().is_some());
        assert!(later.half_way().is_none());
    }
}
