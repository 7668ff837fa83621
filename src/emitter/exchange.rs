//! A request of a group, and what came back.

use tokio::time::Instant;

use crate::diagnosis::Evidence;
use crate::gms::{Attempts, RequestLine};

/// A request that was sent, perhaps several times, and its last result.
pub(super) struct Exchange {
    pub(super) line: RequestLine,
    pub(super) body_bytes: usize,
    /// GMS responds once it has queued the proposals, not once it has written them.
    pub(super) is_asynchronous: bool,
    pub(super) attempts: Attempts,
    /// When the last attempt was sent.
    pub(super) sent_at: Instant,
    /// How many proposals GMS had accepted when the first attempt ended.
    pub(super) accepted_before: u64,
    /// Why there was no other token after a 401.
    pub(super) token_unavailable: Option<Evidence>,
}
