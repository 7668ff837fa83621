//! `datahub-emit ingest list-runs`, `show` and `rollback`: the runs that GMS knows.

use std::io::{self, BufRead as _, IsTerminal as _};
use std::path::{Path, PathBuf};

use clap::Args;
use datahub_emitter::clock::{Clock as _, SystemClock};
use datahub_emitter::gms::{RunAspect, RunRollback};
use datahub_emitter::{Error, ErrorKind};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;

use crate::cli::exit::Exit;
use crate::cli::progress::Screen;
use crate::cli::server::Server;
use crate::cli::table::table;
use crate::cli::{Global, output};

#[derive(Debug, Args)]
#[command(after_help = "\
Prints a table on a terminal, and JSON elsewhere.

Examples:
  datahub-emit ingest list-runs
  datahub-emit ingest list-runs --page-size 10 --json")]
pub(super) struct ListRuns {
    /// The page, from 0.
    #[arg(short = 'p', long, value_name = "N", default_value_t = 0)]
    page_offset: u32,
    /// Runs on a page.
    #[arg(short = 's', long, value_name = "N", default_value_t = 100)]
    page_size: u32,
    /// Counts aspects of soft-deleted entities, too.
    #[arg(long)]
    include_soft_deletes: bool,
    /// Prints JSON on a terminal as well.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Prints a table on a terminal, and JSON elsewhere.

Example:
  datahub-emit ingest show --run-id file-2026_11_23-20_15_00-ab12cd")]
pub(super) struct Show {
    /// The id of the run.
    #[arg(long, value_name = "ID")]
    run_id: String,
    /// The first aspect that is shown.
    #[arg(long, value_name = "N", default_value_t = 0)]
    start: u32,
    /// Aspects that are shown.
    #[arg(long, value_name = "N", default_value_t = 100)]
    count: u32,
    /// Shows aspects of soft-deleted entities, too.
    #[arg(long)]
    include_soft_deletes: bool,
    /// Prints JSON with the value of each aspect.
    #[arg(short = 'a', long = "show-aspect")]
    with_values: bool,
    /// Prints JSON on a terminal as well.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
#[command(after_help = "\
Entities that the run created are deleted, and other aspects become what they were before. Without --nuke, deleted
entities are only hidden.

Examples:
  datahub-emit ingest rollback --run-id file-2026_11_23-20_15_00-ab12cd --dry-run
  datahub-emit ingest rollback --run-id file-2026_11_23-20_15_00-ab12cd --force")]
pub(super) struct Rollback {
    /// The id of the run.
    #[arg(long, value_name = "ID")]
    run_id: String,
    /// Says what would be done, and does nothing.
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Hides the entities that the run created. This is the default.
    #[arg(long, conflicts_with = "nuke")]
    safe: bool,
    /// Deletes the entities that the run created for good, with the aspects that other runs have added.
    #[arg(long)]
    nuke: bool,
    /// Does not ask.
    #[arg(short, long)]
    force: bool,
    /// The directory for a report of entities with aspects of other runs.
    #[arg(long, value_name = "DIR", default_value = "./rollback-reports")]
    report_dir: PathBuf,
    /// Prints JSON on a terminal as well.
    #[arg(long)]
    json: bool,
}

impl ListRuns {
    pub(super) async fn run(self, global: &Global) -> Result<Exit, Error> {
        let server = Server::find(global).await?;
        let client = server.client()?;
        let runs = client.ingestion_runs(self.page_offset, self.page_size, self.include_soft_deletes).await;
        server.stop().await;
        let runs = runs?;
        if wants_json(self.json) {
            output::write(&document(&runs)?)?;
        } else {
            let rows = runs.iter().map(|run| [run.run_id.clone(), run.rows.to_string(), time(run.timestamp)]);
            output::write(table(["RUN ID", "ROWS", "CREATED"], rows).as_bytes())?;
        }
        Ok(Exit::Done)
    }
}

impl Show {
    pub(super) async fn run(self, global: &Global, screen: &Screen) -> Result<Exit, Error> {
        let server = Server::find(global).await?;
        let name = server.name();
        let client = server.client()?;
        let page = (self.start, self.count);
        let found =
            client.ingestion_run(&self.run_id, page, self.include_soft_deletes, self.with_values).await;
        server.stop().await;
        let found = found?;
        if self.with_values || wants_json(self.json) {
            output::write(&document(&found)?)?;
        } else {
            output::write(aspects(&found).as_bytes())?;
        }
        if found.is_empty() && self.start == 0 {
            screen.say(&format!("not found: {name} has nothing of the run {}\n", self.run_id));
            return Ok(Exit::Failed);
        }
        Ok(Exit::Done)
    }
}

impl Rollback {
    pub(super) async fn run(self, global: &Global, screen: &Screen) -> Result<Exit, Error> {
        if !self.dry_run && !self.force {
            confirm(screen, &self.run_id, self.nuke)?;
        }
        let server = Server::find(global).await?;
        let client = server.client()?;
        let done = client.roll_back_run(&self.run_id, !self.nuke, self.dry_run).await;
        server.stop().await;
        let done = done?;
        if wants_json(self.json) {
            output::write(&document(&done)?)?;
        } else {
            output::write(aspects(&done.aspect_row_summaries).as_bytes())?;
        }
        screen.say(&self.text(&done));
        if done.unsafe_entities_count > 0 && !self.dry_run {
            let directory = write_report(&self.report_dir, &self.run_id, &done)?;
            screen.say(&format!("report: {}\n", directory.display()));
        }
        Ok(Exit::Done)
    }

