//! `datahub-emit man`.

use std::path::PathBuf;

use clap::{Args, CommandFactory as _};
use datahub_emitter::{Error, ErrorKind};

use super::exit::Exit;
use super::progress::Screen;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  datahub-emit man ~/.local/share/man/man1
  man datahub-emit-ingest")]
pub(crate) struct Man {
    /// The directory for the pages; it is created.
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

impl Man {
    pub(crate) fn run(&self, screen: &Screen) -> Result<Exit, Error> {
        let directory = &self.directory;
        std::fs::create_dir_all(directory)
            .and_then(|()| clap_mangen::generate_to(super::Cli::command(), directory))
            .map_err(|error| {
                Error::new(ErrorKind::Disk, format!("cannot write manual pages to {}", directory.display()))
                    .with_source(error)
            })?;
        if !screen.quiet() {
            screen.say(&format!("done: manual pages are in {}\n", directory.display()));
        }
        Ok(Exit::Done)
    }
}
