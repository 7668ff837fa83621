//! A run in one thread: its network, files, clock and threads are in memory.

use std::collections::{BTreeMap, HashSet};
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};
use std::time::Duration;

use bytes::Bytes;
use datahub_emitter::clock::Clock;
use datahub_emitter::file_system::FileSystem as _;
use datahub_emitter::http::{HttpService, Request, Response, ResponseFuture};
use datahub_emitter::pipeline::{FinishedRun, Options, Pipeline};
use datahub_emitter::recipe::{Format, Recipe};
use datahub_emitter::threads::{ThreadHandle, ThreadWork, Threads};
use datahub_emitter::{Environment, Platform};
use jiff::Timestamp;
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use tokio::time::Instant;

use super::memory_files::MemoryFiles;
use crate::support::scripted_gms::CONFIG;

/// When each simulation starts.
pub(super) const START: &str = "2026-11-03T08:05:09Z";

/// The directory of the run's files, in memory.
pub(super) const ROOT: &str = "/simulated";
pub(super) const REPORT: &str = "/simulated/report.json";
pub(super) const DEAD_LETTERS: &str = "/simulated/dead-letters.jsonl";

/// How long each response takes.
const LATENCY: Duration = Duration::from_millis(20);

pub(super) struct Simulation {
    runtime: tokio::runtime::Runtime,
    /// Threads that the runtime has started for blocking work.
    blocking_threads: Arc<AtomicUsize>,
    seen_threads: Arc<SeenThreads>,
    files: Arc<MemoryFiles>,
    threads: Arc<TaskThreads>,
    network: Arc<Network>,
    platform: Platform,
}

impl Simulation {
    pub(super) fn new(seed: u64) -> Self {
        let blocking_threads = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&blocking_threads);
        // Without an I/O driver, opening a socket panics.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .on_thread_start(move || {
                counter.fetch_add(1, Ordering::Relaxed);
            })
            .build()
            .unwrap();
        let seen_threads = Arc::new(SeenThreads::default());
        let started = runtime.block_on(async { Instant::now() });
        let files = Arc::new(MemoryFiles::default());
        files.create_directory(Path::new(ROOT)).unwrap();
        let threads = Arc::new(TaskThreads { seen: Arc::clone(&seen_threads), names: Mutex::default() });
        let network =
            Arc::new(Network { seen: Arc::clone(&seen_threads), started, history: Mutex::default() });
        let mut platform = Platform::default();
        platform.clock =
            Arc::new(SimulatedClock { seen: Arc::clone(&seen_threads), started, random: Mutex::new(seed) });
        platform.files = Arc::clone(&files) as Arc<_>;
        platform.threads = Arc::clone(&threads) as Arc<_>;
        platform.http = Some(Arc::clone(&network) as Arc<_>);
        Self { runtime, blocking_threads, seen_threads, files, threads, network, platform }
    }

    /// Runs a recipe that reads `input` and delivers to GMS.
    pub(super) fn run(&self, input: &Path) -> FinishedRun {
        let mut options = self.options();
        options.report_to = Some(REPORT.into());
        options.dead_letters = Some(DEAD_LETTERS.into());
        self.to_end(|| Pipeline::from_recipe(&recipe(input), options).unwrap())
    }

    /// Replays the dead letters of the run.
    pub(super) fn replay(&self, input: &Path) -> FinishedRun {
        let options = self.options();
        self.to_end(|| Pipeline::replay(&recipe(input), options, DEAD_LETTERS, false).unwrap())
    }

    /// All requests so far, with their time.
    pub(super) fn requests(&self) -> Vec<String> {
        self.network.history.lock().unwrap().clone()
    }

    /// The content of all files of the run.
    pub(super) fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        self.files.contents()
    }

    /// The names of the threads that the run has asked for.
    pub(super) fn thread_names(&self) -> Vec<&'static str> {
        self.threads.names.lock().unwrap().clone()
    }

    /// Everything was done in the thread of the test.
    pub(super) fn assert_one_thread(&self) {
        assert_eq!(*self.seen_threads.0.lock().unwrap(), HashSet::from([thread::current().id()]));
        assert_eq!(self.blocking_threads.load(Ordering::Relaxed), 0);
    }

    fn options(&self) -> Options {
        let mut options = Options::default();
        options.state_dir = Some(Path::new(ROOT).join("state"));
        options.platform = self.platform.clone();
        options
    }

    /// Plans a run inside the runtime, whose clock is paused, and runs it to its end.
    fn to_end(&self, plan: impl FnOnce() -> Pipeline) -> FinishedRun {
        self.runtime.block_on(async {
            // A run that waits for something outside the simulation would wait forever.
            tokio::time::timeout(Duration::from_secs(3_600), plan().run()).await.unwrap()
        })
    }
}

