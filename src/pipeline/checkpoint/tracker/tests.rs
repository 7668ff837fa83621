use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::metadata::Urn;
use crate::source::Form;

/// A record about these tags, without an aspect.
fn item(tags: &[u8]) -> Item {
    let proposals = tags.iter().map(|tag| {
        let urn = Urn::parse(&format!("urn:li:tag:t{tag}")).unwrap();
        Proposal::upsert(urn, "status", "{}").unwrap()
    });
    Item::Record { proposals: proposals.collect(), filtered: 0 }
}

/// The place behind so many records of 100 bytes.
fn behind(records: u64) -> Position {
    Position { file: 0, record: records, offset: records * 100, form: Form::Objects }
}

fn admit(tracker: &Tracker, number: u64, tags: &[u8]) -> Admitted {
    tracker.admit(&item(tags), behind(number + 1))
}

#[test]
fn the_position_is_behind_the_last_record_that_is_finished_with_all_before_it() {
    let tracker = Tracker::new(Standing::default());
    for number in 0..6 {
        assert_eq!(admit(&tracker, number, &[u8::try_from(number).unwrap()]), Admitted::As(number));
    }
    for number in [1, 2, 4] {
        tracker.settle(number, true);
    }
    assert_eq!(tracker.standing().number, 0);
    tracker.settle(0, true);
    let standing = tracker.standing();
    assert_eq!((standing.number, standing.position), (3, behind(3)));
    assert!(standing.finished.contains(4) && standing.finished.numbers() == 1);
    tracker.settle(3, false);
    tracker.settle(5, true);
    let standing = tracker.standing();
    assert_eq!((standing.number, standing.finished.numbers()), (3, 2), "one that is left keeps the place");
    assert!(!tracker.all_finished());
}

#[test]
fn what_is_behind_an_unfinished_record_of_its_urn_is_sent_again() {
    let tracker = Tracker::new(Standing::default());
    for (number, tags) in [&[1][..], &[2], &[1], &[1, 3], &[3], &[2]].into_iter().enumerate() {
        admit(&tracker, number as u64, tags);
    }
    for number in 1..6 {
        tracker.settle(number, true);
    }
    let finished = |tracker: &Tracker| {
        (0..6).filter(|number| tracker.standing().finished.contains(*number)).collect::<Vec<u64>>()
    };
    // The fourth is about tag 1, which is not finished, and with it tag 3 is not.
    assert_eq!(finished(&tracker), [1, 5]);
    tracker.settle(0, false);
    assert_eq!(finished(&tracker), [1, 5], "also when the first is left for good");
}