    fn text(&self, done: &RunRollback) -> String {
        let (label, verb) =
            if self.dry_run { ("would be rolled back", "would be") } else { ("rolled back", "were") };
        let text = format!(
            "{label}: {} entities deleted, {} aspects reverted\n",
            done.entities_deleted, done.aspects_reverted
        );
        if done.aspects_affected == 0 {
            return text;
        }
        let what = if self.nuke { "deleted" } else { "hidden" };
        format!(
            "{text}warning: {} aspects of other runs on {} of these entities {verb} {what}\n",
            done.aspects_affected, done.unsafe_entities_count
        )
    }
}

/// Asks on the terminal.
fn confirm(screen: &Screen, run_id: &str, nuke: bool) -> Result<(), Error> {
    let what = if nuke { "deletes entities for good" } else { "hides entities and reverts aspects" };
    if !io::stdin().is_terminal() {
        let message = format!(
            "a rollback {what}: --force does so without a question, --dry-run shows what it would do"
        );
        return Err(Error::new(ErrorKind::Input, message));
    }
    screen.say(&format!("Rolling back {run_id} {what}. Continue? [y/N] "));
    let mut answer = String::new();
    io::stdin()
        .lock()
        .read_line(&mut answer)
        .map_err(|error| Error::new(ErrorKind::Input, "the answer cannot be read").with_source(error))?;
    if matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes") {
        Ok(())
    } else {
        Err(Error::new(ErrorKind::Input, "nothing was rolled back"))
    }
}

/// Writes which run it was, and the entities with aspects of other runs.
fn write_report(report_dir: &Path, run_id: &str, done: &RunRollback) -> Result<PathBuf, Error> {
    let now = SystemClock.now();
    let directory = report_dir.join(now.strftime("%Y-%m-%d %H:%M:%S").to_string());
    let rows = done.unsafe_entities.iter().map(|entity| format!("\"{}\"\n", entity.urn.replace('"', "\"\"")));
    let entities: String = std::iter::once("urn\n".to_owned()).chain(rows).collect();
    let write = || {
        std::fs::create_dir_all(&directory)?;
        std::fs::write(directory.join("config.json"), format!("{}\n", json!({"run_id": run_id})))?;
        std::fs::write(directory.join("unsafe_entities.csv"), entities)
    };
    write().map_err(|error| {
        let message =
            format!("the run was rolled back, and the report cannot be written to {}", directory.display());
        Error::new(ErrorKind::Disk, message).with_source(error)
    })?;
    Ok(directory)
}

fn wants_json(asked: bool) -> bool {
    asked || !io::stdout().is_terminal()
}

fn document(value: &impl Serialize) -> Result<Vec<u8>, Error> {
    let mut text = serde_json::to_vec_pretty(value)
        .map_err(|error| Error::new(ErrorKind::Internal, "the answer has no JSON form").with_source(error))?;
    text.push(b'\n');
    Ok(text)
}

fn aspects(aspects: &[RunAspect]) -> String {
    let rows =
        aspects.iter().map(|aspect| [aspect.urn.clone(), aspect.aspect_name.clone(), time(aspect.timestamp)]);
    table(["URN", "ASPECT", "CREATED"], rows)
}

fn time(milliseconds: i64) -> String {
    Timestamp::from_millisecond(milliseconds).map_or_else(|_| "?".to_owned(), |time| time.to_string())
}
