//! What a recipe lets go wrong before a run has failed as a whole.

use crate::recipe::Fields;
use crate::{Error, ErrorKind};

/// A share of failures says nothing before so many proposals are settled: the first could be 100% of one.
const SHARE_AFTER: u64 = 100;

/// `fail_on_empty`, `max_failures` and `max_failure_share` of a recipe.
///
/// A failure is a proposal that was rejected, or a record that was not understood. Such a run never ends with exit code 0;
/// these keys have it end early, or also where there was nothing to fail.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Limits {
    /// A source without proposals is a failure.
    pub(super) fail_on_empty: bool,
    max_failures: Option<u64>,
    max_failure_share: Option<f64>,
}

impl Limits {
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

    /// What is exceeded when `failed` of `settled` have failed, while the run goes on.
    pub(super) fn exceeded(&self, failed: u64, settled: u64) -> Option<String> {
        if self.max_failures.is_some_and(|most| failed > most) {
            let most = self.max_failures.unwrap_or_default();
            return Some(format!("{failed} of {settled} failed, more than `max_failures` allows ({most})"));
        }
        (settled >= SHARE_AFTER).then(|| self.share_exceeded(failed, settled)).flatten()
    }

    /// What is exceeded at the end of a run that was not stopped before.
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

/// That a bound was reached.
pub(super) fn error(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::Limit, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(max_failures: Option<u64>, max_failure_share: Option<f64>) -> Limits {
        Limits { fail_on_empty: false, max_failures, max_failure_share }
    }

    #[test]
    fn a_number_of_failures_is_exceeded_by_one_more() {
        let limits = limits(Some(2), None);
        assert_eq!(limits.exceeded(2, 2), None);
        assert!(limits.exceeded(3, 3).unwrap().contains("max_failures"));
        assert!(Limits { max_failures: Some(0), ..Limits::default() }.exceeded(1, 1).is_some());
        assert_eq!(Limits::default().exceeded(1_000, 1_000), None);
    }

    #[test]
    fn a_share_counts_when_it_says_something_and_at_the_end() {
        let limits = limits(None, Some(0.05));
        assert_eq!(limits.exceeded(1, 1), None, "too early to tell");
        assert_eq!(limits.exceeded(5, 100), None);
        assert!(limits.exceeded(6, 100).unwrap().contains("max_failure_share"));
        assert!(limits.exceeded_at_end(1, 10, 10).is_some());
        assert_eq!(limits.exceeded_at_end(0, 0, 0), None);
    }

    #[test]
    fn nothing_is_a_failure_if_it_is_asked_for() {
        let limits = Limits { fail_on_empty: true, ..Limits::default() };
        assert!(limits.exceeded_at_end(0, 0, 0).is_some());
        assert_eq!(limits.exceeded_at_end(0, 0, 1), None);
        assert_eq!(Limits::default().exceeded_at_end(0, 0, 0), None);
    }
}
