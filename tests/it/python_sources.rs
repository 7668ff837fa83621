//! Does a source in a child process deliver everything, whatever happens to either process?
//!
//! The source is that of `fixtures/python_source`, a stand-in for DataHub's package; `tests/interop` runs
//! the real one.

use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::support::sandbox::{Ran, Running, Sandbox, signal};
use crate::support::scripted_gms::{Response, ScriptedGms};
use crate::support::wait;

/// A server that refuses every request after this number, until it is repaired.
#[derive(Clone, Default)]
struct Gms {
    accepted: Arc<Mutex<Vec<String>>>,
    requests: Arc<AtomicUsize>,
    refuses_after: Arc<AtomicUsize>,
}

impl Gms {
    fn refusing_after(requests: usize) -> Self {
        let gms = Self::default();
        gms.refuses_after.store(requests, SeqCst);
        gms
    }

    fn start(&self) -> ScriptedGms {
        let gms = self.clone();
        ScriptedGms::start(move |request| {
            if gms.requests.fetch_add(1, SeqCst) >= gms.refuses_after.load(SeqCst) {
                return Response::Status(401, String::new());
            }
            gms.accepted.lock().unwrap().extend(request.proposals().into_iter().map(|(urn, _)| urn));
            Response::ok()
        })
    }

    fn repair(&self) {
        self.refuses_after.store(usize::MAX, SeqCst);
    }

    /// The tags that arrived, each once and in the order of their numbers.
    fn tags(&self) -> Vec<String> {
        let mut tags = self.accepted.lock().unwrap().clone();
        tags.sort_by_key(|urn| urn.trim_start_matches("urn:li:tag:t").parse::<usize>().unwrap());
        tags.dedup();
        tags
    }
}

fn all_tags(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("urn:li:tag:t{number}")).collect()
}

/// A sandbox with a recipe for the stand-in, and the environment in which it runs.
struct Extraction {
    sandbox: Sandbox,
}

impl Extraction {
    fn new(config: &str, gms: &ScriptedGms) -> Self {
        Self::of_type("tags", config, gms)
    }

    fn of_type(source_type: &str, config: &str, gms: &ScriptedGms) -> Self {
        let sandbox = Sandbox::new();
        let recipe = format!(
            "pipeline_name: extraction\nsource: {{type: {source_type}, config: {{{config}}}}}\nsink: {{type: datahub-rest, config: \
             {{server: '{}', token: t, max_threads: 1, max_per_batch: 10, max_pending_requests: 50}}}}\n",
            gms.url()
        );
        sandbox.write("recipe.yml", &recipe);
        Self { sandbox }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.sandbox.command();
        command
            .args(["ingest", "-c", "recipe.yml", "--report-to", "report.json"])
            .args(arguments)
            .envs(Self::environment());
        command
    }

    fn run(&self, arguments: &[&str]) -> (Ran, Value) {
        let ran = Ran::of(&mut self.command(arguments));
        (ran, self.sandbox.json("report.json"))
    }

