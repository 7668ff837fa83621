//! The wall clock and randomness, behind a trait so that a simulation can replace both.
//!
//! Monotonic time and sleeping go through [`tokio::time`] directly: a test pauses and advances that clock.

use std::fmt;

use jiff::Timestamp;

/// The sources of wall-clock time and randomness. [`SystemClock`] is the production implementation.
pub trait Clock: fmt::Debug + Send + Sync {
    /// The current wall-clock time. It may jump, so it is used for timestamps and expiry times and not for
    /// durations.
    fn now(&self) -> Timestamp;

    /// A random number, uniform over all values. It is used for jitter and identifiers, never for secrets.
    fn random(&self) -> u64;
}

/// The operating system's clock, and a pseudorandom generator that is seeded by the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn random(&self) -> u64 {
        fastrand::u64(..)
    }
}
