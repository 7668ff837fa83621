//! The faults of a world: each with the life of the pipeline in which it happens, and its place there.

use std::fmt;

use crate::random::Random;

/// A fault. A pipeline that is killed or that fails is started again, so a world has several lives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Fault {
    /// The life in which it happens; the first one is 0.
    pub(crate) life: u32,
    pub(crate) kind: FaultKind,
}

/// Where in a life something goes wrong, and what.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum FaultKind {
    /// Some writes to GMS in a row, counted from 0.
    Write { first: u32, count: u32, trouble: WriteTrouble },
    /// The server, from a time after the start of the life.
    Server { from_ms: u64, trouble: ServerTrouble },
    /// File operations of one kind, counted from 0.
    Disk { first: u32, count: u32, trouble: DiskTrouble },
    /// The process, at an operation of its platform: a file operation, a request, a response, or a poll of
    /// one of its threads.
    Process { step: u32, trouble: ProcessTrouble },
}

/// The ways in which a write fails, or is answered oddly.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum WriteTrouble {
    /// No connection.
    NoConnection,
    /// The connection breaks before GMS has acted.
    ResetBeforeCommit,
    /// The connection breaks after GMS has acted.
    ResetAfterCommit,
    /// No response within the time limit, and GMS has not acted.
    TimeoutBeforeCommit,
    /// No response within the time limit, and GMS has acted.
    TimeoutAfterCommit,
    /// GMS has acted, and its response is cut off.
    TruncatedResponse,
    /// A page of a proxy.
    LoginPage,
    /// 401, although the token is good.
    SpuriousRefusal,
    /// 408: nothing was done.
    RequestTimeout,
    Throttled {
        retry_after: Option<u32>,
    },
    /// 500 after a while, and GMS has not acted.
    Failed {
        ms: u64,
    },
    /// 500 with the message of a conflict in the database.
    Conflict,
    /// 500 with the message of a timeout, after GMS has acted.
    FailedAfterCommit,
    BadGateway,
    Unavailable {
        retry_after: Option<u32>,
    },
    /// GMS has written the first half, and the connection breaks.
    PartialThenReset,
    /// GMS has written the first half, and answers 500.
    PartialThenFailed,
    /// The response takes long.
    Slow {
        ms: u64,
    },
}

/// The states of a server that last.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum ServerTrouble {
    /// It cannot be reached for a while.
    Outage { ms: u64 },
    /// It accepts this number of writes per second, and answers 429 to others.
    RateLimit { per_second: u32 },
    /// The token is revoked. The identity provider issues another one.
    TokenReplaced,
    /// The token is revoked, and there is no other in this life.
    TokenRevoked,
    /// The token is revoked, and the identity provider cannot be reached for a while.
    ProviderAway { ms: u64 },
    /// The server cannot reach its store of tokens for a while.
    TokenStoreAway { ms: u64 },
    /// It does not accept larger bodies.
    BodyLimit { bytes: usize },
    /// It rejects everything about this entity with 422, because its model is older.
    OlderModel { entity: u32 },
    /// The caller must not write this entity.
    Forbidden { entity: u32 },
    /// It is a version without `ingestProposalBatch`, which is upgraded after a while.
    UpgradedFromOldVersion { ms: u64 },
    /// It is restarted: connections break, and it answers 503 for a while.
    Restarted { ms: u64 },
}

/// The ways in which a file operation goes wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum DiskTrouble {
    /// There is no space: half of the bytes are written, then nothing.
    Full,
    /// A write takes half of the bytes.
    ShortWrite,
    /// A sync fails, and has done nothing.
    SyncFails,
    /// A sync says that it has worked, and has done nothing.
    SyncLies,
    /// A file cannot be renamed.
    RenameFails,
    /// A file cannot be read.
    ReadFails,
    /// An operation takes long; the process stands still.
    Slow { ms: u64 },
}

