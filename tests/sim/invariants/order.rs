//! The order of the proposals of each URN.

use std::collections::BTreeMap;

use super::dead_letter;
use crate::history::SentProposal;
use crate::run::WorldResult;
use crate::world::{ASPECTS, World};

/// The place of a proposal in the input: its record, and its number there.
type Place = (u32, usize);

fn place(proposal: &SentProposal) -> Place {
    (proposal.record, ASPECTS.iter().position(|aspect| *aspect == proposal.aspect).unwrap())
}

/// Requests of one run about one URN are not in flight together. Once a proposal was sent without an earlier
/// one of its URN, the earlier one is not sent any more in this run.
pub(super) fn nothing_is_overtaken(_: &World, result: &WorldResult) -> Result<(), String> {
    let requests = &result.history.requests;
    for together in &result.history.together {
        let Some((newest, others)) = together.split_last() else { continue };
        for other in others {
            let shares = requests[*newest].proposals.iter().find(|proposal| {
                requests[*other].proposals.iter().any(|earlier| earlier.urn == proposal.urn)
            });
            if let Some(shared) = shares {
                return Err(format!(
                    "requests {other} and {newest} are in flight together, both about {}",
                    shared.urn
                ));
            }
        }
    }
    let mut sent: BTreeMap<(u32, &str), Vec<Vec<Place>>> = BTreeMap::new();
    for (number, request) in requests.iter().enumerate() {
        let mut by_urn: BTreeMap<&str, Vec<Place>> = BTreeMap::new();
        for proposal in &request.proposals {
            by_urn.entry(&proposal.urn).or_default().push(place(proposal));
        }
        for (urn, places) in by_urn {
            if !places.is_sorted() {
                return Err(format!("request {number} has the records of {urn} in the order {places:?}"));
            }
            let earlier = sent.entry((request.life, urn)).or_default();
            for place in &places {
                let overtaken = earlier
                    .iter()
                    .any(|others| others.last().is_some_and(|last| last > place) && !others.contains(place));
                if overtaken {
                    return Err(format!(
                        "life {}: request {number} sends {place:?} of {urn} after a later one: {earlier:?}",
                        request.life
                    ));
                }
            }
            earlier.push(places);
        }
    }
    Ok(())
}

/// The last write of each aspect is the newest one that was ever written. A resumed run may write an older
/// one for a while: the run before has sent it in vain, and then a newer one, which is sent again as well.
/// One that was written without a response may be rejected later.
pub(super) fn the_newest_remains(_: &World, result: &WorldResult) -> Result<(), String> {
    let dead_lettered = dead_letter::proposals(&result.files);
    let mut written: BTreeMap<(&str, &str), Vec<u32>> = BTreeMap::new();
    for commit in &result.history.commits {
        let SentProposal { urn, aspect, record, .. } = &commit.proposal;
        written.entry((urn, aspect)).or_default().push(*record);
    }
    for ((urn, aspect), records) in written {
        let newest =
            records.iter().filter(|&&record| !dead_lettered.contains(&(record, aspect.to_owned()))).max();
        if records.last() < newest {
            return Err(format!("{aspect} of {urn} was written in the order {records:?}"));
        }
    }
    Ok(())
}
