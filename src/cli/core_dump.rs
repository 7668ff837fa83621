//! Core dumps.

/// Switches core dumps off for this process and its children: a dump would hold the token.
#[cfg(unix)]
pub(crate) fn disable() {
    use rustix::process::{Resource, Rlimit, setrlimit};

    let none = Rlimit { current: Some(0), maximum: Some(0) };
    if let Err(error) = setrlimit(Resource::Core, none) {
        tracing::debug!("core dumps cannot be switched off: {error}");
    }
}

#[cfg(not(unix))]
pub(crate) fn disable() {}
