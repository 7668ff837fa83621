//! One life of the pipeline: a process from its start to its end, in a runtime of its own.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use datahub_emitter::pipeline::{FinishedRun, IfRunning, Options, Pipeline, Report, Start};
use datahub_emitter::recipe::{Format, Recipe};
use datahub_emitter::{Environment, ErrorKind, Platform};
use tokio::time::{sleep, timeout};

use crate::clock::{SimulatedClock, TaskThreads, WorldTime, mortal};
use crate::coverage::{Coverage, LogReader};
use crate::disk::{Disk, DiskHandle};
use crate::fault::ProcessTrouble;
use crate::network::{Network, Servers};
use crate::process::Process;
use crate::world::World;

/// The directory of all files that a run writes.
pub(crate) const ROOT: &str = "/simulated";
pub(crate) const REPORT: &str = "/simulated/report.json";
pub(crate) const DEAD_LETTERS: &str = "/simulated/dead-letters.jsonl";
pub(crate) const CHECKPOINT: &str = "/simulated/state/simulated/checkpoint.json";

/// A second run of the pipeline has the number of the first one and this.
pub(crate) const SECOND_RUN: u32 = 1_000;

/// Longer than any life may take: budgets of retries, waits that servers ask for, and faults that last.
const LONGEST: Duration = Duration::from_secs(4 * 3_600);

/// A runtime has started a thread for blocking work.
static OTHER_THREADS: AtomicBool = AtomicBool::new(false);

/// The disk and the servers, which outlive the processes.
#[derive(Debug)]
pub(crate) struct Surroundings {
    pub(crate) disk: Arc<Disk>,
    pub(crate) servers: Arc<Servers>,
    pub(crate) coverage: Arc<Coverage>,
}

impl Surroundings {
    pub(crate) fn new(coverage: &Arc<Coverage>) -> Self {
        Self {
            disk: Arc::new(Disk::with_directory(Path::new(ROOT))),
            servers: Arc::new(Servers::default()),
            coverage: Arc::clone(coverage),
        }
    }
}

/// How a life went.
#[derive(Debug)]
pub(crate) struct Life {
    pub(crate) number: u32,
    pub(crate) task: Task,
    pub(crate) checkpoint_at_start: Option<Vec<u8>>,
    pub(crate) began: Duration,
    pub(crate) ended: Duration,
    pub(crate) end: LifeEnd,
    /// The token was revoked without another one.
    pub(crate) is_revoked: bool,
    /// The report of the second run of the pipeline, if there was one and it has ended.
    pub(crate) second: Option<Box<FinishedRun>>,
}

/// How a life ended.
#[derive(Debug)]
pub(crate) enum LifeEnd {
    Died(ProcessTrouble),
    Finished {
        report: Box<Report>,
        failure: Option<(ErrorKind, String)>,
    },
    /// It has not ended in time.
    Hangs,
}

impl LifeEnd {
    pub(crate) fn report(&self) -> Option<&Report> {
        match self {
            Self::Finished { report, .. } => Some(report),
            _ => None,
        }
    }

    /// Everything that was read has its outcome, and nothing is left to do.
    pub(crate) fn is_done(&self) -> bool {
        self.report().is_some_and(|report| {
            report.source.complete && report.proposals.undelivered == 0 && report.resume.is_none()
        })
    }

    /// The checkpoint is damaged, and the run asks for `--restart`.
    pub(crate) fn asks_for_restart(&self) -> bool {
        matches!(self, Self::Finished { failure: Some((ErrorKind::Input, message)), .. } if message.contains("is damaged"))
    }
}

/// The command of a life.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Task {
    Run(Start),
    /// Replays the dead letters.
    Replay,
}

