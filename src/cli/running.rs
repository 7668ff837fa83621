//! What `ingest` and `replay` have in common: the options of a run, and how it is carried out and told.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use clap::{Args, ValueEnum};
use datahub_emitter::pipeline::{Finished, IfRunning, Options, Pipeline, Report, explain};
use datahub_emitter::{Error, ErrorKind};

use super::exit::Exit;
use super::output;
use super::progress::Screen;
use super::signals::Signals;

/// The sink whose records go to standard output.
const CONSOLE: &str = "console";

/// Options that every run takes.
#[derive(Debug, Args)]
pub(crate) struct RunFlags {
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
    #[arg(long)]
    pub(crate) json: bool,
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

impl RunFlags {
    /// What they mean to a pipeline.
    pub(crate) fn apply(&self, options: &mut Options) {
        options.report_to.clone_from(&self.report_to);
        options.dead_letters.clone_from(&self.dead_letters);
        options.state_dir.clone_from(&self.state_dir);
        options.if_running = match self.if_running {
            WhenRunning::Fail => IfRunning::Fail,
            WhenRunning::Skip => IfRunning::Skip,
            WhenRunning::Wait => IfRunning::Wait,
        };
    }

    /// Finds what the recipe and the command line cannot have at once.
    pub(crate) fn check(&self, pipeline: &Pipeline) -> Result<(), Error> {
        if self.json && pipeline.types().1 == CONSOLE {
            return Err(Error::new(
                ErrorKind::Input,
                "--json and `sink: {type: console}` do not go together: both write to standard output; --report-to FILE \
                 keeps the report apart",
            ));
        }
        Ok(())
    }

    /// Carries a run out, and tells what came of it. `recipe` is the recipe's path as it was given.
    pub(crate) async fn run(
        &self,
        prepare: impl FnOnce() -> Result<Pipeline, Error>,
        recipe: &Path,
        screen: &Screen,
    ) -> Result<Exit, Error> {
        let started_at = jiff::Timestamp::now();
        let pipeline = match prepare() {
            Ok(pipeline) => pipeline,
            Err(error) => {
                self.tell_of_no_run(&Report::without_run(&error, started_at), screen);
                return Err(error);
            }
        };
        let (finished, interrupted) = self.carry_out(pipeline, screen, Signals::listen()?).await;
        self.tell(&finished, recipe, screen)?;
        let exit = Exit::of_run(&finished, interrupted);
        if exit == Exit::Done && self.strict_warnings && !finished.report.warnings.is_empty() {
            screen.say("error: there were warnings, and --strict-warnings was given\n");
            return Ok(Exit::Failed);
        }
        Ok(exit)
    }

    fn tell_of_no_run(&self, report: &Report, screen: &Screen) {
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
            never = signals.govern(&signal, &control) => match never {},
            never = progress => match never {},
        };
        (finished, signal.get().copied().unwrap_or(Exit::Interrupted))
    }

    fn tell(&self, finished: &Finished, recipe: &Path, screen: &Screen) -> Result<(), Error> {
        if !screen.quiet() || finished.failure.is_some() {
            let summary = finished.summary(recipe, screen.color());
            screen.say(&summary.called(&program()).to_string());
        }
        if self.json {
            output::write(&finished.report.to_json()?)?;
        }
        Ok(())
    }
}

/// How this program was called: a path stays one, so that a suggested command works from a checkout as well.
fn program() -> String {
    let called = std::env::args_os().next().unwrap_or_default();
    let called = called.to_string_lossy();
    if called.contains('/') { called.into_owned() } else { "datahub-emit".to_owned() }
}
