use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::metadata::Urn;
use crate::source::Form;
use crate::threads::block_on;

/// A record about these tags, without an aspect.
fn item(tags: &[u8]) -> Item {
    let proposals = tags.iter().map(|tag| {
        let urn = Urn::parse(&format!("urn:li:tag:t{tag}")).unwrap();
        Proposal::upsert(urn, "status", "{}").unwrap()
    });
    Item::Record { proposals: proposals.collect(), filtered: 0 }
}

/// The position behind this many records of 100 bytes.
fn behind(records: u64) -> Position {
    Position { file: 0, record: records, offset: records * 100, form: Form::Objects }
}

fn admit(tracker: &RecordTracker, number: u64, tags: &[u8]) -> Admission {
    block_on(tracker.admit(&item(tags), behind(number + 1)))
}

#[test]
fn the_position_is_the_first_unfinished_record() {
    let tracker = RecordTracker::new(CheckpointPosition::default());
    for number in 0..6 {
        assert_eq!(admit(&tracker, number, &[u8::try_from(number).unwrap()]), Admission::Forward(number));
    }
    for number in [1, 2, 4] {
        tracker.settle(number, true);
    }
    assert_eq!(tracker.position().number, 0);
    tracker.settle(0, true);
    let position = tracker.position();
    assert_eq!((position.number, position.position), (3, behind(3)));
    assert!(position.finished.contains(4) && position.finished.numbers() == 1);
    tracker.settle(3, false);
    tracker.settle(5, true);
    let position = tracker.position();
    assert_eq!(
        (position.number, position.finished.numbers()),
        (3, 2),
        "an undelivered record keeps the position"
    );
    assert!(!tracker.all_finished());
}

#[test]
fn a_record_behind_an_unfinished_one_of_its_urn_is_sent_again() {
    let tracker = RecordTracker::new(CheckpointPosition::default());
    for (number, tags) in [&[1][..], &[2], &[1], &[1, 3], &[3], &[2]].into_iter().enumerate() {
        admit(&tracker, number as u64, tags);
    }
    for number in 1..6 {
        tracker.settle(number, true);
    }
    let finished = |tracker: &RecordTracker| {
        (0..6).filter(|number| tracker.position().finished.contains(*number)).collect::<Vec<u64>>()
    };
    // The fourth is about tag 1, which is not finished, and with it tag 3 is not.
    assert_eq!(finished(&tracker), [1, 5]);
    tracker.settle(0, false);
    assert_eq!(finished(&tracker), [1, 5], "also when the first is undelivered");
}

#[test]
fn the_reader_waits_and_continues() {
    let ahead = MaxAhead { records: 3, bytes: 1_000 };
    let tracker = Arc::new(RecordTracker::with_max_ahead(CheckpointPosition::default(), ahead));
    let reader = std::thread::spawn({
        let tracker = Arc::clone(&tracker);
        move || {
            let mut number = 0;
            while admit(&tracker, number, &[0]) != Admission::Stop {
                number += 1;
            }
            number
        }
    });
    for number in 0..50 {
        while {
            let state = tracker.lock();
            state.first + state.slots.len() as u64 <= number
        } {
            std::thread::yield_now();
        }
        assert!(tracker.lock().slots.len() <= 3);
        tracker.settle(number, number % 7 != 0);
    }
    // It waits now, and is stopped.
    tracker.close();
    assert!(reader.join().unwrap() <= 53);
}

#[test]
fn bytes_bound_it_too_and_one_larger_record_passes_alone() {
    let ahead = MaxAhead { records: 100, bytes: 1_000 };
    let tracker = Arc::new(RecordTracker::with_max_ahead(CheckpointPosition::default(), ahead));
    let place = |record, offset| Position { file: 0, record, offset, form: Form::Array };
    assert_eq!(block_on(tracker.admit(&item(&[0]), place(1, 5_000))), Admission::Forward(0));
    let next = std::thread::spawn({
        let tracker = Arc::clone(&tracker);
        move || block_on(tracker.admit(&item(&[1]), place(2, 5_001)))
    });
    while !tracker.lock().reader_waits {
        std::thread::yield_now();
    }
    tracker.settle(0, true);
    assert_eq!(next.join().unwrap(), Admission::Forward(1));
}

