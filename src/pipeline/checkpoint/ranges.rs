//! Sets of record numbers, kept as ranges.

use serde::{Deserialize, Serialize};

/// A set of numbers as ranges in ascending order, each with its start and its exclusive end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Ranges(Vec<(u64, u64)>);

impl Ranges {
    /// Adds a number that is greater than all in the set.
    pub(super) fn push(&mut self, number: u64) {
        match self.0.last_mut() {
            Some((_, end)) if *end == number => *end += 1,
            _ => self.0.push((number, number + 1)),
        }
    }

    /// Adds those of `others` that are `number` or more; `number` is greater than all in the set.
    pub(super) fn append_from(&mut self, others: &Self, number: u64) {
        for (start, end) in others.0.iter().filter(|(_, end)| *end > number) {
            let start = (*start).max(number);
            match self.0.last_mut() {
                Some((_, last)) if *last == start => *last = *end,
                _ => self.0.push((start, *end)),
            }
        }
    }

    pub(super) fn contains(&self, number: u64) -> bool {
        let after = self.0.partition_point(|(start, _)| *start <= number);
        let before = after.checked_sub(1).and_then(|before| self.0.get(before));
        before.is_some_and(|(_, end)| number < *end)
    }

    /// The count of numbers.
    pub(super) fn numbers(&self) -> u64 {
        self.0.iter().map(|(start, end)| end - start).sum()
    }

    /// The count of ranges.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the ranges are ascending and not empty, and hold no number before `number`.
    pub(super) fn are_valid_from(&self, number: u64) -> bool {
        let mut last = None;
        self.0.iter().all(|(start, end)| {
            let sound = last.map_or(number <= *start, |last| last < *start) && start < end;
            last = Some(*end);
            sound
        })
    }
}

/// The records that an earlier run has finished, for a run that continues behind it and writes no checkpoint
/// itself.
#[derive(Debug)]
pub(in crate::pipeline) struct FinishedRecords {
    /// The number of the next record.
    next: u64,
    ranges: Ranges,
}

impl FinishedRecords {
    pub(super) fn new(next: u64, ranges: Ranges) -> Self {
        Self { next, ranges }
    }

    /// Whether the next record is finished. Each call moves on by one record.
    pub(in crate::pipeline) fn is_next_finished(&mut self) -> bool {
        let number = self.next;
        self.next += 1;
        self.ranges.contains(number)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ranges_are_a_set(numbers in prop::collection::btree_set(0_u64..60, 0..40)) {
            let mut ranges = Ranges::default();
            for number in &numbers {
                ranges.push(*number);
            }
            let held: BTreeSet<u64> = (0..100).filter(|number| ranges.contains(*number)).collect();
            prop_assert_eq!(ranges.numbers(), numbers.len() as u64);
            prop_assert_eq!(ranges.is_empty(), numbers.is_empty());
            let first = numbers.first().copied().unwrap_or_default();
            prop_assert!(ranges.are_valid_from(first));
            prop_assert!(numbers.is_empty() || !ranges.are_valid_from(first + 1));
            for middle in 0..61 {
                let mut joined = Ranges::default();
                for number in numbers.range(..middle) {
                    joined.push(*number);
                }
                joined.append_from(&ranges, middle);
                prop_assert_eq!(&joined, &ranges);
            }
            prop_assert_eq!(held, numbers);
        }
    }
}
