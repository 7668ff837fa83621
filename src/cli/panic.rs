//! The message for a panic.

use std::io::Write as _;

/// Replaces the standard hook, which prints the message of the panic. The message may contain a secret, for
/// example a token in a header or a line of the recipe. For a bug report the place in the code is enough.
pub(crate) fn install() {
    std::panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        let text = format!(
            "error: datahub-emit {} has a fault of its own at {location}; please report it with this line\n",
            env!("CARGO_PKG_VERSION")
        );
        // If standard error is closed, nothing can be reported.
        drop(std::io::stderr().write_all(text.as_bytes()));
    }));
}

#[cfg(test)]
mod tests {
    const TOKEN: &str = "q7Zt2LmXv9KdR4sWb8NcY1hJpF6gTe3A";

    /// Panics; the test below runs this test alone, in a process of its own.
    #[test]
    #[ignore = "crashes; the test below runs it"]
    fn crash() {
        super::install();
        let token = datahub_emitter::auth::Token::new(TOKEN, datahub_emitter::auth::TokenSource::Recipe);
        panic!("cannot send {token:?} as Bearer {TOKEN}");
    }

    #[test]
    fn a_crash_shows_its_place_and_no_token() {
        let program = std::env::current_exe().unwrap();
        let arguments = ["--exact", "cli::panic::tests::crash", "--ignored", "--nocapture"];
        let ran = std::process::Command::new(program)
            .args(arguments)
            .env("RUST_BACKTRACE", "full")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&[ran.stdout, ran.stderr].concat()).into_owned();
        assert!(text.contains("has a fault of its own at src/cli/panic.rs:"), "{text}");
        for piece in TOKEN.as_bytes().windows(9) {
            assert!(!text.contains(std::str::from_utf8(piece).unwrap()), "{text}");
        }
    }
}
