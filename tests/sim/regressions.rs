//! Shortened worlds that once violated an invariant. The name of each says which fault of the program it has
//! found.
//!
//! A world is written out and not drawn from its seed, which means another world once the drawing changes.

use std::sync::Arc;

use crate::fault::{DiskTrouble, Fault, FaultKind};
use crate::run::input_directory;
use crate::seeds::check;
use crate::world::{InputRecord, SinkSettings, World};

/// Checks a world with a sink that sends one proposal at a time.
fn holds(seed: u64, input: Vec<InputRecord>, faults: Vec<Fault>) {
    let sink = SinkSettings {
        mode: "SYNC",
        endpoint: "RESTLI",
        max_threads: 1,
        max_per_batch: 1,
        max_pending_requests: 1,
        max_pending_bytes: 1 << 20,
        min_process_interval_seconds: 0.05,
        retry_max_times: 4,
    };
    let world = World { seed, input, sink, faults };
    if let Err(violation) = check(&world, &input_directory("regressions"), &Arc::default()) {
        panic!("{violation}\n{world}");
    }
}

/// Seed 238: a run created the dead-letter file, and could not sync the directory. The next run found the
/// file, never synced the directory, and counted dead letters that a power loss would have removed with the
/// name of the file.
#[test]
fn the_directory_of_a_dead_letter_file_is_synced_by_a_later_run_too() {
    let good = InputRecord::Proposal { entity: 0, bytes: 40 };
    let mut input = vec![good, InputRecord::Rejected { entity: 1, status: 422 }];
    input.extend([good; 8]);
    let fails = FaultKind::Disk { first: 1, count: 4, trouble: DiskTrouble::SyncFails };
    holds(238, input, vec![Fault { life: 0, kind: fails }]);
}
