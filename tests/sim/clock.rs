//! The clock of a process, and the threads that it asks for: both follow tokio's paused clock.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use datahub_emitter::clock::Clock;
use datahub_emitter::threads::{ThreadHandle, ThreadWork, Threads};
use jiff::Timestamp;
use tokio::time::Instant;

use crate::process::{Alive, Process};
use crate::random::Random;

/// When each world starts.
pub(crate) const START: &str = "2026-11-03T08:05:09Z";

/// The time since the start of the world, over all lives, whose runtimes have a clock each.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WorldTime {
    before: Duration,
    started: Instant,
}

impl WorldTime {
    /// The time of a life that begins now, in its runtime; `before` is the time of the lives before it.
    pub(crate) fn new(before: Duration) -> Self {
        Self { before, started: Instant::now() }
    }

    pub(crate) fn now(&self) -> Duration {
        self.before + self.started.elapsed()
    }

    /// The time since the start of this life.
    pub(crate) fn in_life(&self) -> Duration {
        self.started.elapsed()
    }
}

/// Lets time pass while the process stands still.
pub(crate) fn stand_still(time: Duration) {
    // The first poll advances the clock; the second one would let other tasks run.
    let mut advance = pin!(tokio::time::advance(time));
    assert_eq!(advance.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Pending);
}

/// The wall clock and the randomness of a process.
#[derive(Debug)]
pub(crate) struct SimulatedClock {
    process: Arc<Process>,
    time: WorldTime,
    random: Mutex<Random>,
}

impl SimulatedClock {
    pub(crate) fn new(seed: u64, process: Arc<Process>, time: WorldTime) -> Self {
        let random = Mutex::new(Random::of(seed, ("clock", process.life)));
        Self { process, time, random }
    }
}

impl Clock for SimulatedClock {
    fn now(&self) -> Timestamp {
        START.parse::<Timestamp>().unwrap() + self.time.now() + self.process.clock_offset()
    }

    fn random(&self) -> u64 {
        self.random.lock().unwrap().next()
    }
}

/// Spawns the work of threads as tasks. Each poll is an operation at which the process may be killed.
#[derive(Debug)]
pub(crate) struct TaskThreads {
    pub(crate) process: Arc<Process>,
}

impl Threads for TaskThreads {
    fn spawn(&self, _: &'static str, work: ThreadWork) -> io::Result<ThreadHandle> {
        tokio::spawn(mortal(Arc::clone(&self.process), work));
        Ok(ThreadHandle::of_task())
    }
}

/// Drives `work` until the process dies.
pub(crate) async fn mortal<T>(process: Arc<Process>, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    poll_fn(|context| match process.step() {
        Alive::Yes => work.as_mut().poll(context),
        Alive::DiesNow | Alive::No => Poll::Pending,
    })
    .await
}
