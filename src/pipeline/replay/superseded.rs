//! Finds out which dead letters are superseded: GMS has written their aspect since.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher as _, RandomState};

use jiff::Timestamp;
use tokio::task::JoinSet;

use crate::diagnosis::{Code, Fix};
use crate::gms::{Client, WriteTime, WriteTimes};
use crate::metadata::{ChangeType, Proposal, Urn, model};
use crate::pipeline::control::RunControl;
use crate::{Error, ErrorKind};

/// Lookups that are in flight at the same time.
const MAX_LOOKUPS: usize = 16;

/// Knows when GMS last wrote the aspects of dead letters, as of the first dead letter of each.
///
/// It stores a hash per aspect and not its name, so that a long dead-letter file needs little memory.
pub(super) struct KnownWriteTimes {
    control: RunControl,
    hasher: RandomState,
    known: HashMap<u64, Option<WriteTime>>,
}

/// The lookup of one entity.
#[derive(Default)]
pub(super) struct Lookup {
    aspects: Vec<String>,
    /// A dead letter deletes the entity, so all its aspects count.
    all_aspects: bool,
}

/// Ordered, so that a replay makes the same requests in the same order each time.
pub(super) type Lookups = BTreeMap<Urn, Lookup>;

impl KnownWriteTimes {
    pub(super) fn new(control: RunControl) -> Self {
        Self { control, hasher: RandomState::new(), known: HashMap::new() }
    }

    /// The lookups of those aspects of `proposals` that are not known yet. They count as known from then on.
    pub(super) fn missing<'a>(&mut self, proposals: impl Iterator<Item = &'a Proposal>) -> Lookups {
        let mut lookups = Lookups::new();
        // Other sinks have nothing to look up.
        if self.control.gms().is_none() {
            return lookups;
        }
        for proposal in proposals.filter(|proposal| can_be_superseded(proposal)) {
            if let Entry::Vacant(unknown) = self.known.entry(self.hasher.hash_one(name(proposal))) {
                unknown.insert(None);
                let lookup = lookups.entry(proposal.urn().clone()).or_default();
                lookup.all_aspects |= deletes_entity(proposal);
                lookup.aspects.push(proposal.aspect_name().to_string());
            }
        }
        lookups
    }

    /// Makes the lookups. False if the run was stopped before the responses came.
    pub(super) async fn look_up(&mut self, lookups: Lookups) -> Result<bool, Error> {
        let Some(gms) = self.control.gms().cloned() else { return Ok(true) };
        let Some(responses) = self.control.or_cancelled(look_up_all(gms, lookups)).await.transpose()? else {
            return Ok(false);
        };
        for (urn, lookup, found) in responses {
            for aspect in &lookup.aspects {
                let is_key = model::is_key_aspect(urn.entity_type(), aspect);
                let written = if is_key { found.newest(aspect) } else { found.aspect(aspect) };
                self.known.insert(self.hasher.hash_one((urn.as_str(), aspect.as_str())), written);
            }
        }
        Ok(true)
    }

    /// Whether what GMS has is newer than a dead letter of this time, or was written from that dead letter.
    pub(super) fn supersedes(&self, proposal: &Proposal, at: Timestamp) -> bool {
        let observed = proposal.system_metadata().and_then(|metadata| metadata.last_observed);
        can_be_superseded(proposal)
            && self
                .known
                .get(&self.hasher.hash_one(name(proposal)))
                .copied()
                .flatten()
                .is_some_and(|written| written.supersedes(at, observed))
    }
}

/// A timeseries aspect never replaces an earlier one, and a key never changes.
fn can_be_superseded(proposal: &Proposal) -> bool {
    let is_key = model::is_key_aspect(proposal.entity_type(), proposal.aspect_name());
    !model::is_timeseries(proposal.aspect_name()) && (!is_key || deletes_entity(proposal))
}

fn deletes_entity(proposal: &Proposal) -> bool {
    proposal.change_type() == ChangeType::Delete
        && model::is_key_aspect(proposal.entity_type(), proposal.aspect_name())
}

fn name(proposal: &Proposal) -> (&str, &str) {
    (proposal.urn().as_str(), proposal.aspect_name())
}

type LookupResponse = (Urn, Lookup, WriteTimes);

async fn look_up_all(gms: Client, lookups: Lookups) -> Result<Vec<LookupResponse>, Error> {
    let mut responses = Vec::with_capacity(lookups.len());
    let mut in_flight = JoinSet::new();
    let mut lookups = lookups.into_iter();
    loop {
        while in_flight.len() < MAX_LOOKUPS
            && let Some((urn, lookup)) = lookups.next()
        {
            in_flight.spawn(look_up(gms.clone(), urn, lookup));
        }
        match in_flight.join_next().await {
            None => return Ok(responses),
            Some(Ok(response)) => responses.push(response?),
            Some(Err(error)) => {
                return Err(
                    Error::new(ErrorKind::Internal, "a lookup in GMS was cancelled").with_source(error)
                );
            }
        }
    }
}

async fn look_up(gms: Client, urn: Urn, lookup: Lookup) -> Result<LookupResponse, Error> {
    let aspects: Vec<&str> =
        if lookup.all_aspects { Vec::new() } else { lookup.aspects.iter().map(String::as_str).collect() };
    let found = gms.write_times(&urn, &aspects).await.map_err(suggest_force)?;
    Ok((urn, lookup, found))
}

/// A user who may write may still not be allowed to read.
fn suggest_force(error: Error) -> Error {
    match error.diagnosis() {
        Some(diagnosis) if diagnosis.code == Code::Forbidden => {
            diagnosis.clone().with_fixes([Fix::ForceReplay]).into()
        }
        _ => error,
    }
}