#[test]
fn what_an_earlier_run_finished_is_skipped_and_stays_finished() {
    let mut finished = Ranges::default();
    for number in [12, 13, 15] {
        finished.push(number);
    }
    let tracker = RecordTracker::new(CheckpointPosition { number: 10, position: behind(10), finished });
    assert_eq!(admit(&tracker, 10, &[0]), Admission::Forward(10));
    tracker.settle(10, true);
    let position = tracker.position();
    assert_eq!((position.number, position.finished.numbers()), (11, 3), "also before they are read");
    assert_eq!(admit(&tracker, 11, &[0]), Admission::Forward(11));
    assert_eq!(admit(&tracker, 12, &[0]), Admission::Skip);
    assert_eq!(admit(&tracker, 13, &[0]), Admission::Skip);
    assert_eq!(admit(&tracker, 14, &[1]), Admission::Forward(14));
    tracker.settle(11, true);
    assert_eq!(tracker.position().number, 14);
    tracker.settle(14, true);
    let position = tracker.position();
    assert_eq!((position.number, position.finished.numbers()), (15, 1));
    assert_eq!(admit(&tracker, 15, &[1]), Admission::Skip);
    assert_eq!((tracker.position().number, tracker.position().finished.numbers()), (16, 0));
    assert!(tracker.all_finished());
}

/// The next event in the property test.
#[derive(Clone, Debug)]
enum Step {
    Read(Vec<u8>),
    /// One of the records in flight ends.
    End {
        which: usize,
        finished: bool,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => prop::collection::vec(0_u8..6, 0..3).prop_map(Step::Read),
        3 => (0..20_usize, prop::bool::weighted(0.9)).prop_map(|(which, finished)| Step::End { which, finished }),
    ];
    prop::collection::vec(step, 0..120)
}

/// Numbers that a later run would not send.
fn kept(position: &CheckpointPosition, read: u64) -> Vec<u64> {
    (0..read).filter(|number| *number < position.number || position.finished.contains(*number)).collect()
}

proptest! {
    #[test]
    fn in_any_order_no_unfinished_record_is_skipped_and_no_urn_goes_back(runs in prop::collection::vec(steps(), 1..4)) {
        let mut position = CheckpointPosition::default();
        // The URNs of each record, and whether the record is finished, over all runs.
        let mut about: Vec<Vec<u8>> = Vec::new();
        let mut finished: BTreeMap<u64, bool> = BTreeMap::new();
        for steps in runs {
            let tracker = RecordTracker::new(position.clone());
            let mut next = position.number;
            let mut in_flight = Vec::new();
            for step in steps {
                match step {
                    Step::Read(tags) => {
                        // A record that was read before is the same as then.
                        if next == about.len() as u64 {
                            about.push(tags);
                        }
                        let tags = &about[usize::try_from(next).unwrap()];
                        match admit(&tracker, next, tags) {
                            Admission::Forward(number) => {
                                prop_assert_eq!(number, next);
                                prop_assert!(!position.finished.contains(number));
                                in_flight.push(number);
                            }
                            Admission::Skip => prop_assert!(position.finished.contains(next)),
                            Admission::Stop => prop_assert!(false, "nobody closed it"),
                        }
                        next += 1;
                    }
                    Step::End { which, finished: well } if !in_flight.is_empty() => {
                        let number = in_flight.remove(which % in_flight.len());
                        tracker.settle(number, well);
                        finished.insert(number, well);
                    }
                    Step::End { .. } => {}
                }
                let now = tracker.position();
                let kept = kept(&now, about.len() as u64);
                // Each remembered record is finished, and no unfinished record before it has one of its URNs.
                for number in &kept {
                    prop_assert_eq!(finished.get(number), Some(&true), "{} of {:?}", number, now);
                    let tags = &about[usize::try_from(*number).unwrap()];
                    for earlier in (0..*number).filter(|earlier| !kept.contains(earlier)) {
                        let others = &about[usize::try_from(earlier).unwrap()];
                        prop_assert!(!tags.iter().any(|tag| others.contains(tag)), "{} before {}", earlier, number);
                    }
                }
                prop_assert_eq!(now.position, behind(now.number).at_the_start_if_none());
                prop_assert!(now.finished.are_valid_from(now.number));
            }
            // Alone, or first of its URNs, a finished record is kept: nothing is sent again for nothing.
            let now = tracker.position();
            let kept = kept(&now, about.len() as u64);
            for (number, _) in finished.iter().filter(|(number, well)| **well && **number < next) {
                let tags = &about[usize::try_from(*number).unwrap()];
                let clear = (0..*number).all(|earlier| {
                    kept.contains(&earlier)
                        || !about[usize::try_from(earlier).unwrap()].iter().any(|tag| tags.contains(tag))
                });
                prop_assert!(!clear || kept.contains(number), "{} is forgotten: {:?}", number, now);
            }
            position = now;
            // The next run sends the others again, finished or not.
            finished.retain(|number, _| kept.contains(number));
        }
    }
}

impl Position {
    fn at_the_start_if_none(self) -> Self {
        if self.record == 0 { Self::default() } else { self }
    }
}
