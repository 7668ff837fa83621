//! What is said when this program has a fault.

use std::io::Write as _;

/// Replaces the standard hook, which prints the panic's message: that may hold what must not be shown, a token in a
/// header or a line of the recipe. The place in the code is what a report of the fault needs.
pub(crate) fn install() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let text = format!(
            "error: datahub-emit {} has a fault of its own at {place}; please report it with this line\n",
            env!("CARGO_PKG_VERSION")
        );
        // With standard error closed there is no one to tell.
        drop(std::io::stderr().write_all(text.as_bytes()));
    }));
}
