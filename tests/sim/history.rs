//! The history of a world: every request with its fate, and what GMS has written.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

/// A proposal of the input: the number of its record, and its aspect.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SentProposal {
    pub(crate) record: u32,
    pub(crate) aspect: String,
    pub(crate) urn: String,
    /// The length of the aspect's text.
    pub(crate) bytes: usize,
}

/// A write request.
#[derive(Clone, Debug)]
pub(crate) struct SentRequest {
    /// The life that sent it.
    pub(crate) life: u32,
    pub(crate) sent_at: Duration,
    pub(crate) token: String,
    pub(crate) proposals: Vec<SentProposal>,
    /// `None` while it is in flight, and if the client did not wait for it.
    pub(crate) result: Option<SeenResult>,
}

/// The result of a request, as the client saw it.
#[derive(Clone, Debug)]
pub(crate) struct SeenResult {
    pub(crate) at: Duration,
    /// `None` without a response.
    pub(crate) status: Option<u16>,
    /// GMS accepted the request, and the client knows.
    pub(crate) is_accepted: bool,
}

/// Something that GMS has written.
#[derive(Clone, Debug)]
pub(crate) struct Commit {
    pub(crate) proposal: SentProposal,
}

/// Everything that happened on the network and in GMS.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    pub(crate) requests: Vec<SentRequest>,
    pub(crate) commits: Vec<Commit>,
    /// How often the client has asked for an entity.
    pub(crate) lookups: u32,
    /// The numbers of the requests in flight.
    in_flight: BTreeSet<usize>,
    /// Sets of requests that were in flight together: one whenever another request was sent.
    pub(crate) together: Vec<Vec<usize>>,
}

impl History {
    /// A request arrives. Returns its number.
    pub(crate) fn send(&mut self, request: SentRequest) -> usize {
        self.requests.push(request);
        self.requests.len() - 1
    }

    /// The exchange of a request begins.
    pub(crate) fn begin_flight(&mut self, number: usize) {
        self.in_flight.insert(number);
        self.together.push(self.in_flight.iter().copied().collect());
    }

    /// The exchange of a request is over.
    pub(crate) fn end_flight(&mut self, number: usize) {
        self.in_flight.remove(&number);
    }

    /// GMS writes a proposal.
    pub(crate) fn commit(&mut self, proposal: &SentProposal) {
        self.commits.push(Commit { proposal: proposal.clone() });
    }

    /// When each proposal was delivered, as far as the client of these lives knows.
    pub(crate) fn delivered(&self, lives: impl Fn(u32) -> bool) -> BTreeMap<(u32, String), Duration> {
        let mut delivered = BTreeMap::new();
        for request in self.requests.iter().filter(|request| lives(request.life)) {
            let Some(SeenResult { at, is_accepted: true, .. }) = request.result else { continue };
            for proposal in &request.proposals {
                delivered.entry((proposal.record, proposal.aspect.clone())).or_insert(at);
            }
        }
        delivered
    }
}

impl fmt::Display for SentRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let records: Vec<u32> = self.proposals.iter().map(|proposal| proposal.record).collect();
        write!(f, "life {} {:>12.3?} {} {records:?}", self.life, self.sent_at, self.token)?;
        match &self.result {
            Some(SeenResult { at, status: Some(status), .. }) => write!(f, " {status} at {at:.3?}"),
            Some(SeenResult { at, status: None, .. }) => write!(f, " no response at {at:.3?}"),
            None => write!(f, " abandoned"),
        }
    }
}
