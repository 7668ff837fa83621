//! The options of a run, and how it is run and reported: shared by `ingest` and `replay`.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use clap::{Args, ValueEnum};
use datahub_emitter::clock::{Clock as _, SystemClock};
use datahub_emitter::pipeline::{FinishedRun, IfRunning, Options, Pipeline, Report, write_metrics};
use datahub_emitter::sink::OnWait;
use datahub_emitter::{Error, ErrorKind, Platform};

use super::check::duration;
use super::diagnosis_text::{error_text, note_text};
use super::exit::Exit;
use super::output;
use super::progress::Screen;
use super::renderer::CommandLine;
use super::signals::Signals;
use super::summary::Summary;

/// The type of the sink that writes to standard output.
const CONSOLE: &str = "console";

/// Options that every run takes.
#[derive(Debug, Args)]
pub(crate) struct RunFlags {
    /// Writes the report to this file, in place of the report to DataHub. `datahub`, the default, keeps that.
    #[arg(long, value_name = "FILE|datahub")]
    report_to: Option<PathBuf>,
    /// Writes rejected proposals and invalid records to this file.
    #[arg(long, value_name = "FILE")]
    dead_letters: Option<PathBuf>,
    /// The directory for the state of all pipelines; the default is ~/.local/state/datahub-emit.
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// How to proceed if this pipeline is already running.
    #[arg(long, value_enum, default_value_t = WhenRunning::Fail, value_name = "WHAT")]
    if_running: WhenRunning,
    /// Stops the run after this time, for example `30m`. Requests in flight are settled; the exit code is 1.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    deadline: Option<Duration>,
    /// Writes metrics of the run to this file, for the textfile collector of Prometheus's `node_exporter`.
    #[arg(long, value_name = "FILE")]
    metrics_file: Option<PathBuf>,
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
    /// Exit with code 5.
    Fail,
    /// Exit with code 0.
    Skip,
    /// Wait until the other run has ended.
    Wait,
}

impl RunFlags {
    /// Sets the options of the pipeline.
    pub(crate) fn apply(&self, options: &mut Options) {
        options.report_to = self.report_file().cloned();
        options.dead_letters.clone_from(&self.dead_letters);
        options.state_dir.clone_from(&self.state_dir);
        options.deadline = self.deadline;
        options.metrics_file.clone_from(&self.metrics_file);
        options.if_running = match self.if_running {
            WhenRunning::Fail => IfRunning::Fail,
            WhenRunning::Skip => IfRunning::Skip,
            WhenRunning::Wait => IfRunning::Wait,
        };
    }

    /// The file that `--report-to` names.
    pub(crate) fn report_file(&self) -> Option<&PathBuf> {
        self.report_to.as_ref().filter(|path| path.as_os_str() != "datahub")
    }

    /// Finds contradictions between the recipe and the command line.
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

    /// Runs a pipeline and prints the result. `sends` says whether the run is meant to deliver anything;
    /// `recipe` is the recipe's path as given on the command line, if there is one.
    pub(crate) async fn run(
        &self,
        sends: bool,
        prepare: impl FnOnce() -> Result<Pipeline, Error>,
        recipe: Option<&Path>,
        screen: &Screen,
    ) -> Result<Exit, Error> {
        let started_at = SystemClock.now();
        let pipeline = match prepare() {
            Ok(pipeline) => pipeline,
            Err(error) => {
                let report = Report::without_run(&error, started_at, &SystemClock, &CommandLine);
                self.report_failed_start(&report, screen);
                if sends && let Err(metrics_error) = self.write_metrics(&report, Exit::of(&error)) {
                    screen.say(&error_text(&metrics_error, screen.color()));
                }
                return Err(error);
            }
        };
        let (finished, interrupted) = self.run_to_end(pipeline, screen, Signals::listen()?).await;
        let mut exit = Exit::of_run(&finished, interrupted);
        let warned = exit == Exit::Done && self.strict_warnings && !finished.report.warnings.is_empty();
        if warned {
            exit = Exit::Failed;
        }
        // The process that read standard output has closed it: it has seen enough.
        if exit != Exit::OutputClosed && (exit != Exit::Done || !screen.quiet()) {
            let summary = Summary::new(&finished, recipe, &program(), screen.color()).to_string();
            screen.say(&summary);
        }
        if warned {
            screen.say("error: there were warnings, and --strict-warnings was given\n");
        }
        if self.json {
            output::write(&finished.report.to_json()?)?;
        }
        // The run that holds the lock writes the file, and not one that found it held.
        if sends
            && !finished.skipped
            && exit != Exit::Locked
            && let Err(error) = self.write_metrics(&finished.report, exit)
        {
            // A file that cannot be written was reported before the run.
            if exit != Exit::Disk {
                screen.say(&error_text(&error, screen.color()));
            }
            // The reason why the run ended has priority.
            return Ok(if exit == Exit::Done { Exit::of(&error) } else { exit });
        }
        Ok(exit)
    }

    fn write_metrics(&self, report: &Report, exit: Exit) -> Result<(), Error> {
        self.metrics_file
            .as_ref()
            .map_or(Ok(()), |path| write_metrics(path, report, exit.code(), &Platform::default()))
    }

    fn report_failed_start(&self, report: &Report, screen: &Screen) {
        let mut written = Vec::new();
        if self.json {
            written.push(report.to_json().and_then(|text| output::write(&text)));
        }
        if let Some(path) = self.report_file() {
            written.push(report.write_to(path, &Platform::default()));
        }
        // The error that kept the run from starting decides the exit code.
        for error in written.into_iter().filter_map(Result::err) {
            screen.say(&error_text(&error, screen.color()));
        }
    }

    async fn run_to_end(
        &self,
        mut pipeline: Pipeline,
        screen: &Screen,
        signals: Signals,
    ) -> (FinishedRun, Exit) {
        let control = pipeline.control();
        let waiting = screen.clone();
        pipeline.on_wait(OnWait::new(move |diagnosis, patience| {
            // If the server stays away, the error says so.
            if waiting.quiet() {
                return;
            }
            let seconds = patience.as_secs();
            let text = note_text(&diagnosis.render(&CommandLine), waiting.color());
            waiting.say(&format!("{text}  waiting   for up to {seconds} s (wait_for_server)\n"));
        }));
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
            never = signals.govern(&signal, &control, screen) => match never {},
            never = progress => match never {},
        };
        (finished, signal.get().copied().unwrap_or(Exit::Interrupted))
    }
}

/// The name of this program in suggested commands: its path if it was called by one.
pub(super) fn program() -> String {
    let called = std::env::args_os().next().unwrap_or_default();
    let called = called.to_string_lossy();
    if called.contains('/') { called.into_owned() } else { "datahub-emit".to_owned() }
}
