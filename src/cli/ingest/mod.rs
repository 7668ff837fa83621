//! `datahub-emit ingest`.

mod connection;
mod mcps;
mod runs;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use datahub_emitter::Environment;
use datahub_emitter::pipeline::{Pipeline, Preview, Shard, Start};
use datahub_emitter::recipe::Recipe;
use datahub_emitter::{Error, ErrorKind};

use super::exit::Exit;
use super::progress::Screen;
use super::running::{RunFlags, program};
use super::{Global, input, shell};

#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    disable_help_subcommand = true,
    after_help = EXAMPLES
)]
pub(crate) struct Ingest {
    #[command(subcommand)]
    run: Option<IngestCommand>,
    #[command(flatten)]
    options: RunOptions,
}

const EXAMPLES: &str = "\
Examples:
  datahub-emit ingest -c recipe.yml
  datahub-emit ingest -c recipe.yml --dry-run           read everything, send nothing
  datahub-emit ingest -c recipe.yml --resume            continue where the last run stopped
  datahub-emit ingest -c recipe.yml --preview=3         print the first 3 records, send nothing
  datahub-emit ingest -c - --json < recipe.yml          print the report as JSON, for scripts

A recipe:
  source: {type: file, config: {path: mcps.json}}
  sink: {type: datahub-rest, config: {server: http://localhost:8080, token: \"${DATAHUB_GMS_TOKEN}\"}}";

#[derive(Debug, Subcommand)]
enum IngestCommand {
    /// The same as `ingest` alone.
    #[command(after_help = EXAMPLES)]
    Run(RunOptions),
    /// Sends the metadata of a file or a directory to GMS.
    Mcps(mcps::Mcps),
    /// Lists the runs that GMS knows.
    ListRuns(runs::ListRuns),
    /// Shows what a run wrote.
    Show(runs::Show),
    /// Rolls a run back: deletes what it created, and reverts what it changed.
    Rollback(runs::Rollback),
}

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
struct RunOptions {
    /// The recipe: YAML, JSON or TOML, by its file extension; `-` reads YAML from standard input.
    #[arg(short, long, value_name = "RECIPE", required_unless_present = "arguments")]
    config: Option<PathBuf>,
    /// The recipe without `-c`, and the number of `--preview N`, as some type them.
    #[arg(value_name = "RECIPE", hide = true, num_args = 0..=2)]
    arguments: Vec<PathBuf>,
    /// Reads and checks everything, sends nothing and opens no connection.
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Prints the first N records (default 10) as JSON Lines, and sends nothing.
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
    /// Continues where the last run stopped. If it had finished, starts at the beginning.
    #[arg(long, conflicts_with = "restart")]
    resume: bool,
    /// Starts at the beginning and discards the checkpoint of the last run.
    #[arg(long)]
    restart: bool,
    /// Delivers the I-th of N parts of the input, for example 2/4. N senders, each with its part, deliver all
    /// of it; the proposals of an entity are in one part.
    #[arg(long, value_name = "I/N")]
    shard: Option<Shard>,
    /// Ends a Python source after N work units, as `datahub ingest --preview` does.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    preview_workunits: Option<u64>,
    /// The Python interpreter that runs the recipe's source, if the source is not built in. The default is
    /// the variable `DATAHUB_EMIT_PYTHON`, the active virtual environment, or python3 on the path.
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
    /// Keeps no extracted records on disk: an extraction ends when delivery stops.
    #[arg(long)]
    no_spool: bool,
    /// Sends no report of the run to DataHub, unless the recipe's `reporting` asks for one.
    #[arg(long)]
    no_default_report: bool,
    /// Tests whether the source can connect, prints the result as JSON, and reads nothing. `--report-to FILE`
    /// writes it to a file. The exit code is 1 if the source cannot connect.
    #[arg(long, conflicts_with_all = ["dry_run", "preview", "resume", "restart"])]
    test_source_connection: bool,
    #[command(flatten)]
    without_effect: WithoutEffect,
    #[command(flatten)]
    flags: RunFlags,
}

/// Options of `datahub ingest` that have no meaning here.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
struct WithoutEffect {
    #[arg(long, hide = true)]
    no_spinner: bool,
    #[arg(long, hide = true)]
    suppress_error_logs: bool,
    #[arg(long, hide = true)]
    debug_vars: bool,
    #[arg(long, hide = true)]
    detect_memory_leaks: bool,
    #[arg(long, hide = true)]
    no_secret_redaction: bool,
    #[arg(long, hide = true)]
    record: bool,
    #[arg(long, hide = true, value_name = "TEXT")]
    record_password: Option<String>,
    #[arg(long, hide = true, value_name = "PATH")]
    record_output_path: Option<PathBuf>,
    #[arg(long, hide = true)]
    no_s3_upload: bool,
}

impl WithoutEffect {
    /// One warning for all that were given.
    fn warning(&self) -> Option<String> {
        let given: Vec<&str> = [
            ("--no-spinner", self.no_spinner),
            ("--suppress-error-logs", self.suppress_error_logs),
            ("--debug-vars", self.debug_vars),
            ("--detect-memory-leaks", self.detect_memory_leaks),
            ("--no-secret-redaction", self.no_secret_redaction),
            ("--record", self.record),
            ("--record-password", self.record_password.is_some()),
            ("--record-output-path", self.record_output_path.is_some()),
            ("--no-s3-upload", self.no_s3_upload),
        ]
        .into_iter()
        .filter_map(|(name, is_given)| is_given.then_some(name))
        .collect();
        (!given.is_empty()).then(|| {
            format!(
                "warning: without effect here, as options of `datahub ingest` only: {}\n",
                given.join(", ")
            )
        })
    }
}

impl Ingest {
    pub(crate) async fn run(self, global: &Global, screen: &Screen) -> Result<Exit, Error> {
        let options = match self.run {
            Some(IngestCommand::Run(options)) => options,
            Some(IngestCommand::Mcps(mcps)) => return mcps.run(global, screen).await,
            Some(IngestCommand::ListRuns(list)) => return list.run(global).await,
            Some(IngestCommand::Show(show)) => return show.run(global, screen).await,
            Some(IngestCommand::Rollback(rollback)) => return rollback.run(global, screen).await,
            None => self.options,
        };
        Box::pin(options.run(global, screen)).await
    }
}

impl RunOptions {
    async fn run(mut self, global: &Global, screen: &Screen) -> Result<Exit, Error> {
        self.take_arguments(screen)?;
        if let Some(warning) = self.without_effect.warning().filter(|_| !screen.quiet()) {
            screen.say(&warning);
        }
        if self.test_source_connection {
            let pipeline = self.pipeline(global, screen)?;
            return connection::test(pipeline, self.flags.report_file(), screen).await;
        }
        let sends = !self.dry_run && self.preview.is_none();
        self.flags.run(sends, || self.pipeline(global, screen), Some(self.recipe()), screen).await
    }

    /// Takes `ingest recipe.yml` for `ingest -c recipe.yml`, and `--preview 2` for `--preview=2`.
    fn take_arguments(&mut self, screen: &Screen) -> Result<(), Error> {
        for argument in std::mem::take(&mut self.arguments) {
            let text = argument.display().to_string();
            let number = text.parse::<u64>().ok().filter(|number| *number > 0);
            let (given, meant) = if let Some(number) = number.filter(|_| self.preview.is_some()) {
                self.preview = Some(number);
                (format!("--preview {text}"), format!("--preview={text}"))
            } else if self.config.is_none() {
                self.config = Some(argument);
                (format!("ingest {text}"), format!("ingest -c {text}"))
            } else {
                return Err(Error::new(
                    ErrorKind::Input,
                    format!("unexpected argument {text:?}: the recipe was given already, with -c"),
                ));
            };
            if !screen.quiet() {
                screen.say(&format!("note: `{given}` is taken for `{meant}`\n"));
            }
        }
        if self.config.is_none() {
            return Err(Error::new(ErrorKind::Input, "there is no recipe: datahub-emit ingest -c RECIPE"));
        }
        Ok(())
    }

    fn pipeline(&self, global: &Global, screen: &Screen) -> Result<Pipeline, Error> {
        let recipe = Recipe::load(self.recipe(), &Environment::from_process())?;
        let mut options = global.run_options()?;
        options.dry_run = self.dry_run;
        options.preview = self.preview.map(|records| Preview::new(records, std::io::stdout()));
        options.no_default_report = self.no_default_report;
        options.shard = self.shard;
        self.flags.apply(&mut options);
        #[cfg(unix)]
        self.apply_to_python(&mut options, screen);
        options.start = match (self.resume, self.restart) {
            (true, _) => Start::Resume,
            (false, true) => Start::Restart,
            (false, false) => Start::Beginning,
        };
        options.resume_command = resume_command();
        let pipeline = Pipeline::from_recipe(&recipe, options)?;
        input::one_reader(self.recipe(), &recipe)?;
        if !self.dry_run {
            self.flags.check(&pipeline)?;
        }
        Ok(pipeline)
    }

    #[cfg(unix)]
    fn apply_to_python(&self, options: &mut datahub_emitter::pipeline::Options, screen: &Screen) {
        use datahub_emitter::source::python::ChildOutput;
        options.python.interpreter.clone_from(&self.python);
        options.python.no_spool = self.no_spool;
        options.python.preview_workunits = self.preview_workunits;
        let screen = screen.clone();
        options.python.output = ChildOutput::new(move |line| {
            if !screen.quiet() {
                screen.say(&format!("{line}\n"));
            }
        });
    }

    fn recipe(&self) -> &std::path::Path {
        self.config.as_deref().unwrap_or_else(|| std::path::Path::new("-"))
    }
}

/// The command that resumes this run: the same options, and `--resume`.
fn resume_command() -> String {
    let mut words = vec![program()];
    let given = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    words.extend(given.filter(|word| word != "--resume" && word != "--restart"));
    words.push("--resume".to_owned());
    let words: Vec<String> = words.iter().map(|text| shell::word(text)).collect();
    words.join(" ")
}
