//! How much of a run may fail before the run as a whole has failed.

use crate::recipe::Fields;
use crate::{Error, ErrorKind};

/// Proposals that must be settled before a share of failures is meaningful: the first one alone could be
/// 100%.
const SHARE_AFTER: u64 = 100;

/// `fail_on_empty`, `max_failures` and `max_failure_share` of a recipe.
///
/// A failure is a rejected proposal or an invalid record. A run with failures never ends with exit code 0;
/// these keys also end it early, or make a run fail whose source is empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct FailureLimits {
    /// A source without proposals is a failure.
    pub(super) fail_on_empty: bool,
    max_failures: Option<u64>,
    max_failure_share: Option<f64>,
}

impl FailureLimits {
    pub(super) fn read(fields: &mut Fields<'_>) -> Self {
        Self {
            fail_on_empty: fields.boolean("fail_on_empty").unwrap_or(false),
            max_failures: fields.number("max_failures", 0..=u64::MAX, "a number of failures, 0 or more"),
            max_failure_share: fields.number(
                "max_failure_share",
                0.0..=1.0,
                "a share from 0 to 1, for example 0.05",
            ),
        }
    }

    /// Which limit `failed` of `settled` exceed while the run is in progress.
    pub(super) fn exceeded(&self, failed: u64, settled: u64) -> Option<String> {
        if self.max_failures.is_some_and(|most| failed > most) {
            let most = self.max_failures.unwrap_or_default();
            return Some(format!("{failed} of {settled} failed, more than `max_failures` allows ({most})"));
        }
        (settled >= SHARE_AFTER).then(|| self.share_exceeded(failed, settled)).flatten()
    }

    /// Which limit is exceeded at the end of a run that was not stopped before.
    pub(super) fn exceeded_at_end(&self, failed: u64, settled: u64, read: u64) -> Option<String> {
        if self.fail_on_empty && read == 0 {
            return Some("the source held nothing to send, and `fail_on_empty` is set".into());
        }
        self.exceeded(failed, settled).or_else(|| self.share_exceeded(failed, settled))
    }

    fn share_exceeded(&self, failed: u64, settled: u64) -> Option<String> {
        let most = self.max_failure_share?;
        #[expect(clippy::cast_precision_loss, reason = "a share is a rough figure")]
        let share = failed as f64 / settled.max(1) as f64;
        (share > most)
            .then(|| format!("{failed} of {settled} failed, more than `max_failure_share` allows ({most})"))
    }
}

/// The error of a run that has reached a limit.
pub(super) fn error(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::Limit, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(max_failures: Option<u64>, max_failure_share: Option<f64>) -> FailureLimits {
        FailureLimits { fail_on_empty: false, max_failures, max_failure_share }
    }

    #[test]
    fn one_failure_more_than_allowed_exceeds_the_limit() {
        let limits = limits(Some(2), None);
        assert_eq!(limits.exceeded(2, 2), None);
        assert!(limits.exceeded(3, 3).unwrap().contains("max_failures"));
        assert!(FailureLimits { max_failures: Some(0), ..FailureLimits::default() }.exceeded(1, 1).is_some());
        assert_eq!(FailureLimits::default().exceeded(1_000, 1_000), None);
    }

    #[test]
    fn a_share_counts_after_100_proposals_and_at_the_end() {
        let limits = limits(None, Some(0.05));
        assert_eq!(limits.exceeded(1, 1), None, "too early to tell");
        assert_eq!(limits.exceeded(5, 100), None);
        assert!(limits.exceeded(6, 100).unwrap().contains("max_failure_share"));
        assert!(limits.exceeded_at_end(1, 10, 10).is_some());
        assert_eq!(limits.exceeded_at_end(0, 0, 0), None);
    }

    #[test]
    fn an_empty_source_is_a_failure_on_request() {
        let limits = FailureLimits { fail_on_empty: true, ..FailureLimits::default() };
        assert!(limits.exceeded_at_end(0, 0, 0).is_some());
        assert_eq!(limits.exceeded_at_end(0, 0, 1), None);
        assert_eq!(FailureLimits::default().exceeded_at_end(0, 0, 0), None);
    }
}
