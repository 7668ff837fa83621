//! A batch as requests: each holds one kind of proposal, and no URN's proposals overtake each other.

use std::collections::{HashMap, VecDeque};

use super::queue::Queued;
use super::state::Item;
use crate::gms::{RequestEncoder, Route};
use crate::metadata::Urn;

/// Proposals that go in one request.
pub(super) struct Piece {
    pub(super) items: Vec<Item>,
    pub(super) route: Route,
    /// An earlier attempt ended without an answer that says what became of it.
    pub(super) may_be_written: bool,
    /// It is part of a batch for which a 500 kept coming back, so it need not be tried as often again.
    pub(super) troubled: bool,
    /// It is a part of what was refused together.
    pub(super) is_part: bool,
}

impl Piece {
    /// It is about more than one entity.
    pub(super) fn has_several_urns(&self) -> bool {
        let mut urns = self.items.iter().map(Item::urn);
        urns.next().is_some_and(|first| urns.any(|urn| urn != first))
    }

    fn part(&self, items: Vec<Item>) -> Self {
        let Self { route, may_be_written, troubled, .. } = *self;
        Self { items, route, may_be_written, troubled, is_part: true }
    }

    /// Two pieces, as equal as they can be with all of a URN in one of them, or of the same URN in their order.
    pub(super) fn halves(mut self) -> [Self; 2] {
        let items = std::mem::take(&mut self.items);
        halves(items, Item::urn).map(|half| self.part(half))
    }

    /// What is about URNs that `named` is true for, and the rest.
    pub(super) fn divide(mut self, named: impl Fn(&Item) -> bool) -> [Self; 2] {
        let (hit, rest) = std::mem::take(&mut self.items).into_iter().partition(named);
        [hit, rest].map(|part| self.part(part))
    }
}

/// Halves of `items`, in order. No URN is in both, unless there is but one.
fn halves<T>(items: Vec<T>, urn: impl Fn(&T) -> &Urn) -> [Vec<T>; 2] {
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
    // Each URN goes, with all that is about it, to the half that its first proposal finds the place in.
    let mut in_first: HashMap<Urn, bool> = HashMap::new();
    let mut planned = 0;
    for item in items {
        let goes_first = *in_first.entry(urn(&item).clone()).or_insert_with_key(|urn| {
            let fits = planned < half;
            if fits {
                planned += of_urn.get(urn).copied().unwrap_or(1);
            }
            fits
        });
        if goes_first { first.push(item) } else { second.push(item) }
    }
    // One URN may have more than half of it.
    if second.is_empty() {
        let last = first.last().map(|item| urn(item).clone());
        (first, second) = first.into_iter().partition(|item| Some(urn(item)) != last.as_ref());
    }
    [first, second]
}

/// The requests for `items`, to be sent one after another. `batches` is false where proposals go alone.
pub(super) fn of(items: Vec<Item>, wire: &RequestEncoder, batches: bool) -> VecDeque<Piece> {
    let routed = items.into_iter().map(|item| (wire.route(item.delivery.proposal(), batches), item));
    let grouped = group(routed, |item| item.urn().clone());
    let piece =
        |(route, items)| Piece { items, route, may_be_written: false, troubled: false, is_part: false };
    grouped.into_iter().map(piece).collect()
}

/// Puts items of one route together, as far as no item comes before an earlier one of the same URN.
fn group<T>(items: impl Iterator<Item = (Route, T)>, urn: impl Fn(&T) -> Urn) -> Vec<(Route, Vec<T>)> {
    let mut groups: Vec<(Route, Vec<T>)> = Vec::new();
    let mut last_of: HashMap<Urn, usize> = HashMap::new();
    for (route, item) in items {
        // As long as there is one kind of request, nothing has to be remembered.
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
    fn a_kind_has_one_request_unless_order_wants_two() {
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
        fn halves_are_whole_and_smaller(urns in proptest::collection::vec(0..6_usize, 2..60)) {
            let items: Vec<(Urn, usize)> = urns.iter().map(|number| urn(*number)).zip(0..).collect();
            let [first, second] = halves(items.clone(), |(urn, _)| urn);
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
