//! `datahub-emit replay`.

use std::path::PathBuf;

use clap::Args;
use datahub_emitter::Environment;
use datahub_emitter::Error;
use datahub_emitter::pipeline::Pipeline;
use datahub_emitter::recipe::Recipe;

use super::Global;
use super::exit::Exit;
use super::progress::Screen;
use super::running::RunFlags;

#[derive(Debug, Args)]
#[command(after_help = "\
A dead letter is skipped if GMS has written its aspect since, so that newer values stay and a second replay changes
nothing. An invalid record is parsed once more. Whatever fails again goes to the dead-letter file of the recipe's runs,
or to NAME-again.jsonl beside it if that is the file being read.

Examples:
  datahub-emit replay dead-letters.jsonl -c recipe.yml
  datahub-emit replay dead-letters.jsonl -c recipe.yml --dry-run  check the file
  datahub-emit replay dead-letters.jsonl -c recipe.yml --force    send all of them, even if GMS has newer values")]
pub(crate) struct Replay {
    /// The dead-letter file, as named in the summary and the report of the run.
    #[arg(value_name = "DEADLETTERS")]
    file: PathBuf,
    /// The recipe whose sink receives them: YAML, JSON or TOML, by its file extension; `-` reads YAML from
    /// standard input.
    #[arg(short, long, value_name = "RECIPE")]
    config: PathBuf,
    /// Sends all dead letters, without asking GMS what it has.
    #[arg(long)]
    force: bool,
    /// Reads and checks all dead letters, sends nothing and opens no connection.
    #[arg(long, short = 'n')]
    dry_run: bool,
    #[command(flatten)]
    flags: RunFlags,
}

impl Replay {
    pub(crate) async fn run(self, global: &Global, screen: &Screen) -> Result<Exit, Error> {
        self.flags.run(!self.dry_run, || self.pipeline(global), Some(&self.config), screen).await
    }

    fn pipeline(&self, global: &Global) -> Result<Pipeline, Error> {
        let recipe = Recipe::load(&self.config, &Environment::from_process())?;
        let mut options = global.run_options()?;
        options.dry_run = self.dry_run;
        self.flags.apply(&mut options);
        let pipeline = Pipeline::replay(&recipe, options, &self.file, self.force)?;
        self.flags.check(&pipeline)?;
        Ok(pipeline)
    }
}
