//! Questions to the user.

use std::io::{BufRead as _, IsTerminal as _};

use datahub_emitter::{Error, ErrorKind};

use super::progress::Screen;

/// Whether there is a person to ask: standard input and standard error are a terminal.
pub(crate) fn can_ask() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Asks a question that is answered by a line; an empty line is `default`.
///
/// # Errors
/// [`ErrorKind::Input`] if standard input cannot be read or has ended.
pub(crate) fn ask(question: &str, default: &str, screen: &Screen) -> Result<String, Error> {
    let shown = if default.is_empty() { String::new() } else { format!(" [{default}]") };
    screen.say(&format!("{question}{shown}: "));
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line);
    match read {
        Ok(0) => Err(Error::new(ErrorKind::Input, "standard input ended before the question was answered")),
        Ok(_) => {
            let answer = line.trim();
            Ok(if answer.is_empty() { default.to_owned() } else { answer.to_owned() })
        }
        Err(error) => Err(Error::new(ErrorKind::Input, "the answer could not be read").with_source(error)),
    }
}

/// Asks for a secret, which is not shown on a terminal.
///
/// # Errors
/// [`ErrorKind::Input`] if it cannot be read.
pub(crate) fn ask_secret(question: &str, screen: &Screen) -> Result<String, Error> {
    if !can_ask() {
        return ask(question, "", screen);
    }
    screen.say(&format!("{question}: "));
    let secret = console::Term::stderr().read_secure_line();
    secret
        .map(|secret| secret.trim().to_owned())
        .map_err(|error| Error::new(ErrorKind::Input, "the answer could not be read").with_source(error))
}

/// Asks whether to do it; anything but `y` and `yes` is no.
///
/// # Errors
/// [`ErrorKind::Input`] if nobody can be asked; `otherwise` then says what to do instead.
pub(crate) fn confirm(question: &str, otherwise: &str, screen: &Screen) -> Result<bool, Error> {
    if !can_ask() {
        return Err(Error::new(
            ErrorKind::Input,
            format!("there is no terminal to ask at whether to do it: {otherwise}"),
        ));
    }
    let answer = ask(&format!("{question} [y/N]"), "", screen)?;
    Ok(["y", "yes"].iter().any(|yes| answer.eq_ignore_ascii_case(yes)))
}
