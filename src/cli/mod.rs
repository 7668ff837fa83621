//! The command line: one file per command. Each command returns the exit code of the process.

mod check;
mod completions;
mod core_dump;
mod delete;
mod diagnosis_text;
mod entity;
mod exists;
mod exit;
mod explain;
mod get;
mod gms;
mod indented;
mod ingest;
mod init;
mod input;
mod log;
mod lookup;
mod man;
mod output;
mod panic;
mod password;
mod progress;
mod put;
mod question;
mod renderer;
mod replay;
mod running;
mod schema;
mod server;
mod shell;
mod signals;
mod single_write;
mod state;
mod summary;
mod table;
mod terminal_text;
mod token;
mod urn_argument;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{ArgAction, Args, Parser, Subcommand};
use datahub_emitter::Error;
use datahub_emitter::auth::{FileProvider, FixedToken};
use datahub_emitter::diagnosis::SharedRenderer;
use datahub_emitter::pipeline::Options;

use self::exit::Exit;
use self::log::{Color, LogFormat};
use self::progress::Screen;
use self::renderer::CommandLine;

/// Puts metadata into DataHub: runs ingestion recipes, and reads and writes single aspects.
#[derive(Debug, Parser)]
#[command(name = "datahub-emit", version, max_term_width = 80, after_help = EXAMPLES)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  datahub-emit ingest -c recipe.yml           run a recipe
  datahub-emit check recipe.yml               check the recipe, the server and the token
  datahub-emit get urn:li:corpuser:datahub    print the aspects of an entity
  datahub-emit gms serve                      start an embedded GMS, for first runs and tests

Exit codes:
  0         everything was delivered
  1         something was not delivered or not found
  2         the command line, the recipe or its input is wrong
  3         GMS refused the token or the request
  4         GMS cannot be reached
  5         the pipeline is already running
  6         a local file cannot be written
  130, 143  interrupted, after requests in flight were settled";

/// Options that every command takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
struct Global {
    /// The GMS to use, instead of the one in the recipe; `embedded` starts the embedded GMS.
    #[arg(long, global = true, value_name = "URL")]
    server: Option<String>,
    /// Reads the token from this file. (Other users could see a token on the command line.)
    #[arg(long, global = true, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The format of log lines.
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text, value_name = "FORMAT")]
    log_format: LogFormat,
    /// Also writes the log to this file, at level debug.
    #[arg(long, global = true, value_name = "FILE")]
    log_file: Option<PathBuf>,
    /// Logs details, as -vv does.
    #[arg(long, global = true, conflicts_with_all = ["quiet", "verbose"])]
    debug: bool,
    /// As without --debug.
    #[arg(long, global = true, hide = true)]
    no_debug: bool,
    /// Logs more; may be given up to three times.
    #[arg(short, long, global = true, action = ArgAction::Count)]
    verbose: u8,
    /// Prints errors only.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// Whether to use colours on standard error.
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    color: Color,
}

impl Global {
    /// Every line on standard error is a JSON object.
    fn logs_json(&self) -> bool {
        self.log_format == LogFormat::Json
    }

    /// The options of a pipeline that they set.
    fn run_options(&self) -> Result<Options, Error> {
        let mut options = Options::default();
        options.renderer = SharedRenderer::new(CommandLine);
        options.server.clone_from(&self.server);
        if let Some(path) = &self.token_file {
            // Read here, so that a wrong file name is an error before anything else happens.
            let token = server::read_token(path)?;
            options.tokens = Some(if path.is_file() {
                Arc::new(FileProvider::new(path))
            } else {
                // A pipe can be read once.
                Arc::new(FixedToken::new(token))
            });
        }
        Ok(options)
    }
}

#[derive(Debug, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "one value exists in a process")]
enum Command {
    /// Runs a recipe: reads the source and sends its metadata to the sink.
    Ingest(ingest::Ingest),
    /// Checks a recipe, its server and its token, and sends nothing.
    Check(check::Check),
    /// Sends dead letters again, to a recipe's sink.
    Replay(replay::Replay),
    /// Lists and removes what runs have left on this machine, and resets the state of stateful ingestion.
    State(state::StateArgs),
    /// Prints the aspects of an entity.
    Get(get::Get),
    /// Writes one aspect of an entity, and waits until GMS has stored it.
    Put(put::Put),
    /// Shows by its exit code whether an entity exists.
    Exists(exists::Exists),
    /// Deletes an entity, or one aspect of it.
    Delete(delete::Delete),
    /// Creates, lists, inspects, rotates and revokes personal access tokens.
    Token(token::TokenArgs),
    /// Runs and administers an embedded GMS, for first runs and tests.
    Gms(gms::Gms),
    /// Writes server and token to ~/.datahubenv, after trying them.
    Init(init::Init),
    /// Explains the code of a diagnosis, such as `auth.token-expired`.
    Explain(explain::Explain),
    /// Prints the JSON Schema of recipes.
    Schema(schema::Schema),
    /// Writes manual pages.
    Man(man::Man),
    /// Prints a shell completion script.
    Completions(completions::Completions),
}

/// Runs the process, from its arguments to its exit code.
pub(crate) fn main() -> ExitCode {
    panic::install();
    core_dump::disable();
    let cli = Cli::parse();
    let screen = Screen::new(&cli.global);
    if let Err(error) = log::start(&cli.global, &screen) {
        screen.say(&diagnosis_text::error_text(&error, screen.color()));
        return Exit::of(&error).into();
    }
    // The panic hook has reported it.
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
            Command::State(state) => state.run(&global, screen).await,
            Command::Get(get) => get.run(&global, screen).await,
            Command::Put(put) => put.run(&global, screen).await,
            Command::Exists(exists) => exists.run(&global, screen).await,
            Command::Delete(delete) => delete.run(&global, screen).await,
            Command::Init(init) => init.run(&global, screen).await,
            Command::Explain(explain) => explain.run(),
            Command::Schema(schema) => schema.run(),
            Command::Man(man) => man.run(screen),
            Command::Token(token) => token.run(&global, screen).await,
            Command::Gms(gms) => gms.run(&global, screen).await,
            Command::Completions(completions) => completions.run(),
        }
    });
    // A thread may be blocked on standard input; do not wait for it.
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
