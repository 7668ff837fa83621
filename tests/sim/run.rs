//! Runs a world: one life after another, until everything is done.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, fs};

use datahub_emitter::pipeline::Start;

use crate::coverage::Coverage;
use crate::disk::{DiskEvent, DiskEventKind};
use crate::fault::ProcessTrouble;
use crate::history::History;
use crate::life::{Life, LifeEnd, Surroundings, Task, live};
use crate::random::Random;
use crate::world::World;

/// Lives without faults in which a pipeline must get through.
const MAX_CLEAN_LIVES: u32 = 3;

/// The time between two lives.
const PAUSE: Duration = Duration::from_secs(10);

/// Everything that a world has left behind.
#[derive(Debug)]
pub(crate) struct WorldResult {
    pub(crate) lives: Vec<Life>,
    pub(crate) history: History,
    pub(crate) disk_events: Vec<DiskEvent>,
    /// All files at the end.
    pub(crate) files: BTreeMap<PathBuf, Vec<u8>>,
    /// A sync has said that it had worked, and had not.
    pub(crate) disk_has_lied: bool,
}

impl WorldResult {
    /// A power loss has happened before this life.
    pub(crate) fn lost_power_before(&self, life: u32) -> bool {
        self.lives
            .iter()
            .any(|other| other.number < life && matches!(other.end, LifeEnd::Died(ProcessTrouble::PowerLoss)))
    }
}

/// A directory for the input files of one test.
pub(crate) fn input_directory(test: &str) -> PathBuf {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("sim").join(test);
    fs::create_dir_all(&directory).unwrap();
    directory
}

/// Runs `world` with its input file in `directory`.
pub(crate) fn run(world: &World, directory: &Path, coverage: &Arc<Coverage>) -> WorldResult {
    let input = write_input(world, directory);
    let around = Surroundings::new(coverage);
    let last_life = world.last_faulty_life().map_or(0, |life| life + MAX_CLEAN_LIVES);
    let mut lives: Vec<Life> = Vec::new();
    let (mut start, mut before) = (Start::Beginning, Duration::ZERO);
    for number in 0..=last_life {
        let was_revoked = lives.last().is_some_and(|life| life.is_revoked);
        around.servers.gms.lock().unwrap().begin_life(was_revoked);
        let life = live(world, &input, &around, number, Task::Run(start), before);
        if matches!(life.end, LifeEnd::Died(ProcessTrouble::PowerLoss)) {
            around.disk.lose_power(&mut Random::of(world.seed, ("power", number)));
        }
        start = if life.end.asks_for_restart() { Start::Restart } else { Start::Resume };
        before = life.ended + PAUSE;
        let is_over = life.end.is_done() || matches!(life.end, LifeEnd::Hangs);
        lives.push(life);
        if is_over {
            break;
        }
    }
    fs::remove_file(input).unwrap();
    let history = around.servers.history.lock().unwrap().clone();
    WorldResult {
        lives,
        history,
        disk_events: around.disk.events(),
        files: around.disk.contents(),
        disk_has_lied: around.disk.has_lied(),
    }
}

/// The source reads a real file. Its name and time are the same whenever the world is repeated, because the
/// checkpoint contains both.
pub(crate) fn write_input(world: &World, directory: &Path) -> PathBuf {
    let path = directory.join(format!("{}.jsonl", world.seed));
    fs::write(&path, world.input_text()).unwrap();
    let written = fs::File::options().write(true).open(&path).unwrap();
    written.set_modified(std::time::UNIX_EPOCH + Duration::from_secs(1_700_000_000)).unwrap();
    path
}

/// The history, for one who looks for the cause of a violation.
impl fmt::Display for WorldResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, request) in self.history.requests.iter().enumerate() {
            writeln!(f, "{number:>4} {request}")?;
        }
        for DiskEvent { life, began, at, path, kind } in &self.disk_events {
            let path = path.display();
            match kind {
                DiskEventKind::Replaced { content, .. } => {
                    let content = String::from_utf8_lossy(content);
                    let start: String = content.chars().take(300).collect();
                    writeln!(f, "life {life} {began:.3?} to {at:.3?}: {path} = {start}")?;
                }
                DiskEventKind::Removed => writeln!(f, "life {life} {at:.3?}: {path} is removed")?,
            }
        }
        for life in &self.lives {
            let end = match &life.end {
                LifeEnd::Finished { report, failure } => format!("{:?} {failure:?}", report.proposals),
                other => format!("{other:?}"),
            };
            writeln!(
                f,
                "life {} ({:?}) {:.3?} to {:.3?}: {end}",
                life.number, life.task, life.began, life.ended
            )?;
        }
        Ok(())
    }
}