    /// Another command of this program with the stand-in.
    fn other(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.sandbox.command().args(arguments).envs(Self::environment()))
    }

    fn environment() -> [(&'static str, std::ffi::OsString); 3] {
        [
            ("PATH", std::env::var_os("PATH").unwrap_or_default()),
            ("PYTHONDONTWRITEBYTECODE", "1".into()),
            ("PYTHONPATH", concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/python_source").into()),
        ]
    }

    fn lines(&self, file: &str) -> Vec<String> {
        let text = std::fs::read_to_string(self.sandbox.path(file)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    fn has_spooled(&self, urn: &str) -> bool {
        let segment = self.sandbox.path("state/datahub-emit/extraction/spool/00000000.spool");
        std::fs::read(segment).is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(urn))
    }

    fn has_spool(&self) -> bool {
        self.sandbox.path("state/datahub-emit/extraction/spool").exists()
    }
}

/// Whether a process exists and is not a zombie.
fn is_alive(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| stat.rsplit(')').next().is_some_and(|rest| !rest.trim_start().starts_with('Z')))
}

#[test]
fn every_record_is_delivered_and_then_the_state_is_committed() {
    let gms = Gms::refusing_after(usize::MAX);
    let server = gms.start();
    let extraction = Extraction::new("count: 200, password: swordfish", &server);
    let (ran, report) = extraction.run(&[]);
    let ran = ran.ends_with(0);
    assert_eq!(gms.tags(), all_tags(201), "the record after the flush is delivered, too");
    assert_eq!(extraction.lines("commits"), ["committed"]);
    assert_eq!(report["source"]["runs_in"], "python");
    assert_eq!(report["proposals"]["delivered"], 201);
    assert!(ran.stderr.contains("the password is ********"), "{ran:#?}");
    assert!(!extraction.has_spool(), "nothing is left to deliver");
}

#[test]
fn after_a_refusal_the_extraction_continues_and_a_resume_delivers_it() {
    let gms = Gms::refusing_after(3);
    let server = gms.start();
    let extraction = Extraction::new("count: 200", &server);
    let (ran, report) = extraction.run(&[]);
    ran.ends_with(3);
    assert!(gms.tags().len() < 100);
    assert_eq!(extraction.lines("commits"), ["failed"], "the source ran to its end, and commits nothing");
    assert!(extraction.has_spool());
    assert!(report["resume"]["from_record"].as_u64().is_some(), "{report}");

    // A run without --resume does not touch what is left.
    let (ran, _) = extraction.run(&[]);
    assert!(ran.ends_with(3).stderr.contains("--resume delivers them"));
    assert!(extraction.has_spool());
    let runs = extraction.lines("runs").len();

    gms.repair();
    let (ran, report) = extraction.run(&["--resume"]);
    ran.ends_with(0);
    assert_eq!(gms.tags(), all_tags(201));
    assert_eq!(extraction.lines("runs").len(), runs, "the resume extracts nothing");
    assert_eq!(report["resume"], Value::Null);
    assert!(!extraction.has_spool());
}

#[test]
fn without_a_spool_a_refusal_ends_the_source() {
    let gms = Gms::refusing_after(3);
    let server = gms.start();
    let extraction = Extraction::new("count: 200, hangs: true", &server);
    let (ran, report) = extraction.run(&["--no-spool"]);
    ran.ends_with(3);
    assert_eq!(report["resume"], Value::Null);
    assert!(!is_alive(&extraction.lines("runs")[0]));
}

#[test]
fn a_failure_of_the_source_is_reported_and_everything_before_is_delivered() {
    let gms = Gms::refusing_after(usize::MAX);
    let server = gms.start();
    let extraction = Extraction::new("count: 20, failures: ['schema x: permission denied']", &server);
    let (ran, report) = extraction.run(&[]);
    let ran = ran.ends_with(1);
    assert!(ran.stderr.contains("error[source.failed]"), "{ran:#?}");
    assert!(ran.stderr.contains("schema x: permission denied"), "{ran:#?}");
    assert_eq!(report["diagnosis"]["code"], "source.failed");
    assert_eq!(report["proposals"]["delivered"], 21);
    assert!(!extraction.has_spool());
}

#[test]
fn a_killed_source_is_reported_as_such() {
    let gms = Gms::refusing_after(usize::MAX);
    let server = gms.start();
    let extraction = Extraction::new("count: 100, killed_at: 49", &server);
    let (ran, report) = extraction.run(&[]);
    assert!(ran.ends_with(1).stderr.contains("was killed (SIGKILL)"));
    assert_eq!(report["proposals"]["delivered"], 50);
    assert_eq!(gms.tags(), all_tags(50));
    assert_eq!(extraction.lines("commits"), [""; 0]);
}

#[test]
fn no_process_survives_a_killed_run() {
    let gms = Gms::refusing_after(usize::MAX);
    let server = gms.start();
    let extraction = Extraction::new("count: 10, hangs: true, starts_a_process: true", &server);
    let mut run = Running(extraction.command(&[]).spawn().unwrap());
    wait::until("the source hangs", || extraction.sandbox.path("hangs").exists());
    // Records that are still in the socket are extracted again by the next full run.
    wait::until("the last record is in the spool", || extraction.has_spooled("urn:li:tag:t9"));
    run.0.kill().unwrap();
    let processes = [extraction.lines("runs"), extraction.lines("helper")].concat();
    assert_eq!(processes.len(), 2);
    for process in processes {
        wait::until("the process has ended", || !is_alive(&process));
    }
    let (ran, _) = extraction.run(&["--resume"]);
    assert!(ran.ends_with(0).stderr.contains("was not complete"));
    assert_eq!(gms.tags(), all_tags(10), "what was extracted is not lost");
}

#[test]
fn a_token_refused_halfway_through_20000_records_costs_no_second_extraction() {
    const RECORDS: usize = 20_000;
    let gms = Gms::default();
    // The first token is valid for half of the requests.
    let accepted = Arc::clone(&gms.accepted);
    let server = ScriptedGms::start(move |request| {
        let mut accepted = accepted.lock().unwrap();
        if request.header("authorization") != Some("Bearer new") && accepted.len() >= RECORDS / 2 {
            return Response::Status(401, String::new());
        }
        accepted.extend(request.proposals().into_iter().map(|(urn, _)| urn));
        Response::ok()
    });
    let extraction = Extraction::new(&format!("count: {RECORDS}"), &server);
    let (ran, report) = extraction.run(&[]);
    ran.ends_with(3);
    assert!(report["proposals"]["undelivered"].as_u64() > Some(0), "{report}");
    assert_eq!(extraction.lines("commits"), ["failed"]);

    let recipe = std::fs::read_to_string(extraction.sandbox.path("recipe.yml")).unwrap();
    extraction.sandbox.write("recipe.yml", &recipe.replace("token: t,", "token: new,"));
    let (ran, _) = extraction.run(&["--resume"]);
    ran.ends_with(0);
    assert_eq!(gms.tags(), all_tags(RECORDS + 1));
    assert_eq!(extraction.lines("runs").len(), 1, "the source ran once");
    assert!(!extraction.has_spool());
}

/// The process that is killed.
#[derive(Clone, Copy, Debug)]
enum Victim {
    Run,
    Source,
    Both,
}

/// Kills a process once `arrived` records have reached GMS. Then a resume, and after it a full run, lose
/// nothing.
fn killed(victim: Victim, arrived: usize) {
    const RECORDS: usize = 300;
    let gms = Gms::refusing_after(usize::MAX);
    let server = gms.start();
    let extraction = Extraction::new(&format!("count: {RECORDS}"), &server);
    let mut run = Running(extraction.command(&[]).spawn().unwrap());
    let count = || gms.accepted.lock().unwrap().len();
    let is_running = wait::until_or_end(&mut run.0, || {
        extraction.lines("runs").first().is_some_and(|pid| !pid.is_empty()) && count() >= arrived
    });
    assert!(is_running, "the moment comes");
    let source = extraction.lines("runs").remove(0);
    if !matches!(victim, Victim::Run) {
        // It fails if the source has just ended.
        Command::new("kill").args(["-KILL", &source]).output().unwrap();
    }
    if !matches!(victim, Victim::Source) {
        run.0.kill().unwrap();
    }
    run.0.wait().unwrap();
    wait::until("no process of the source is left", || !is_alive(&source));
    if extraction.lines("commits").contains(&"committed".to_owned()) {
        assert!(gms.tags().len() >= RECORDS, "{victim:?} at {arrived}: the state is ahead of delivery");
    }

    let (ran, _) = extraction.run(&["--resume"]);
    ran.ends_with(0);
    let tags = gms.tags();
    assert_eq!(tags, all_tags(tags.len()), "{victim:?} at {arrived}: a record is lost");
    let (ran, _) = extraction.run(&[]);
    ran.ends_with(0);
    assert_eq!(gms.tags(), all_tags(RECORDS + 1), "{victim:?} at {arrived}");
    assert_eq!(extraction.lines("commits").last().map(String::as_str), Some("committed"));
    assert!(!extraction.has_spool());
}

/// Kills at moments that are spread over the run, each process in turn.
fn killed_at(moments: usize) {
    let victims = [Victim::Run, Victim::Source, Victim::Both];
    for (moment, victim) in (0..moments).zip(victims.into_iter().cycle()) {
        killed(victim, moment * 300 / moments);
    }
}

#[test]
fn nothing_is_lost_and_no_state_is_ahead_when_a_process_is_killed() {
    killed_at(6);
}

#[test]
#[ignore = "takes minutes"]
fn nothing_is_lost_and_no_state_is_ahead_when_a_process_is_killed_at_40_moments() {
    killed_at(40);
}

#[test]
fn an_interrupt_ends_the_source_and_leaves_the_rest_to_a_resume() {
    let gms = Gms::refusing_after(usize::MAX);
    let server = gms.start();
    let extraction = Extraction::new("count: 10, hangs: true", &server);
    let mut run = Running(extraction.command(&[]).spawn().unwrap());
    wait::until("the source hangs", || extraction.sandbox.path("hangs").exists());
    signal(&run.0, "INT");
    assert_eq!(run.0.wait().unwrap().code(), Some(130));
    assert!(!is_alive(&extraction.lines("runs")[0]));
}

#[test]
fn what_is_missing_is_named_with_the_command_that_installs_it() {
    let server = Gms::refusing_after(usize::MAX).start();
    let missing = Extraction::new("", &server);
    let (ran, report) = missing.run(&["--python", "/no/such/python"]);
    assert!(ran.ends_with(2).stderr.contains("/no/such/python, which is not a program"));
    assert_eq!(report["diagnosis"]["code"], "source.python-missing");

    let disabled = Extraction::of_type("postgres", "host_port: h", &server);
    let (ran, report) = disabled.run(&[]);
    assert!(ran.ends_with(2).stderr.contains("`psycopg2`"));
    assert_eq!(report["diagnosis"]["code"], "source.plugin-missing");
}

#[test]
fn check_names_the_python_that_would_run_the_source() {
    let server = Gms::refusing_after(usize::MAX).start();
    let extraction = Extraction::new("count: 10", &server);
    let ran = extraction.other(&["check", "recipe.yml", "--offline", "--json"]).ends_with(0);
    let found = ran.json();
    assert_eq!(found["python"]["installed"], true, "{found:#}");
    let version = found["python"]["version"].as_str().unwrap();
    assert!(version.starts_with("3."), "{found:#}");
    assert!(ran.stderr.contains(&format!("(Python {version}, ")), "{ran:#?}");
    assert!(ran.stderr.contains("has the source"), "{ran:#?}");
    assert_eq!(extraction.lines("runs"), [""; 0], "nothing was extracted");

    let disabled = Extraction::of_type("postgres", "host_port: h", &server);
    let ran = disabled.other(&["check", "recipe.yml", "--offline", "--json"]).ends_with(2);
    let found = ran.json();
    assert_eq!(found["python"]["installed"], false, "{found:#}");
    assert_eq!(found["diagnosis"]["code"], "source.plugin-missing");
    assert!(ran.stderr.contains("cannot run the source") && ran.stderr.contains("`psycopg2`"), "{ran:#?}");

    let ran =
        extraction.other(&["check", "recipe.yml", "--offline", "--json", "--python", "/no/such/python"]);
    assert_eq!(ran.ends_with(2).json()["diagnosis"]["code"], "source.python-missing");
}

#[test]
fn a_connection_test_prints_the_report_of_the_source_and_decides_the_exit_code() {
    let server = Gms::refusing_after(usize::MAX).start();
    let test = |config: &str| {
        let extraction = Extraction::new(config, &server);
        let ran = extraction.other(&[
            "ingest",
            "-c",
            "recipe.yml",
            "--test-source-connection",
            "--report-to",
            "test.json",
        ]);
        assert_eq!(ran.json(), extraction.sandbox.json("test.json"));
        assert_eq!(extraction.lines("runs"), [""; 0], "nothing was extracted");
        ran
    };
    let ran = test("count: 10").ends_with(0);
    assert_eq!(ran.json()["basic_connectivity"]["capable"], true);
    let ran = test("password: swordfish, unreachable: 'no route for swordfish'").ends_with(1);
    assert_eq!(ran.json()["basic_connectivity"]["failure_reason"], "no route for ********");
    assert!(ran.stderr.contains("cannot connect: no route for ********"), "{ran:#?}");
}

#[test]
fn the_server_is_checked_before_the_source_starts() {
    let extraction = {
        let server = Gms::refusing_after(usize::MAX).start();
        Extraction::new("count: 10", &server)
    };
    let (ran, _) = extraction.run(&[]);
    ran.ends_with(4);
    assert_eq!(extraction.lines("runs"), [""; 0]);
}
