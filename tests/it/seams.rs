//! Can a whole run be simulated: in one thread, without the network, files, clock and threads of this
//! machine?

mod memory_files;
mod simulation;

use datahub_emitter::pipeline::Report;

use self::simulation::{DEAD_LETTERS, REPORT, Simulation};

/// Four tags, of which GMS rejects one.
const INPUT: [&str; 4] = ["a", "b", "rejected", "d"];

fn input() -> (tempfile::TempDir, std::path::PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tags.jsonl");
    std::fs::write(&path, crate::support::sandbox::tags(INPUT)).unwrap();
    (directory, path)
}

#[test]
fn one_seed_gives_one_report_and_one_history_of_requests() {
    let (_directory, path) = input();
    let run = |seed| {
        let simulation = Simulation::new(seed);
        let finished = simulation.run(&path);
        (finished, simulation.requests(), simulation.files())
    };
    let (first, second, other) = (run(7), run(7), run(8));
    let report = &first.0.report;
    let text = |report: &Report| String::from_utf8(report.to_json().unwrap()).unwrap();
    assert_eq!(text(report), text(&second.0.report));
    assert_eq!(first.1, second.1, "the requests");
    assert_eq!(first.2, second.2, "the files");
    // The run retries and rejects, so that its randomness and its dead letters are compared as well.
    let counts = report.proposals;
    assert_eq!((counts.read, counts.delivered, counts.rejected), (4, 3, 1), "{report:#?}");
    assert!(report.requests.retried > 0, "{report:#?}");
    assert_ne!(report.run_id, other.0.report.run_id);
    assert_ne!(first.1, other.1, "the delay before a retry is random");
}

#[test]
fn a_run_uses_its_platform_and_nothing_else() {
    let (directory, path) = input();
    let simulation = Simulation::new(7);
    let finished = simulation.run(&path);
    assert!(finished.failure.is_none(), "{finished:#?}");
    simulation.assert_one_thread();
    let threads = simulation.thread_names();
    assert!(["source", "checkpoint"].iter().all(|name| threads.contains(name)), "{threads:?}");
    // The token, the checks before the run, and the proposals all go through the service.
    let requests = simulation.requests();
    for address in ["https://identity.invalid/token", "https://gms.invalid/config", "ingestProposalBatch"] {
        assert!(requests.iter().any(|request| request.contains(address)), "{address}: {requests:#?}");
    }
    let files = simulation.files();
    assert_eq!(files[std::path::Path::new(REPORT)], finished.report.to_json().unwrap());
    assert!(files.contains_key(std::path::Path::new(DEAD_LETTERS)), "{:?}", files.keys());
    // On the disk there is the input, and nothing else.
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    assert!(!std::path::Path::new(simulation::ROOT).exists());
    assert_eq!(finished.report.started_at, simulation::START);
}

#[test]
fn a_replay_looks_up_what_gms_has_in_the_same_thread() {
    let (_directory, path) = input();
    let simulation = Simulation::new(7);
    simulation.run(&path);
    let replayed = simulation.replay(&path);
    let counts = replayed.report.proposals;
    assert_eq!((counts.read, counts.delivered, counts.filtered), (1, 1, 0), "{:#?}", replayed.report);
    let requests = simulation.requests();
    let lookups = requests.iter().filter(|request| request.contains("GET https://gms.invalid/entitiesV2/"));
    assert_eq!(lookups.count(), 1, "{requests:#?}");
    simulation.assert_one_thread();
}
