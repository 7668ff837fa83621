//! Runs the worlds of many seeds, and says which ones violate an invariant.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::{env, panic, thread};

use crate::coverage::Coverage;
use crate::invariants::violation;
use crate::run::{WorldResult, input_directory, run};
use crate::shrink::shrink;
use crate::world::World;

/// Worlds that each change must pass.
const DEFAULT_SEEDS: u64 = 300;

/// Runs a world. A panic of the program is a violation as well.
pub(crate) fn check(
    world: &World,
    directory: &Path,
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

/// The text that a failure prints: the seed, a shortened world, and how to repeat it.
fn describe(world: &World, violation: &str, directory: &Path) -> String {
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
    let directory = input_directory("seeds");
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
