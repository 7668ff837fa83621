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
A letter is left out if GMS has written its aspect since, so that nothing newer is undone, and replaying twice does no
harm. A record that was not understood is read once more. What fails again is kept where the recipe's runs keep their
dead letters; where that is the file being read, beside it, in NAME-again.jsonl.

Examples:
  datahub-emit replay dead-letters.jsonl -c recipe.yml
  datahub-emit replay dead-letters.jsonl -c recipe.yml --force    send all, whatever GMS has")]
pub(crate) struct Replay {
    /// The dead-letter file, as a run's summary and report name it.
    #[arg(value_name = "DEADLETTERS")]
    letters: PathBuf,
    /// The recipe through whose sink they are sent: YAML, JSON or TOML by its suffix; `-` reads YAML from standard input.
    #[arg(short, long, value_name = "RECIPE")]
    config: PathBuf,
    /// Sends also what GMS has written since, and does not ask.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    flags: RunFlags,
}

impl Replay {
    pub(crate) async fn run(self, global: &Global, screen: &Screen) -> Result<Exit, Error> {
        self.flags.run(true, || self.pipeline(global), &self.config, screen).await
    }

    fn pipeline(&self, global: &Global) -> Result<Pipeline, Error> {
        let recipe = Recipe::load(&self.config, &Environment::from_process())?;
        let mut options = global.run_options()?;
        self.flags.apply(&mut options);
        let pipeline = Pipeline::replay(&recipe, options, &self.letters, self.force)?;
        self.flags.check(&pipeline)?;
        Ok(pipeline)
    }
}
