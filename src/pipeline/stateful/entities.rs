//! The entities of a run's source, compared with those of the state before. Both may be more than fit into
//! memory, so they are sorted outside it.

use std::collections::HashMap;
use std::io;

use crate::external_sort::{Sorted, Sorter};
use crate::metadata::{Urn, model};

/// Entities whose latest event is remembered, so that the records of one entity, which usually follow each
/// other, make one event.
const MAX_RECENT: usize = 4096;

/// Types that are never part of a state (`stale_entity_removal_handler.py`).
const IGNORED_TYPES: [&str; 2] = ["dataProcessInstance", "query"];

/// The entities that a source has emitted.
#[derive(Debug, Default)]
pub(super) struct SeenEntities {
    /// Whether a record of the entity had a `status`.
    recent: HashMap<Urn, bool>,
    next: u64,
    events: Sorter,
    failure: Option<io::Error>,
}

/// The entities of a source, each once.
#[derive(Debug)]
pub(super) struct SortedEntities {
    /// The number of entities that belong into the state.
    pub(super) count: u64,
    /// Entities without a `status` that can have one, in the order of their URNs.
    pub(super) without_status: Sorted,
    /// Entities of the state in the order of their first record, as values.
    pub(super) by_first_record: Sorted,
    /// Entities of the state in the order of their URNs, as keys.
    pub(super) by_urn: Sorted,
}

/// The entities of an earlier state.
#[derive(Debug, Default)]
pub(super) struct OldState {
    /// The number and whether the state lists the entity, by URN.
    by_urn: Sorter,
    count: u64,
}

/// The entities of the earlier state that the source no longer has.
#[derive(Debug)]
pub(super) struct Vanished {
    /// Those that can be marked as removed, in the order of the earlier state, as values.
    pub(super) removable: Sorted,
    /// All of them, in the order of the earlier state, as values.
    pub(super) all: Sorted,
    /// The number of those that can be marked as removed.
    pub(super) removable_count: u64,
    /// The number of all entities of the earlier state that count for the fail-safe threshold.
    pub(super) old_count: u64,
    /// The number of those that have vanished.
    pub(super) gone_count: u64,
}

impl SeenEntities {
    pub(super) fn note(&mut self, urn: &Urn, is_status: bool) {
        match self.recent.get_mut(urn) {
            Some(had_status) if *had_status || !is_status => return,
            Some(had_status) => *had_status = true,
            None => {
                if self.recent.len() >= MAX_RECENT {
                    self.recent.clear();
                }
                self.recent.insert(urn.clone(), is_status);
            }
        }
        let number = self.next;
        self.next += 1;
        let mut key = Vec::with_capacity(urn.as_str().len() + 9);
        key.extend_from_slice(urn.as_str().as_bytes());
        // No URN contains this byte, so that the events of one entity are adjacent.
        key.push(0);
        key.extend_from_slice(&number.to_be_bytes());
        if self.failure.is_none() {
            self.failure = self.events.push(key, vec![u8::from(is_status)]).err();
        }
    }

    /// # Errors
    /// When a temporary file cannot be written or read.
    pub(super) fn sort(self) -> io::Result<SortedEntities> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        let mut events = self.events.finish()?;
        let mut sorting = Sorting::default();
        let mut current: Option<(Vec<u8>, Vec<u8>, bool)> = None;
        while let Some((key, value)) = events.next_pair()? {
            let (urn, number) = key.split_at(key.len().saturating_sub(9));
            let is_status = value == [1];
            match &mut current {
                Some((known, _, had_status)) if known == urn => *had_status |= is_status,
                _ => {
                    sorting.push(current.take())?;
                    current = Some((urn.to_vec(), number.to_vec(), is_status));
                }
            }
        }
        sorting.push(current)?;
        Ok(SortedEntities {
            count: sorting.count,
            without_status: sorting.without_status.finish()?,
            by_first_record: sorting.by_first_record.finish()?,
            by_urn: sorting.by_urn.finish()?,
        })
    }
}

#[derive(Default)]
struct Sorting {
    count: u64,
    without_status: Sorter,
    by_first_record: Sorter,
    by_urn: Sorter,
}

impl Sorting {
    fn push(&mut self, entity: Option<(Vec<u8>, Vec<u8>, bool)>) -> io::Result<()> {
        let Some((urn, number, has_status)) = entity else { return Ok(()) };
        let entity_type = entity_type(&urn);
        if !has_status && model::has_status(entity_type) {
            self.without_status.push(urn.clone(), Vec::new())?;
        }
        if !IGNORED_TYPES.contains(&entity_type) {
            self.count += 1;
            self.by_urn.push(urn.clone(), Vec::new())?;
            self.by_first_record.push(number, urn)?;
        }
        Ok(())
    }
}

impl OldState {
    /// Adds the next entity of the state.
    pub(super) fn push(&mut self, urn: &str) -> io::Result<()> {
        self.push_as(urn, true)
    }

    /// Adds an entity of a run that has not committed its state. It does not count for the fail-safe
    /// threshold.
    pub(super) fn push_unfinished(&mut self, urn: &str) -> io::Result<()> {
        self.push_as(urn, false)
    }

    fn push_as(&mut self, urn: &str, is_listed: bool) -> io::Result<()> {
        let mut value = self.count.to_be_bytes().to_vec();
        self.count += 1;
        value.push(u8::from(is_listed));
        self.by_urn.push(urn.as_bytes().to_vec(), value)
    }

