//! `datahub-emit gms`: the embedded GMS as a server, and its users, policies and tokens.

mod policy;
mod serve;
mod token;
mod user;

use clap::{Args, Subcommand};
use datahub_emitter::{Error, ErrorKind};

use super::Global;
use super::exit::Exit;
use super::progress::Screen;

#[derive(Debug, Args)]
pub(crate) struct Gms {
    #[command(subcommand)]
    command: GmsCommand,
}

#[derive(Debug, Subcommand)]
enum GmsCommand {
    /// Starts the server, and prints a line of JSON on standard output when it is ready.
    Serve(serve::Serve),
    /// Manages its tokens.
    Token(token::TokenArgs),
    /// Manages its users.
    User(user::UserArgs),
    /// Manages its policies, which grant privileges on entities.
    Policy(policy::PolicyArgs),
}

/// The data file of a command.
#[derive(Debug, Args)]
struct Data {
    /// The embedded GMS's file; by default that of `server: embedded`. A running server notices a change
    /// within a second.
    #[arg(long, value_name = "FILE")]
    data: Option<std::path::PathBuf>,
}

impl Gms {
    pub(crate) async fn run(self, global: &Global, screen: &Screen) -> Result<Exit, Error> {
        if global.server.is_some() {
            return Err(Error::new(
                ErrorKind::Input,
                "`gms` works on the data file of an embedded GMS, which --data names, and takes no --server; for a server \
                 that is running: datahub-emit token --help",
            ));
        }
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
        /// Opens the file through a server on a private port.
        ///
        /// # Errors
        /// If the file cannot be opened, or data would be in memory only.
        pub(super) async fn open(self) -> Result<Gms, Error> {
            let path = path(self.data)?;
            if path == Path::new(":memory:") {
                return Err(Error::new(
                    ErrorKind::Input,
                    "the data of a GMS in memory is lost when its process ends: name a file",
                ));
            }
            Ok(Gms::builder().data(path).start().await?)
        }
    }

    /// The given file, or the default one of `server: embedded`.
    pub(super) fn path(given: Option<PathBuf>) -> Result<PathBuf, Error> {
        match given {
            Some(path) => Ok(path),
            None => embedded_data_path(&Environment::from_process()),
        }
    }

    /// The error of a command that found nothing to change.
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
