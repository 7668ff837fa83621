//! Fault injection: errors between a client and GMS, at the requests that a test selects.

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
