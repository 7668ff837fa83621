//! Sinks that can be checked before a run, and sinks that write to a GMS, which also look up aspects there.

use super::Sink;
use crate::Error;
use crate::box_future::BoxFuture;
use crate::diagnosis::Diagnosis;
use crate::gms::{Client, RetryPolicy};

/// A sink that can be checked before a run.
pub trait CheckedSink: Sink {
    /// Checks step by step whether a run could deliver. With `write`, tries a harmless write as well, if the
    /// sink can take one back.
    fn check(&self, write: bool) -> BoxFuture<'_, CheckReport>;

    /// The sink for the GMS that this sink has beside its destination.
    fn gms(&self) -> Option<&dyn GmsSink> {
        None
    }
}

/// A sink that writes to a GMS.
pub trait GmsSink: Sink {
    /// Checks step by step whether a run could deliver. With `write`, makes one harmless write and rolls it
    /// back.
    fn check(&self, write: bool) -> BoxFuture<'_, CheckReport>;

    /// The client of the GMS.
    fn client(&self) -> &Client;

    /// How requests that only read are repeated. The default is the client's own.
    fn retry(&self) -> RetryPolicy {
        RetryPolicy::default()
    }
}

/// The steps of a check, in order, and what ended it if that was not the last step.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct CheckReport {
    /// The steps that were taken.
    pub steps: Vec<CheckStep>,
    /// Findings that are no failures, for example that authentication is off.
    pub notes: Vec<Diagnosis>,
    /// Why a run could not deliver.
    pub failure: Option<Error>,
}

/// One step of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckStep {
    /// The subject of the check: `server`, `token`, `access` or `write`; `broker`, `topic` or `registry`.
    pub name: &'static str,
    /// The observation.
    pub observed: String,
}

impl CheckReport {
    pub(crate) fn step(&mut self, name: &'static str, observed: impl Into<String>) {
        self.steps.push(CheckStep { name, observed: observed.into() });
    }
}
