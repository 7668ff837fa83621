//! `datahub-emit check`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use datahub_emitter::Error;
use datahub_emitter::diagnosis::RenderedDiagnosis;
use datahub_emitter::pipeline::{Pipeline, Preflight};
use datahub_emitter::recipe::Recipe;
use datahub_emitter::sink::TokenReport;
use datahub_emitter::{Environment, parse_duration};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::diagnosis_text::{error_text, note_text};
use super::exit::Exit;
use super::progress::Screen;
use super::renderer::CommandLine;
use super::{Global, input, output};

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| "expected a duration, for example 7d or 12h".to_owned())
}

#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes:
  0  a run could start
  1  the token expires too soon (--expires-within)
  2  the recipe has mistakes (all of them are listed)
  3  GMS refuses the token or the write
  4  the server cannot be reached or is not a GMS

Examples:
  datahub-emit check recipe.yml
  datahub-emit check recipe.yml --offline               open no connection
  datahub-emit check recipe.yml --write                 try a write as well, and roll it back")]
pub(crate) struct Check {
    /// The recipe; `-` reads it from standard input.
    #[arg(value_name = "RECIPE", required_unless_present = "config")]
    recipe: Option<PathBuf>,
    /// The same as the argument.
    #[arg(long, short, value_name = "RECIPE", conflicts_with = "recipe")]
    config: Option<PathBuf>,
    /// Opens no connection: checks the recipe, and where its source runs.
    #[arg(long)]
    offline: bool,
    /// The Python interpreter that would run the recipe's source, as for `ingest`.
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
    /// Makes one harmless write as the recipe would, and rolls it back.
    #[arg(long, conflicts_with = "offline")]
    write: bool,
    /// Exits with code 1 if the token expires within this time, for example `7d`, so that a scheduled check
    /// warns in advance.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    expires_within: Option<Duration>,
    /// Prints the result as JSON on standard output.
    #[arg(long)]
    json: bool,
}

/// The result of a check.
#[derive(Debug, Serialize)]
struct Found {
    schema: &'static str,
    ok: bool,
    source: Option<String>,
    /// The Python that runs the source, unless the source is built in.
    python: Option<FoundPython>,
    sink: Option<String>,
    server: Option<String>,
    gms_version: Option<String>,
    token: Option<TokenReport>,
    /// The steps, in order.
    steps: Vec<FoundStep>,
    /// Findings that are not failures.
    notes: Vec<RenderedDiagnosis>,
    diagnosis: Option<RenderedDiagnosis>,
    error: Option<String>,
    warnings: Vec<String>,
}

#[derive(Debug, Serialize)]
struct FoundPython {
    interpreter: PathBuf,
    version: String,
    /// The version of `acryl-datahub`.
    package: Option<String>,
    /// The package has the source, and the modules that the source needs.
    installed: bool,
}

#[derive(Debug, Serialize)]
struct FoundStep {
    step: &'static str,
    observed: String,
}

impl Check {
    pub(crate) async fn run(self, global: &Global, screen: &Screen) -> Result<Exit, Error> {
        let mut found = Found {
            schema: "datahub-emit/check/1",
            ok: true,
            source: None,
            python: None,
            sink: None,
            server: None,
            gms_version: None,
            token: None,
            steps: Vec::new(),
            notes: Vec::new(),
            diagnosis: None,
            error: None,
            warnings: Vec::new(),
        };
        let looked = self.look(global, &mut found).await;
        let too_soon = self.too_soon(&found);
        if let Some(too_soon) = &too_soon {
            found.ok = false;
            found.error = Some(too_soon.clone());
        }
        if let Err(error) = &looked {
            found.ok = false;
            found.diagnosis = error.diagnosis().map(|diagnosis| diagnosis.render(&CommandLine));
            let summary = found.diagnosis.as_ref().map(|diagnosis| diagnosis.summary.clone());
            found.error = Some(summary.unwrap_or_else(|| error.full_message()));
        }
        if self.json {
            let mut text = serde_json::to_vec_pretty(&found).map_err(|error| {
                Error::new(datahub_emitter::ErrorKind::Internal, "the result has no JSON form")
                    .with_source(error)
            })?;
            text.push(b'\n');
            output::write(&text)?;
        }
        if !screen.quiet() {
            let head = if found.ok { "ok" } else { "check" };
            screen.say(&format!("{head}: {}\n{}", self.path().display(), Self::text(&found, screen.color())));
        }
        let Some(too_soon) = too_soon else { return looked.map(|()| Exit::Done) };
        // The answer to --expires-within is given even if GMS refuses the token already.
        if let Err(error) = looked {
            screen.say(&error_text(&error, screen.color()));
        }
        screen.say(&format!("error: {too_soon}\n"));
        Ok(Exit::Failed)
    }

