//! The queue: which proposals are sent next, and together. Keeps the order of each URN, and fills batches.
//!
//! There is one queue, in order of arrival. A batch is filled from its front. A proposal whose URN is part of
//! a batch in flight cannot join, or the two could overtake each other: it is parked, and returns to the
//! front when that batch is settled, including its retries and bisection. Several proposals of one URN may
//! share a batch, in order. So the order of each URN holds whatever is retried, and a batch that waits holds
//! up its own URNs only.
//!
//! Over Rest.li a batch may contain anything. An OpenAPI request is about one entity type, so that the queue
//! has a *lane* for each type. A URN never changes its lane, so its order is the lane's, and batches are full
//! although the types alternate in the input.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::metadata::{Name, Urn};

/// The properties of an item that the queue needs.
pub(super) trait Queued {
    /// Items of one URN leave the queue in the order in which they were pushed.
    fn urn(&self) -> &Urn;
    /// Items of different lanes never share a batch. All items of one URN are in one lane.
    fn lane(&self) -> Name;
    /// Its length in a request's body, in bytes.
    fn encoded_bytes(&self) -> usize;
}

/// How large a batch may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BatchLimits {
    /// The number of items, at least 1.
    pub(super) count: usize,
    /// The length of the encoded body in bytes. A single item over the limit is sent alone.
    pub(super) bytes: usize,
    /// The length of the body without its items and the commas between them, in bytes.
    pub(super) envelope: usize,
}

/// Items in the order of arrival, in lanes. The lane that has waited longest leaves first, and one with a
/// full batch before those without.
pub(super) struct Queue<T> {
    limits: BatchLimits,
    lanes: HashMap<Name, Lane<T>>,
    parked: HashMap<Urn, VecDeque<Numbered<T>>>,
    in_flight: HashSet<Urn>,
    /// How many items were pushed.
    pushed: u64,
}

/// An item and its position in the order of arrival.
struct Numbered<T> {
    number: u64,
    item: T,
}

struct Lane<T> {
    limits: BatchLimits,
    ready: VecDeque<Numbered<T>>,
    ready_bytes: usize,
    forming: Vec<T>,
    forming_bytes: usize,
    /// The number of the oldest item in the forming batch.
    oldest: u64,
    /// The next item does not fit into the forming batch.
    is_closed: bool,
}

/// The batch that leaves next.
pub(super) struct FormingBatch<'a, T> {
    pub(super) items: &'a [T],
    /// No further item fits.
    pub(super) is_full: bool,
}

impl<T: Queued> Queue<T> {
    pub(super) fn new(limits: BatchLimits) -> Self {
        Self { limits, lanes: HashMap::new(), parked: HashMap::new(), in_flight: HashSet::new(), pushed: 0 }
    }

    /// Adds an item. Returns whether the driver should check for a batch: the item may have completed one, or
    /// is the first to wait for one.
    pub(super) fn push(&mut self, item: T) -> bool {
        let number = self.pushed;
        self.pushed += 1;
        self.lane(item.lane()).push(Numbered { number, item })
    }

    /// Fills the forming batches, parks the items whose URN is in flight, and returns the batch that leaves
    /// next.
    pub(super) fn form(&mut self) -> Option<FormingBatch<'_, T>> {
        for lane in self.lanes.values_mut() {
            lane.form(&self.in_flight, &mut self.parked);
        }
        let lane =
            self.lanes.values().filter(|lane| !lane.forming.is_empty()).min_by_key(|lane| lane.priority())?;
        Some(FormingBatch { items: &lane.forming, is_full: lane.is_full() })
    }

    /// Takes the batch that leaves next, as it is. Its URNs are in flight until they are
    /// [released](Self::release).
    pub(super) fn take(&mut self) -> Vec<T> {
        let forming = self.lanes.iter_mut().filter(|(_, lane)| !lane.forming.is_empty());
        let Some((name, lane)) = forming.min_by_key(|(_, lane)| lane.priority()) else {
            return Vec::new();
        };
        let batch = lane.take();
        self.in_flight.extend(batch.iter().map(|item| item.urn().clone()));
        if lane.ready.is_empty() {
            let name = name.clone();
            self.lanes.remove(&name);
        }
        batch
    }

    /// The batch with `urns` is settled: the items that were parked for them return to the front.
    pub(super) fn release<'a>(&mut self, urns: impl DoubleEndedIterator<Item = &'a Urn>) {
        for urn in urns.rev() {
            self.in_flight.remove(urn);
            for numbered in self.parked.remove(urn).into_iter().flatten().rev() {
                let lane = self.lane(numbered.item.lane());
                lane.ready_bytes += numbered.item.encoded_bytes();
                lane.ready.push_front(numbered);
                // It may fit although the next one did not.
                lane.is_closed = false;
            }
        }
    }

    /// Limits further batches to `bytes`. Returns whether that is less than before. Forming batches stay as
    /// they are.
    pub(super) fn shrink_batches(&mut self, bytes: usize) -> bool {
        let shrinks = bytes < self.limits.bytes;
        if shrinks {
            self.limits.bytes = bytes.max(1);
            self.lanes.values_mut().for_each(|lane| lane.limits = self.limits);
        }
        shrinks
    }

    /// Removes all items.
    pub(super) fn drain(&mut self) -> Vec<T> {
        let mut items = Vec::new();
        for (_, lane) in self.lanes.drain() {
            items.extend(lane.forming);
            items.extend(lane.ready.into_iter().map(|numbered| numbered.item));
        }
        items.extend(self.parked.drain().flat_map(|(_, items)| items).map(|numbered| numbered.item));
        items
    }

    /// How many items wait to be sent.
    pub(super) fn len(&self) -> usize {
        let in_lanes: usize = self.lanes.values().map(|lane| lane.forming.len() + lane.ready.len()).sum();
        in_lanes + self.parked.values().map(VecDeque::len).sum::<usize>()
    }

    /// Items among which is the one that was pushed first.
    pub(super) fn oldest(&self) -> impl Iterator<Item = &T> {
        let in_lanes = self
            .lanes
            .values()
            .flat_map(|lane| lane.forming.iter().chain(lane.ready.front().map(|numbered| &numbered.item)));
        in_lanes.chain(self.parked.values().filter_map(|items| items.front().map(|numbered| &numbered.item)))
    }

    /// Whether no item waits to be sent.
    pub(super) fn is_empty(&self) -> bool {
        self.parked.is_empty()
            && self.lanes.values().all(|lane| lane.forming.is_empty() && lane.ready.is_empty())
    }

    fn lane(&mut self, name: Name) -> &mut Lane<T> {
        self.lanes.entry(name).or_insert_with(|| Lane::new(self.limits))
    }
}

