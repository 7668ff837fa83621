//! Runs the worlds of many seeds, and says which ones violate an invariant.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::{env, fs, panic, thread};

use crate::coverage::Coverage;
use crate::invariants::violation;
use crate::run::{WorldResult, run};
use crate::shrink::shrink;
use crate::world::World;

/// Worlds that each change must pass.
const DEFAULT_SEEDS: u64 = 300;

/// Seeds of worlds that once violated an invariant, and the fault of the program that they have found.
const REGRESSIONS: [(&str, u64); 0] = [];

/// A directory for the input files of one test.
fn directory(test: &str) -> PathBuf {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("sim").join(test);
    fs::create_dir_all(&directory).unwrap();
    directory
}

/// Runs a world. A panic of the program is a violation as well.
fn check(
    world: &World,
    directory: &std::path::Path,
    coverage: &Arc<Coverage>,
) -> Result<WorldResult, String> {
    let run = panic::AssertUnwindSafe(|| run(world, directory, coverage));
    let result = panic::catch_unwind(run).map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()));
        format!("a panic: {}", text.unwrap_or_default())
    })?;
    match violation(world, &result) {
        Some(violation) if env::var_os("SIM_SEED").is_some() => Err(format!("{result}{violation}")),
        Some(violation) => Err(violation),
        None => Ok(result),
    }
}

/// What a failure prints: the seed, a shortened world, and how to repeat it.
fn describe(world: &World, violation: &str, directory: &std::path::Path) -> String {
    let fails = |world: &World| check(world, directory, &Arc::default()).is_err();
    let shortest = shrink(world, fails);
    let shortened = check(&shortest, directory, &Arc::default()).err().unwrap_or_default();
    format!(
        "{violation}\n\n{world}\nshortened: {shortened}\n{shortest}\nSIM_SEED={} cargo test --test sim repeats it",
        world.seed
    )
}

#[test]
fn every_world_keeps_the_invariants() {
    let directory = directory("seeds");
    let number = |name| env::var(name).ok().map(|text: String| text.parse::<u64>().unwrap());
    let one = number("SIM_SEED");
    let (first, count) = match one {
        Some(seed) => (seed, 1),
        None => (number("SIM_FIRST").unwrap_or(0), number("SIM_SEEDS").unwrap_or(DEFAULT_SEEDS)),
    };
    let (next, failed) = (AtomicU64::new(first), Mutex::new(None));
    let coverage = Coverage::default();
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                let mine = Arc::new(Coverage::default());
                loop {
                    let seed = next.fetch_add(1, Relaxed);
                    if seed >= first + count || failed.lock().unwrap().is_some() {
                        break;
                    }
                    let world = World::of_seed(seed);
                    if let Err(violation) = check(&world, &directory, &mine) {
                        failed.lock().unwrap().get_or_insert((world, violation));
                    }
                }
                coverage.add(&mine);
            });
        }
    });
    if let Some((world, violation)) = failed.into_inner().unwrap() {
        panic!("{}", describe(&world, &violation, &directory));
    }
    println!("{coverage}");
    if count >= DEFAULT_SEEDS {
        assert_eq!(coverage.missing(), Vec::<String>::new(), "was never reached; {coverage}");
    }
}
