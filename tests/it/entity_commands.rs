//! Do `exists`, `delete` and `get` find, remove and show entities?

use crate::support::sandbox::{Ran, Sandbox};
use crate::support::server::Server;

const TAG: &str = "urn:li:tag:pii";

/// Runs a command against the server, with its token.
fn run(sandbox: &Sandbox, server: &Server, arguments: &[&str]) -> Ran {
    let mut command = sandbox.command();
    command.env("DATAHUB_GMS_URL", server.url()).env("DATAHUB_GMS_TOKEN", server.token());
    Ran::of(command.args(arguments).stdin(std::process::Stdio::null()))
}

/// A server that has the tag with two aspects.
fn with_tag(sandbox: &Sandbox) -> Server {
    let server = Server::start();
    sandbox.write("tag.json", r#"{"name": "pii", "description": "1.50"}"#);
    sandbox
        .write("owners.json", r#"{"owners": [{"owner": "urn:li:corpuser:datahub", "type": "DATAOWNER"}]}"#);
    for (aspect, file) in [("tagProperties", "tag.json"), ("ownership", "owners.json")] {
        run(sandbox, &server, &["put", TAG, "--aspect", aspect, "--data", file]).ends_with(0);
    }
    server
}

#[test]
fn exists_answers_by_its_exit_code() {
    let sandbox = Sandbox::new();
    let server = with_tag(&sandbox);
    assert_eq!(run(&sandbox, &server, &["exists", TAG]).ends_with(0).stdout, "true\n");
    assert_eq!(run(&sandbox, &server, &["exists", "--urn", TAG]).ends_with(0).stdout, "true\n");
    let absent = run(&sandbox, &server, &["exists", "urn:li:tag:absent"]).ends_with(1);
    assert_eq!(absent.stdout, "false\n");
    run(&sandbox, &server, &["delete", TAG, "--force"]).ends_with(0);
    let removed = run(&sandbox, &server, &["exists", TAG]).ends_with(1);
    assert!(removed.stderr.contains("soft-deleted"), "{removed:#?}");
}

#[test]
fn delete_asks_and_a_dry_run_changes_nothing() {
    let sandbox = Sandbox::new();
    let server = with_tag(&sandbox);
    let writes = server.writes().len();
    for how in [&["--hard"][..], &[], &["--aspect", "ownership"]] {
        let asked = run(&sandbox, &server, &[&["delete", TAG], how].concat()).ends_with(2);
        assert!(asked.stderr.contains("--force"), "{asked:#?}");
        let dry = run(&sandbox, &server, &[&["delete", TAG, "--dry-run"], how].concat()).ends_with(0);
        assert!(dry.stderr.contains("dry run") && dry.stderr.contains("nothing sent"), "{dry:#?}");
    }
    let hard = run(&sandbox, &server, &["delete", TAG, "--hard", "--dry-run"]).ends_with(0);
    for aspect in ["tagProperties", "ownership"] {
        assert!(hard.stderr.contains(aspect), "{hard:#?}");
    }
    assert_eq!(server.writes().len(), writes);
}

#[test]
fn delete_hides_an_entity_or_removes_it_or_one_aspect() {
    let sandbox = Sandbox::new();
    let server = with_tag(&sandbox);
    run(&sandbox, &server, &["delete", TAG, "--aspect", "ownership", "--force"]).ends_with(0);
    assert_eq!(server.aspect(TAG, "ownership"), None);
    assert!(server.aspect(TAG, "tagProperties").is_some());
    run(&sandbox, &server, &["delete", TAG, "--aspect", "ownership", "--force"]).ends_with(1);
    run(&sandbox, &server, &["delete", TAG, "--aspect", "tagKey", "--force"]).ends_with(2);

    run(&sandbox, &server, &["delete", "--urn", TAG, "--force"]).ends_with(0);
    assert!(server.aspect(TAG, "status").unwrap().contains("true"));
    assert!(server.aspect(TAG, "tagProperties").is_some());
    let again = run(&sandbox, &server, &["delete", TAG, "--soft", "--force"]).ends_with(0);
    assert!(again.stderr.contains("already"), "{again:#?}");

    run(&sandbox, &server, &["delete", TAG, "--hard", "--force"]).ends_with(0);
    assert_eq!(server.aspect(TAG, "tagProperties"), None);
    let gone = run(&sandbox, &server, &["delete", TAG, "--hard", "--force"]).ends_with(1);
    assert!(gone.stderr.contains("not found"), "{gone:#?}");
}

#[test]
fn a_refused_deletion_is_diagnosed() {
    let sandbox = Sandbox::new();
    let server = with_tag(&sandbox);
    let mut command = sandbox.command();
    command.env("DATAHUB_GMS_URL", server.url()).args(["delete", TAG, "--hard", "--force"]);
    let refused = Ran::of(&mut command).ends_with(3);
    assert!(refused.stderr.contains("error[auth.token-missing]"), "{refused:#?}");
    assert!(server.aspect(TAG, "tagProperties").is_some());
}

#[test]
fn get_reads_from_the_server_of_a_recipe_with_its_token() {
    let sandbox = Sandbox::new();
    let server = with_tag(&sandbox);
    server.recipe(&sandbox, "absent.jsonl");
    for arguments in [&["get", TAG, "-c", "recipe.yml"][..], &["get", "--urn", TAG, "--config", "recipe.yml"]]
    {
        let mut command = sandbox.command();
        command.env("TOKEN", server.token()).args(arguments);
        let found = Ran::of(&mut command).ends_with(0);
        // Exactly as GMS has it, without indentation.
        assert!(
            found.stdout.contains(r#""tagProperties": {"name":"pii","description":"1.50"}"#),
            "{found:#?}"
        );
    }
    sandbox.recipe("absent.jsonl", "{type: console}");
    let none = sandbox.run(&["get", TAG, "-c", "recipe.yml"]).ends_with(2);
    assert!(none.stderr.contains("no server to read from"), "{none:#?}");
}

/// `script` gives the program a terminal.
#[cfg(target_os = "linux")]
#[test]
fn get_is_indented_on_a_terminal() {
    let sandbox = Sandbox::new();
    let server = with_tag(&sandbox);
    let program = assert_cmd::cargo::cargo_bin!("datahub-emit");
    let mut command = std::process::Command::new("script");
    command
        .args(["-qec", &format!("{} get {TAG} -a tagProperties", program.display()), "/dev/null"])
        .stdin(std::process::Stdio::null())
        .env("HOME", sandbox.path("home"))
        .env("DATAHUB_GMS_URL", server.url())
        .env("DATAHUB_GMS_TOKEN", server.token());
    let Ok(output) = command.output() else { return };
    let shown = Ran::from(output).stdout.replace('\r', "");
    assert_eq!(
        shown,
        "{\n  \"tagProperties\": {\n    \"name\": \"pii\",\n    \"description\": \"1.50\"\n  }\n}\n"
    );
}