impl<T: Queued> Lane<T> {
    fn new(limits: BatchLimits) -> Self {
        Self {
            limits,
            ready: VecDeque::new(),
            ready_bytes: 0,
            forming: Vec::new(),
            forming_bytes: limits.envelope,
            oldest: 0,
            is_closed: false,
        }
    }

    fn push(&mut self, numbered: Numbered<T>) -> bool {
        let before = self.ready_bytes / self.limits.bytes.max(1);
        self.ready_bytes += numbered.item.encoded_bytes();
        self.ready.push_back(numbered);
        let unsent = self.ready.len() + self.forming.len();
        unsent == 1
            || unsent.is_multiple_of(self.limits.count)
            || self.ready_bytes / self.limits.bytes.max(1) > before
    }

    fn form(&mut self, in_flight: &HashSet<Urn>, parked: &mut HashMap<Urn, VecDeque<Numbered<T>>>) {
        while !self.is_full() {
            let Some(numbered) = self.ready.pop_front() else { break };
            let item = &numbered.item;
            if in_flight.contains(item.urn()) {
                self.ready_bytes -= item.encoded_bytes();
                parked.entry(item.urn().clone()).or_default().push_back(numbered);
                continue;
            }
            let comma = usize::from(!self.forming.is_empty());
            let bytes = self.forming_bytes + comma + item.encoded_bytes();
            if bytes > self.limits.bytes && !self.forming.is_empty() {
                self.is_closed = true;
                self.ready.push_front(numbered);
                break;
            }
            self.ready_bytes -= item.encoded_bytes();
            self.forming_bytes = bytes;
            // An item that was parked may be older than those before it.
            self.oldest =
                if self.forming.is_empty() { numbered.number } else { self.oldest.min(numbered.number) };
            self.forming.push(numbered.item);
        }
    }

    fn is_full(&self) -> bool {
        self.is_closed || self.forming.len() >= self.limits.count
    }

    /// The sort key of the lane that leaves next: full batches first, then by age.
    fn priority(&self) -> (bool, u64) {
        (!self.is_full(), self.oldest)
    }

