//! The body of a request. A list of proposals is written while it is sent.

use std::sync::Arc;
use std::vec;

use bytes::Bytes;

use super::{openapi, restli};
use crate::http::Body;
use crate::metadata::Proposal;

/// What is written before it is handed on. Less would cost more calls, and more would not stay in the processor's cache.
pub(super) const CHUNK_BYTES: usize = 64 * 1024;

/// A body of known length. One of proposals holds these and not their text, which is made chunk by chunk, when the
/// connection takes it: so what waits for an answer takes no more room than what waits to be sent.
#[derive(Debug)]
pub(crate) struct RequestBody {
    len: usize,
    rest: Rest,
}

/// A proposal as it goes out.
#[derive(Clone, Debug)]
pub(crate) struct OutgoingProposal {
    pub(crate) proposal: Arc<Proposal>,
    /// The time in milliseconds that it gets if it has no `lastObserved`.
    pub(crate) now: i64,
    /// The bytes that it has in a list then ([`RequestEncoder::encoded_len`](super::RequestEncoder::encoded_len)).
    pub(crate) encoded_len: usize,
}

#[derive(Debug)]
enum Rest {
    Whole(Bytes),
    List { list: List, proposals: vec::IntoIter<OutgoingProposal>, begun: bool },
    Nothing,
}

/// How a list of proposals is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct List {
    prefix: &'static [u8],
    suffix: &'static [u8],
    item: Form,
}

#[derive(Clone, Copy, Debug)]
enum Form {
    Restli,
    Openapi { wait_for_index: bool },
}

impl List {
    /// A batch of Rest.li's. `asynchronous` says whether GMS answers when it has queued the proposals, or when it has
    /// written them; on the wire it is a text.
    pub(super) fn restli(asynchronous: bool) -> Self {
        let suffix: &[u8] = if asynchronous { br#"],"async":"true"}"# } else { br#"],"async":"false"}"# };
        Self { prefix: br#"{"proposals":["#, suffix, item: Form::Restli }
    }

    /// A list of `OpenAPI` v3's items.
    pub(super) fn openapi(wait_for_index: bool) -> Self {
        Self { prefix: b"[", suffix: b"]", item: Form::Openapi { wait_for_index } }
    }

    /// The bytes of a list beside its proposals, commas excluded.
    pub(super) fn envelope_bytes(self) -> usize {
        self.prefix.len() + self.suffix.len()
    }

    fn push(self, out: &mut Vec<u8>, proposal: &Proposal, now: i64) {
        match self.item {
            Form::Restli => restli::push_proposal(out, proposal, now),
            Form::Openapi { wait_for_index } => openapi::push_item(out, proposal, now, wait_for_index),
        }
    }
}

impl RequestBody {
    /// `proposals` as a list.
    pub(super) fn list(list: List, proposals: Vec<OutgoingProposal>) -> Self {
        let encoded: usize = proposals.iter().map(|outgoing| outgoing.encoded_len).sum();
        let len = encoded + proposals.len().saturating_sub(1) + list.envelope_bytes();
        Self { len, rest: Rest::List { list, proposals: proposals.into_iter(), begun: false } }
    }

    /// The bytes of all of it.
    pub(crate) fn len(&self) -> usize {
        self.len
    }
}

impl From<Bytes> for RequestBody {
    fn from(text: Bytes) -> Self {
        Self { len: text.len(), rest: Rest::Whole(text) }
    }
}

impl From<RequestBody> for Body {
    fn from(body: RequestBody) -> Self {
        Self::from_chunks(body.len, body)
    }
}

impl Iterator for RequestBody {
    type Item = Bytes;

    /// What comes next of it, never empty.
    fn next(&mut self) -> Option<Bytes> {
        let (list, proposals, begun) = match &mut self.rest {
            Rest::List { list, proposals, begun } => (*list, proposals, begun),
            rest => match std::mem::replace(rest, Rest::Nothing) {
                Rest::Whole(text) if !text.is_empty() => return Some(text),
                _ => return None,
            },
        };
        // The proposal that fills the chunk may be longer than it.
        let mut chunk = Vec::with_capacity(self.len.min(CHUNK_BYTES + CHUNK_BYTES / 4));
        while chunk.len() < CHUNK_BYTES {
            if !std::mem::replace(begun, true) {
                chunk.extend_from_slice(list.prefix);
            } else if proposals.len() > 0 {
                chunk.push(b',');
            }
            let Some(outgoing) = proposals.next() else {
                chunk.extend_from_slice(list.suffix);
                self.rest = Rest::Nothing;
                break;
            };
            list.push(&mut chunk, &outgoing.proposal, outgoing.now);
        }
        Some(chunk.into())
    }
}
