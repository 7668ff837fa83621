//! Does `ingest mcps PATH` send files without a recipe?

use crate::support::sandbox::{Ran, Sandbox, tag, tags};
use crate::support::server::Server;

fn mcps(sandbox: &Sandbox, server: &Server, arguments: &[&str]) -> Ran {
    let mut command = sandbox.command();
    command.args(["ingest", "mcps"]).args(arguments);
    Ran::of(command.env("DATAHUB_GMS_URL", server.url()).env("DATAHUB_GMS_TOKEN", server.token()))
}

#[test]
fn a_file_or_a_directory_goes_to_the_server_of_the_environment() {
    let (sandbox, server) = (Sandbox::new(), Server::start());
    // `$` and braces are part of a path here, and no variable.
    sandbox.write("in/${a}.json", &format!("[{}]", tag("first")));
    sandbox.write("in/b.json", &tag("second"));
    mcps(&sandbox, &server, &["in/${a}.json"]).ends_with(0);
    assert!(server.aspect("urn:li:tag:first", "tagProperties").is_some());
    assert_eq!(server.aspect("urn:li:tag:second", "tagProperties"), None);
    let report = mcps(&sandbox, &server, &["in", "--json"]).ends_with(0).json();
    assert_eq!(report["proposals"]["delivered"], 2);
    assert!(server.aspect("urn:li:tag:second", "tagProperties").is_some());
}

#[test]
fn a_dry_run_sends_nothing_and_mistakes_are_reported() {
    let (sandbox, server) = (Sandbox::new(), Server::start());
    sandbox.write("tags.jsonl", &tags(["a", "b"]));
    let report = mcps(&sandbox, &server, &["tags.jsonl", "--dry-run", "--json"]).ends_with(0).json();
    assert_eq!(report["proposals"]["filtered"], 2);
    assert!(!server.gms().requests().iter().any(|request| request.path.starts_with("/aspects")));
    let ran = mcps(&sandbox, &server, &["missing.jsonl"]).ends_with(2);
    assert!(ran.stderr.contains("missing.jsonl"), "{ran:#?}");
}

#[test]
fn a_connection_test_of_a_file_opens_it() {
    let sandbox = Sandbox::new();
    sandbox.write("tags.jsonl", &tags(["a"]));
    sandbox.recipe("tags.jsonl", "{type: datahub-rest, config: {server: 'http://127.0.0.1:9'}}");
    let found = sandbox.ingest(&["--test-source-connection"]).ends_with(0).json();
    assert_eq!(found["basic_connectivity"]["capable"], true);
    std::fs::remove_file(sandbox.path("tags.jsonl")).unwrap();
    let ran = sandbox.ingest(&["--test-source-connection"]).ends_with(1);
    let reason = ran.json()["basic_connectivity"]["failure_reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("tags.jsonl"), "{reason}");
    assert!(ran.stderr.contains(&reason), "{ran:#?}");
}
