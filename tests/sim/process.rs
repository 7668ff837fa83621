//! One process: it can be killed at each operation of its platform, and then has no effect any more.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock};

use datahub_emitter::pipeline::RunControl;
use jiff::SignedDuration;
use tokio::sync::Notify;

use crate::coverage::Coverage;
use crate::fault::{Fault, FaultKind, ProcessTrouble};

/// More operations than any life needs.
const MAX_STEPS: u32 = 1_000_000;

/// The process of one life.
#[derive(Debug)]
pub(crate) struct Process {
    /// The life, which also identifies the process.
    pub(crate) life: u32,
    coverage: Arc<Coverage>,
    troubles: Vec<(u32, ProcessTrouble, FaultKind)>,
    steps: AtomicU32,
    is_dead: AtomicBool,
    /// How it died, if it did.
    death: Mutex<Option<ProcessTrouble>>,
    died: Notify,
    control: OnceLock<RunControl>,
    clock_offset: Mutex<SignedDuration>,
    second_run: Mutex<Option<bool>>,
    second_run_starts: Notify,
}

/// The state of the process when an operation begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Alive {
    Yes,
    /// The process dies in this operation, which may be half done.
    DiesNow,
    No,
}

impl Process {
    pub(crate) fn new(life: u32, faults: &[Fault], coverage: Arc<Coverage>) -> Arc<Self> {
        let troubles = faults
            .iter()
            .filter(|fault| fault.life == life)
            .filter_map(|fault| match fault.kind {
                FaultKind::Process { step, trouble } => Some((step, trouble, fault.kind)),
                _ => None,
            })
            .collect();
        Arc::new(Self {
            life,
            coverage,
            troubles,
            steps: AtomicU32::new(0),
            is_dead: AtomicBool::new(false),
            death: Mutex::default(),
            died: Notify::new(),
            control: OnceLock::new(),
            clock_offset: Mutex::default(),
            second_run: Mutex::default(),
            second_run_starts: Notify::new(),
        })
    }

    /// An operation of the platform begins.
    pub(crate) fn step(&self) -> Alive {
        if self.is_dead.load(Relaxed) {
            return Alive::No;
        }
        let step = self.steps.fetch_add(1, Relaxed);
        assert!(step < MAX_STEPS, "the process does not end");
        for (at, trouble, kind) in &self.troubles {
            if *at == step {
                self.coverage.count(&kind.name());
                self.happen(*trouble);
            }
        }
        if self.is_dead.load(Relaxed) { Alive::DiesNow } else { Alive::Yes }
    }

    fn happen(&self, trouble: ProcessTrouble) {
        match trouble {
            ProcessTrouble::Kill | ProcessTrouble::PowerLoss => self.die(trouble),
            ProcessTrouble::Stop => {
                if let Some(control) = self.control.get() {
                    control.stop();
                }
            }
            ProcessTrouble::ClockJump { seconds } => {
                *self.clock_offset.lock().unwrap() += SignedDuration::from_secs(seconds);
            }
            ProcessTrouble::SecondRun { skips } => {
                *self.second_run.lock().unwrap() = Some(skips);
                self.second_run_starts.notify_one();
            }
        }
    }

    fn die(&self, trouble: ProcessTrouble) {
        *self.death.lock().unwrap() = Some(trouble);
        self.is_dead.store(true, Relaxed);
        self.died.notify_one();
    }

    /// It ends without a fault of its own: because its life is over.
    pub(crate) fn end(&self) {
        self.is_dead.store(true, Relaxed);
    }

    /// The result of every file operation of a process that is dead.
    pub(crate) fn dead<T>() -> io::Result<T> {
        Err(io::Error::other("the process is dead"))
    }

    pub(crate) async fn died(&self) {
        self.died.notified().await;
    }

    /// Resolves when a second run is started, with whether it skips if this one is in progress.
    pub(crate) async fn second_run_starts(&self) -> bool {
        self.second_run_starts.notified().await;
        self.second_run.lock().unwrap().is_some_and(|skips| skips)
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.is_dead.load(Relaxed)
    }

    pub(crate) fn death(&self) -> Option<ProcessTrouble> {
        *self.death.lock().unwrap()
    }

    pub(crate) fn set_control(&self, control: RunControl) {
        self.control.set(control).unwrap();
    }

    /// How far its wall clock has jumped.
    pub(crate) fn clock_offset(&self) -> SignedDuration {
        *self.clock_offset.lock().unwrap()
    }
}
