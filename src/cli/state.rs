//! `datahub-emit state`: what runs have left on this machine, and the state of stateful ingestion.

use std::io::{self, BufRead as _, IsTerminal as _};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use datahub_emitter::pipeline::{LocalState, Pipeline, default_state_root, local_states};
use datahub_emitter::recipe::Recipe;
use datahub_emitter::{Environment, Error, ErrorKind};
use serde_json::json;

use super::exit::Exit;
use super::progress::Screen;
use super::table::table;
use super::{Global, output};

#[derive(Debug, Args)]
pub(crate) struct StateArgs {
    #[command(subcommand)]
    command: StateCommand,
}

#[derive(Debug, Subcommand)]
enum StateCommand {
    /// Lists what runs have left on this machine: resume checkpoints, spools and dead letters.
    List(List),
    /// Removes what runs have left on this machine.
    Clean(Clean),
    /// Replaces the state checkpoint of a recipe with stateful ingestion by an empty one.
    Reset(Reset),
}

#[derive(Debug, Args)]
struct List {
    #[command(flatten)]
    root: Root,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
What was not delivered is lost: resume checkpoints, extracted records and dead letters are removed.

Examples:
  datahub-emit state clean nightly         remove what the pipeline nightly has left
  datahub-emit state clean --force         remove everything, without a question")]
struct Clean {
    /// Pipelines, as `state list` names them. Without one, all pipelines.
    #[arg(value_name = "KEY")]
    keys: Vec<String>,
    /// Does not ask.
    #[arg(short, long)]
    force: bool,
    #[command(flatten)]
    root: Root,
}

#[derive(Debug, Args)]
#[command(after_help = "\
The next run then removes nothing, and writes a new state. It is the way out when the state checkpoint cannot be
read.

Example:
  datahub-emit state reset -c recipe.yml")]
struct Reset {
    /// The recipe.
    #[arg(short, long, value_name = "RECIPE")]
    config: PathBuf,
    #[command(flatten)]
    root: Root,
}

#[derive(Debug, Args)]
struct Root {
    /// The directory for the state of all pipelines; the default is ~/.local/state/datahub-emit.
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
}

impl StateArgs {
    pub(crate) async fn run(self, global: &Global, screen: &Screen) -> Result<Exit, Error> {
        match self.command {
            StateCommand::List(list) => list.run(screen),
            StateCommand::Clean(clean) => clean.run(screen),
            StateCommand::Reset(reset) => reset.run(global, screen).await,
        }
    }
}

impl Root {
    fn states(&self) -> Result<Vec<LocalState>, Error> {
        let root = self.state_dir.clone().or_else(|| default_state_root(&Environment::from_process()));
        let root = root.ok_or_else(|| {
            Error::new(ErrorKind::Input, "there is no home directory; --state-dir names a place")
        })?;
        let states = local_states(&root)?;
        Ok(states.into_iter().filter(|state| state.is_running || !state.is_empty()).collect())
    }
}

impl List {
    fn run(&self, screen: &Screen) -> Result<Exit, Error> {
        let states = self.root.states()?;
        if self.json {
            let document = json!({"schema": "datahub-emit/states/1", "states": states});
            output::write(format!("{document:#}\n").as_bytes())?;
        } else if states.is_empty() {
            screen.say("nothing is left: every run was complete\n");
        } else {
            output::write(shown(&states).as_bytes())?;
        }
        Ok(Exit::Done)
    }
}

fn shown(states: &[LocalState]) -> String {
    let rows = states.iter().map(|state| {
        let resume = match &state.checkpoint {
            _ if state.is_running => "running".to_owned(),
            Some(checkpoint) => format!("record {} ({})", checkpoint.from_record, checkpoint.at),
            None => "-".to_owned(),
        };
        [
            state.key.clone(),
            resume,
            state.spool_bytes.to_string(),
            state.dead_letters.to_string(),
            state.directory.display().to_string(),
        ]
    });
    table(["PIPELINE", "RESUMES AT", "SPOOL BYTES", "DEAD LETTERS", "DIRECTORY"], rows)
}

impl Clean {
    fn run(&self, screen: &Screen) -> Result<Exit, Error> {
        let mut states = self.root.states()?;
        for key in &self.keys {
            if !states.iter().any(|state| state.key == *key) {
                let message =
                    format!("no pipeline {key:?} has left anything; `datahub-emit state list` shows them");
                return Err(Error::new(ErrorKind::NotFound, message));
            }
        }
        states.retain(|state| self.keys.is_empty() || self.keys.contains(&state.key));
        if states.is_empty() {
            screen.say("nothing is left: every run was complete\n");
            return Ok(Exit::Done);
        }
        if !self.force {
            confirm(screen, &states)?;
        }
        for state in &states {
            state.remove()?;
            if !screen.quiet() {
                screen.say(&format!("removed: {}\n", state.directory.display()));
            }
        }
        Ok(Exit::Done)
    }
}

/// Asks on the terminal.
fn confirm(screen: &Screen, states: &[LocalState]) -> Result<(), Error> {
    if !io::stdin().is_terminal() {
        let message = "what was not delivered would be lost: --force removes it without a question";
        return Err(Error::new(ErrorKind::Input, message));
    }
    screen.say(&format!("{}Remove all of this? What was not delivered is lost. [y/N] ", shown(states)));
    let mut answer = String::new();
    io::stdin()
        .lock()
        .read_line(&mut answer)
        .map_err(|error| Error::new(ErrorKind::Input, "the answer cannot be read").with_source(error))?;
    if matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes") {
        Ok(())
    } else {
        Err(Error::new(ErrorKind::Input, "nothing was removed"))
    }
}

impl Reset {
    async fn run(self, global: &Global, screen: &Screen) -> Result<Exit, Error> {
        let recipe = Recipe::load(&self.config, &Environment::from_process())?;
        let mut options = global.run_options()?;
        options.state_dir = self.root.state_dir;
        let place = Pipeline::from_recipe(&recipe, options)?.reset_state().await?;
        if !screen.quiet() {
            screen.say(&format!("reset: the state checkpoint in {place} is empty\n"));
        }
        Ok(Exit::Done)
    }
}
