//! `datahub-emit gms`: the embedded GMS as a server.

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
    Serve(Serve),
    /// Its tokens.
    Token(TokenArgs),
}

const SERVE_EXAMPLES: &str = "\
It is for first runs and tests, and no place to keep metadata: no search, no lineage, no page.

Examples:
  datahub-emit gms serve                                on port 8080, with what runs with `server: embedded` delivered
  datahub-emit gms serve --listen 127.0.0.1:0 --data :memory:
  datahub-emit gms token create                         a token for it, in another terminal

The line on standard output:
  {\"gms\": \"http://127.0.0.1:8080\", \"frontend\": null, \"data\": \"/home/me/.local/share/datahub-emit/gms.sqlite\", \"pid\": 4711}";

#[derive(Debug, Args)]
#[command(after_help = SERVE_EXAMPLES)]
struct Serve {
    /// Where it listens; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    listen: String,
    /// Where DataHub's frontend would listen; not available yet.
    #[arg(long, value_name = "ADDR", hide = true)]
    frontend_listen: Option<String>,
    /// The file that it keeps everything in, `:memory:` for none; by default that of `server: embedded`.
    #[arg(long, value_name = "FILE")]
    data: Option<std::path::PathBuf>,
    /// Whether requests need a token.
    #[arg(long, value_enum, default_value_t = Switch::On, value_name = "on|off")]
    auth: Switch,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Switch {
    On,
    Off,
}

#[derive(Debug, Args)]
struct TokenArgs {
    #[command(subcommand)]
    command: TokenCommand,
}

#[derive(Debug, Subcommand)]
enum TokenCommand {
    /// Makes a personal token, good for 30 days, and prints it on standard output.
    Create(CreateToken),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  export DATAHUB_GMS_TOKEN=$(datahub-emit gms token create)")]
struct CreateToken {
    /// The embedded GMS's file; by default that of `server: embedded`.
    #[arg(long, value_name = "FILE")]
    data: Option<std::path::PathBuf>,
    /// The user's name, without `urn:li:corpuser:`.
    #[arg(long, value_name = "NAME", default_value = "datahub")]
    actor: String,
}

impl Gms {
    pub(crate) async fn run(self, screen: &Screen) -> Result<Exit, Error> {
        match self.command {
            GmsCommand::Serve(serve) => serve.run(screen).await,
            GmsCommand::Token(TokenArgs { command: TokenCommand::Create(create) }) => create.run().await,
        }
    }
}

#[cfg(feature = "embedded")]
mod server {
    use std::net::{SocketAddr, ToSocketAddrs as _};
    use std::path::{Path, PathBuf};

    use datahub_emitter::embedded::Gms;
    use datahub_emitter::pipeline::embedded_data_path;
    use datahub_emitter::recipe::Environment;
    use datahub_emitter::{Error, ErrorKind};

    use super::{CreateToken, Serve, Switch};
    use crate::cli::exit::Exit;
    use crate::cli::output;
    use crate::cli::progress::Screen;
    use crate::cli::signals::Signals;

    impl Serve {
        pub(super) async fn run(self, screen: &Screen) -> Result<Exit, Error> {
            if self.frontend_listen.is_some() {
                return Err(Error::new(
                    ErrorKind::Input,
                    "--frontend-listen is not available yet: the embedded GMS has no frontend",
                ));
            }
            let gms = Gms::builder()
                .data(data(self.data)?)
                .listen(address(&self.listen)?)
                .authentication(self.auth == Switch::On)
                .start()
                .await?;
            if !gms.address().ip().is_loopback() {
                screen.say("warning: others on the network reach this GMS; it is for tests, and made for this machine alone\n");
            }
            let ready = serde_json::json!({
                "gms": gms.url(),
                "frontend": null,
                "data": gms.data(),
                "pid": std::process::id(),
            });
            // Before anyone is told that it is ready.
            let mut signals = Signals::listen()?;
            output::write(format!("{ready}\n").as_bytes())?;
            signals.next().await;
            gms.stop().await;
            Ok(Exit::Done)
        }
    }

    impl CreateToken {
        pub(super) async fn run(self) -> Result<Exit, Error> {
            let path = data(self.data)?;
            if path == Path::new(":memory:") {
                return Err(Error::new(
                    ErrorKind::Input,
                    "a GMS in memory ends with its process, and so do its tokens",
                ));
            }
            let gms = Gms::builder().data(path).start().await?;
            let token = gms.create_token(&self.actor).await?;
            gms.stop().await;
            output::write(format!("{token}\n").as_bytes())?;
            Ok(Exit::Done)
        }
    }

    fn data(given: Option<PathBuf>) -> Result<PathBuf, Error> {
        match given {
            Some(path) => Ok(path),
            None => embedded_data_path(&Environment::from_process()),
        }
    }

    fn address(text: &str) -> Result<SocketAddr, Error> {
        let problem = || {
            Error::new(ErrorKind::Input, format!("--listen {text}: expected HOST:PORT, as in 127.0.0.1:8080"))
        };
        let mut addresses = text.to_socket_addrs().map_err(|error| problem().with_source(error))?;
        addresses.next().ok_or_else(problem)
    }
}

#[cfg(not(feature = "embedded"))]
mod server {
    use datahub_emitter::{Error, ErrorKind};

    use super::{CreateToken, Serve};
    use crate::cli::exit::Exit;
    use crate::cli::progress::Screen;

    fn not_built() -> Error {
        Error::new(
            ErrorKind::Input,
            "the embedded GMS is not built into this program: it needs the feature `embedded`",
        )
    }

    impl Serve {
        #[expect(clippy::unused_async, reason = "has the form that it has with the feature")]
        pub(super) async fn run(self, _: &Screen) -> Result<Exit, Error> {
            Err(not_built())
        }
    }

    impl CreateToken {
        #[expect(clippy::unused_async, reason = "has the form that it has with the feature")]
        pub(super) async fn run(self) -> Result<Exit, Error> {
            Err(not_built())
        }
    }
}
