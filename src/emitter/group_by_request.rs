//! Groups the proposals of a batch into requests.
//!
//! A request holds proposals of one route. A batch usually is one request; where GMS needs several, they are
//! sent one after another, in an order in which no proposal overtakes an earlier one of the same URN.

use std::collections::{HashMap, VecDeque};

use super::pending::Pending;
use super::queue::Queued;
use crate::gms::{RequestEncoder, Route};
use crate::metadata::Urn;

/// Proposals that are sent in one request.
pub(super) struct RequestGroup {
    pub(super) proposals: Vec<Pending>,
    pub(super) route: Route,
    /// An earlier attempt ended without a response, so that GMS may have accepted the proposals.
    pub(super) outcome_unknown: bool,
    /// It is part of a batch whose retries after a 500 were used up.
    pub(super) retries_exhausted: bool,
    /// It is part of a batch that was rejected.
    pub(super) is_part: bool,
    /// How many proposals GMS had accepted when the group failed with 500 for the first time.
    pub(super) accepted_before_failure: Option<u64>,
}

impl RequestGroup {
    /// Whether the proposals are about more than one entity.
    pub(super) fn has_several_urns(&self) -> bool {
        let mut urns = self.proposals.iter().map(Pending::urn);
        urns.next().is_some_and(|first| urns.any(|urn| urn != first))
    }

    /// The proposals that `predicate` holds for, and the others.
    pub(super) fn partition(mut self, predicate: impl Fn(&Pending) -> bool) -> [Self; 2] {
        let (matching, others) = std::mem::take(&mut self.proposals).into_iter().partition(predicate);
        [matching, others].map(|part| self.part(part))
    }

    /// One group per proposal, for a GMS that does not support batches.
    pub(super) fn into_singles(mut self, encoder: &RequestEncoder) -> VecDeque<Self> {
        let proposals = std::mem::take(&mut self.proposals);
        let Self { outcome_unknown, retries_exhausted, is_part, accepted_before_failure, .. } = self;
        let singles = group_by_request(proposals, encoder, false).into_iter();
        singles
            .map(|single| Self {
                outcome_unknown,
                retries_exhausted,
                is_part,
                accepted_before_failure,
                ..single
            })
            .collect()
    }

    pub(super) fn part(&self, proposals: Vec<Pending>) -> Self {
        let Self { route, outcome_unknown, retries_exhausted, accepted_before_failure, .. } = *self;
        Self { proposals, route, outcome_unknown, retries_exhausted, is_part: true, accepted_before_failure }
    }
}

/// The requests for `proposals`, in the order in which they are sent. Without `batches`, each proposal has
/// its own.
pub(super) fn group_by_request(
    proposals: Vec<Pending>,
    encoder: &RequestEncoder,
    batches: bool,
) -> VecDeque<RequestGroup> {
    let routed =
        proposals.into_iter().map(|pending| (encoder.route(pending.delivery.proposal(), batches), pending));
    let new = |(route, proposals)| RequestGroup {
        proposals,
        route,
        outcome_unknown: false,
        retries_exhausted: false,
        is_part: false,
        accepted_before_failure: None,
    };
    group(routed, |pending| pending.urn().clone()).into_iter().map(new).collect()
}

/// Puts items of one route together, as far as no item then comes before an earlier one of the same URN.
fn group<T>(items: impl Iterator<Item = (Route, T)>, urn: impl Fn(&T) -> Urn) -> Vec<(Route, Vec<T>)> {
    let mut groups: Vec<(Route, Vec<T>)> = Vec::new();
    let mut last_of: HashMap<Urn, usize> = HashMap::new();
    for (route, item) in items {
        // While there is only one group, the order needs no bookkeeping.
        if let [(only, group)] = groups.as_mut_slice()
            && *only == route
            && route.takes_many()
        {
            group.push(item);
            continue;
        }
        if let ([(_, group)], true) = (groups.as_slice(), last_of.is_empty()) {
            last_of.extend(group.iter().map(|item| (urn(item), 0)));
        }
        let earliest = last_of.get(&urn(&item)).copied().unwrap_or(0);
        let fits = |(_, (other, _)): &(usize, &(Route, Vec<T>))| *other == route && route.takes_many();
        let found = groups.iter().enumerate().skip(earliest).find(fits).map(|(index, _)| index);
        let index = found.unwrap_or(groups.len());
        last_of.insert(urn(&item), index);
        match groups.get_mut(index) {
            Some((_, group)) => group.push(item),
            None => groups.push((route, vec![item])),
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn urn(number: usize) -> Urn {
        Urn::parse(&format!("urn:li:tag:{number}")).unwrap()
    }

    /// Groups of (URN, number).
    fn grouped(items: &[(Route, usize)]) -> Vec<(Route, Vec<(usize, usize)>)> {
        let items = items.iter().enumerate().map(|(number, (route, urn))| (*route, (*urn, number)));
        group(items, |(number, _)| urn(*number))
    }

    #[test]
    fn a_route_has_one_request_unless_the_order_needs_two() {
        use Route::{Patch, Upsert};
        let items = [(Upsert, 1), (Patch, 2), (Upsert, 3), (Patch, 1), (Upsert, 1)];
        assert_eq!(
            grouped(&items),
            [(Upsert, vec![(1, 0), (3, 2)]), (Patch, vec![(2, 1), (1, 3)]), (Upsert, vec![(1, 4)]),]
        );
        assert_eq!(grouped(&[(Route::Delete, 1), (Route::Delete, 2)]).len(), 2);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_order_holds(
            items in proptest::collection::vec(
                (prop_oneof![Just(Route::Upsert), Just(Route::Patch), Just(Route::Delete)], 0..4_usize),
                0..40,
            ),
        ) {
            let groups = grouped(&items);
            let sent: Vec<(usize, usize)> = groups.iter().flat_map(|(_, group)| group.clone()).collect();
            prop_assert_eq!(sent.len(), items.len());
            for urn in 0..4 {
                let numbers: Vec<usize> = sent.iter().filter(|(u, _)| *u == urn).map(|(_, n)| *n).collect();
                prop_assert!(numbers.is_sorted(), "{:?}", numbers);
            }
            for (route, group) in &groups {
                prop_assert!(route.takes_many() || group.len() == 1);
                prop_assert!(group.iter().all(|(_, number)| items[*number].0 == *route));
            }
        }
    }
}