    fn path(&self) -> &Path {
        self.recipe.as_deref().or(self.config.as_deref()).unwrap_or_else(|| Path::new("-"))
    }

    /// A message if the token expires within the given time.
    fn too_soon(&self, found: &Found) -> Option<String> {
        let within = SignedDuration::try_from(self.expires_within?).unwrap_or(SignedDuration::MAX);
        let token = found.token.as_ref()?;
        let (source, expires_at) = (token.source.as_ref()?, token.expires_at.as_ref()?);
        let end: Timestamp = expires_at.parse().ok()?;
        let soon = end.duration_since(Timestamp::now()) <= within;
        soon.then(|| format!("the token from {source} expires at {expires_at}"))
    }

    async fn look(&self, global: &Global, found: &mut Found) -> Result<(), Error> {
        let recipe = Recipe::load(self.path(), &Environment::from_process())?;
        let mut options = global.run_options()?;
        #[cfg(unix)]
        options.python.interpreter.clone_from(&self.python);
        let pipeline = Pipeline::from_recipe(&recipe, options)?;
        input::one_reader(self.path(), &recipe)?;
        found.warnings = pipeline.warnings().to_vec();
        let (source, sink) = pipeline.types();
        (found.source, found.sink) = (Some(source.to_owned()), Some(sink.to_owned()));
        let from_to = format!("from {source} to {sink}");
        found.steps.push(FoundStep { step: "recipe", observed: from_to });
        #[cfg(unix)]
        Self::look_at_python(&pipeline, found).await?;
        if self.offline {
            found.steps.push(FoundStep { step: "server", observed: "not asked".to_owned() });
            return Ok(());
        }
        let Some(Preflight { sink, check, .. }) = pipeline.preflight(self.write).await? else {
            let observed = "none to ask before a run".to_owned();
            found.steps.push(FoundStep { step: "server", observed });
            return Ok(());
        };
        (found.server, found.gms_version) = (sink.destination.server, sink.destination.gms_version);
        found.token = Some(sink.token);
        let steps = check.steps.into_iter();
        found.steps.extend(steps.map(|step| FoundStep { step: step.name, observed: step.observed }));
        found.notes = check.notes.iter().map(|note| note.render(&CommandLine)).collect();
        check.failure.map_or(Ok(()), Err)
    }

    /// Reports the interpreter also where it lacks the source.
    #[cfg(unix)]
    async fn look_at_python(pipeline: &Pipeline, found: &mut Found) -> Result<(), Error> {
        let Some(described) = pipeline.describe_source().await? else { return Ok(()) };
        let package = described.package.as_ref();
        let package =
            package.map_or("no acryl-datahub".to_owned(), |version| format!("acryl-datahub {version}"));
        let source = if described.problem.is_none() { "has the source" } else { "cannot run the source" };
        let interpreter = described.interpreter.display();
        let observed = format!("{interpreter} (Python {}, {package}) {source}", described.version);
        found.steps.push(FoundStep { step: "python", observed });
        found.python = Some(FoundPython {
            interpreter: described.interpreter,
            version: described.version,
            package: described.package,
            installed: described.problem.is_none(),
        });
        described.problem.map_or(Ok(()), Err)
    }

    /// The steps up to the failure, if there was one.
    fn text(found: &Found, color: bool) -> String {
        let mut text = String::new();
        for FoundStep { step, observed } in &found.steps {
            writeln!(text, "  {step:<8}  {observed}").unwrap_or_default();
        }
        for warning in &found.warnings {
            writeln!(text, "  {:<8}  {warning}", "warning").unwrap_or_default();
        }
        for note in &found.notes {
            text += &note_text(note, color);
        }
        text
    }
}
