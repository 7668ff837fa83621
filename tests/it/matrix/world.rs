//! One combination of the matrix: a server, a pipeline and a failure.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use datahub_emitter::embedded::Gms;
use serde_json::Value;

use super::corpus;
use super::ledger::{Account, Latest, Ledger};
use super::troubles::{DEAD_LETTERS, Trouble, What};
use crate::support::report::adds_up;
use crate::support::sandbox::{Ran, Sandbox};
use crate::support::server::Server;
use crate::support::wait;

pub(super) struct World {
    sandbox: Sandbox,
    pub(super) server: Server,
    ledger: Ledger,
    token: String,
    mode: &'static str,
    endpoint: &'static str,
}

/// The result of a run; a process that was killed has neither code nor report.
struct Ended {
    code: Option<i32>,
    report: Option<Value>,
}

impl World {
    pub(super) fn new(mode: &'static str, endpoint: &'static str) -> Self {
        let sandbox = Sandbox::new();
        let data = sandbox.path("gms.sqlite");
        let server = Server::of(Gms::builder().data(&data));
        let ledger = Ledger::open(&data);
        let token = server.token().to_owned();
        sandbox.write("records.jsonl", &corpus::lines());
        sandbox.write("a-file", "");
        let world = Self { sandbox, server, ledger, token, mode, endpoint };
        world.write_recipe(world.server.url());
        world
    }

    fn write_recipe(&self, server: &str) {
        let (mode, endpoint) = (self.mode, self.endpoint);
        let wait = if self.follows_traces() { ", emit_mode: ASYNC_WAIT" } else { "" };
        let sink = format!(
            "{{type: datahub-rest, config: {{server: '{server}', token: '${{TOKEN}}', mode: {mode}, endpoint: {endpoint}, \
             max_threads: 2, max_per_batch: 20, retry_max_times: 3, retry_budget_sec: 30, wait_for_server: 0s{wait}}}}}\n\
             pipeline_name: matrix"
        );
        self.sandbox.recipe("records.jsonl", &sink);
    }

    /// Whether the run follows traces, which exist over OpenAPI only, to learn the result of asynchronous
    /// writes.
    fn follows_traces(&self) -> bool {
        self.endpoint == "openapi" && self.mode != "SYNC"
    }

    /// Whether the server has written at least `count` records.
    pub(super) fn wrote(&self, count: usize) -> bool {
        self.ledger.written().len() >= count
    }

    /// The numbers of the records in the dead-letter file. A line that a kill truncated does not count.
    pub(super) fn dead_letters(&self) -> Vec<usize> {
        let text = std::fs::read_to_string(self.sandbox.path(DEAD_LETTERS)).unwrap_or_default();
        text.lines().filter_map(corpus::number_of_line).collect()
    }

    fn ingest(&self, token: &str, arguments: &[&str]) -> Command {
        let mut command = self.sandbox.command();
        command.env("TOKEN", token).args(["ingest", "-c", "recipe.yml"]).args(arguments).stdin(Stdio::null());
        command
    }

    fn checkpoint_in_the_way(&self) -> PathBuf {
        self.sandbox.path("state/datahub-emit/matrix/checkpoint.json.new")
    }

    /// A run without a failure.
    pub(super) fn undisturbed(self) -> Latest {
        Ran::of(&mut self.ingest(&self.token, &[])).ends_with(0);
        self.ledger.latest()
    }

