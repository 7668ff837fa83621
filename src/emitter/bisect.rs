//! Bisects a rejected batch, until each rejected proposal is alone.

use std::collections::HashMap;

use super::group_by_request::RequestGroup;
use super::pending::Pending;
use super::queue::Queued as _;
use crate::metadata::Urn;

impl RequestGroup {
    /// Two groups of about equal size, in order. All proposals of one URN are in the same half, unless there
    /// is only one URN.
    pub(super) fn bisect(mut self) -> [Self; 2] {
        let proposals = std::mem::take(&mut self.proposals);
        halves(proposals, Pending::urn).map(|half| self.part(half))
    }
}

/// Halves of `items`, in order. No URN is in both, unless there is only one.
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn urn(number: usize) -> Urn {
        Urn::parse(&format!("urn:li:tag:{number}")).unwrap()
    }

    proptest! {
        #[test]
        fn halves_are_complete_smaller_and_in_order(urns in proptest::collection::vec(0..6_usize, 2..60)) {
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
    }
}
