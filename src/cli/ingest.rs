//! `datahub-emit ingest`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use datahub_emitter::pipeline::{Pipeline, Preview};
use datahub_emitter::recipe::{Environment, Recipe};
use datahub_emitter::{Error, ErrorKind};

use super::exit::Exit;
use super::progress::Screen;
use super::running::RunFlags;
use super::{Global, input};

#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    disable_help_subcommand = true,
    after_help = EXAMPLES
)]
pub(crate) struct Ingest {
    #[command(subcommand)]
    run: Option<Run>,
    #[command(flatten)]
    options: RunOptions,
}

const EXAMPLES: &str = "\
Examples:
  datahub-emit ingest -c recipe.yml
  datahub-emit ingest -c recipe.yml --dry-run           read everything, send nothing
  datahub-emit ingest -c recipe.yml --preview=3         print the first 3 records, send nothing
  datahub-emit ingest -c - --json < recipe.yml          the report on standard output, for scripts

A recipe:
  source: {type: file, config: {path: mcps.json}}
  sink: {type: datahub-rest, config: {server: http://localhost:8080, token: \"${DATAHUB_GMS_TOKEN}\"}}";

#[derive(Debug, Subcommand)]
enum Run {
    /// The same as `ingest` alone.
    #[command(after_help = EXAMPLES)]
    Run(RunOptions),
}

#[derive(Debug, Args)]
struct RunOptions {
    /// The recipe: YAML, JSON or TOML by its suffix; `-` reads YAML from standard input.
    #[arg(short, long, value_name = "RECIPE", required = true)]
    config: Option<PathBuf>,
    /// Does everything but send, and opens no connection.
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Prints the first N records as JSON Lines, 10 if N is not given, and sends nothing.
    #[arg(
        long,
        value_name = "N",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "10",
        value_parser = clap::value_parser!(u64).range(1..),
        conflicts_with_all = ["dry_run", "json"]
    )]
    preview: Option<u64>,
    /// Goes on where the last run ended.
    #[arg(long, conflicts_with = "restart")]
    resume: bool,
    /// Forgets where the last run ended.
    #[arg(long)]
    restart: bool,
    #[command(flatten)]
    flags: RunFlags,
}

impl Ingest {
    pub(crate) async fn run(self, global: &Global, screen: &Screen) -> Result<Exit, Error> {
        let options = match self.run {
            Some(Run::Run(options)) => options,
            None => self.options,
        };
        options.run(global, screen).await
    }
}

impl RunOptions {
    async fn run(self, global: &Global, screen: &Screen) -> Result<Exit, Error> {
        self.flags.run(|| self.pipeline(global), self.recipe(), screen).await
    }

    fn pipeline(&self, global: &Global) -> Result<Pipeline, Error> {
        for (asked, flag) in [(self.resume, "--resume"), (self.restart, "--restart")] {
            if asked {
                return Err(Error::new(
                    ErrorKind::Input,
                    format!("{flag} is not available yet: a run starts at the beginning of its source"),
                ));
            }
        }
        let recipe = Recipe::load(self.recipe(), &Environment::from_process())?;
        let mut options = global.run_options()?;
        options.dry_run = self.dry_run;
        options.preview =
            self.preview.map(|records| Preview { records, output: Box::new(std::io::stdout()) });
        self.flags.apply(&mut options);
        let pipeline = Pipeline::from_recipe(&recipe, options)?;
        input::one_reader(self.recipe(), &recipe)?;
        if !self.dry_run {
            self.flags.check(&pipeline)?;
        }
        Ok(pipeline)
    }

    fn recipe(&self) -> &std::path::Path {
        self.config.as_deref().unwrap_or_else(|| std::path::Path::new("-"))
    }
}
