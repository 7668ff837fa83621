//! Is anything lost, whatever fails? Every failure × every mode of the sink × both endpoints.
//!
//! Each combination is a run with one failure. Its report has to add up, and its exit code has to be that of
//! the contract. The writes of the server, the dead letters and the records that remain for a resume have to
//! be exactly the input, in order for each entity; a write whose response was lost may occur twice. Then the
//! failure is removed, `--resume` continues, `replay` sends the dead letters again, and the store has to
//! equal that of an undisturbed run.
//!
//! There is one exception: if Rest.li responds "success" but has dropped a change (`silent-drop.yml`), no
//! client can know. The response of OpenAPI lists the accepted changes.

mod corpus;
mod ledger;
mod troubles;
mod world;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{LazyLock, Mutex};
use std::time::Instant;

use ledger::Latest;
use troubles::Trouble;
use world::World;

/// The variable with the seed of the sample.
const SEED: &str = "MATRIX_SEED";

/// The variable that restricts the whole matrix to combinations whose name contains its value: `reset.yml ×
/// SYNC`.
const ONLY: &str = "MATRIX_ONLY";

/// The number of combinations in the sample.
const SAMPLE: usize = 12;

/// How many combinations run at a time: they spend most of their time waiting.
const THREADS: usize = 4;

const MODES: [&str; 3] = ["SYNC", "ASYNC", "ASYNC_BATCH"];
const ENDPOINTS: [&str; 2] = ["restli", "openapi"];

struct Combination {
    trouble: Trouble,
    mode: &'static str,
    endpoint: &'static str,
}

/// The store after an undisturbed run.
static UNDISTURBED: LazyLock<Latest> = LazyLock::new(|| World::new("SYNC", "restli").undisturbed());

impl Combination {
    fn name(&self) -> String {
        format!("{} × {} × {}", self.trouble.name, self.mode, self.endpoint)
    }

    fn run(&self) {
        let unseen = self.trouble.script() == Some("silent-drop.yml") && self.endpoint == "restli";
        let excused = unseen.then_some(corpus::NAMED);
        let world = World::new(self.mode, self.endpoint);
        let mut latest = world.run_with(&self.trouble, excused);
        let mut expected = UNDISTURBED.clone();
        for store in [&mut latest, &mut expected] {
            store.retain(|(urn, _), _| excused != Some(urn));
        }
        assert_eq!(latest, expected);
    }
}

fn directory() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/faults"))
}

fn combinations() -> Vec<Combination> {
    let mut combinations = Vec::new();
    for trouble in troubles::all() {
        for mode in MODES {
            for endpoint in ENDPOINTS {
                combinations.push(Combination { trouble: trouble.clone(), mode, endpoint });
            }
        }
    }
    combinations
}

/// Runs all combinations, and lists those that fail.
#[expect(clippy::print_stdout, reason = "a log of the combinations, in the output of the test")]
fn run_all(combinations: Vec<Combination>) {
    let count = combinations.len();
    let remaining = Mutex::new(combinations);
    let failed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let Some(combination) = remaining.lock().unwrap().pop() else { break };
                    let (name, begun) = (combination.name(), Instant::now());
                    let passed = catch_unwind(AssertUnwindSafe(|| combination.run())).is_ok();
                    println!("{} {name}, {:.1?}", if passed { "passed" } else { "FAILED" }, begun.elapsed());
                    if !passed {
                        failed.lock().unwrap().push(name);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{} of {count}: {failed:#?}", failed.len());
}

#[test]
fn the_matrix_has_every_script_and_at_least_forty_failures() {
    let files: BTreeSet<String> = directory()
        .read_dir()
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    let troubles = troubles::all();
    let scripts: BTreeSet<String> = troubles.iter().filter_map(Trouble::script).map(str::to_owned).collect();
    assert_eq!(scripts, files);
    assert!(troubles.len() >= 40, "{}", troubles.len());
}

#[test]
fn a_sample_of_the_matrix_loses_nothing() {
    let seed = std::env::var(SEED).map_or(6, |text| text.parse().unwrap());
    println!("{SEED}={seed}");
    let mut combinations = combinations();
    fastrand::Rng::with_seed(seed).shuffle(&mut combinations);
    combinations.truncate(SAMPLE);
    run_all(combinations);
}

#[test]
#[ignore = "takes minutes: every fault × mode × endpoint"]
fn the_whole_matrix_loses_nothing() {
    let only = std::env::var(ONLY).unwrap_or_default();
    run_all(combinations().into_iter().filter(|combination| combination.name().contains(&only)).collect());
}