#[test]
fn the_reader_waits_and_goes_on() {
    let ahead = Ahead { records: 3, bytes: 1_000 };
    let tracker = Arc::new(Tracker::within(Standing::default(), ahead));
    let reader = std::thread::spawn({
        let tracker = Arc::clone(&tracker);
        move || {
            let mut number = 0;
            while admit(&tracker, number, &[0]) != Admitted::Closed {
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
    // It waits now, and is let go.
    tracker.close();
    assert!(reader.join().unwrap() <= 53);
}

#[test]
fn bytes_bound_it_too_and_one_larger_than_all_of_them_passes_alone() {
    let ahead = Ahead { records: 100, bytes: 1_000 };
    let tracker = Arc::new(Tracker::within(Standing::default(), ahead));
    let place = |record, offset| Position { file: 0, record, offset, form: Form::Array };
    assert_eq!(tracker.admit(&item(&[0]), place(1, 5_000)), Admitted::As(0));
    let next = std::thread::spawn({
        let tracker = Arc::clone(&tracker);
        move || tracker.admit(&item(&[1]), place(2, 5_001))
    });
    while !tracker.lock().reader_waits {
        std::thread::yield_now();
    }
    tracker.settle(0, true);
    assert_eq!(next.join().unwrap(), Admitted::As(1));
}

#[test]
fn what_an_earlier_run_finished_is_passed_over_and_stays_known() {
    let mut finished = Ranges::default();
    for number in [12, 13, 15] {
        finished.push(number);
    }
    let tracker = Tracker::new(Standing { number: 10, position: behind(10), finished });
    assert_eq!(admit(&tracker, 10, &[0]), Admitted::As(10));
    tracker.settle(10, true);
    let standing = tracker.standing();
    assert_eq!((standing.number, standing.finished.numbers()), (11, 3), "also before they are read");
    assert_eq!(admit(&tracker, 11, &[0]), Admitted::As(11));
    assert_eq!(admit(&tracker, 12, &[0]), Admitted::Finished);
    assert_eq!(admit(&tracker, 13, &[0]), Admitted::Finished);
    assert_eq!(admit(&tracker, 14, &[1]), Admitted::As(14));
    tracker.settle(11, true);
    assert_eq!(tracker.standing().number, 14);
    tracker.settle(14, true);
    let standing = tracker.standing();
    assert_eq!((standing.number, standing.finished.numbers()), (15, 1));
    assert_eq!(admit(&tracker, 15, &[1]), Admitted::Finished);
    assert_eq!((tracker.standing().number, tracker.standing().finished.numbers()), (16, 0));
    assert!(tracker.all_finished());
}

/// What happens next in the property test.
#[derive(Clone, Debug)]
enum Step {
    Read(Vec<u8>),
    /// One of those under way ends.
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
fn kept(standing: &Standing, read: u64) -> Vec<u64> {
    (0..read).filter(|number| *number < standing.number || standing.finished.contains(*number)).collect()
}

proptest! {
    #[test]
    fn in_any_order_nothing_unfinished_is_passed_over_and_no_urn_goes_back(runs in prop::collection::vec(steps(), 1..4)) {
        let mut standing = Standing::default();
        // What each record is about, and whether it is finished, over all runs.
        let mut about: Vec<Vec<u8>> = Vec::new();
        let mut finished: BTreeMap<u64, bool> = BTreeMap::new();
        for steps in runs {
            let tracker = Tracker::new(standing.clone());
            let mut next = standing.number;
            let mut under_way = Vec::new();
            for step in steps {
                match step {
                    Step::Read(tags) => {
                        // A record that was read before is the same as then.
                        if next == about.len() as u64 {
                            about.push(tags);
                        }
                        let tags = &about[usize::try_from(next).unwrap()];
                        match admit(&tracker, next, tags) {
                            Admitted::As(number) => {
                                prop_assert_eq!(number, next);
                                prop_assert!(!standing.finished.contains(number));
                                under_way.push(number);
                            }
                            Admitted::Finished => prop_assert!(standing.finished.contains(next)),
                            Admitted::Closed => prop_assert!(false, "nobody closed it"),
                        }
                        next += 1;
                    }
                    Step::End { which, finished: well } if !under_way.is_empty() => {
                        let number = under_way.remove(which % under_way.len());
                        tracker.settle(number, well);
                        finished.insert(number, well);
                    }
                    Step::End { .. } => {}
                }
                let now = tracker.standing();
                let kept = kept(&now, about.len() as u64);
                // What is kept is finished, and its URNs have nothing unfinished before it.
                for number in &kept {
                    prop_assert_eq!(finished.get(number), Some(&true), "{} of {:?}", number, now);
                    let tags = &about[usize::try_from(*number).unwrap()];
                    for earlier in (0..*number).filter(|earlier| !kept.contains(earlier)) {
                        let others = &about[usize::try_from(earlier).unwrap()];
                        prop_assert!(!tags.iter().any(|tag| others.contains(tag)), "{} before {}", earlier, number);
                    }
                }
                prop_assert_eq!(now.position, behind(now.number).at_the_start_if_none());
                prop_assert!(now.finished.begin_at(now.number));
            }
            // Alone, or first of its URNs, a finished record is kept: nothing is sent again for nothing.
            let now = tracker.standing();
            let kept = kept(&now, about.len() as u64);
            for (number, _) in finished.iter().filter(|(number, well)| **well && **number < next) {
                let tags = &about[usize::try_from(*number).unwrap()];
                let clear = (0..*number).all(|earlier| {
                    kept.contains(&earlier)
                        || !about[usize::try_from(earlier).unwrap()].iter().any(|tag| tags.contains(tag))
                });
                prop_assert!(!clear || kept.contains(number), "{} is forgotten: {:?}", number, now);
            }
            standing = now;
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
