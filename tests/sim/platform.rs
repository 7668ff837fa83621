//! A run uses its platform and nothing else, so that a seed decides everything.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io};

use datahub_emitter::pipeline::Start;

use crate::coverage::Coverage;
use crate::life::{DEAD_LETTERS, LifeEnd, REPORT, ROOT, Surroundings, Task, live};
use crate::run::{WorldResult, input_directory, run, write_input};
use crate::world::{InputRecord, World};

/// Worlds that are run twice: far from the seeds of the other tests, and enough to reach most faults.
const REPEATED: std::ops::Range<u64> = 1_000_000..1_000_040;

/// Everything that two runs of a world must have in common.
fn facts(result: &WorldResult, coverage: &Coverage) -> String {
    let reports = result.lives.iter().filter_map(|life| life.end.report());
    let reports: Vec<_> =
        reports.map(|report| String::from_utf8(report.to_json().unwrap()).unwrap()).collect();
    format!("{result}{reports:#?}{:?}{coverage}", result.files)
}

#[test]
fn a_seed_is_repeated_exactly() {
    let directory = input_directory("repeated");
    let mut all = Vec::new();
    for seed in REPEATED {
        let world = World::of_seed(seed);
        let facts = || {
            let coverage = Arc::new(Coverage::default());
            facts(&run(&world, &directory, &coverage), &coverage)
        };
        let (first, second) = (facts(), facts());
        let difference = first.lines().zip(second.lines()).find(|(first, second)| first != second);
        assert!(first == second, "seed {seed}: {difference:#?}");
        all.push(first);
    }
    all.dedup();
    assert_eq!(all.len() as u64, REPEATED.end - REPEATED.start, "each seed is another world");
}

/// A world without faults, in which GMS rejects one record.
fn calm_world() -> World {
    let mut world = World::of_seed(0);
    world.faults.clear();
    world.input = vec![
        InputRecord::Proposal { entity: 0, bytes: 40 },
        InputRecord::Rejected { entity: 1, status: 422 },
        InputRecord::Snapshot { entity: 2 },
        InputRecord::Proposal { entity: 0, bytes: 40 },
    ];
    world
}

#[test]
fn a_run_writes_to_its_platform_alone() {
    let directory = input_directory("alone");
    let result = run(&calm_world(), &directory, &Arc::default());
    let LifeEnd::Finished { report, failure: None } = &result.lives[0].end else { panic!("{result}") };
    let counts = report.proposals;
    assert_eq!((counts.read, counts.delivered, counts.rejected), (5, 4, 1), "{report:#?}");
    assert_eq!(report.started_at, crate::clock::START);
    assert_eq!(result.files[Path::new(REPORT)], report.to_json().unwrap());
    assert!(result.files.contains_key(Path::new(DEAD_LETTERS)));
    assert_eq!(fs::metadata(ROOT).unwrap_err().kind(), io::ErrorKind::NotFound);
    assert_eq!(
        fs::read_dir(&directory).unwrap().count(),
        0,
        "the input was removed, and nothing else is there"
    );
}

#[test]
fn a_replay_is_simulated_as_well() {
    let world = calm_world();
    let input = write_input(&world, &input_directory("replayed"));
    let around = Surroundings::new(&Arc::default());
    let first = live(&world, &input, &around, 0, Task::Run(Start::Beginning), Duration::ZERO);
    assert!(first.end.is_done(), "{first:#?}");
    around.servers.gms.lock().unwrap().repair();
    let replay = live(&world, &input, &around, 1, Task::Replay, first.ended);
    let counts = replay.end.report().unwrap().proposals;
    assert_eq!((counts.read, counts.delivered, counts.filtered), (1, 1, 0), "{replay:#?}");
    let lookups = around.servers.history.lock().unwrap().lookups;
    assert_eq!(lookups, 1, "a replay asks what GMS has");
}
