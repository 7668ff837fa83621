//! Waiting for events of other processes.

use std::process::Child;
use std::time::{Duration, Instant};

/// The longest wait for an event: longer than any of them takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(600);

/// Waits until `condition` holds.
#[track_caller]
pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < PATIENCE, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Waits until `condition` holds, or the process has ended. False in the second case.
#[track_caller]
pub(crate) fn until_or_end(child: &mut Child, mut condition: impl FnMut() -> bool) -> bool {
    let mut has_ended = false;
    until("neither an event nor the end of the process", || {
        has_ended = child.try_wait().unwrap().is_some();
        condition() || has_ended
    });
    condition()
}
