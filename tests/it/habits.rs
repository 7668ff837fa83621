//! Can a user of DataHub's own command line type what they are used to?

use std::io::Write as _;

use datahub_emitter::embedded::{Gms, User};

use crate::support::sandbox::{Ran, Running, Sandbox, numbered_tags, tags};
use crate::support::server::Server;

fn world() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("tags.jsonl", &numbered_tags(5));
    sandbox.recipe("tags.jsonl", "{type: blackhole}");
    sandbox
}

#[test]
fn a_recipe_may_be_an_argument() {
    let sandbox = world();
    for arguments in [&["ingest", "recipe.yml"][..], &["ingest", "run", "recipe.yml"]] {
        let ran = sandbox.run(arguments).ends_with(0);
        assert!(
            ran.stderr.contains("note: `ingest recipe.yml` is taken for `ingest -c recipe.yml`"),
            "{ran:#?}"
        );
    }
    let twice = sandbox.run(&["ingest", "recipe.yml", "other.yml"]).ends_with(2);
    assert!(twice.stderr.contains("other.yml"), "{twice:#?}");
    sandbox.run(&["check", "-c", "recipe.yml"]).ends_with(0);
    sandbox.run(&["check", "recipe.yml"]).ends_with(0);
    sandbox.run(&["check"]).ends_with(2);
    sandbox.run(&["check", "recipe.yml", "-c", "recipe.yml"]).ends_with(2);
}

#[test]
fn the_number_of_a_preview_may_be_a_word_of_its_own() {
    let sandbox = world();
    for arguments in [
        &["ingest", "-c", "recipe.yml", "--preview", "2"][..],
        &["ingest", "--preview", "2", "recipe.yml"],
        &["ingest", "-c", "recipe.yml", "--preview=2"],
    ] {
        let ran = sandbox.run(arguments).ends_with(0);
        assert_eq!(ran.stdout.lines().count(), 2, "{arguments:?}: {ran:#?}");
    }
    let ran = sandbox.run(&["ingest", "-c", "recipe.yml", "--preview"]).ends_with(0);
    assert_eq!(ran.stdout.lines().count(), 5, "{ran:#?}");
}

#[test]
fn flags_without_a_meaning_here_get_one_warning() {
    let sandbox = world();
    let flags = ["--no-spinner", "--suppress-error-logs", "--no-secret-redaction", "--record"];
    let ran = sandbox.ingest(&[&flags[..], &["--strict-warnings"]].concat()).ends_with(0);
    let warnings: Vec<&str> = ran.stderr.lines().filter(|line| line.starts_with("warning:")).collect();
    assert_eq!(warnings.len(), 1, "{ran:#?}");
    for flag in flags {
        assert!(warnings[0].contains(flag), "{ran:#?}");
    }
}

#[test]
fn debug_logs_details_and_a_log_file_keeps_them() {
    let (sandbox, server) = (Sandbox::new(), Server::start());
    sandbox.write("tags.jsonl", &numbered_tags(5));
    server.recipe(&sandbox, "tags.jsonl");
    let run = |arguments: &[&str]| {
        let mut command = sandbox.command();
        Ran::of(command.args(["ingest", "-c", "recipe.yml"]).args(arguments).env("TOKEN", server.token()))
    };
    let ran = run(&["--debug"]).ends_with(0);
    assert!(ran.stderr.contains("DEBUG"), "{ran:#?}");
    let ran = run(&["--no-debug", "--log-file", "run.log"]).ends_with(0);
    assert!(!ran.stderr.contains("DEBUG"), "{ran:#?}");
    let log = std::fs::read_to_string(sandbox.path("run.log")).unwrap();
    assert!(log.contains("DEBUG"), "{log}");
    run(&["--log-file", "no/such/run.log"]).ends_with(6);
}

#[test]
fn a_dry_run_of_a_replay_sends_nothing() {
    let (sandbox, server) = (Sandbox::new(), Server::start());
    sandbox.write("dead-letters.jsonl", &tags(["a", "b"]));
    server.recipe(&sandbox, "dead-letters.jsonl");
    let mut command = sandbox.command();
    command.env("TOKEN", server.token());
    let ran =
        Ran::of(command.args(["replay", "dead-letters.jsonl", "-c", "recipe.yml", "--dry-run", "--json"]))
            .ends_with(0);
    let report = ran.json();
    assert_eq!(report["outcome"], "dry-run");
    assert_eq!((&report["proposals"]["read"], &report["proposals"]["filtered"]), (&2.into(), &2.into()));
    assert_eq!(server.requests(), 0);
}