    /// Runs with the failure, and checks that every record is accounted for. Then removes the failure,
    /// resumes, replays the dead letters, and returns the content of the store.
    pub(super) fn run_with(self, trouble: &Trouble, excused: Option<&str>) -> Latest {
        for fault in trouble.faults(self.endpoint) {
            self.server.gms().fault(fault);
        }
        match trouble.what {
            What::NoCheckpoint => std::fs::create_dir_all(self.checkpoint_in_the_way()).unwrap(),
            What::NoServer => self.write_recipe("http://127.0.0.1:1"),
            _ => {}
        }
        let ended = self.disturbed(trouble);
        if let Some(report) = &ended.report {
            adds_up(report);
        }
        if let Some(code) = ended.code {
            assert!(trouble.ends.contains(&code), "exit code {code}: {:#?}", ended.report);
        }
        let remaining = if ended.is_settled() { Vec::new() } else { self.remaining() };
        let account =
            Account { written: self.ledger.written(), dead_letters: self.dead_letters(), remaining };
        // Queued writes without a known result are sent again by the resume.
        let repeats = trouble.repeats || (self.follows_traces() && !account.remaining.is_empty());
        account.is_the_input(repeats, excused);
        if let Some(report) = ended.report.filter(|_| !repeats && excused.is_none()) {
            let counts = &report["proposals"];
            assert_eq!(counts["delivered"], account.written.len(), "{report:#}");
            assert_eq!(counts["rejected"], account.dead_letters.len(), "{report:#}");
        }
        self.remove_failure(trouble);
        self.finish(&account);
        self.ledger.latest()
    }

    fn disturbed(&self, trouble: &Trouble) -> Ended {
        let token = match trouble.what {
            What::WrongToken => "no-token-of-this-server",
            _ => &self.token,
        };
        let mut arguments = vec!["--json", "--no-progress"];
        arguments.extend(["--report-to", trouble.report, "--dead-letters", trouble.dead_letters]);
        arguments.extend(trouble.arguments);
        let What::Signal(signal, stages) = trouble.what else {
            return Ended::of(&Ran::of(&mut self.ingest(token, &arguments)));
        };
        arguments.push("--resume");
        let mut ended = None;
        for stage in stages {
            let mut command = self.ingest(token, &arguments);
            let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
            wait::until_or_end(&mut child, || stage(self));
            if child.try_wait().unwrap().is_none() {
                crate::support::sandbox::signal(&child, signal);
            }
            let ran = Ended::of(&child.wait_with_output().unwrap().into());
            let over = ran.code == Some(0);
            ended = Some(ran);
            // Another run would start at the beginning.
            if over {
                break;
            }
        }
        ended.unwrap()
    }

    /// The records that a resume would send.
    fn remaining(&self) -> Vec<usize> {
        let ran = Ran::of(&mut self.ingest(&self.token, &["--resume", "--preview=1000000"])).ends_with(0);
        ran.stdout.lines().map(|line| corpus::number_of_line(line).unwrap()).collect()
    }

    fn remove_failure(&self, trouble: &Trouble) {
        self.server.gms().clear_faults();
        match trouble.what {
            What::NoCheckpoint => std::fs::remove_dir(self.checkpoint_in_the_way()).unwrap(),
            What::NoServer => self.write_recipe(self.server.url()),
            _ => {}
        }
    }

    /// Resumes if records remain, and replays the dead letters.
    fn finish(&self, account: &Account) {
        let token = self.server.block_on(self.server.gms().create_token("datahub")).unwrap();
        if !account.remaining.is_empty() {
            let arguments = ["--resume", "--json", "--dead-letters", DEAD_LETTERS];
            let ran = Ran::of(&mut self.ingest(&token, &arguments)).ends_with(0);
            let report = ran.json();
            adds_up(&report);
            assert_eq!(report["proposals"]["delivered"], account.remaining.len(), "{report:#}");
        }
        if self.sandbox.path(DEAD_LETTERS).exists() {
            let mut replay = self.sandbox.command();
            replay.env("TOKEN", token).args(["replay", DEAD_LETTERS, "-c", "recipe.yml", "--json"]);
            adds_up(&Ran::of(&mut replay).ends_with(0).json());
        }
    }
}

impl Ended {
    fn of(ran: &Ran) -> Self {
        let report = ran.code.is_some().then(|| ran.json());
        Self { code: ran.code, report }
    }

    /// Whether every record has a final outcome, so that nothing remains for a resume.
    fn is_settled(&self) -> bool {
        self.report.as_ref().is_some_and(|report| {
            report["source"]["complete"] == true && report["proposals"]["undelivered"] == 0
        })
    }
}