/// The ways in which a process goes wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum ProcessTrouble {
    /// It is killed. Its files stay as it has written them.
    Kill,
    /// The machine loses power, and all or half of the unsynced content is lost.
    PowerLoss,
    /// The user stops it (Ctrl-C).
    Stop,
    /// The wall clock jumps.
    ClockJump { seconds: i64 },
    /// Another run of the same pipeline is started.
    SecondRun { skips: bool },
}

impl Fault {
    /// The faults of a world with this number of faulty lives.
    pub(crate) fn draw(random: &mut Random, lives: u32, entities: u32) -> Vec<Self> {
        let mut faults = Vec::new();
        for life in 0..lives {
            for _ in 0..random.between(0, 4) {
                faults.push(Self { life, kind: draw_kind(random, entities) });
            }
            if random.one_in(4) {
                faults.extend(draw_storm(random).into_iter().map(|kind| Self { life, kind }));
            }
            // A life without an end is the last one.
            if random.one_in(2) {
                let trouble = random.pick(&[ProcessTrouble::Kill, ProcessTrouble::PowerLoss]);
                faults.push(Self { life, kind: FaultKind::Process { step: step(random), trouble } });
            }
        }
        faults
    }
}

/// Several troubles at once, which are rare together otherwise.
fn draw_storm(random: &mut Random) -> Vec<FaultKind> {
    if random.one_in(2) {
        // The user stops a run whose server does not respond any more.
        let trouble = WriteTrouble::Slow { ms: 25_000 };
        let slow = FaultKind::Write { first: small(random, 6), count: 20, trouble };
        let step = u32::try_from(random.between(60, 200)).unwrap();
        return vec![slow, FaultKind::Process { step, trouble: ProcessTrouble::Stop }];
    }
    (0..random.between(3, 6))
        .map(|_| {
            let trouble = write_trouble(random);
            FaultKind::Write { first: small(random, 6), count: small(random, 3) + 1, trouble }
        })
        .collect()
}

fn draw_kind(random: &mut Random, entities: u32) -> FaultKind {
    match random.between(0, 11) {
        0..=3 => FaultKind::Write {
            first: small(random, 12),
            count: if random.one_in(4) { small(random, 12) + 1 } else { 1 },
            trouble: write_trouble(random),
        },
        4..=7 => FaultKind::Server {
            from_ms: if random.one_in(2) { 0 } else { random.between(0, 1_000) },
            trouble: server_trouble(random, entities),
        },
        8 | 9 => FaultKind::Disk {
            first: small(random, 20),
            count: if random.one_in(3) { small(random, 8) + 1 } else { 1 },
            trouble: disk_trouble(random),
        },
        _ => {
            let trouble = match random.between(0, 2) {
                0 => ProcessTrouble::Stop,
                1 => ProcessTrouble::ClockJump {
                    seconds: random.pick(&[-86_400, -3_600, -1, 1, 600, 3_500, 7_200, 100 * 86_400]),
                },
                _ => ProcessTrouble::SecondRun { skips: random.one_in(2) },
            };
            FaultKind::Process { step: step(random), trouble }
        }
    }
}

fn write_trouble(random: &mut Random) -> WriteTrouble {
    let retry_after = random.pick(&[None, Some(0), Some(1), Some(7)]);
    match random.between(0, 17) {
        0 => WriteTrouble::NoConnection,
        1 => WriteTrouble::ResetBeforeCommit,
        2 => WriteTrouble::ResetAfterCommit,
        3 => WriteTrouble::TimeoutBeforeCommit,
        4 => WriteTrouble::TimeoutAfterCommit,
        5 => WriteTrouble::TruncatedResponse,
        6 => WriteTrouble::LoginPage,
        7 => WriteTrouble::SpuriousRefusal,
        8 => WriteTrouble::RequestTimeout,
        9 => WriteTrouble::Throttled { retry_after },
        10 => WriteTrouble::Failed { ms: random.pick(&[0, 0, 500]) },
        11 => WriteTrouble::Conflict,
        12 => WriteTrouble::FailedAfterCommit,
        13 => WriteTrouble::BadGateway,
        14 => WriteTrouble::Unavailable { retry_after },
        15 => WriteTrouble::PartialThenReset,
        16 => WriteTrouble::PartialThenFailed,
        _ => WriteTrouble::Slow { ms: random.between(100, 20_000) },
    }
}

