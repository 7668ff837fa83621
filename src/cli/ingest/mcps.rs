//! `datahub-emit ingest mcps`.

use std::path::PathBuf;

use clap::Args;
use datahub_emitter::pipeline::{Pipeline, Start};
use datahub_emitter::recipe::Recipe;
use datahub_emitter::{Environment, Error, ErrorKind};
use serde_json::json;

use super::resume_command;
use crate::cli::Global;
use crate::cli::exit::Exit;
use crate::cli::progress::Screen;
use crate::cli::running::RunFlags;

#[derive(Debug, Args)]
#[command(after_help = "\
GMS and its token come from --server and --token-file, else from DATAHUB_GMS_URL and DATAHUB_GMS_TOKEN, else from
~/.datahubenv, which `datahub-emit init` writes.

Examples:
  datahub-emit ingest mcps mcps.json
  datahub-emit ingest mcps metadata/ --dry-run")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(super) struct Mcps {
    /// A file with proposals or snapshots, or a directory of such files.
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// Reads and checks everything, sends nothing and opens no connection.
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Continues where the last run stopped. If it had finished, starts at the beginning.
    #[arg(long, conflicts_with = "restart")]
    resume: bool,
    /// Starts at the beginning and discards the checkpoint of the last run.
    #[arg(long)]
    restart: bool,
    /// Sends no report of the run to DataHub.
    #[arg(long)]
    no_default_report: bool,
    #[command(flatten)]
    flags: RunFlags,
}

impl Mcps {
    pub(super) async fn run(self, global: &Global, screen: &Screen) -> Result<Exit, Error> {
        self.flags.run(!self.dry_run, || self.pipeline(global), None, screen).await
    }

    fn pipeline(&self, global: &Global) -> Result<Pipeline, Error> {
        let Some(path) = self.path.to_str() else {
            return Err(Error::new(
                ErrorKind::Input,
                format!("the path {} is not UTF-8", self.path.display()),
            ));
        };
        let recipe =
            json!({"source": {"type": "file", "config": {"path": path}}, "sink": {"type": "datahub-rest"}});
        let recipe = Recipe::from_json(&recipe)?.with_environment(&Environment::from_process());
        let mut options = global.run_options()?;
        options.dry_run = self.dry_run;
        options.no_default_report = self.no_default_report;
        self.flags.apply(&mut options);
        options.start = match (self.resume, self.restart) {
            (true, _) => Start::Resume,
            (false, true) => Start::Restart,
            (false, false) => Start::Beginning,
        };
        options.resume_command = resume_command();
        Ok(Pipeline::from_recipe(&recipe, options)?)
    }
}
