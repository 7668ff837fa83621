//! Faults on demand: what goes wrong between a client and a GMS, at the request that a test names.

mod active;
mod broken_body;
mod document;
mod fault;
mod injection;
mod response;

pub(super) use active::Faults;
pub use fault::{Action, Fault, RetryAfter};
pub(super) use injection::{ChangeFault, FaultInjection};
pub(super) use response::{Reset, SlowHead, altered, replacement};
