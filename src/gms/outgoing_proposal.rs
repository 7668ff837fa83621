//! A proposal on its way into a request.

use std::sync::Arc;

use crate::metadata::Proposal;

/// A proposal with all that its encoding depends on.
#[derive(Clone, Debug)]
pub(crate) struct OutgoingProposal {
    pub(crate) proposal: Arc<Proposal>,
    /// The time in milliseconds that it gets if it has no `lastObserved`.
    pub(crate) now: i64,
    /// The bytes that it has in a list then
    /// ([`RequestEncoder::encoded_len`](super::RequestEncoder::encoded_len)).
    pub(crate) encoded_len: usize,
}