fn server_trouble(random: &mut Random, entities: u32) -> ServerTrouble {
    let ms = random.pick(&[200, 1_500, 10_000, 120_000]);
    let entity = u32::try_from(random.between(0, u64::from(entities) - 1)).unwrap();
    match random.between(0, 10) {
        0 => ServerTrouble::Outage { ms },
        1 => ServerTrouble::RateLimit { per_second: small(random, 20) + 1 },
        2 => ServerTrouble::TokenReplaced,
        3 => ServerTrouble::TokenRevoked,
        4 => ServerTrouble::ProviderAway { ms },
        5 => ServerTrouble::TokenStoreAway { ms },
        6 => ServerTrouble::BodyLimit { bytes: usize::try_from(random.between(900, 6_000)).unwrap() },
        7 => ServerTrouble::OlderModel { entity },
        8 => ServerTrouble::Forbidden { entity },
        9 => ServerTrouble::UpgradedFromOldVersion { ms },
        _ => ServerTrouble::Restarted { ms },
    }
}

fn disk_trouble(random: &mut Random) -> DiskTrouble {
    match random.between(0, 6) {
        0 => DiskTrouble::Full,
        1 => DiskTrouble::ShortWrite,
        2 => DiskTrouble::SyncFails,
        3 => DiskTrouble::SyncLies,
        4 => DiskTrouble::RenameFails,
        5 => DiskTrouble::ReadFails,
        _ => DiskTrouble::Slow { ms: random.between(10, 5_000) },
    }
}

/// Small numbers are more frequent than large ones.
fn small(random: &mut Random, below: u64) -> u32 {
    let high = random.between(1, below);
    u32::try_from(random.between(0, high - 1)).unwrap()
}

fn step(random: &mut Random) -> u32 {
    small(random, 600)
}

impl FaultKind {
    /// The kind's name, without its numbers, for the coverage counters.
    pub(crate) fn name(&self) -> String {
        let text = match self {
            Self::Write { trouble, .. } => format!("{trouble:?}"),
            Self::Server { trouble, .. } => format!("{trouble:?}"),
            Self::Disk { trouble, .. } => format!("Disk{trouble:?}"),
            Self::Process { trouble, .. } => format!("{trouble:?}"),
        };
        text.split([' ', '{']).next().unwrap_or_default().to_owned()
    }
}

/// The names of all kinds, which the coverage counters must reach.
pub(crate) const ALL: [&str; 41] = [
    "NoConnection",
    "ResetBeforeCommit",
    "ResetAfterCommit",
    "TimeoutBeforeCommit",
    "TimeoutAfterCommit",
    "TruncatedResponse",
    "LoginPage",
    "SpuriousRefusal",
    "RequestTimeout",
    "Throttled",
    "Failed",
    "Conflict",
    "FailedAfterCommit",
    "BadGateway",
    "Unavailable",
    "PartialThenReset",
    "PartialThenFailed",
    "Slow",
    "Outage",
    "RateLimit",
    "TokenReplaced",
    "TokenRevoked",
    "ProviderAway",
    "TokenStoreAway",
    "BodyLimit",
    "OlderModel",
    "Forbidden",
    "UpgradedFromOldVersion",
    "Restarted",
    "DiskFull",
    "DiskShortWrite",
    "DiskSyncFails",
    "DiskSyncLies",
    "DiskRenameFails",
    "DiskReadFails",
    "DiskSlow",
    "Kill",
    "PowerLoss",
    "Stop",
    "ClockJump",
    "SecondRun",
];

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "in life {}: {:?}", self.life, self.kind)
    }
}
