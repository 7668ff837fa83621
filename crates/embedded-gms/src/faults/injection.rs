//! Faults that act on single changes of a request.

use axum::http::StatusCode;

use super::fault::{Action, Fault};
use crate::failure::Failure;

/// A fault that acts on the changes of a request.
#[derive(Clone, Debug)]
pub(crate) struct FaultInjection {
    urn_contains: Option<String>,
    action: Action,
}

/// The effect of a fault on a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChangeFault<'a> {
    Drop,
    Reject(&'a str),
    Pending(Option<u64>),
}

impl From<Fault> for FaultInjection {
    fn from(fault: Fault) -> Self {
        Self { urn_contains: fault.urn_contains, action: fault.action }
    }
}

impl FaultInjection {
    /// The effect on a change to this aspect.
    pub(crate) fn change_fault(
        &self,
        urn: &str,
        changed: &str,
        asynchronous: bool,
    ) -> Option<ChangeFault<'_>> {
        if self.urn_contains.as_deref().is_some_and(|part| !urn.contains(part)) {
            return None;
        }
        let (aspect, change_fault) = match &self.action {
            Action::Drop { aspect } => (aspect, ChangeFault::Drop),
            Action::RejectLater { aspect, message } if asynchronous => (aspect, ChangeFault::Reject(message)),
            Action::StayPending { aspect, polls } if asynchronous => (aspect, ChangeFault::Pending(*polls)),
            _ => return None,
        };
        aspect.as_deref().is_none_or(|aspect| aspect == changed).then_some(change_fault)
    }

    /// The failure of a batch of which only the first half is written, if the fault causes that.
    pub(crate) fn half_way(&self) -> Option<Failure> {
        let Action::PartialApply { code } = self.action else { return None };
        let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Some(Failure::new(status, "java.lang.RuntimeException: failed after a part of the batch was written"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_acts_on_matching_changes() {
        let fault =
            |action| FaultInjection::from(Fault { urn_contains: Some("tag:a".into()), ..Fault::new(action) });
        let drop = fault(Action::Drop { aspect: Some("status".into()) });
        assert_eq!(drop.change_fault("urn:li:tag:a", "status", false), Some(ChangeFault::Drop));
        assert_eq!(drop.change_fault("urn:li:tag:a", "tagKey", false), None);
        assert_eq!(drop.change_fault("urn:li:tag:b", "status", false), None);
        let later = fault(Action::RejectLater { aspect: None, message: "no".into() });
        assert_eq!(later.change_fault("urn:li:tag:a", "status", true), Some(ChangeFault::Reject("no")));
        assert_eq!(later.change_fault("urn:li:tag:a", "status", false), None);
        assert_eq!(fault(Action::Html).change_fault("urn:li:tag:a", "status", true), None);
        assert!(fault(Action::PartialApply { code: 500 }).half_way().is_some());
        assert!(later.half_way().is_none());
    }
}
