//! Deterministic simulation: whole runs in one thread, on a paused clock, against a simulated GMS and a
//! simulated disk. One seed decides everything.
//!
//! ```sh
//! cargo test --test sim                       # 300 worlds
//! SIM_SEEDS=10000 cargo test --test sim       # more of them
//! SIM_SEED=17 cargo test --test sim           # one of them, with its history
//! ```
//!
//! A *world* is an input, a recipe and a list of faults. It is run in *lives*: a process that is killed, or
//! that ends with something undelivered, is followed by another one with `--resume`, until everything is
//! done. Afterwards the invariants are checked against the history of GMS and of the disk.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test that panics has failed, and says where"
)]

mod clock;
mod coverage;
mod disk;
mod fault;
mod gms;
mod history;
mod invariants;
mod life;
mod network;
mod platform;
mod process;
mod random;
mod regressions;
mod run;
mod seeds;
mod shrink;
mod world;