    fn take(&mut self) -> Vec<T> {
        self.forming_bytes = self.limits.envelope;
        self.is_closed = false;
        std::mem::take(&mut self.forming)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug, PartialEq)]
    struct Sample {
        urn: Urn,
        lane: Name,
        number: usize,
        bytes: usize,
    }

    impl Queued for Sample {
        fn lane(&self) -> Name {
            self.lane.clone()
        }
        fn urn(&self) -> &Urn {
            &self.urn
        }
        fn encoded_bytes(&self) -> usize {
            self.bytes
        }
    }

    fn sample(urn: usize, number: usize, bytes: usize) -> Sample {
        let urn = Urn::parse(&format!("urn:li:tag:{urn}")).unwrap();
        Sample { urn, lane: Name::default(), number, bytes }
    }

    /// A sample in one of three lanes, by its URN.
    fn laned(urn: usize, number: usize, bytes: usize) -> Sample {
        Sample { lane: (urn % 3).to_string().into(), ..sample(urn, number, bytes) }
    }

    fn body_bytes(batch: &[Sample], limits: BatchLimits) -> usize {
        limits.envelope + batch.iter().map(|item| item.bytes).sum::<usize>() + batch.len() - 1
    }

    #[test]
    fn a_batch_takes_the_oldest_items_whose_urn_is_not_in_flight() {
        let mut queue = Queue::new(BatchLimits { count: 2, bytes: 1000, envelope: 0 });
        for (number, urn) in [1, 2, 1, 3].into_iter().enumerate() {
            queue.push(sample(urn, number, 1));
        }
        let numbers = |batch: &[Sample]| batch.iter().map(|item| item.number).collect::<Vec<_>>();
        queue.form();
        let first = queue.take();
        assert_eq!(numbers(&first), [0, 1]);
        // Number 2 has the URN of number 0 and is parked.
        assert!(!queue.form().unwrap().is_full);
        queue.push(sample(4, 4, 1));
        queue.form();
        assert_eq!(numbers(&queue.take()), [3, 4]);
        queue.release(first.iter().map(Queued::urn));
        queue.form();
        assert_eq!(numbers(&queue.take()), [2]);
        assert!(queue.is_empty());
    }

    #[test]
    fn an_item_over_the_limit_is_sent_alone() {
        let mut queue = Queue::new(BatchLimits { count: 10, bytes: 100, envelope: 10 });
        for (number, bytes) in [40, 500, 40].into_iter().enumerate() {
            queue.push(sample(number, number, bytes));
        }
        let mut sizes = Vec::new();
        while queue.form().is_some() {
            sizes.push(queue.take().len());
        }
        assert_eq!(sizes, [1, 1, 1]);
    }

    #[test]
    fn lanes_do_not_mix_and_a_full_one_leaves_first() {
        let mut queue = Queue::new(BatchLimits { count: 2, bytes: 1000, envelope: 0 });
        for (number, urn) in [0, 1, 4, 2].into_iter().enumerate() {
            queue.push(laned(urn, number, 1));
        }
        let mut batches = Vec::new();
        while let Some(FormingBatch { is_full, .. }) = queue.form() {
            batches.push((is_full, queue.take().iter().map(|item| item.number).collect::<Vec<_>>()));
        }
        assert_eq!(batches, [(true, vec![1, 2]), (false, vec![0]), (false, vec![3])]);
    }

    /// An operation of the property test.
    #[derive(Clone, Debug)]
    enum Operation {
        Push { urn: usize, bytes: usize },
        Take,
        Settle { which: usize },
    }

    fn operations() -> impl Strategy<Value = Vec<Operation>> {
        let operation = prop_oneof![
            4 => (0..12_usize, 1..60_usize).prop_map(|(urn, bytes)| Operation::Push { urn, bytes }),
            2 => Just(Operation::Take),
            1 => (0..8_usize).prop_map(|which| Operation::Settle { which }),
        ];
        proptest::collection::vec(operation, 0..300)
    }

    proptest! {
        #[test]
        fn order_limits_and_conservation(operations in operations(), count in 1..8_usize, bytes in 1..150_usize) {
            let limits = BatchLimits { count, bytes, envelope: 5 };
            let mut queue = Queue::new(limits);
            let mut in_flight: Vec<Vec<Sample>> = Vec::new();
            let mut sent: Vec<Sample> = Vec::new();
            let mut pushed = 0;
            let mut all = operations;
            // At the end everything is sent and settled.
            all.extend((0..1000).flat_map(|_| [Operation::Settle { which: 0 }, Operation::Take]));
            for operation in all {
                match operation {
                    Operation::Push { urn, bytes } => {
                        queue.push(laned(urn, pushed, bytes));
                        pushed += 1;
                    }
                    Operation::Take => {
                        let Some(FormingBatch { is_full, items }) = queue.form() else { continue };
                        let lane = items[0].lane.clone();
                        let left_behind = queue.lanes[&lane].ready.front().map(|next| next.item.clone());
                        let batch = queue.take();
                        prop_assert!(batch.iter().all(|item| item.lane == lane));
                        prop_assert!(!batch.is_empty() && batch.len() <= count);
                        prop_assert!(batch.len() == 1 || body_bytes(&batch, limits) <= bytes);
                        if !is_full {
                            prop_assert!(left_behind.is_none(), "a batch left although another item fits");
                        } else if batch.len() < count {
                            let next = left_behind.unwrap();
                            prop_assert!(body_bytes(&batch, limits) + 1 + next.bytes > bytes);
                        }
                        for item in &batch {
                            prop_assert!(in_flight.iter().flatten().all(|other| other.urn != item.urn));
                        }
                        sent.extend(batch.iter().cloned());
                        in_flight.push(batch);
                    }
                    Operation::Settle { which } => {
                        if in_flight.is_empty() { continue }
                        let batch = in_flight.remove(which % in_flight.len());
                        queue.release(batch.iter().map(Queued::urn));
                    }
                }
            }
            prop_assert_eq!(sent.len(), pushed);
            prop_assert!(queue.is_empty());
            for urn in sent.iter().map(|item| &item.urn) {
                let numbers: Vec<_> = sent.iter().filter(|item| item.urn == *urn).map(|item| item.number).collect();
                prop_assert!(numbers.is_sorted(), "{} left in the order {:?}", urn, numbers);
            }
        }
    }
}
