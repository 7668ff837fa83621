//! `datahub-emit completions`.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;
use datahub_emitter::Error;

use super::exit::Exit;
use super::output;

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  datahub-emit completions bash > ~/.local/share/bash-completion/completions/datahub-emit"
)]
pub(crate) struct Completions {
    /// The shell to complete for.
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self) -> Result<Exit, Error> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut super::Cli::command(), "datahub-emit", &mut script);
        output::write(&script)?;
        Ok(Exit::Done)
    }
}
