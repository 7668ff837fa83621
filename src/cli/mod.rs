//! The command line. One file for each command; each returns how the process is to end.

mod check;
mod completions;
mod diagnosis_text;
mod exit;
mod get;
mod gms;
mod ingest;
mod input;
mod log;
mod output;
mod panic;
mod progress;
mod put;
mod replay;
mod running;
mod server;
mod shell;
mod signals;
mod summary;
mod token;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{ArgAction, Args, Parser, Subcommand};
use datahub_emitter::Error;
use datahub_emitter::auth::{FileProvider, FixedToken};
use datahub_emitter::pipeline::Options;

use self::exit::Exit;
use self::log::{Color, LogFormat};
use self::progress::Screen;

/// Puts metadata into DataHub: runs ingestion recipes, and reads and writes single aspects.
#[derive(Debug, Parser)]
#[command(name = "datahub-emit", version, max_term_width = 100, after_help = EXAMPLES)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  datahub-emit ingest -c recipe.yml                     run a recipe
  datahub-emit check recipe.yml                         look at the recipe, the server and the token; send nothing
  datahub-emit get urn:li:corpuser:datahub              print what GMS has of an entity
  datahub-emit gms serve                                start a GMS on this machine, for trying things out

Exit codes:
  0  everything was delivered          1  something was not, or was not found    2  command line, recipe or input
  3  GMS refused the token             4  GMS cannot be reached                  5  the pipeline is running already
  6  a file of ours cannot be written  130, 143  interrupted, after what was under way was settled";

/// Options that every command takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
struct Global {
    /// The GMS to talk to, also in place of a recipe's; `embedded` is the one on this machine's disk.
    #[arg(long, global = true, value_name = "URL")]
    server: Option<String>,
    /// Reads the token from this file; a token on the command line could be seen by other users.
    #[arg(long, global = true, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The form of log lines.
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text, value_name = "FORMAT")]
    log_format: LogFormat,
    /// Says more of what it does; up to three times.
    #[arg(short, long, global = true, action = ArgAction::Count)]
    verbose: u8,
    /// Says nothing but errors.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// Colours on standard error.
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    color: Color,
}

impl Global {
    /// What they mean to a recipe.
    fn run_options(&self) -> Result<Options, Error> {
        let mut options = Options::default();
        options.server.clone_from(&self.server);
        if let Some(path) = &self.token_file {
            // Read here, so that a wrong name is told at once.
            let token = server::read_token(path)?;
            options.tokens = Some(if path.is_file() {
                Arc::new(FileProvider::new(path))
            } else {
                // What was read from a pipe is gone from it.
                Arc::new(FixedToken::new(token))
            });
        }
        Ok(options)
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs a recipe: reads its source, and sends what it finds to its sink.
    Ingest(ingest::Ingest),
    /// Looks at a recipe, then at its server and token, and sends nothing.
    Check(check::Check),
    /// Sends dead letters again, through a recipe's sink.
    Replay(replay::Replay),
    /// Prints the aspects of an entity.
    Get(get::Get),
    /// Writes one aspect of an entity, and waits until GMS has stored it.
    Put(put::Put),
    /// Personal access tokens: make, list, revoke, look at, renew.
    Token(token::TokenArgs),
    /// A GMS on this machine, for first runs and tests.
    Gms(gms::Gms),
    /// Prints a script that completes commands and options in a shell.
    Completions(completions::Completions),
}

/// The process, from its arguments to its exit code.
pub(crate) fn main() -> ExitCode {
    panic::install();
    let cli = Cli::parse();
    let screen = Screen::new(&cli.global);
    log::start(&cli.global, &screen);
    // A panic was told by the hook; the code says that it was no fault of the user's.
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(cli, &screen)))
        .unwrap_or(Exit::Failed)
        .into()
}

fn run(cli: Cli, screen: &Screen) -> Exit {
    let Cli { global, command } = cli;
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            screen.say(&format!("error: cannot start: {error}\n"));
            return Exit::Failed;
        }
    };
    let result = runtime.block_on(async {
        match command {
            Command::Ingest(ingest) => ingest.run(&global, screen).await,
            Command::Check(check) => check.run(&global, screen).await,
            Command::Replay(replay) => replay.run(&global, screen).await,
            Command::Get(get) => get.run(&global, screen).await,
            Command::Put(put) => put.run(&global, screen).await,
            Command::Token(token) => token.run(&global, screen).await,
            Command::Gms(gms) => gms.run(screen).await,
            Command::Completions(completions) => completions.run(),
        }
    });
    // A thread may wait for standard input for ever; nothing that matters is left to do.
    runtime.shutdown_background();
    result.unwrap_or_else(|error| {
        screen.say(&diagnosis_text::error_text(&error, screen.color()));
        Exit::of(&error)
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_tree_is_sound() {
        super::Cli::command().debug_assert();
    }
}