fn recipe(input: &Path) -> Recipe {
    let text = serde_json::json!({
        "pipeline_name": "simulated",
        "source": {"type": "file", "config": {"path": input}},
        "sink": {"type": "datahub-rest", "config": {
            "server": "https://gms.invalid",
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

/// The threads in which the platform was used.
#[derive(Debug, Default)]
struct SeenThreads(Mutex<HashSet<ThreadId>>);

impl SeenThreads {
    fn note(&self) {
        self.0.lock().unwrap().insert(thread::current().id());
    }
}

/// Follows tokio's paused clock, and has a pseudorandom sequence of its own.
#[derive(Debug)]
struct SimulatedClock {
    seen: Arc<SeenThreads>,
    started: Instant,
    random: Mutex<u64>,
}

impl Clock for SimulatedClock {
    fn now(&self) -> Timestamp {
        self.seen.note();
        START.parse::<Timestamp>().unwrap() + self.started.elapsed()
    }

    /// The generator `SplitMix64`.
    fn random(&self) -> u64 {
        let mut state = self.random.lock().unwrap();
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// Spawns the work of threads as tasks.
#[derive(Debug)]
struct TaskThreads {
    seen: Arc<SeenThreads>,
    names: Mutex<Vec<&'static str>>,
}

impl Threads for TaskThreads {
    fn spawn(&self, name: &'static str, work: ThreadWork) -> io::Result<ThreadHandle> {
        self.names.lock().unwrap().push(name);
        let seen = Arc::clone(&self.seen);
        tokio::spawn(async move {
            seen.note();
            work.await;
        });
        Ok(ThreadHandle::of_task())
    }
}

/// An identity provider and a GMS. The first write fails once, and a tag of this name is rejected until the
/// dead letters are replayed.
#[derive(Debug)]
struct Network {
    seen: Arc<SeenThreads>,
    started: Instant,
    history: Mutex<Vec<String>>,
}

impl HttpService for Network {
    fn send(&self, request: Request) -> ResponseFuture<'_> {
        Box::pin(self.respond(request))
    }
}

impl Network {
    fn respond(
        &self,
        request: Request,
    ) -> impl Future<Output = <ResponseFuture<'_> as Future>::Output> + Send {
        self.seen.note();
        let Request { method, url, headers, body, .. } = request;
        let body: Vec<u8> = body.into_iter().flatten().flatten().collect();
        let body = String::from_utf8(body).unwrap();
        let mut shown: Vec<_> =
            headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        shown.sort();
        let time = self.started.elapsed().as_millis();
        let mut history = self.history.lock().unwrap();
        let is_write = |request: &str| request.contains("action=ingestProposal");
        let is_first_write = is_write(&url) && !history.iter().any(|request| is_write(request));
        let is_replay = body.contains("deadLetterAt");
        history.push(format!("{time} {method} {url} {shown:?} {body}"));
        let (status, text) = if url.starts_with("https://identity.invalid/") {
            (200, r#"{"access_token":"abc.def.ghi","expires_in":3600}"#)
        } else if url.contains("/config") {
            (200, CONFIG)
        } else if is_first_write {
            (503, r#"{"message":"starting","status":503}"#)
        } else if is_write(&url) && body.contains("rejected") && !is_replay {
            (400, r#"{"message":"not a tag that is wanted here","status":400}"#)
        } else if is_write(&url) {
            (200, r#"{"value":"success"}"#)
        } else {
            (404, "")
        };
        let mut headers = HeaderMap::new();
        headers.insert("content-type", "application/json".parse().unwrap());
        let (status, body) = (StatusCode::from_u16(status).unwrap(), Bytes::copy_from_slice(text.as_bytes()));
        async move {
            tokio::time::sleep(LATENCY).await;
            Ok(Response { status, headers, body, truncated: false })
        }
    }
}
