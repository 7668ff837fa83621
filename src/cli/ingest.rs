//! `datahub-emit ingest`.

use std::path::PathBuf;
use std::sync::OnceLock;

use clap::{Args, Subcommand, ValueEnum};
use datahub_emitter::pipeline::{Finished, IfRunning, Pipeline, Preview, Report, explain};
use datahub_emitter::recipe::{Environment, Recipe};
use datahub_emitter::{Error, ErrorKind};

use super::exit::Exit;
use super::progress::Screen;
use super::signals::Signals;
use super::{Global, input, output};

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

/// The sink whose records go to standard output.
const CONSOLE: &str = "console";

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
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
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
        conflicts_with = "dry_run"
    )]
    preview: Option<u64>,
    /// Goes on where the last run ended.
    #[arg(long, conflicts_with = "restart")]
    resume: bool,
    /// Forgets where the last run ended.
    #[arg(long)]
    restart: bool,
    /// Writes the report to this file.
    #[arg(long, value_name = "FILE")]
    report_to: Option<PathBuf>,
    /// Keeps what GMS rejects, and what cannot be understood, in this file.
    #[arg(long, value_name = "FILE")]
    dead_letters: Option<PathBuf>,
    /// Keeps the state of pipelines below this directory; by default ~/.local/state/datahub-emit.
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// What to do when this pipeline is running already.
    #[arg(long, value_enum, default_value_t = WhenRunning::Fail, value_name = "WHAT")]
    if_running: WhenRunning,
    /// Ends with exit code 1 if there were warnings.
    #[arg(long)]
    strict_warnings: bool,
    /// Shows no progress.
    #[arg(long)]
    no_progress: bool,
    /// Prints the report on standard output.
    #[arg(long, conflicts_with = "preview")]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum WhenRunning {
    /// End with exit code 5.
    Fail,
    /// End with exit code 0.
    Skip,
    /// Wait for it to end.
    Wait,
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
        let started_at = jiff::Timestamp::now();
        let pipeline = match self.pipeline(global) {
            Ok(pipeline) => pipeline,
            Err(error) => {
                let report = Report::without_run(&error, started_at);
                let mut told = Vec::new();
                if self.json {
                    told.push(report.to_json().and_then(|text| output::write(&text)));
                }
                if let Some(path) = &self.report_to {
                    told.push(report.write_to(path));
                }
                // What the user has to mend first is what decides how it ends.
                for on_top in told.into_iter().filter_map(Result::err) {
                    screen.say(&explain(&on_top, screen.color()));
                }
                return Err(error);
            }
        };
        let (finished, interrupted) = self.carry_out(pipeline, screen, Signals::listen()?).await;
        self.tell(&finished, screen)?;
        let exit = Exit::of_run(&finished, interrupted);
        if exit == Exit::Done && self.strict_warnings && !finished.report.warnings.is_empty() {
            screen.say("error: there were warnings, and --strict-warnings was given\n");
            return Ok(Exit::Failed);
        }
        Ok(exit)
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
        options.report_to.clone_from(&self.report_to);
        options.dead_letters.clone_from(&self.dead_letters);
        options.state_dir.clone_from(&self.state_dir);
        options.if_running = match self.if_running {
            WhenRunning::Fail => IfRunning::Fail,
            WhenRunning::Skip => IfRunning::Skip,
            WhenRunning::Wait => IfRunning::Wait,
        };
        let pipeline = Pipeline::from_recipe(&recipe, options)?;
        input::one_reader(self.recipe(), &recipe)?;
        if self.json && !self.dry_run && pipeline.types().1 == CONSOLE {
            return Err(Error::new(
                ErrorKind::Input,
                "--json and `sink: {type: console}` do not go together: both write to standard output; --report-to FILE \
                 keeps the report apart",
            ));
        }
        Ok(pipeline)
    }

    async fn carry_out(&self, pipeline: Pipeline, screen: &Screen, signals: Signals) -> (Finished, Exit) {
        let control = pipeline.control();
        let signal = OnceLock::new();
        let progress = async {
            if self.no_progress || screen.quiet() {
                std::future::pending().await
            } else {
                screen.follow(control.clone()).await
            }
        };
        let finished = tokio::select! {
            finished = pipeline.run() => finished,
            never = signals.stop_at_first(&signal, || control.stop()) => match never {},
            never = progress => match never {},
        };
        (finished, signal.get().copied().unwrap_or(Exit::Interrupted))
    }

    fn tell(&self, finished: &Finished, screen: &Screen) -> Result<(), Error> {
        if !screen.quiet() || finished.failure.is_some() {
            let summary = finished.summary(self.recipe(), screen.color());
            screen.say(&summary.called(&program()).to_string());
        }
        if self.json {
            output::write(&finished.report.to_json()?)?;
        }
        Ok(())
    }

    fn recipe(&self) -> &std::path::Path {
        self.config.as_deref().unwrap_or_else(|| std::path::Path::new("-"))
    }
}

/// How this program was called: a path stays one, so that a suggested command works from a checkout as well.
fn program() -> String {
    let called = std::env::args_os().next().unwrap_or_default();
    let called = called.to_string_lossy();
    if called.contains('/') { called.into_owned() } else { "datahub-emit".to_owned() }
}
