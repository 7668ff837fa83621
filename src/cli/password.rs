//! Reading a password, without showing it and without an argument on the command line.

use std::io::IsTerminal as _;

use datahub_emitter::{Error, ErrorKind};

use crate::cli::progress::Screen;

/// Read instead of asking, for scripts.
const VARIABLE: &str = "DATAHUB_PASSWORD";

/// The password of `user`, from the environment or from the terminal.
pub(crate) fn password(user: &str, screen: &Screen) -> Result<String, Error> {
    match std::env::var(VARIABLE) {
        Ok(password) => return Ok(password),
        Err(std::env::VarError::NotUnicode(_)) => {
            return Err(Error::new(ErrorKind::Input, format!("the variable {VARIABLE} is not UTF-8")));
        }
        Err(std::env::VarError::NotPresent) => {}
    }
    if !std::io::stderr().is_terminal() {
        return Err(Error::new(
            ErrorKind::Input,
            format!("there is no terminal to ask for the password of {user} at: set {VARIABLE}"),
        ));
    }
    screen.say(&format!("password of {user}: "));
    let password = console::Term::stderr().read_secure_line().map_err(|error| {
        Error::new(ErrorKind::Input, format!("the password could not be read; set {VARIABLE} instead"))
            .with_source(error)
    })?;
    if password.is_empty() {
        return Err(Error::new(ErrorKind::Input, "no password was given"));
    }
    Ok(password)
}