/// Runs one life that begins `before` after the start of the world.
pub(crate) fn live(
    world: &World,
    input: &Path,
    around: &Surroundings,
    number: u32,
    task: Task,
    before: Duration,
) -> Life {
    // Without an I/O driver, opening a socket panics.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .on_thread_start(|| OTHER_THREADS.store(true, Relaxed))
        .build()
        .unwrap();
    let process = Process::new(number, &world.faults, Arc::clone(&around.coverage));
    let second_process = Process::new(number + SECOND_RUN, &[], Arc::clone(&around.coverage));
    let checkpoint_at_start = around.disk.contents().remove(Path::new(CHECKPOINT));
    let reader = LogReader(Arc::clone(&around.coverage));
    let life = tracing::subscriber::with_default(reader, || {
        runtime.block_on(async {
            let time = WorldTime::new(before);
            let network = network(world, around, &process, time);
            let plan = |process: &Arc<Process>, network: &Arc<Network>, if_running| {
                let mut options = options(platform(world, around, process, network, time));
                options.if_running = if_running;
                let recipe = recipe(world, input);
                match task {
                    Task::Run(start) => {
                        options.start = start;
                        Pipeline::from_recipe(&recipe, options).unwrap()
                    }
                    Task::Replay => {
                        options.dead_letters = None;
                        Pipeline::replay(&recipe, options, DEAD_LETTERS, false).unwrap()
                    }
                }
            };
            let pipeline = plan(&process, &network, IfRunning::Fail);
            process.set_control(pipeline.control());
            let second = async {
                let skips = process.second_run_starts().await;
                while !around.disk.is_locked() {
                    sleep(Duration::from_millis(1)).await;
                }
                let network = self::network(world, around, &second_process, time);
                let if_running = if skips { IfRunning::Skip } else { IfRunning::Fail };
                plan(&second_process, &network, if_running).run().await
            };
            let (mut second, mut second_finished) = (std::pin::pin!(second), None);
            let mut run = std::pin::pin!(timeout(LONGEST, mortal(Arc::clone(&process), pipeline.run())));
            let end = loop {
                tokio::select! {
                    biased;
                    () = process.died() => break LifeEnd::Died(process.death().unwrap()),
                    finished = &mut run => break match finished {
                        Ok(FinishedRun { report, failure, .. }) => LifeEnd::Finished {
                            report: Box::new(report),
                            failure: failure.map(|error| (error.kind(), error.full_message())),
                        },
                        Err(_) => LifeEnd::Hangs,
                    },
                    finished = &mut second, if second_finished.is_none() => second_finished = Some(Box::new(finished)),
                }
            };
            Life {
                number,
                task,
                checkpoint_at_start,
                began: before,
                ended: time.now(),
                end,
                is_revoked: network.is_revoked(),
                second: second_finished,
            }
        })
    });
    assert!(!OTHER_THREADS.load(Relaxed), "work has left the only thread");
    // Whatever is dropped now has no effect.
    for process in [process, second_process] {
        process.end();
        around.disk.release_locks(process.life);
    }
    drop(runtime);
    life
}

fn network(world: &World, around: &Surroundings, process: &Arc<Process>, time: WorldTime) -> Arc<Network> {
    Arc::new(Network::new(
        world.seed,
        Arc::clone(&around.servers),
        Arc::clone(process),
        time,
        &world.faults,
        Arc::clone(&around.coverage),
    ))
}

fn platform(
    world: &World,
    around: &Surroundings,
    process: &Arc<Process>,
    network: &Arc<Network>,
    time: WorldTime,
) -> Platform {
    let disk = DiskHandle::new(
        Arc::clone(&around.disk),
        Arc::clone(process),
        time,
        &world.faults,
        Arc::clone(&around.coverage),
    );
    let mut platform = Platform::default();
    platform.clock = Arc::new(SimulatedClock::new(world.seed, Arc::clone(process), time));
    platform.files = Arc::new(disk);
    platform.threads = Arc::new(TaskThreads { process: Arc::clone(process) });
    platform.http = Some(Arc::clone(network) as Arc<_>);
    platform
}

fn options(platform: Platform) -> Options {
    let mut options = Options::default();
    options.state_dir = Some(Path::new(ROOT).join("state"));
    options.report_to = Some(REPORT.into());
    options.dead_letters = Some(DEAD_LETTERS.into());
    options.resume_command = "resume".into();
    options.platform = platform;
    options
}

fn recipe(world: &World, input: &Path) -> Recipe {
    let sink = &world.sink;
    let text = serde_json::json!({
        "pipeline_name": "simulated",
        "source": {"type": "file", "config": {"path": input}},
        "sink": {"type": "datahub-rest", "config": {
            "server": "https://gms.invalid",
            "mode": sink.mode,
            "endpoint": sink.endpoint,
            "max_threads": sink.max_threads,
            "max_per_batch": sink.max_per_batch,
            "max_pending_requests": sink.max_pending_requests,
            "max_pending_bytes": sink.max_pending_bytes,
            "min_process_interval_seconds": sink.min_process_interval_seconds,
            "retry_max_times": sink.retry_max_times,
            "auth": {"type": "oidc_client_credentials", "config": {
                "token_endpoint": "https://identity.invalid/token",
                "client_id": "loader",
                "client_secret": "s3cr3t",
            }},
        }},
    });
    let environment = Environment::from_pairs::<&str, &str>([]);
    Recipe::parse("recipe.json", Format::Json, &text.to_string(), &environment).unwrap()
}