#[test]
fn explain_has_a_text_for_each_code_and_names_a_similar_one() {
    let sandbox = Sandbox::new();
    let codes = sandbox.run(&["explain"]).ends_with(0).stdout;
    for code in codes.lines() {
        let text = sandbox.run(&["explain", code]).ends_with(0).stdout;
        assert!(text.starts_with(code) && text.contains("cause") && text.contains("help"), "{text}");
    }
    assert!(codes.lines().any(|code| code == "auth.token-expired"), "{codes}");
    let unknown = sandbox.run(&["explain", "auth.token-expird"]).ends_with(2);
    assert!(unknown.stderr.contains("auth.token-expired"), "{unknown:#?}");
}

#[test]
fn manual_pages_and_the_schema_of_recipes_are_written() {
    let sandbox = Sandbox::new();
    sandbox.run(&["man", "pages"]).ends_with(0);
    for page in
        ["datahub-emit.1", "datahub-emit-ingest.1", "datahub-emit-gms-serve.1", "datahub-emit-token-create.1"]
    {
        let text = std::fs::read_to_string(sandbox.path("pages").join(page)).unwrap();
        assert!(text.contains(".TH"), "{page}: {text}");
    }
    let schema = sandbox.run(&["schema", "recipe"]).ends_with(0).json();
    let sink = &schema["definitions"]["datahub-rest"]["properties"]["wait_for_server"];
    assert!(sink["description"].as_str().unwrap().contains("30s"), "{sink}");
}

/// A GMS with a frontend and a user who may create tokens.
fn with_frontend() -> Server {
    let ann = User::new("ann").password("hunter22").privilege("GENERATE_PERSONAL_ACCESS_TOKENS");
    Server::of(Gms::builder().frontend(([127, 0, 0, 1], 0).into()).user(ann))
}

fn environment_file(sandbox: &Sandbox) -> String {
    std::fs::read_to_string(sandbox.path("home/.datahubenv")).unwrap_or_default()
}

#[test]
fn init_writes_what_the_server_accepts() {
    let (sandbox, server) = (Sandbox::new(), with_frontend());
    std::fs::create_dir_all(sandbox.path("home")).unwrap();
    sandbox.write("token.txt", server.token());
    sandbox.write("wrong.txt", "eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl");
    let given = ["init", "--server", server.url(), "--token-file"];
    let refused = sandbox.run(&[&given[..], &["wrong.txt"]].concat()).ends_with(3);
    assert!(refused.stderr.contains("error[auth."), "{refused:#?}");
    assert_eq!(environment_file(&sandbox), "", "nothing that GMS refuses is written");
    sandbox.run(&["init", "--server", "http://127.0.0.1:9", "--token-file", "token.txt"]).ends_with(4);

    sandbox.run(&[&given[..], &["token.txt"]].concat()).ends_with(0);
    assert!(environment_file(&sandbox).contains(server.token()));
    // The commands find it there.
    sandbox.run(&["exists", "urn:li:corpuser:datahub"]).ends_with(0);

    let again = sandbox.run(&[&given[..], &["token.txt"]].concat()).ends_with(2);
    assert!(again.stderr.contains("--force"), "{again:#?}");
    sandbox.run(&[&given[..], &["token.txt", "--force"]].concat()).ends_with(0);
}

#[test]
fn init_logs_in_and_asks_for_what_is_missing() {
    let (sandbox, server) = (Sandbox::new(), with_frontend());
    std::fs::create_dir_all(sandbox.path("home")).unwrap();
    let frontend = server.gms().frontend_url().unwrap();
    let mut command = sandbox.command();
    command.args(["init", "--server", server.url(), "--user", "ann", "--frontend", frontend]);
    Ran::of(command.env("DATAHUB_PASSWORD", "hunter22")).ends_with(0);
    assert!(environment_file(&sandbox).contains("token: ey"), "{}", environment_file(&sandbox));
    sandbox.run(&["token", "list"]).ends_with(0);

    let mut running = Running(sandbox.start(&["init", "--force"]));
    let mut stdin = running.0.stdin.take().unwrap();
    write!(stdin, "{}\n{}\n", server.url(), server.token()).unwrap();
    drop(stdin);
    assert_eq!(running.0.wait().unwrap().code(), Some(0));
    assert!(environment_file(&sandbox).contains(server.token()));
}