    /// Finds what is not among the entities that `current` returns, which are in the order of their URNs.
    pub(super) fn vanished(self, mut current: Sorted) -> io::Result<Vanished> {
        let (mut removable, mut all) = (Sorter::default(), Sorter::default());
        let (mut removable_count, mut old_count, mut gone_count) = (0, 0, 0);
        let mut old = self.by_urn.finish()?;
        let mut present = current.next_pair()?;
        let mut last = Vec::new();
        while let Some((urn, number)) = old.next_pair()? {
            // An entity that occurs twice counts once: the state comes before unfinished entities.
            if urn == last {
                continue;
            }
            while present.as_ref().is_some_and(|(present, _)| *present < urn) {
                present = current.next_pair()?;
            }
            let has_vanished = present.as_ref().is_none_or(|(present, _)| *present != urn);
            let entity_type = entity_type(&urn);
            let is_in_state = !IGNORED_TYPES.contains(&entity_type);
            let counts = is_in_state && number.last() == Some(&1);
            old_count += u64::from(counts);
            if has_vanished && is_in_state {
                gone_count += u64::from(counts);
                if model::has_status(entity_type) {
                    removable_count += 1;
                    removable.push(number.clone(), urn.clone())?;
                }
                all.push(number, urn.clone())?;
            }
            last = urn;
        }
        Ok(Vanished {
            removable: removable.finish()?,
            all: all.finish()?,
            removable_count,
            old_count,
            gone_count,
        })
    }
}

impl Vanished {
    /// The share of the earlier entities that have vanished, in percent.
    pub(super) fn percent(&self) -> f64 {
        if self.old_count == 0 {
            return 0.0;
        }
        #[expect(clippy::cast_precision_loss, reason = "a percentage needs no more than 52 bits")]
        let (vanished, old) = (self.gone_count as f64, self.old_count as f64);
        100.0 * vanished / old
    }
}

/// The type in the text of a URN; empty if it has none.
fn entity_type(urn: &[u8]) -> &str {
    let name = urn.split(|byte| *byte == b':').nth(2).unwrap_or_default();
    std::str::from_utf8(name).unwrap_or_default()
}

/// The next text among the values of `pairs`.
pub(super) fn next_value(pairs: &mut Sorted) -> io::Result<Option<String>> {
    pairs.next_pair()?.map(|(_, value)| String::from_utf8(value).map_err(io::Error::other)).transpose()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TYPES: [&str; 5] = ["dataset", "tag", "domain", "query", "dataProcessInstance"];

    fn urn(number: usize) -> Urn {
        let kind = TYPES[number % TYPES.len()];
        Urn::parse(&format!("urn:li:{kind}:{number}")).unwrap()
    }

    fn keys(mut pairs: Sorted) -> Vec<String> {
        let mut keys = Vec::new();
        while let Some((key, _)) = pairs.next_pair().unwrap() {
            keys.push(String::from_utf8(key).unwrap());
        }
        keys
    }

    fn values(mut pairs: Sorted) -> Vec<String> {
        std::iter::from_fn(|| next_value(&mut pairs).unwrap()).collect()
    }

    fn unique(events: impl Iterator<Item = usize>) -> Vec<usize> {
        let mut unique = Vec::new();
        for event in events {
            if !unique.contains(&event) {
                unique.push(event);
            }
        }
        unique
    }

    proptest! {
        #[test]
        fn the_comparison_is_that_of_two_lists(
            events in prop::collection::vec((0..40_usize, any::<bool>()), 0..200),
            old in prop::collection::vec(0..60_usize, 0..80),
            memory in 1..4000_usize,
        ) {
            let mut seen = SeenEntities { events: Sorter::with_memory(memory), ..SeenEntities::default() };
            for (index, (number, is_status)) in events.iter().enumerate() {
                if index % 7 == 0 {
                    // As if there had been many other entities.
                    seen.recent.clear();
                }
                seen.note(&urn(*number), *is_status);
            }
            let sorted = seen.sort().unwrap();
            let in_state = |number: &usize| number % TYPES.len() < 3;
            let current: Vec<usize> = unique(events.iter().map(|(number, _)| *number));
            let text = |numbers: Vec<usize>| -> Vec<String> {
                numbers.into_iter().map(|number| urn(number).to_string()).collect()
            };
            let state: Vec<usize> = current.iter().copied().filter(in_state).collect();
            prop_assert_eq!(sorted.count, state.len() as u64);
            prop_assert_eq!(values(sorted.by_first_record), text(state.clone()));
            let had_status = |number: &usize| events.contains(&(*number, true));
            let mut without: Vec<String> = text(
                current.iter().copied().filter(|number| !had_status(number) && number % TYPES.len() != 2).collect(),
            );
            without.sort();
            prop_assert_eq!(keys(sorted.without_status), without);

            let mut before = OldState { by_urn: Sorter::with_memory(memory), count: 0 };
            for number in &old {
                before.push(urn(*number).as_str()).unwrap();
            }
            let vanished = before.vanished(sorted.by_urn).unwrap();
            let old_state: Vec<usize> = unique(old.iter().copied()).into_iter().filter(in_state).collect();
            let gone: Vec<usize> = old_state.iter().copied().filter(|number| !state.contains(number)).collect();
            prop_assert_eq!(vanished.old_count, old_state.len() as u64);
            prop_assert_eq!(vanished.gone_count, gone.len() as u64);
            prop_assert_eq!(values(vanished.all), text(gone.clone()));
            let removable: Vec<usize> = gone.into_iter().filter(|number| number % TYPES.len() != 2).collect();
            prop_assert_eq!(vanished.removable_count, removable.len() as u64);
            prop_assert_eq!(values(vanished.removable), text(removable));
        }
    }
}
