//! Groups the proposals of a batch into requests, and bisects a group that was rejected.
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
}

impl RequestGroup {
    /// Whether the proposals are about more than one entity.
    pub(super) fn has_several_urns(&self) -> bool {
        let mut urns = self.proposals.iter().map(Pending::urn);
        urns.next().is_some_and(|first| urns.any(|urn| urn != first))
    }

    /// Two groups of about equal size, in order. All proposals of one URN are in the same half, unless there
    /// is only one URN.
    pub(super) fn bisect(mut self) -> [Self; 2] {
        let proposals = std::mem::take(&mut self.proposals);
        bisect(proposals, Pending::urn).map(|half| self.part(half))
    }

    /// The proposals that `predicate` holds for, and the others.
    pub(super) fn partition(mut self, predicate: impl Fn(&Pending) -> bool) -> [Self; 2] {
        let (matching, others) = std::mem::take(&mut self.proposals).into_iter().partition(predicate);
        [matching, others].map(|part| self.part(part))
    }

    /// One group per proposal, for a GMS that does not support batches.
    pub(super) fn into_singles(mut self, encoder: &RequestEncoder) -> VecDeque<Self> {
        let proposals = std::mem::take(&mut self.proposals);
        let Self { outcome_unknown, retries_exhausted, is_part, .. } = self;
        let singles = group_by_request(proposals, encoder, false).into_iter();
        singles.map(|single| Self { outcome_unknown, retries_exhausted, is_part, ..single }).collect()
    }

    fn part(&self, proposals: Vec<Pending>) -> Self {
        let Self { route, outcome_unknown, retries_exhausted, .. } = *self;
        Self { proposals, route, outcome_unknown, retries_exhausted, is_part: true }
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
    };
    group(routed, |pending| pending.urn().clone()).into_iter().map(new).collect()
}

/// Halves of `items`, in order. No URN is in both, unless there is only one.
fn bisect<T>(items: Vec<T>, urn: impl Fn(&T) -> &Urn) -> [Vec<T>; 2] {
    let half = items.len() / 2;
    let mut of_urn: HashMap<Urn, usize> = HashMap::new();
    for item in &items {
        *of_urn.entry(urn(item).clone()).or_default() += 1;
    }
    if of_urn.len() < 2 {
        let mut first = items;
        let second = first.split_off(half);
        return [first, second];
    }
    let (mut first, mut second) = (Vec::with_capacity(half), Vec::with_capacity(half));
    // The first item of a URN decides in which half all items of this URN are.
    let mut in_first: HashMap<Urn, bool> = HashMap::new();
    let mut in_first_count = 0;
    for item in items {
        let belongs_to_first = *in_first.entry(urn(&item).clone()).or_insert_with_key(|urn| {
            let fits = in_first_count < half;
            if fits {
                in_first_count += of_urn.get(urn).copied().unwrap_or(1);
            }
            fits
        });
        if belongs_to_first { first.push(item) } else { second.push(item) }
    }
    // The items of one URN may be more than half of all.
    if second.is_empty() {
        let last = first.last().map(|item| urn(item).clone());
        (first, second) = first.into_iter().partition(|item| Some(urn(item)) != last.as_ref());
    }
    [first, second]
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
        fn halves_are_complete_smaller_and_in_order(urns in proptest::collection::vec(0..6_usize, 2..60)) {
            let items: Vec<(Urn, usize)> = urns.iter().map(|number| urn(*number)).zip(0..).collect();
            let [first, second] = bisect(items.clone(), |(urn, _)| urn);
            prop_assert!(!first.is_empty() && !second.is_empty());
            prop_assert!(first.iter().is_sorted_by_key(|(_, number)| number));
            prop_assert!(second.iter().is_sorted_by_key(|(_, number)| number));
            let mut together = [first.clone(), second.clone()].concat();
            together.sort_by_key(|(_, number)| *number);
            prop_assert_eq!(&together, &items);
            let shared = first.iter().any(|(urn, _)| second.iter().any(|(other, _)| other == urn));
            prop_assert_eq!(shared, urns.iter().all(|urn| *urn == urns[0]));
        }

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
