//! The body of a request. A list of proposals is encoded while it is sent.

use std::vec;

use bytes::Bytes;

use super::{OutgoingProposal, openapi, restli};
use crate::http::Body;
use crate::metadata::Proposal;

/// How much is encoded before it is handed to the connection, 64 KiB. Smaller chunks cost more calls, and
/// larger ones do not stay in the processor's cache.
pub(super) const CHUNK_BYTES: usize = 64 * 1024;

/// A body of known length. A list holds the proposals and not their encoding, which is made chunk by chunk
/// when the connection accepts more, so a request in flight takes no more memory than its queued proposals.
#[derive(Debug)]
pub(crate) struct RequestBody {
    len: usize,
    remainder: Remainder,
}

#[derive(Debug)]
enum Remainder {
    Whole(Bytes),
    List { list: List, proposals: vec::IntoIter<OutgoingProposal>, begun: bool },
    Nothing,
}

/// The encoding of a list of proposals.
#[derive(Clone, Copy, Debug)]
pub(super) struct List {
    prefix: &'static [u8],
    suffix: &'static [u8],
    item: ItemEncoding,
}

#[derive(Clone, Copy, Debug)]
enum ItemEncoding {
    Restli,
    Openapi { wait_for_index: bool },
}

impl List {
    /// A batch of Rest.li. `asynchronous` says whether GMS answers when it has queued the proposals, or when
    /// it has written them; on the wire it is a string.
    pub(super) fn restli(asynchronous: bool) -> Self {
        let suffix: &[u8] = if asynchronous { br#"],"async":"true"}"# } else { br#"],"async":"false"}"# };
        Self { prefix: br#"{"proposals":["#, suffix, item: ItemEncoding::Restli }
    }

    /// A list of `OpenAPI` v3's items.
    pub(super) fn openapi(wait_for_index: bool) -> Self {
        Self { prefix: b"[", suffix: b"]", item: ItemEncoding::Openapi { wait_for_index } }
    }

    /// The bytes of a list without its proposals and commas.
    pub(super) fn envelope_bytes(self) -> usize {
        self.prefix.len() + self.suffix.len()
    }

    fn push(self, out: &mut Vec<u8>, proposal: &Proposal, now: i64) {
        match self.item {
            ItemEncoding::Restli => restli::push_proposal(out, proposal, now),
            ItemEncoding::Openapi { wait_for_index } => {
                openapi::push_item(out, proposal, now, wait_for_index);
            }
        }
    }
}

impl RequestBody {
    /// `proposals` as a list.
    pub(super) fn list(list: List, proposals: Vec<OutgoingProposal>) -> Self {
        let encoded: usize = proposals.iter().map(|outgoing| outgoing.encoded_len).sum();
        let len = encoded + proposals.len().saturating_sub(1) + list.envelope_bytes();
        Self { len, remainder: Remainder::List { list, proposals: proposals.into_iter(), begun: false } }
    }

    /// The number of bytes.
    pub(crate) fn len(&self) -> usize {
        self.len
    }
}

impl From<Bytes> for RequestBody {
    fn from(text: Bytes) -> Self {
        Self { len: text.len(), remainder: Remainder::Whole(text) }
    }
}

impl From<RequestBody> for Body {
    fn from(body: RequestBody) -> Self {
        Self::from_chunks(body.len, body)
    }
}

impl Iterator for RequestBody {
    type Item = Bytes;

    /// The next chunk, never empty.
    fn next(&mut self) -> Option<Bytes> {
        let (list, proposals, begun) = match &mut self.remainder {
            Remainder::List { list, proposals, begun } => (*list, proposals, begun),
            other => match std::mem::replace(other, Remainder::Nothing) {
                Remainder::Whole(text) if !text.is_empty() => return Some(text),
                _ => return None,
            },
        };
        // The last proposal of a chunk may exceed its size.
        let mut chunk = Vec::with_capacity(self.len.min(CHUNK_BYTES + CHUNK_BYTES / 4));
        while chunk.len() < CHUNK_BYTES {
            if !std::mem::replace(begun, true) {
                chunk.extend_from_slice(list.prefix);
            } else if proposals.len() > 0 {
                chunk.push(b',');
            }
            let Some(outgoing) = proposals.next() else {
                chunk.extend_from_slice(list.suffix);
                self.remainder = Remainder::Nothing;
                break;
            };
            list.push(&mut chunk, &outgoing.proposal, outgoing.now);
        }
        Some(chunk.into())
    }
}
