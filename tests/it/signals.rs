//! Does a run obey signals and closed pipes?
#![cfg(unix)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::Stdio;
use std::sync::mpsc;

use crate::support::sandbox::{Running, Sandbox, signal, tag, tags};
use crate::support::scripted_gms::{Response, ScriptedGms};
use crate::support::server::Server;
use crate::support::wait::PATIENCE;

impl Running {
    fn write(&mut self, text: &str) {
        let stdin = self.0.stdin.as_mut().unwrap();
        stdin.write_all(text.as_bytes()).unwrap();
        stdin.flush().unwrap();
    }

    /// Reads standard error until a line contains `words`.
    fn wait_for(&mut self, words: &str) {
        let said = BufReader::new(self.0.stderr.as_mut().unwrap());
        assert!(said.lines().any(|line| line.unwrap().contains(words)), "it has not said {words:?}");
    }
}

/// Starts a run that reads standard input.
fn from_stdin(sandbox: &Sandbox, sink: &str, arguments: &[&str]) -> Running {
    sandbox.write("recipe.yml", &format!("source: {{type: file, config: {{path: '-'}}}}\nsink: {sink}\n"));
    Running(
        sandbox.start(&[&["ingest", "-c", "recipe.yml", "--report-to", "report.json"], arguments].concat()),
    )
}

#[test]
fn sighup_rereads_the_token_and_the_run_continues() {
    let (arrived, arrivals) = mpsc::channel();
    let gms = ScriptedGms::start(move |request| {
        arrived.send(request.headers()["authorization"].clone()).unwrap();
        Response::ok()
    });
    let sandbox = Sandbox::new();
    let file = sandbox.write("token", "one");
    // A token command is not run again while its token is valid; a token file would be read again anyway.
    let sink = format!(
        "{{type: datahub-rest, config: {{server: '{}', auth: {{type: command, config: {{command: [cat, '{}']}}}}}}}}",
        gms.url(),
        file.display()
    );
    let mut run = from_stdin(&sandbox, &sink, &["-v"]);
    run.write(&tags(["a"]));
    assert_eq!(arrivals.recv_timeout(PATIENCE).unwrap(), "Bearer one");
    std::fs::write(&file, "two").unwrap();
    signal(&run.0, "HUP");
    run.wait_for("the token was read again, and is another one");
    run.write(&tags(["b"]));
    assert_eq!(arrivals.recv_timeout(PATIENCE).unwrap(), "Bearer two");
    drop(run.0.stdin.take());
    assert_eq!(run.0.wait().unwrap().code(), Some(0));
    assert_eq!(sandbox.json("report.json")["proposals"]["delivered"], 2);
}

#[test]
fn if_the_token_cannot_be_read_again_the_old_one_is_used() {
    let gms = ScriptedGms::start(|_| Response::ok());
    let sandbox = Sandbox::new();
    let file = sandbox.write("token", "one");
    let sink = format!(
        "{{type: datahub-rest, config: {{server: '{}', auth: {{type: pat, config: {{token_file: '{}'}}}}}}}}",
        gms.url(),
        file.display()
    );
    let mut run = from_stdin(&sandbox, &sink, &["-v"]);
    run.wait_for("connected to GMS");
    std::fs::remove_file(&file).unwrap();
    signal(&run.0, "HUP");
    run.wait_for("the one that is there is used on");
    run.write(&tags(["a"]));
    drop(run.0.stdin.take());
    assert_eq!(run.0.wait().unwrap().code(), Some(0));
}

/// A server that never responds to a write, and a message for each write that arrives.
fn silent() -> (ScriptedGms, mpsc::Receiver<()>) {
    let (arrived, arrivals) = mpsc::channel();
    let gms = ScriptedGms::start(move |_| {
        arrived.send(()).unwrap();
        Response::Never
    });
    (gms, arrivals)
}

#[test]
#[ignore = "waits 20 seconds, the time limit for requests in flight"]
fn proposals_without_an_outcome_after_a_signal_are_undelivered() {
    let (gms, arrivals) = silent();
    let sandbox = Sandbox::new();
    let sink = format!("{{type: datahub-rest, config: {{server: '{}', timeout_sec: 3600}}}}", gms.url());
    let mut run = from_stdin(&sandbox, &sink, &[]);
    run.write(&tags(["a", "b"]));
    arrivals.recv_timeout(PATIENCE).unwrap();
    signal(&run.0, "TERM");
    assert_eq!(run.0.wait().unwrap().code(), Some(143));
    let report = sandbox.json("report.json");
    crate::support::report::adds_up(&report);
    assert_eq!((&report["outcome"], &report["proposals"]["delivered"]), (&"interrupted".into(), &0.into()));
}

#[test]
fn a_second_signal_ends_the_process_at_once() {
    let (gms, arrivals) = silent();
    let sandbox = Sandbox::new();
    let mut run =
        from_stdin(&sandbox, &format!("{{type: datahub-rest, config: {{server: '{}'}}}}", gms.url()), &[]);
    run.write(&tags(["a"]));
    arrivals.recv_timeout(PATIENCE).unwrap();
    // Two different signals: two of one kind could be merged.
    signal(&run.0, "TERM");
    signal(&run.0, "INT");
    let code = run.0.wait().unwrap().code();
    assert!(matches!(code, Some(130 | 143)), "{code:?}");
    assert!(!sandbox.path("report.json").exists(), "it did not wait for requests in flight");
}

#[test]
fn a_closed_output_pipe_is_not_reported() {
    let server = Server::start();
    let sandbox = Sandbox::new();
    sandbox.write("token", server.token());
    let global = ["--server", server.url(), "--token-file", "token"];
    sandbox.write("tags.jsonl", &tags(["a"]));
    sandbox.recipe("tags.jsonl", "{type: blackhole}");
    for (command, code) in [
        (&["get", "urn:li:corpuser:datahub", "--aspect", "corpUserKey"][..], 0),
        (&["ingest", "-c", "recipe.yml", "-q", "--json"], 0),
        (&["ingest", "-c", "recipe.yml", "-q", "--preview"], 0),
        (&["check", "recipe.yml", "-q", "--json"], 0),
        (&["--help"], 0),
    ] {
        let mut command_line = sandbox.command();
        command_line.args(command).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if command[0] == "get" {
            command_line.args(global);
        }
        let mut child = command_line.spawn().unwrap();
        drop(child.stdout.take());
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!((child.wait().unwrap().code(), said.as_str()), (Some(code), ""), "{command:?}");
    }
}

#[test]
fn a_closed_output_pipe_is_exit_code_141() {
    let sandbox = Sandbox::new();
    let mut run = from_stdin(&sandbox, "{type: console}", &["-vvv"]);
    drop(run.0.stdout.take());
    run.write(&tags(["a"]));
    // Standard input stays open: the run ends by itself at the next record.
    let stdin = run.0.stdin.as_mut().unwrap();
    while stdin.write_all((tag("b") + "\n").as_bytes()).is_ok() {}
    assert_eq!(run.0.wait().unwrap().code(), Some(141));
    let report = sandbox.json("report.json");
    assert_eq!(report["outcome"], "interrupted");
    crate::support::report::adds_up(&report);
}

#[test]
fn closed_standard_error_is_not_a_failure() {
    let sandbox = Sandbox::new();
    sandbox.write("tags.jsonl", &tags(["a"]));
    sandbox.recipe("tags.jsonl", "{type: blackhole}");
    let mut command = sandbox.command();
    command.args(["ingest", "-c", "recipe.yml", "-vvv"]).stdin(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stderr.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
