//! `datahub-emit gms`: the embedded GMS as a server, and who may do what with it.

mod policy;
mod serve;
mod token;
mod user;

use clap::{Args, Subcommand};
use datahub_emitter::Error;

use super::exit::Exit;
use super::progress::Screen;

#[derive(Debug, Args)]
pub(crate) struct Gms {
    #[command(subcommand)]
    command: GmsCommand,
}

#[derive(Debug, Subcommand)]
enum GmsCommand {
    /// Starts it, and prints a line of JSON on standard output when it is ready.
    Serve(serve::Serve),
    /// Its tokens.
    Token(token::TokenArgs),
    /// Its users.
    User(user::UserArgs),
    /// Its policies: who may do what to which entities.
    Policy(policy::PolicyArgs),
}

/// The data file that a command is about.
#[derive(Debug, Args)]
struct Data {
    /// The embedded GMS's file; by default that of `server: embedded`. A running server notices a change within a second.
    #[arg(long, value_name = "FILE")]
    data: Option<std::path::PathBuf>,
}

impl Gms {
    pub(crate) async fn run(self, screen: &Screen) -> Result<Exit, Error> {
        match self.command {
            GmsCommand::Serve(serve) => serve.run(screen).await,
            GmsCommand::Token(token) => token.run().await,
            GmsCommand::User(user) => user.run().await,
            GmsCommand::Policy(policy) => policy.run().await,
        }
    }
}

#[cfg(feature = "embedded")]
mod file {
    use std::path::{Path, PathBuf};

    use datahub_emitter::Environment;
    use datahub_emitter::embedded::Gms;
    use datahub_emitter::pipeline::embedded_data_path;
    use datahub_emitter::{Error, ErrorKind};

    use super::Data;

    impl Data {
        /// Opens the file, with a server that nobody knows of.
        ///
        /// # Errors
        /// When it cannot be opened.
        pub(super) async fn open(self) -> Result<Gms, Error> {
            let path = path(self.data)?;
            if path == Path::new(":memory:") {
                return Err(Error::new(
                    ErrorKind::Input,
                    "a GMS in memory ends with its process, and all that it knows with it: give a file",
                ));
            }
            Ok(Gms::builder().data(path).start().await?)
        }
    }

    /// The file that is given, else that of `server: embedded`.
    pub(super) fn path(given: Option<PathBuf>) -> Result<PathBuf, Error> {
        match given {
            Some(path) => Ok(path),
            None => embedded_data_path(&Environment::from_process()),
        }
    }

    /// What a command ends with that found nothing to do.
    pub(super) fn absent(what: &str) -> Error {
        Error::new(ErrorKind::NotFound, format!("there is no {what}"))
    }
}

#[cfg(not(feature = "embedded"))]
fn not_built() -> Error {
    Error::new(
        datahub_emitter::ErrorKind::Input,
        "the embedded GMS is not built into this program: it needs the feature `embedded`",
    )
}
