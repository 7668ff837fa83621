//! Does the command line behave like other command lines?

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::Stdio;
use std::sync::mpsc;

use crate::support::CLOSED_PORT_URL;
use crate::support::raw_server::{RawServer, Response};
use crate::support::sandbox::{Ran, Running, Sandbox, tag, tags};
use crate::support::server::Server;
use crate::support::wait::PATIENCE;

impl Running {
    fn first_line(&mut self) -> String {
        let mut line = String::new();
        BufReader::new(self.0.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        line
    }

    fn all_of_stderr(&mut self) -> String {
        let mut said = String::new();
        self.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        said
    }

    fn exit_code(&mut self) -> Option<i32> {
        self.0.wait().unwrap().code()
    }
}

/// A run that has written one record and waits for more on standard input.
fn waiting(sandbox: &Sandbox) -> Running {
    sandbox.write(
        "recipe.yml",
        "source: {type: file, config: {path: '-'}}\nsink: {type: console}\npipeline_name: slow\n",
    );
    let mut running = Running(sandbox.start(&["ingest", "-c", "recipe.yml", "--report-to", "report.json"]));
    writeln!(running.0.stdin.as_mut().unwrap(), "{}", tag("a")).unwrap();
    let line = running.first_line();
    assert!(line.contains("urn:li:tag:a"), "{line}");
    running
}

#[test]
fn help_has_examples() {
    let sandbox = Sandbox::new();
    for command in [
        &["--help"][..],
        &["ingest", "--help"],
        &["check", "--help"],
        &["replay", "--help"],
        &["get", "--help"],
        &["put", "--help"],
        &["gms", "serve", "--help"],
    ] {
        let ran = sandbox.run(command).ends_with(0);
        assert!(ran.stdout.contains("Examples:"), "{ran:#?}");
    }
}

#[test]
fn contradictory_arguments_are_exit_code_2() {
    let sandbox = Sandbox::new();
    sandbox.write("tags.jsonl", &tags(["a"]));
    sandbox.recipe("tags.jsonl", "{type: console}");
    for arguments in [
        &["ingest"][..],
        &["ingest", "-c", "recipe.yml", "--no-such-option"],
        &["ingest", "-c", "recipe.yml", "--resume", "--restart"],
        &["get", "no-urn", "--server", "http://localhost:1"],
        &["get", "urn:li:tag:a"],
        &["get", "urn:li:tag:a", "--server", "localhost"],
        &[
            "put",
            "urn:li:tag:a",
            "--aspect",
            "status",
            "--data",
            "not-there.json",
            "--server",
            "http://localhost:1",
        ],
        &["gms", "serve", "--frontend-listen", "9002", "--data", ":memory:"],
        &["gms", "serve", "--listen", "127.0.0.1:0", "--seed", "not-there.yml", "--data", ":memory:"],
        &["gms", "user", "add", "x", "--privilege", "EDIT_ENTITIES", "--data", "gms.sqlite"],
        &["gms", "token", "create", "--duration", "month", "--data", "gms.sqlite"],
    ] {
        let ran = sandbox.run(arguments).ends_with(2);
        assert_eq!(ran.stdout, "", "{ran:#?}");
        assert!(!ran.stderr.is_empty(), "{ran:#?}");
    }
}

#[test]
fn the_recipe_may_come_from_standard_input() {
    let sandbox = Sandbox::new();
    sandbox.write("tags.jsonl", &tags(["a"]));
    let mut running = Running(sandbox.start(&["ingest", "-c", "-"]));
    let mut stdin = running.0.stdin.take().unwrap();
    stdin.write_all(b"source: {type: file, config: {path: tags.jsonl}}\nsink: {type: console}\n").unwrap();
    drop(stdin);
    assert!(running.first_line().contains("urn:li:tag:a"));
    assert_eq!(running.exit_code(), Some(0));
}

#[test]
fn standard_input_cannot_hold_both_recipe_and_metadata() {
    let sandbox = Sandbox::new();
    for command in [&["ingest", "-c", "-"][..], &["check", "-", "--offline"]] {
        for key in ["path", "filename"] {
            let mut running = Running(sandbox.start(command));
            let mut stdin = running.0.stdin.take().unwrap();
            write!(stdin, "source: {{type: file, config: {{{key}: '-'}}}}\nsink: {{type: console}}\n")
                .unwrap();
            drop(stdin);
            assert_eq!(running.exit_code(), Some(2), "{command:?}");
            let said = running.all_of_stderr();
            assert!(
                said.contains(&format!("source.config.{key}")) && said.contains("the recipe `-`"),
                "{said}"
            );
        }
    }
}

#[test]
fn two_outputs_on_standard_output_are_refused() {
    let sandbox = Sandbox::new();
    sandbox.write("tags.jsonl", &tags(["a"]));
    sandbox.recipe("tags.jsonl", "{type: console}");
    let ran = sandbox.ingest(&["--json"]).ends_with(2);
    assert_eq!(ran.json()["outcome"], "invalid", "a report and nothing else");
    assert!(ran.stderr.contains("--json") && ran.stderr.contains("console"), "{ran:#?}");
    sandbox.ingest(&["--json", "--dry-run"]).ends_with(0);
    let ran = sandbox.ingest(&["--json", "--preview"]).ends_with(2);
    assert!(ran.stderr.contains("--json") && ran.stderr.contains("--preview"), "{ran:#?}");
    assert_eq!(ran.stdout, "");
}

#[cfg(unix)]
#[test]
fn an_endless_token_file_is_an_error() {
    let ran = Sandbox::new()
        .run(&["get", "urn:li:tag:a", "--server", "http://localhost:1", "--token-file", "/dev/zero"])
        .ends_with(2);
    assert!(ran.stderr.contains("/dev/zero is too large"), "{ran:#?}");
}

#[test]
fn get_prints_what_put_wrote() {
    let server = Server::start();
    let sandbox = Sandbox::new();
    sandbox.write("token", &format!("{}\n", server.token()));
    let global = ["--server", server.url(), "--token-file", "token"];
    let run = |arguments: &[&str]| sandbox.run(&[arguments, &global[..]].concat());
    run(&["get", "urn:li:tag:a"]).ends_with(1);
    sandbox.write("aspect.json", "{\"name\": \"ä\",\n \"description\": null}");
    run(&["put", "urn:li:tag:a", "--aspect", "tagProperties", "--data", "aspect.json"]).ends_with(0);
    let found = run(&["get", "urn:li:tag:a", "--aspect", "tagProperties"]).ends_with(0).json();
    assert_eq!(found["tagProperties"]["name"], "ä");
    run(&["get", "urn:li:tag:a", "--aspect", "status"]).ends_with(1);
}

#[test]
fn a_token_that_is_refused_is_exit_code_3_and_a_missing_server_4() {
    let server = Server::start();
    let sandbox = Sandbox::new();
    sandbox.write("token", "wrong");
    let ran =
        sandbox.run(&["get", "urn:li:tag:a", "--server", server.url(), "--token-file", "token"]).ends_with(3);
    assert!(ran.stderr.contains("error[auth."), "{ran:#?}");
    sandbox.run(&["get", "urn:li:tag:a", "--server", CLOSED_PORT_URL]).ends_with(4);
}

#[test]
fn the_server_may_come_from_the_environment_or_datahubenv() {
    let server = Server::start();
    let sandbox = Sandbox::new();
    sandbox.write(
        "home/.datahubenv",
        &format!("gms:\n  server: {}\n  token: {}\n", server.url(), server.token()),
    );
    sandbox.run(&["get", "urn:li:corpuser:datahub", "--aspect", "corpUserKey"]).ends_with(0);
    std::fs::remove_file(sandbox.path("home/.datahubenv")).unwrap();
    let mut command = sandbox.command();
    command.env("DATAHUB_GMS_URL", server.url()).env("DATAHUB_GMS_TOKEN", server.token());
    Ran::of(command.args(["get", "urn:li:corpuser:datahub", "--aspect", "corpUserKey"])).ends_with(0);
}

#[test]
fn check_reports_the_server_and_the_actor_of_the_token() {
    let server = Server::start();
    let sandbox = Sandbox::new();
    sandbox.write("tags.jsonl", &tags(["a"]));
    server.recipe(&sandbox, "tags.jsonl");
    let ran = Ran::of(sandbox.command().env("TOKEN", server.token()).args(["check", "recipe.yml", "--json"]))
        .ends_with(0);
    let found = ran.json();
    assert_eq!(found["server"], server.url());
    assert_eq!(found["token"]["actor"], "urn:li:corpuser:datahub");
    assert!(ran.stderr.contains("urn:li:corpuser:datahub"), "{ran:#?}");
}

#[test]
fn server_and_token_file_override_those_of_the_recipe() {
    let server = Server::start();
    let sandbox = Sandbox::new();
    sandbox.write("tags.jsonl", &tags(["a"]));
    sandbox.write("token", server.token());
    for sink in [
        "{type: datahub-rest, config: {server: 'http://localhost:1', token: another}}",
        "{type: datahub-rest, config: {server: embedded}}",
        "{type: datahub-rest}",
    ] {
        sandbox.recipe("tags.jsonl", sink);
        let ran = sandbox.ingest(&["--json", "--server", server.url(), "--token-file", "token"]).ends_with(0);
        let report = ran.json();
        assert_eq!(report["sink"]["server"], server.url());
        assert_eq!(report["token"]["source"], "file:token");
    }
    let ran = sandbox.ingest(&["--json", "--server", "embedded"]).ends_with(0);
    assert_eq!(ran.json()["token"]["source"], "embedded");
}

#[test]
fn a_token_from_the_environment_is_not_sent_to_another_server() {
    let server = Server::start();
    let sandbox = Sandbox::new();
    sandbox.write("tags.jsonl", &tags(["a"]));
    sandbox.recipe("tags.jsonl", "{type: datahub-rest}");
    let ingest = |environments: &str| {
        Ran::of(
            sandbox
                .command()
                .env("DATAHUB_GMS_URL", environments)
                .env("DATAHUB_GMS_TOKEN", server.token())
                .args(["ingest", "-c", "recipe.yml", "--json", "--server", server.url()]),
        )
    };
    let ran = ingest("http://prod.invalid:8080").ends_with(3);
    assert_eq!(ran.json()["token"]["source"], "none");
    assert_eq!(ran.json()["diagnosis"]["code"], "auth.token-missing");
    let warning = ran.json()["warnings"][0].to_string();
    assert!(warning.contains(server.url()), "{warning}");
    ingest(server.url()).ends_with(0);
}

#[test]
fn quiet_prints_errors_only() {
    let sandbox = Sandbox::new();
    sandbox.write("tags.jsonl", &tags(["a"]));
    sandbox.recipe("tags.jsonl", "{type: blackhole}");
    assert_eq!(sandbox.ingest(&["-q"]).ends_with(0).stderr, "");
    sandbox.recipe("tags.jsonl", "{type: blackhol}");
    assert!(sandbox.ingest(&["-q"]).ends_with(2).stderr.contains("error: "));
}

#[test]
fn completions_print_a_script() {
    let ran = Sandbox::new().run(&["completions", "bash"]).ends_with(0);
    assert!(ran.stdout.contains("datahub-emit"), "{ran:#?}");
}

#[test]
fn a_closed_pipe_is_not_a_failure() {
    let sandbox = Sandbox::new();
    let mut child = sandbox
        .command()
        .args(["completions", "zsh"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!((child.wait().unwrap().code(), said.as_str()), (Some(0), ""));
}

#[cfg(unix)]
#[test]
fn a_signal_ends_the_run_with_a_report() {
    for (name, code) in [("INT", 130), ("TERM", 143)] {
        let sandbox = Sandbox::new();
        let mut running = waiting(&sandbox);
        // `wait` would close it, and then the run could finish first.
        let stdin = running.0.stdin.take();
        crate::support::sandbox::signal(&running.0, name);
        assert_eq!(running.exit_code(), Some(code));
        drop(stdin);
        let report = sandbox.json("report.json");
        assert_eq!(report["outcome"], "interrupted");
        assert_eq!(report["source"]["complete"], false);
        assert_eq!(report["proposals"]["delivered"], 1);
    }
}

#[cfg(unix)]
#[test]
fn a_signal_ends_the_wait_for_a_server_that_does_not_answer() {
    for (name, code) in [("INT", 130), ("TERM", 143)] {
        let (arrived, arrivals) = mpsc::channel();
        let server = RawServer::start(move |_| {
            arrived.send(()).unwrap();
            Response::Never
        })
        .unwrap();
        let sandbox = Sandbox::new();
        sandbox.write("tags.jsonl", &tags(["a"]));
        sandbox.recipe(
            "tags.jsonl",
            &format!("{{type: datahub-rest, config: {{server: '{}', timeout_sec: 3600}}}}", server.url()),
        );
        let arguments = ["ingest", "-c", "recipe.yml", "--report-to", "report.json"];
        let mut running = Running(sandbox.start(&arguments));
        arrivals.recv_timeout(PATIENCE).unwrap();
        crate::support::sandbox::signal(&running.0, name);
        assert_eq!(running.exit_code(), Some(code));
        let report = sandbox.json("report.json");
        assert_eq!(report["outcome"], "interrupted");
        assert_eq!(report["proposals"]["read"], 0);
    }
}

#[cfg(unix)]
#[test]
fn a_signal_ends_the_wait_for_another_run() {
    let sandbox = Sandbox::new();
    let _first = waiting(&sandbox);
    let arguments = ["ingest", "-c", "recipe.yml", "--if-running", "wait", "--report-to", "second.json"];
    let mut second = Running(sandbox.start(&arguments));
    let said = BufReader::new(second.0.stderr.take().unwrap());
    assert!(said.lines().any(|line| line.unwrap().contains("waiting for its end")));
    crate::support::sandbox::signal(&second.0, "TERM");
    assert_eq!(second.exit_code(), Some(143));
    assert_eq!(sandbox.json("second.json")["outcome"], "interrupted");
}

#[test]
fn two_runs_of_a_pipeline_exclude_each_other() {
    let sandbox = Sandbox::new();
    let mut first = waiting(&sandbox);
    let ran = sandbox.ingest(&[]).ends_with(5);
    assert!(ran.stderr.contains("--if-running"), "{ran:#?}");
    sandbox.ingest(&["--if-running", "skip"]).ends_with(0);
    drop(first.0.stdin.take());
    assert_eq!(first.exit_code(), Some(0));
    sandbox.ingest(&[]).ends_with(0);
}

#[cfg(unix)]
#[test]
fn gms_serve_serves_until_it_is_stopped() {
    let sandbox = Sandbox::new();
    let mut gms =
        Running(sandbox.start(&["gms", "serve", "--listen", "127.0.0.1:0", "--data", "gms.sqlite"]));
    let ready: serde_json::Value = serde_json::from_str(&gms.first_line()).unwrap();
    assert_eq!(ready["pid"], gms.0.id());
    assert_eq!(ready["data"], "gms.sqlite");
    let token =
        sandbox.run(&["gms", "token", "create", "--data", "gms.sqlite", "--actor", "jdoe"]).ends_with(0);
    sandbox.write("token", &token.stdout);
    let url = ready["gms"].as_str().unwrap();
    let get =
        ["get", "urn:li:corpuser:jdoe", "--aspect", "corpUserKey", "--server", url, "--token-file", "token"];
    assert_eq!(sandbox.run(&get).ends_with(0).json()["corpUserKey"]["username"], "jdoe");
    crate::support::sandbox::signal(&gms.0, "TERM");
    assert_eq!(gms.exit_code(), Some(0));
}
