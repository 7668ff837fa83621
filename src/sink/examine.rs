//! What a look at a sink before a run finds.

use crate::Error;
use crate::diagnosis::Diagnosis;

/// What was looked at, in order, and what ended it if that was not the last step.
#[derive(Debug, Default)]
pub struct Examination {
    /// What was looked at.
    pub steps: Vec<Step>,
    /// What was found that is no failure, for example that authentication is off.
    pub notes: Vec<Diagnosis>,
    /// Why a run could not deliver.
    pub failure: Option<Error>,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What it is about: `server`, `token`, `access`, `write`.
    pub name: &'static str,
    /// What was observed.
    pub observed: String,
}

impl Examination {
    pub(crate) fn step(&mut self, name: &'static str, observed: impl Into<String>) {
        self.steps.push(Step { name, observed: observed.into() });
    }
}
